"""Gates as processes without networks use them: for their log lines, and for a support bundle.

Names and addresses are found by how they are written (`suspects`): the controller, which makes the bundle, loads no
onnxruntime.
"""

import secrets
from pathlib import Path
from typing import Final

from kiosk.protection.catalogue import Catalogue, CatalogueFile
from kiosk.protection.egress import Gate, Judge, Vault
from kiosk.protection.suspects import Suspects

_KEY_BYTES: Final = 32


def usual_gate(catalogue: Catalogue | CatalogueFile | None = None, judge: Judge | None = None) -> Gate:
    """A gate for what a process says as long as it runs: by this catalogue (the package's), with this judge.

    Without a judge: `Suspects`. Its key is drawn anew and forgotten with the process: tokens of two runs cannot be
    joined, and nobody can try numbers against one. Raises CatalogueError, OSError: without the package's catalogue.
    """
    by = CatalogueFile() if catalogue is None else catalogue
    return Gate(by, secrets.token_bytes(_KEY_BYTES), judge or Suspects())


def bundle_gate(catalogue: Path | None = None, vault: Vault | None = None) -> Gate:
    """A gate for one bundle: `gate.lines(lines, "bundle")`, `gate.fields(message, "bundle")`.

    Within the bundle the same person stays the same token, as in `usual_gate`. `vault` takes what the catalogue says is
    encrypted. Raises CatalogueError, OSError: then no bundle is made.
    """
    return Gate(CatalogueFile(catalogue), secrets.token_bytes(_KEY_BYTES), Suspects(), vault)
