"""The page and the HTTP API as a Starlette application.

Everything about a table comes out of the vault and needs a role; a job that is not yours is the same as one that
does not exist. No third party, no inline style or script, nothing kept by a cache.
"""

from starlette.applications import Starlette
from starlette.routing import Route

from kiosk_cloud.protect.web.api import Api
from kiosk_cloud.protect.web.common import Parts
from kiosk_cloud.protect.web.pages import Pages


def application(parts: Parts) -> Starlette:
    """Pages below `/`, the API below `/api`."""
    page, api = Pages(parts), Api(parts)
    routes = [
        Route("/style.css", page.style),
        Route("/app.js", page.script),
        Route("/sign-in", page.sign_in_form),
        Route("/sign-in", page.sign_in, methods=["POST"]),
        Route("/sign-out", page.form(page.sign_out), methods=["POST"]),
        Route("/", page.signed(page.jobs)),
        Route("/upload", page.upload, methods=["POST"]),
        Route("/jobs/{job}", page.signed(page.job)),
        Route("/jobs/{job}/state", page.signed(page.state)),
        Route("/jobs/{job}/table", page.signed(page.table)),
        Route("/jobs/{job}/cell/{place}", page.signed(page.cell)),
        Route("/jobs/{job}/cell/{place}", page.form(page.feedback), methods=["POST"]),
        Route("/jobs/{job}/remove", page.form(page.remove), methods=["POST"]),
        Route("/jobs/{job}/files/{part}", page.signed(page.download)),
        Route("/users", page.signed(page.users)),
        Route("/users", page.form(page.change_users), methods=["POST"]),
        Route("/api/jobs", api.signed(api.jobs)),
        Route("/api/jobs", api.signed(api.add), methods=["POST"]),
        Route("/api/jobs/{job}", api.signed(api.job)),
        Route("/api/jobs/{job}", api.signed(api.remove), methods=["DELETE"]),
        Route("/api/jobs/{job}/files/{part}", api.signed(api.download)),
    ]
    return Starlette(routes=routes)
