"""`kiosk-cloud unseal`: what of a support bundle only the bank can read."""

import json
from pathlib import Path

import click

from kiosk.errors import VerificationError
from kiosk.guarantee import bundles
from kiosk.guarantee.sealed_values import open_values
from kiosk_cloud import config as bank_config
from kiosk_cloud.explained import explained
from kiosk_cloud.files import write_private
from kiosk_cloud.keyring import Keyring

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("unseal")
@click.argument("bundle", type=_FILE)
@click.option("--config", "config_path", type=_FILE, required=True, help="bank.toml, as `provision` writes it.")
@click.option("--out", type=_FILE, required=True, help="Write the values here, as JSON; for the owner alone.")
def unseal(bundle: Path, config_path: Path, out: Path) -> None:
    """Open the values that the catalogue had encrypted in BUNDLE, whose signature must be of a kiosk of this bank."""
    with explained():
        with bundle.open("rb") as opened:
            found = bundles.verify(opened.read(bundles.BYTES_MAX + 1))
        kiosk = str(found.manifest.get("kiosk", ""))
        keys = Keyring(bank_config.load(config_path).keys)
        if found.kid not in {span.key.kid.hex() for span in keys.kiosk(kiosk).records.spans}:
            raise VerificationError(f"the bundle is signed by {found.kid}, which is no record key of {kiosk}")
        if "sealed.json" not in found.files:
            raise VerificationError("nothing in this bundle is sealed")
        values = open_values(json.loads(found.files["sealed.json"]), kiosk, keys.seal_for)
        write_private(out, json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True).encode())
    click.echo(f"{len(values)} values of {kiosk}: {out}")
