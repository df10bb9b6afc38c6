"""The entry point of `kioskctl`: the shell's commands with the firmware bridge's codecs."""

from firmware_bridge.protocols.ssp import describe
from kiosk.maintenance.cli import build
from kiosk.maintenance.codecs import Codec

SSP = Codec(
    name="ssp",
    about="note validators (SSP)",
    command_code=describe.command_code,
    decode=describe.decode,
    encode=describe.encode,
)
main = build([SSP])

if __name__ == "__main__":
    main()
