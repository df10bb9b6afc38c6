"""A receipt held against a policy, step by step, so that whoever checks it sees what each step proves. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from kiosk.errors import VerificationError
from kiosk.guarantee import checkpoint, note, proof, receipt
from kiosk.guarantee import policy as policies
from kiosk.guarantee.cosignature import Cosigned
from kiosk.guarantee.policy import Policy
from kiosk.verifier.reading import Texts

StepName = Literal["signed", "logged", "witnessed", "known"]
Verdict = Literal["refused", "provisional", "witnessed"]


@dataclass(frozen=True)
class Step:
    """One question and its answer. `facts` fill the words' blanks; `reason` says why it does not hold."""

    name: StepName
    holds: bool
    facts: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Checked:
    """What became of a receipt. `content` is the statement, only of one that is signed and logged."""

    verdict: Verdict
    kiosk: str
    steps: tuple[Step, ...]
    sequence: int = 0
    at: str = ""
    log_size: int = 0
    content: dict[str, Any] = field(default_factory=dict)
    cosigned: tuple[Cosigned, ...] = ()


def check(texts: Texts, policy: Policy) -> Checked:
    """All steps up to the first that does not hold; no witness is no failure, it is what *provisional* means."""
    kiosk = ""
    steps: list[Step] = []
    try:
        kiosk = receipt.claimed_kiosk(texts.opening)
        statement = receipt.verify_statement(texts.opening, kiosk, policy.keys(kiosk))
    except VerificationError as error:
        return Checked("refused", kiosk, (Step("signed", holds=False, reason=str(error)),))
    steps.append(Step("signed", holds=True, facts={"kiosk": kiosk, "at": statement.at}))
    try:
        log = policy.log(checkpoint.origin(kiosk))
        point, cosigned = proof.verify(
            texts.proof, statement.leaf_hash, statement.sequence, log, policy.witnesses.values()
        )
    except VerificationError as error:
        return Checked("refused", kiosk, (*steps, Step("logged", holds=False, reason=str(error))))
    steps.append(Step("logged", holds=True, facts={"index": str(statement.sequence), "size": str(point.size)}))
    witnessed = policy.witnessed(cosigned)
    if not witnessed and policy.quorum != policies.NONE and (names := _strangers(texts.proof, log, policy)):
        # A spoilt name or key id makes a witness a stranger, too: that must not turn *witnessed* into *provisional*.
        who = ", ".join(names)
        reason = f"the policy does not name {who}"
        return Checked("refused", kiosk, (*steps, Step("known", holds=False, facts={"names": who}, reason=reason)))
    steps.append(Step("witnessed", witnessed, {"names": ", ".join(map(_who, cosigned)), "quorum": policy.quorum}))
    return Checked(
        "witnessed" if witnessed else "provisional",
        kiosk,
        tuple(steps),
        statement.sequence,
        statement.at,
        point.size,
        statement.content,
        tuple(cosigned),
    )


def _strangers(text: str, log: note.Verifier, policy: Policy) -> list[str]:
    """Who else has signed the proof's checkpoint, by name: neither the log nor a witness that the policy names."""
    known = {(each.name, each.key_id) for each in log.verifiers}
    known |= {(each.name, each.key_id) for each in policy.witnesses.values()}
    lines = note.parse(proof.parse(text).checkpoint).lines
    return [line.name for line in lines if (line.name, line.key_id) not in known]


def _who(one: Cosigned) -> str:
    try:
        at = f"{datetime.fromtimestamp(one.at_posix_s, UTC):%Y-%m-%d %H:%M} UTC" if one.at_posix_s else "?"
    except (OverflowError, ValueError, OSError):
        at = "?"
    return f"{one.witness.name} ({at})"
