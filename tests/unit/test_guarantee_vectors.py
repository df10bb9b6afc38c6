"""Every refusal has its example: tests/vectors/guarantee.jsonl, made by the program beside it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import (
    acks,
    badge,
    checkpoint,
    commands,
    complaints,
    counts,
    directory,
    note,
    seal,
    terms,
    ticket,
    verify,
)
from kiosk.guarantee.commands import Commanders
from kiosk.guarantee.keys import PublicKey, PublicKeys
from tests.guarantee_kit import Kit
from tests.vectors import make_guarantee

FILE = Path(make_guarantee.__file__).with_name("guarantee.jsonl")
KEYS, *EXAMPLES = map(json.loads, FILE.read_text().splitlines())


def _read(example: dict[str, Any]) -> object:  # noqa: PLR0911 - one for each kind
    data, kiosk = base64.b64decode(example["data"]), KEYS["kiosk"]
    match example["kind"]:
        case "envelope":
            record_keys = PublicKeys([PublicKey.from_pem(KEYS["record_pem"].encode())])
            private = seal.SealPrivateKey(bytes.fromhex(KEYS["seal_seed"]))
            return verify.verify_envelope(data, kiosk, private, record_keys)
        case "acknowledgement":
            return acks.verify(data, PublicKeys([PublicKey.from_pem(KEYS["acknowledgement_pem"].encode())]), kiosk)
        case "directory":
            return directory.verify(data, PublicKeys([PublicKey.from_pem(KEYS["command_pem"].encode())]), kiosk)
        case "badge":
            bank_keys = PublicKeys([PublicKey.from_pem(KEYS["command_pem"].encode())])
            return badge.verify(data.decode(), bank_keys, kiosk, KEYS["now"])
        case "ticket":
            command_keys = PublicKeys([PublicKey.from_pem(KEYS["command_pem"].encode())])
            directory_key = bytes.fromhex(KEYS["directory_key"])
            return ticket.verify(data.decode(), command_keys, kiosk, directory_key, KEYS["now"])
        case "terms":
            return terms.verify(data, PublicKeys([PublicKey.from_pem(KEYS["command_pem"].encode())]), kiosk)
        case "counts":
            return counts.verify(data, PublicKeys([PublicKey.from_pem(KEYS["command_pem"].encode())]), kiosk)
        case "complaint":
            ack_keys = PublicKeys([PublicKey.from_pem(KEYS["acknowledgement_pem"].encode())])
            return complaints.verify(data, ack_keys, kiosk)
        case "command":
            bank, second = (
                PublicKeys([PublicKey.from_pem(KEYS[name].encode())]) for name in ("command_pem", "second_pem")
            )
            return commands.verify(data, Commanders(bank, second), kiosk)
    return checkpoint.verify(data, note.parse_vkey(KEYS["checkpoint_vkey"]))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example['kind']}: {example['why']}")
def test_example_is_judged_as_it_says(example: dict[str, Any]) -> None:
    if example["accept"]:
        assert _read(example)
    else:
        with pytest.raises(VerificationError):
            _read(example)


def test_the_program_still_makes_these_examples() -> None:
    kit = Kit(seed=2026)
    assert make_guarantee.keys(kit) == KEYS
    for example, kept in zip(map(make_guarantee.as_row, make_guarantee.examples(kit)), EXAMPLES, strict=True):
        if example["kind"] == "envelope":  # HPKE's randomness is its own, so only the size is the same
            assert len(example.pop("data")) == len(kept["data"])
        assert example.items() <= kept.items()
