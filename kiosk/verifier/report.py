"""What was checked, in words for a depositor and as JSON for a program."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final, Literal

from kiosk.guarantee.policy import Policy
from kiosk.guarantee.receipt import CLAIMS
from kiosk.verifier.checking import Checked

Language = Literal["en", "zh", "ru"]
WORDS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    (resources.files(__package__) / "words.toml").read_text(encoding="utf-8")
)


def in_words(checked: Checked, policy: Policy, language: Language) -> str:
    """Lines for a terminal: what each step proves, what the receipt says, the verdict last."""
    return "\n".join(_lines(checked, policy, WORDS[language]))


def _lines(checked: Checked, policy: Policy, words: dict[str, str]) -> Iterator[str]:
    for number, step in enumerate(checked.steps, start=1):
        facts = {key: value or words["nobody"] for key, value in step.facts.items()}
        yield f"{number}. " + words[f"{step.name}_{'yes' if step.holds else 'no'}"].format(reason=step.reason, **facts)
    if checked.content:
        yield ""
        yield from _statement(checked, words)
    yield ""
    yield words["policy"].format(sha256=policy.sha256.hex())
    yield words[f"verdict_{checked.verdict}"]


def _statement(checked: Checked, words: dict[str, str]) -> Iterator[str]:
    content = checked.content
    yield words["receipt"].format(
        sequence=checked.sequence, kiosk=checked.kiosk, at=checked.at, deposit=content["deposit_id"].hex()
    )
    yield f"  {words['account']}: {content['account_masked']}"
    if content["bundle"]:
        yield f"  {words['bundle']}: {content['bundle']}"
    for currency, sums in sorted(content["sums"].items()):
        for claim in CLAIMS:
            if sums[claim]:
                yield f"  {words[claim]}: {currency} {sums[claim] // 100:,}.{sums[claim] % 100:02d}"
    if content["disputed_unvalued"]:
        yield "  " + words["unvalued"].format(n=content["disputed_unvalued"])


def as_json(checked: Checked, policy: Policy) -> dict[str, Any]:
    """The same for programs; amounts in minor units, hashes and ids in hex."""
    content = {key: value.hex() if isinstance(value, bytes) else value for key, value in checked.content.items()}
    return {
        "verdict": checked.verdict,
        "kiosk": checked.kiosk,
        "sequence": checked.sequence,
        "at": checked.at,
        "log_size": checked.log_size,
        "steps": [{"step": s.name, "holds": s.holds, "reason": s.reason} for s in checked.steps],
        "cosigned": [{"witness": c.witness.name, "at_posix_s": c.at_posix_s} for c in checked.cosigned],
        "statement": content,
        "policy_sha256": policy.sha256.hex(),
    }
