"""Every case of ../shared/vectors/merkle_proofs.jsonl (from transparency-dev/merkle) is judged as it says."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kiosk.errors import VerificationError
from kiosk.guarantee import merkle

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "merkle_proofs.jsonl"
if not VECTORS.exists():
    pytest.skip(f"MERKLE VECTORS NOT CHECKED: {VECTORS} is not here", allow_module_level=True)
CASES: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text().splitlines()]


def _bytes(encoded: str | None) -> bytes:
    return base64.b64decode(encoded or "")


def _agrees(case: dict[str, Any]) -> bool:
    proof = [_bytes(node) for node in case["proof"] or []]
    try:
        if case["kind"] == "inclusion":
            leaf, root = _bytes(case["leafHash"]), _bytes(case["root"])
            merkle.verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)
        else:
            root1, root2 = _bytes(case["root1"]), _bytes(case["root2"])
            merkle.verify_consistency(case["size1"], case["size2"], root1, root2, proof)
    except VerificationError:
        return bool(case["wantErr"])
    return not case["wantErr"]


def test_the_file_is_the_one_we_know() -> None:
    assert {case["kind"] for case in CASES} == {"inclusion", "consistency"}
    assert len(CASES) >= 131


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['case']}")
def test_judged_as_the_vector_says(case: dict[str, Any]) -> None:
    assert _agrees(case)
