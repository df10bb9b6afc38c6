"""`kiosk-cloud model`: a trained model becomes an edition that kiosks of this bank take."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import click

from kiosk.core.model_shelf import NUMBER_MAX
from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import models
from kiosk.guarantee.models import Bundle
from kiosk_cloud import config as bank_config
from kiosk_cloud.explained import explained
from kiosk_cloud.files import write_private
from kiosk_cloud.keyring import Keyring
from kiosk_cloud.pki import utc_now

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False, exists=True)
_WHOLE: Final = "Name the folder that `make train` wrote, unchanged."


@click.group()
def model() -> None:
    """Models that watch, signed for the kiosks."""


@model.command("sign")
@click.argument("folder", type=_FOLDER)
@click.argument("out", type=_FILE)
@click.option("--config", "config_path", type=_FILE, required=True, help="bank.toml, as `provision` writes it.")
@click.option("--number", type=click.IntRange(1, NUMBER_MAX), required=True, help="The edition; only grows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sign(folder: Path, out: Path, *, config_path: Path, number: int, as_json: bool) -> None:
    """Sign the trained model in FOLDER as edition NUMBER, into the new file OUT, by the bank's command key.

    Look at its card first: the signature is the bank's word that this model may judge. Not to be undone; a newer
    edition replaces it.
    """
    with explained():
        if out.exists():
            raise ConfigError(f"{out} is there already", remedy="Name a new file; an edition is signed once.")
        keyring = Keyring(bank_config.load(config_path).keys)
        bundle = _read(folder, number)
        try:
            data = models.make(bundle, utc_now(), keyring.command)
            models.verify(data, keyring.command_public)
        except (ValueError, VerificationError) as error:
            message = f"{folder} cannot be signed: {error.args[0]}"
            raise ConfigError(message, remedy=_WHOLE) from error
        write_private(out, data)
    said = {
        "stream": bundle.stream,
        "number": number,
        "version": bundle.version,
        "model_sha256": bundle.graph_sha256,
        "bundle_sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    click.echo(json.dumps(said) if as_json else "\n".join(f"{name:<14} {value}" for name, value in said.items()))


def _read(folder: Path, number: int) -> Bundle:
    """What is in a model's folder. Raises ConfigError."""
    files: dict[str, bytes] = {}
    for name in sorted(models.FILES):
        path = folder / name
        if path.is_file() and path.stat().st_size <= models.BUNDLE_BYTES_MAX:
            files[name] = path.read_bytes()
    try:
        manifest: Any = json.loads(files[models.MANIFEST])
        stream, version, sha256 = manifest["stream"], str(manifest["version"]), manifest["sha256"]
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder} has no manifest of a model: {error!r}", remedy=_WHOLE) from error
    bundle = Bundle(stream, number, version, "", files)
    if models.GRAPH not in files or bundle.graph_sha256 != sha256:
        raise ConfigError(f"the graph in {folder} is not the one that its manifest names", remedy=_WHOLE)
    return bundle
