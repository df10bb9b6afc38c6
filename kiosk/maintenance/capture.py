"""`kioskctl capture` and `replay`: a serial line's traffic written down, and read again with what it says."""

import json
from pathlib import Path
from typing import Final, get_args

import click
import msgspec

from kiosk.errors import KioskError
from kiosk.maintenance import camera_replay
from kiosk.maintenance.captures import BadCaptureError, messages
from kiosk.maintenance.codecs import Codec
from kiosk.maintenance.people import Session, signed
from kiosk.maintenance.session import fail
from kiosk.maintenance.upkeep import carried
from kiosk.messages import CAPTURE_S_MAX, Capture, CapturedDevice, FileMade

DEVICES: Final[tuple[CapturedDevice, ...]] = get_args(CapturedDevice)
FILE_BYTES_MAX: Final = 32 << 20
ANSWER_S: Final = 30.0


@click.command("capture")
@click.argument("device", type=click.Choice(DEVICES))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seconds", type=click.IntRange(1, CAPTURE_S_MAX), default=10, show_default=True, help="How long to listen."
)
@signed
def capture_command(device: CapturedDevice, file: Path, seconds: int, *, session: Session, staff: str) -> None:
    """Write down what goes to and from DEVICE for some seconds, into FILE. Changes nothing; it is on record.

    Of the camera: pictures in which everything is blurred, two a second, and figures of each.
    """
    secret = session.lasting(staff)
    if file.exists():
        session.fail(KioskError(f"{file} is there already", remedy="Name another file."))
    made = session.ask(Capture(staff, secret, device, seconds), FileMade, seconds + ANSWER_S)
    carried(made, file, session, staff, secret)


def replay_command(codecs: tuple[Codec, ...]) -> click.Command:
    """`kioskctl replay`, with the protocols that it can explain."""
    known = {codec.name: codec for codec in codecs}

    @click.command("replay")
    @click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
    @click.option("--protocol", type=click.Choice(sorted(known)), help="Say what the frames mean; otherwise hex only.")
    @click.option("--page", type=click.Path(path_type=Path), help="Of the camera: write its pictures as one HTML file.")
    @click.option("--json", "as_json", is_flag=True, help="JSON, for scripts: one object a message or picture.")
    def replay(file: Path, protocol: str | None, page: Path | None, *, as_json: bool) -> None:
        """Go through a capture message by message: when, who spoke, what it says. Needs no kiosk.

        Of the camera: picture by picture, how bright and sharp it was and how much changed.
        """
        codec = known[protocol] if protocol else None
        command: int | None = None
        try:
            if file.stat().st_size > FILE_BYTES_MAX:
                raise BadCaptureError(f"it has more than {FILE_BYTES_MAX} bytes")  # noqa: TRY301 - told like the others
            if camera_replay.is_camera(file):
                _replay_camera(file, page, as_json=as_json)
                return
            for message in messages(file.read_text(encoding="utf-8", errors="replace").splitlines()):
                host = message.direction == "TX"
                told: dict[str, object] = {
                    "at_s": message.at_s,
                    "from": "host" if host else "device",
                    "hex": message.data.hex(" "),
                }
                if codec is not None:
                    said = codec.decode(message.data.hex(), "host" if host else "device", None if host else command)
                    told |= {"ok": said.get("ok"), "says": said.get("message") or said.get("error") or said.get("why")}
                    code = said.get("code")
                    command = code if host and isinstance(code, int) else command
                click.echo(json.dumps(told) if as_json else _text(told))
        except BadCaptureError as error:
            fail(KioskError(f"{file}: {error}", remedy="Name a file that `kioskctl capture` wrote."), as_json=as_json)

    return replay


def _replay_camera(file: Path, page: Path | None, *, as_json: bool) -> None:
    seen, jpegs = camera_replay.read(file)
    for picture in seen.pictures:
        click.echo(msgspec.json.encode(picture) if as_json else camera_replay.text(picture))
    if not as_json:
        click.echo(camera_replay.summary(seen))
    if page is not None:
        page.write_text(camera_replay.page(file.name, seen, jpegs), encoding="utf-8")


def _text(told: dict[str, object]) -> str:
    says = f"\n{'':>19}{json.dumps(told['says'])}" if told.get("says") else ""
    return f"{told['at_s']:>10.3f}  {told['from']!s:<6} {told['hex']}{says}"
