"""The page for phones: one HTML file with everything in it, put together from `page_parts/`, the words, and a policy.

Its own content security policy names the hash of its one script and of its one style, and allows no connection but to
the site that it came from, for the policy. `page_parts/peers.js` is other people's code (see peers.LICENSES.txt),
bundled by scripts/page/bundle.sh.
"""

import base64
import hashlib
import json
from importlib import resources
from typing import Final

from kiosk.guarantee import policy as policies
from kiosk.verifier.report import WORDS

SCRIPTS: Final = (
    "peers",
    "bytes",
    "cbor",
    "merkle",
    "keys",
    "cose",
    "note",
    "policy",
    "receipt",
    "check",
    "scan",
    "page",
)
LANGUAGES: Final = {"zh": "中文", "en": "English", "ru": "Русский"}


def build(policy: bytes | None = None) -> str:
    """The page; `policy` is the file that it trusts at first. Raises ConfigError for one that cannot be used."""
    if policy is not None:
        policies.parse(policy)
    peers, *own = (_part(f"{name}.js") for name in SCRIPTS)
    script = peers + '(() => {\n"use strict";\n' + "\n".join(own) + "\n})();\n"
    style = _part("page.css")
    parts = {
        "CSP": _security(script, style),
        "STYLE": style,
        "LANGUAGES": "".join(
            f'<button type="button" data-language="{code}" lang="{code}">{name}</button>'
            for code, name in LANGUAGES.items()
        ),
        "WORDS": _data(WORDS),
        "POLICY": _data(None if policy is None else base64.b64encode(policy).decode()),
        "SCRIPT": script,
    }
    text = _part("page.html")
    for name, part in parts.items():
        before, _, after = text.partition(f"@{name}@")
        text = before + part + after
    return text


def _security(script: str, style: str) -> str:
    hashes = {name: base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for name, part in
              (("script", script), ("style", style))}  # fmt: skip
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}';"
        " img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _part(name: str) -> str:
    text = (resources.files(__package__) / "page_parts" / name).read_text(encoding="utf-8")
    if "</script" in text and not name.endswith(".html"):
        raise ValueError(f"{name} would end the script that it stands in")
    return text


def _data(value: object) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
