"""A judge without networks: whatever looks like a full name or an address is taken for one.

For processes that have no memory for onnxruntime or must not load it: controller, uplink, terminal. It hides more than
the networks would (`judge`), never less of what is written like a name; what our own programs say in capitals is known
(`pieces.OWN_PHRASES`).
"""

from collections.abc import Sequence

from kiosk.protection import pieces
from kiosk.protection.kinds import Found


class Suspects:
    """`egress.Judge`."""

    def find(self, folded: str, header: str) -> list[Found]:  # noqa: ARG002 - a column's name changes nothing here
        """Names and addresses in a folded field. Raises nothing."""
        found = [Found(start, end, "person_name") for start, end in pieces.names(folded)]
        return [*found, *(Found(start, end, "postal_address") for start, end in pieces.plain_addresses(folded))]

    def prepare(self, folded: Sequence[str]) -> None:
        """Nothing to prepare."""
