"""The policy file: whom to trust, read strictly, and quorums counted as the specification says."""

import hashlib
from itertools import chain, combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.errors import ConfigError, VerificationError
from kiosk.guarantee import policy
from kiosk.guarantee.cosignature import Cosigned, Cosigner
from tests.guarantee_kit import KIOSK, Kit

WITNESSES = {
    name: Cosigner(f"w.example/{name}", Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))).witness
    for number, name in enumerate(("X1", "X2", "X3", "Y1", "Y2"), start=1)
}
KIT = Kit()
LINES = [
    "# a comment",
    "",
    f"log {KIT.log_verifier.vkey} https://mirror.example/log",
    policy.record_key_line(KIOSK, KIT.record_signer.public),
    *(f"witness {name} {witness.vkey}" for name, witness in WITNESSES.items()),
    "group  X-witnesses\t2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2",
    "group X-and-Y all X-witnesses Y-witnesses",
    "quorum X-and-Y",
]


def parsed(*lines: str) -> policy.Policy:
    return policy.parse("\n".join(lines).encode() + b"\n")


def test_a_policy_names_logs_keys_witnesses_and_its_own_hash() -> None:
    found = parsed(*LINES)
    assert found.log(KIT.log_verifier.name) == KIT.log_verifier
    assert found.keys(KIOSK).get(KIT.record_signer.kid, "EdDSA") == KIT.record_signer.public
    assert found.witnesses == WITNESSES
    assert found.sha256 == hashlib.sha256("\n".join(LINES).encode() + b"\n").digest()
    with pytest.raises(VerificationError, match="does not name the log"):
        found.log("deposit-kiosk/other")
    with pytest.raises(VerificationError, match="no record key"):
        found.keys("other")


def test_the_quorum_is_two_of_x_and_any_of_y() -> None:
    found = parsed(*LINES)
    names = list(WITNESSES)
    for chosen in chain.from_iterable(combinations(names, count) for count in range(len(names) + 1)):
        wanted = sum(name[0] == "X" for name in chosen) >= 2 and any(name[0] == "Y" for name in chosen)
        assert found.witnessed([Cosigned(WITNESSES[name], 1) for name in chosen]) == wanted


def test_a_single_witness_may_be_the_quorum_and_none_is_never_reached() -> None:
    one = parsed(f"witness a {WITNESSES['X1'].vkey}", "quorum a")
    assert one.witnessed([Cosigned(WITNESSES["X1"], 1)])
    assert not one.witnessed([Cosigned(WITNESSES["X2"], 1)])
    assert not parsed("quorum none").witnessed([Cosigned(WITNESSES["X1"], 1)])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "no quorum"),
        (["quorum a"], "not defined above"),
        (["quorum none", "quorum none"], "twice"),
        (["group g any a", "quorum g"], "not defined above"),
        ([LINES[4], LINES[4], "quorum none"], "cannot be given again"),
        ([LINES[4], LINES[4].replace("X1", "Z", 1), "quorum none"], "same key"),
        ([LINES[2], LINES[2], "quorum none"], "same key"),
        ([LINES[4], "group g 2 X1", "quorum g"], "cannot need 2"),
        ([LINES[4], "group g 0 X1", "quorum g"], "cannot need 0"),
        ([LINES[4], "group g some X1", "quorum g"], "all, any or a number"),
        ([LINES[4], "group g any", "quorum g"], "cannot need 1"),
        ([LINES[4], "group g any X1", "group h any X1", "quorum g"], "member twice"),
        ([LINES[4], "group g any X1 X1", "quorum g"], "member twice"),
        (["group none any X1", "quorum none"], "cannot be given again"),
        (["witness a nonsense", "quorum none"], "line 1"),
        (["log nonsense", "quorum none"], "line 1"),
        (["# record-key demo-0001 AAAA", "quorum none"], "line 1"),
        (["trust everybody", "quorum none"], "not understood"),
        (["quorum none\r"], "control characters"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(lines: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parsed(*lines)


def test_thirty_two_of_each_are_read() -> None:
    witnesses = [
        Cosigner(f"w{n}", Ed25519PrivateKey.from_private_bytes(bytes([n + 1] * 32))).witness for n in range(32)
    ]
    lines = [f"witness w{n} {witness.vkey}" for n, witness in enumerate(witnesses)]
    groups = [f"group g{n} any w{n}" for n in range(32)]
    found = parsed(*lines, *groups, f"group all {32} {' '.join(f'g{n}' for n in range(32))}", "quorum all")
    assert found.witnessed([Cosigned(witness, 1) for witness in witnesses])
    assert not found.witnessed([Cosigned(witness, 1) for witness in witnesses[1:]])
