"""Bunch escrow on SMART PAYOUT (0x76-0x7A): everything that the manual leaves open, and nothing else.

GA138 p. 200-204 names the five commands in a sentence or two and gives no layout, event or refusal code
(fact sheet section 5.5). What we assume stands here, as data; when a field unit shows otherwise, this is
the one file to change.
"""

from dataclasses import dataclass

from firmware_bridge.protocols.ssp.fields import Country, Listed, Uint, Variant


@dataclass(frozen=True, slots=True)
class EscrowProfile:
    """How one firmware family answers the escrow commands. Every value is an assumption until measured."""

    size: tuple[Variant, ...]  # argument of 0x7A and reply of 0x79
    value: tuple[Variant, ...]  # reply of 0x78
    refused_generic: int  # generic response when the device is enabled or the escrow is not empty
    cancel_running_event: int  # running total while notes go back
    cancel_bezel_event: int  # one note waits for the hand
    cancel_final_event: int  # everything returned was taken
    commit_surplus_event: int  # one per note stacked because the store would be too full
    commit_repeats_credit: bool  # whether 0xEE comes again at commit


SMART_PAYOUT_ESCROW = EscrowProfile(
    size=(Variant((Uint("size"),)),),  # one byte: 0x7A takes one, 0x79 by symmetry
    # By analogy with every value list from protocol version 6 on.
    value=(Variant((Listed("values", (Uint("value", 4), Country())),)),),
    refused_generic=0xF5,
    cancel_running_event=0xDA,
    cancel_bezel_event=0xCE,
    cancel_final_event=0xD2,
    commit_surplus_event=0xC9,
    commit_repeats_credit=False,  # 0xEE is the one credit point; a repeat would be a second credit
)
