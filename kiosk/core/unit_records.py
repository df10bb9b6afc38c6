"""Units, exchanges and counts as plain maps for deterministic CBOR. Every field is in `records.cddl` beside them."""

from collections.abc import Iterable

from kiosk.core.money import Claim
from kiosk.core.state import RecordDraft
from kiosk.core.storage import Collected, Container, Exchange, Item, Row, Rows, Taken, Unit, merged, minor, number


def denominations(rows: Rows) -> list[dict[str, object]]:
    """XFS4IoT's cash counts: how many notes of each currency, face and level, whoever claims them."""
    table: dict[tuple[str, int, str], int] = {}
    for row in rows:
        key = (row.currency, row.value_minor, row.level)
        table[key] = table.get(key, 0) + row.count
    return [
        {"currency": currency, "value": None if level == "unrecognized" else value, "level": level, "count": count}
        for (currency, value, level), count in sorted(table.items())
        if count
    ]


def unit_map(unit: Unit) -> dict[str, object]:
    """One unit as it is, for reports."""
    return {
        "unit": unit.name,
        "serial": unit.serial,
        "status": unit.status,
        "accuracy": unit.accuracy,
        "doubts": list(unit.doubts),
        "items": len(unit.items),
        "count": unit.count,
        "amounts": minor(unit.rows),
        "cash": denominations(unit.rows),
        "initial": number(unit.initial),
        "in": {moved.kind: number(moved.rows) for moved in unit.came},
        "out": {moved.kind: number(moved.rows) for moved in unit.left},
    }


def _claims(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.level != "unrecognized":
            claims = table.setdefault(row.currency, {})
            claims[str(row.claim)] = claims.get(str(row.claim), 0) + row.value_minor * row.count
    return {currency: dict(sorted(claims.items())) for currency, claims in sorted(table.items())}


def collected_map(item: Collected) -> dict[str, object]:
    """One bundle or container that left the kiosk."""
    return {
        "id": item.id,
        "unit": item.unit,
        "slot": item.slot,
        "seal": item.seal,
        "notes": number(item.rows),
        "cash": denominations(item.rows),
        "claims": _claims(item.rows),
        "flags": list(item.flags),
        "deposits": list(item.deposits),
    }


def left_map(item: Item) -> dict[str, object]:
    """One item that stayed."""
    return {"id": item.id, "slot": item.slot, "notes": number(item.rows)}


def container_map(container: Container) -> dict[str, object]:
    """One container, by its numbers."""
    return {"unit": container.unit, "serial": container.serial, "seal": container.seal}


def taken_map(taken: Taken) -> dict[str, object]:
    """One bundle as its number was read."""
    return {"id": taken.bundle, "seal": taken.bag, "how": taken.how}


def exchange_started(exchange: Exchange) -> RecordDraft:
    """From here on the kiosk takes no deposit."""
    return RecordDraft(
        "service",
        {
            "event": "exchange_started",
            "exchange": exchange.number,
            "units": list(exchange.units),
            "by": list(exchange.by),
        },
    )


def label_ordered(bundle: str, copy: int, by: str) -> RecordDraft:
    """A person wants a bundle's label printed again."""
    return RecordDraft("service", {"event": "label_ordered", "bundle": bundle, "copy": copy, "by": by})


def label_reported(bundle: str, copy: int, detail: str, *, printed: bool) -> RecordDraft:
    """What became of that copy."""
    body = {"event": "label_reported", "bundle": bundle, "copy": copy, "printed": printed, "detail": detail}
    return RecordDraft("service", body)


def hand_over(
    exchange: Exchange, at: str, by: tuple[str, ...], collected: tuple[Collected, ...], units: tuple[Unit, ...]
) -> RecordDraft:
    """The hand-over record: what left the kiosk, what stayed, what was put in, and who signs for it.

    `units` are the exchanged ones as they were before their counts were reset.
    """
    present = [item for item in collected if not item.missing]
    stayed = [item for unit in units for item in unit.items if _key(item) not in {_collected(c) for c in collected}]
    total = merged(*(item.rows for item in present))
    return RecordDraft(
        "exchange",
        {
            "number": exchange.number,
            "started_at": exchange.started_at,
            "ended_at": at,
            "started_by": list(exchange.by),
            "ended_by": list(by),
            "units": [unit_map(unit) for unit in units],
            "collected": [collected_map(item) for item in present],
            "missing": [collected_map(item) for item in collected if item.missing],
            "foreign": [taken_map(taken) for taken in exchange.foreign],
            "stayed": [left_map(item) for item in stayed if item.id],
            "removed": [container_map(container) for container in exchange.removed],
            "inserted": [container_map(container) for container in exchange.inserted],
            "notes": number(total),
            "amounts": minor(total),
        },
    )


def _key(item: Item) -> tuple[str, int | None]:
    return item.id, item.slot


def _collected(item: Collected) -> tuple[str, int | None]:
    return item.id, item.slot


def missing_alert(missing: tuple[Collected, ...], foreign: tuple[Taken, ...]) -> tuple[RecordDraft, ...]:
    """A bundle that is not where the journal has it, or one that nobody deposited: the bank must hear of it now."""
    reasons = [f"{item.id} is not in slot {item.slot}" for item in missing]
    reasons += [f"{taken.bundle} is not known here" for taken in foreign]
    if not reasons:
        return ()
    return (RecordDraft("alert", {"alert": "exchange", "grade": "high", "reasons": reasons}),)


def differences(expected: Rows, counted: Rows) -> list[dict[str, object]]:
    """Counted minus expected, per face; notes whose value the journal does not know stand for themselves."""
    plain = merged(*([_unclaimed(row)] for row in counted))
    booked = merged(*([_unclaimed(row)] for row in expected))
    return denominations(merged(plain, booked, sign=(1, -1)))


def _unclaimed(row: Row) -> Row:
    return Row(row.currency, row.value_minor, row.level, Claim.CREDITED, row.count)
