"""What a bad cable does to the replies of a device."""

from dataclasses import dataclass


@dataclass(slots=True)
class LinkFaults:
    """Replies to lose or spoil. The command has been executed all the same."""

    lose: int = 0
    lose_command: int = 0  # only replies to this command (SSP code, board opcode); 0 means any
    corrupt: int = 0
    muted: bool = False

    def loses(self, command: int) -> bool:
        """Whether the reply to `command` gets lost; counts it."""
        if self.muted:
            return True
        if self.lose and self.lose_command in {0, command}:
            self.lose -= 1
            return True
        return False

    def spoil(self, wire: bytes) -> bytes:
        """The reply as it arrives."""
        if self.corrupt > 0:
            self.corrupt -= 1
            return wire[:-1] + bytes((wire[-1] ^ 0x01,))
        return wire
