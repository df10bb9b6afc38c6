"""The COSE working group's COSE_Sign1 examples (../shared/vectors/cose_sign1.jsonl).

Our profile is narrower than COSE: tag 18, algorithm, content type and kid protected, Ed25519 or ES256. So form and
signature are checked below the profile for every example with a key of ours, and the profile refuses them all.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.errors import VerificationError
from kiosk.guarantee import cose
from kiosk.guarantee.keys import PublicKey, PublicKeys

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "cose_sign1.jsonl"
if not VECTORS.exists():
    pytest.skip(f"COSE VECTORS NOT CHECKED: {VECTORS} is not here", allow_module_level=True)
CASES: dict[str, dict[str, Any]] = {
    row["case"]: row["vector"] for row in map(json.loads, VECTORS.read_text().splitlines())
}
OUR_CURVES = {"P-256": "ES256", "Ed25519": "EdDSA"}
UNTAGGED = "sign1-tests/sign-pass-03"  # COSE allows it; our profile does not


def _ours(vector: dict[str, Any]) -> bool:
    sign0 = vector["input"]["sign0"]
    return bool(OUR_CURVES.get(sign0["key"]["crv"]) == sign0["alg"])


APPLICABLE = {name: vector for name, vector in CASES.items() if _ours(vector)}


def _key(vector: dict[str, Any]) -> PublicKey:
    key = vector["input"]["sign0"]["key"]
    if key["crv"] == "Ed25519":
        return PublicKey(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["x_hex"])))
    x, y = (int.from_bytes(base64.urlsafe_b64decode(key[axis] + "==")) for axis in "xy")
    return PublicKey(EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key())


def _verifies(vector: dict[str, Any]) -> bool:
    external = bytes.fromhex(vector["input"]["sign0"].get("external", ""))
    try:
        message = cose.parse(bytes.fromhex(vector["output"]["cbor"]))
        cose.check_signature(message, _key(vector), external)
    except VerificationError:
        return False
    return True


def test_there_are_examples_of_both_algorithms() -> None:
    assert {vector["input"]["sign0"]["alg"] for vector in APPLICABLE.values()} == {"ES256", "EdDSA"}
    assert len(APPLICABLE) == 11


@pytest.mark.parametrize("name", APPLICABLE)
def test_signature_is_judged_as_the_example_says(name: str) -> None:
    vector = APPLICABLE[name]
    assert _verifies(vector) is (not vector.get("fail", False) and name != UNTAGGED)


@pytest.mark.parametrize("name", APPLICABLE)
def test_what_is_signed_is_what_the_example_signs(name: str) -> None:
    vector = APPLICABLE[name]
    if vector.get("fail") or name == UNTAGGED:
        return  # the example's own structure is not the one that its bytes have
    message = cose.parse(bytes.fromhex(vector["output"]["cbor"]))
    external = bytes.fromhex(vector["input"]["sign0"].get("external", ""))
    expected = vector["intermediates"]["ToBeSign_hex"].lower()
    assert cose.to_be_signed(message.protected, message.payload, external).hex() == expected


@pytest.mark.parametrize("name", CASES)
def test_our_profile_refuses_them_all(name: str) -> None:
    known = PublicKeys(_key(vector) for vector in APPLICABLE.values())
    with pytest.raises(VerificationError):
        cose.verify1(bytes.fromhex(CASES[name]["output"]["cbor"]), known, cose.RECORD_TYPE)
