"""`kioskctl decode` and `encode`: frames captured in the field, to JSON and back.

The codecs themselves are the firmware bridge's; the process entry hands them in (`Codec`), so that this
room need not know the hardware's.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TextIO

import click

LINE_CHARS_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Codec:
    """One protocol's frames: hex to named fields and back. Both raise `ValueError` for what they refuse."""

    name: str
    about: str
    command_code: Callable[[str], int]
    decode: Callable[[str, str, int | None], Mapping[str, object]]  # (hex, sender, command)
    encode: Callable[[Mapping[str, object]], str]


def decode_command(codec: Codec) -> click.Command:
    """`kioskctl decode NAME`."""

    def command_code(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
        try:
            return None if value is None else codec.command_code(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    @click.command(codec.name, help=f"Hex frames of {codec.about} on standard input, one a line, to JSON objects.")
    @click.option("--sender", type=click.Choice(["host", "device"]), required=True, help="Who sent these frames.")
    @click.option("--command", "code", callback=command_code, help="What the device's frames answer, e.g. 0x07.")
    def decode(sender: str, code: int | None) -> None:
        # A capture from the field has noise in it: a line that is no frame says so and is no failure of ours.
        for line in _lines(sys.stdin):
            click.echo(json.dumps(codec.decode(line, sender, code)))

    return decode


def encode_command(codec: Codec) -> click.Command:
    """`kioskctl encode NAME`."""

    @click.command(codec.name, help=f"JSON objects on standard input, one a line, to hex frames of {codec.about}.")
    def encode() -> None:
        for number, line in enumerate(_lines(sys.stdin), start=1):
            try:
                described = json.loads(line)
                if not isinstance(described, dict):
                    message = "this is no JSON object"
                    raise ValueError(message)  # noqa: TRY301, TRY004 - told with the line's number, like the others
                click.echo(codec.encode(described))
            except ValueError as error:
                click.echo(f"kioskctl: line {number}: {error}", err=True)
                sys.exit(1)

    return encode


def _lines(stream: TextIO) -> Iterator[str]:
    """The lines that say something; one that is too long is cut, and so refused by the codec."""
    while line := stream.readline(LINE_CHARS_MAX):
        if line.strip():
            yield line.strip()
