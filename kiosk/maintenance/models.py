"""`kioskctl model`: the editions of the models that watch; a new one installed, an older one judging again."""

import hashlib
from pathlib import Path
from typing import Final

import click
import msgspec

from kiosk.errors import BusError, KioskError
from kiosk.maintenance.people import PIN_STDIN, Session, signed, with_session
from kiosk.maintenance.session import asked, connect, run
from kiosk.messages import (
    EVIDENCE_PART_BYTES,
    MODEL_FILE_BYTES_MAX,
    CalibrationPlan,
    EvidencePart,
    GetModels,
    Models,
    ModelStream,
    Ok,
    PlanCalibration,
    Reply,
    ShelfView,
    StagedModel,
    StageModel,
)

STREAMS: Final = ("scene", "machine", "transaction")


@click.group("model")
def model_group() -> None:
    """The models that watch: scene, machine and transaction."""


@model_group.command("list")
@with_session
def list_command(*, session: Session) -> None:
    """Each stream's editions: which one judges, which one is on trial, which one failed and why."""
    models = session.ask(GetModels(), Models)
    if session.as_json:
        click.echo(msgspec.json.encode(models.streams))
        return
    click.echo("\n".join(line for shelf in models.streams for line in shelf_lines(shelf)))


@model_group.command("install")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@signed
def install_command(file: Path, *, session: Session, staff: str) -> None:
    """Put the signed bundle FILE on trial. Takes a technician.

    It must be signed by the bank and newer than the edition that judges now. The watcher runs its golden examples; only
    if they come out right does it judge, from the next deposit on. Otherwise the present one stays; both are on record.
    To undo it: kioskctl model rollback.
    """
    staged = _handed_over(session, file)
    session.act(
        staff,
        {
            "action": "InstallModel",
            "stream": staged.stream,
            "number": staged.number,
            "bundle_sha256": staged.bundle_sha256,
        },
    )
    if not session.as_json:
        click.echo(f"{staged.stream} edition {staged.number} ({staged.version}) is on trial: see kioskctl model list")


@model_group.command("rollback")
@click.argument("stream", type=click.Choice(STREAMS))
@click.option(
    "--to", "number", type=click.IntRange(min=0), help="The edition; default: the newest good one before. 0: packaged."
)
@signed
def rollback_command(stream: str, number: int | None, *, session: Session, staff: str) -> None:
    """Let an older edition of STREAM's model judge again, one that was good. Takes a technician.

    Between deposits. The watcher tries it again first. To undo it, install the newer bundle again.
    """
    if number is None:
        shelf = next(each for each in session.ask(GetModels(), Models).streams if each.stream == stream)
        good = [each.number for each in shelf.editions if each.number < shelf.current and each.standing == "good"]
        number = max(good, default=0)
    session.act(staff, {"action": "RollBackModel", "stream": stream, "number": number})


@model_group.command("calibrate")
@click.argument("stream", type=click.Choice(STREAMS))
@click.option(
    "--without", multiple=True, type=click.IntRange(min=1), help="A deposit that was not normal; may be repeated."
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what would change, and ask for nothing.")
@click.option("--as", "staff", metavar="STAFF", help="Your staff id; not needed with --plan.")
@PIN_STDIN
@with_session
def calibrate_command(
    stream: ModelStream, without: tuple[int, ...], *, only_plan: bool, session: Session, staff: str | None
) -> None:
    """Ask that STREAM's grades rest on this kiosk's own deposits from now on. Takes a technician and a supervisor.

    The model stays; the scores from which a deposit is graded medium or high change. Deposits without incident count,
    also those that were graded medium or high: they are named by number, and the ones that were real dangers belong
    into --without (`kioskctl risk map` tells why each was graded so). Refused while too few are collected. A later
    calibration replaces it.
    """
    plan = session.ask(PlanCalibration(stream, without), CalibrationPlan)
    if only_plan or not session.as_json:
        click.echo(msgspec.json.encode(plan) if session.as_json else plan_text(plan))
    if only_plan:
        return
    if staff is None:
        session.fail(KioskError("nobody asks for it", remedy="Say who you are: --as STAFF"))
    session.act(
        staff,
        {
            "action": "CalibrateModel",
            "stream": plan.stream,
            "model_sha256": plan.model_sha256,
            "until": plan.until,
            "without": list(plan.without),
            "deposits": plan.deposits,
            "maxima_sha256": plan.maxima_sha256,
        },
    )


def plan_text(plan: CalibrationPlan) -> str:
    """What a calibration would change, for a person."""
    lines = [
        f"{plan.stream}: {plan.deposits} deposits of this kiosk, up to number {plan.until}",
        f"  medium from a score of {score_text(plan.medium_after)} (now {score_text(plan.medium_before)})",
        f"  high   from a score of {score_text(plan.high_after)} (now {score_text(plan.high_before)})",
    ]
    if plan.alarmed:
        numbers = ", ".join(map(str, plan.alarmed))
        lines.append(f"  graded medium or high among them: {numbers}; were they normal? --without takes one out")
    return "\n".join(lines)


def score_text(score: float | None) -> str:
    """A threshold; None is one that no score reaches."""
    return "no score" if score is None else f"{score:.2f}"


def shelf_lines(shelf: ShelfView) -> list[str]:
    """One stream for a person."""
    lines: list[str] = [shelf.stream]
    for edition in shelf.editions:
        judges = "judges" if edition.number == shelf.current else "on trial" if edition.number == shelf.trial else ""
        name = "packaged" if edition.number == 0 else f"edition {edition.number}"
        state = f"failed: {edition.why}" if edition.standing == "failed" else judges or "good"
        lines.append(f"  {name:<12} {edition.version:<20} {edition.sha256[:16]}  {state}")
    if shelf.calibration is not None:
        made = shelf.calibration
        lines.append(f"  calibrated here on {len(made.maxima)} deposits at {made.at}")
    if not shelf.editions:
        lines.append("  no model can be used: this stream goes unjudged, and every deposit is graded medium")
    return lines


def _handed_over(session: Session, file: Path) -> StagedModel:
    """The bundle at the controller, verified there; the command ends when it is refused."""
    with file.open("rb") as opened:
        content = opened.read(MODEL_FILE_BYTES_MAX + 1)
    if not 0 < len(content) <= MODEL_FILE_BYTES_MAX:
        remedy = "Name the file that `kiosk-cloud model sign` wrote."
        session.fail(
            KioskError(f"{file} is no model bundle: empty, or over {MODEL_FILE_BYTES_MAX} bytes", remedy=remedy)
        )
    return run(_parts(session, content), as_json=session.as_json)


async def _parts(session: Session, content: bytes) -> StagedModel:
    name, size = hashlib.sha256(content).hexdigest(), len(content)
    chunks = -(-size // EVIDENCE_PART_BYTES)
    client = await connect(*session.where)
    reply: Reply = Ok()
    try:
        for index in range(chunks):
            data = content[index * EVIDENCE_PART_BYTES : (index + 1) * EVIDENCE_PART_BYTES]
            reply = await asked(client, StageModel(EvidencePart(name, index, chunks, size, data)))
    finally:
        await client.close()
    if not isinstance(reply, StagedModel):
        message = f"the controller answered with {type(reply).__name__}"
        raise BusError(message)
    return reply
