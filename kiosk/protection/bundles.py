"""The gate of a support bundle: every line that leaves goes through patterns, check digits and the classifier."""

import secrets
from pathlib import Path
from typing import Final

from kiosk.protection.catalogue import CatalogueFile
from kiosk.protection.classify import Classifier
from kiosk.protection.egress import Gate
from kiosk.protection.judge import FieldJudge

_KEY_BYTES: Final = 32


def bundle_gate(catalogue: Path | None = None, artifacts: Path | None = None) -> Gate:
    """A gate for one bundle: `gate.lines(lines, "bundle")`, `gate.fields(message, "bundle")`.

    Its key is drawn anew and forgotten with it: within the bundle the same person stays the same token, two bundles
    cannot be joined by it, and nobody can try numbers against a token. Raises CatalogueError, ArtifactError, OSError:
    then no bundle is made.
    """
    return Gate(CatalogueFile(catalogue), secrets.token_bytes(_KEY_BYTES), FieldJudge(Classifier.load(artifacts)))
