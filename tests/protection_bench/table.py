"""The benchmark's cells: so many of each kind in each script where it occurs, in columns, with what goes wrong."""

from random import Random
from typing import Final

from stdnum import luhn
from stdnum.ru import inn, ogrn

from cellkinds.columns import Labelled, Troubles, column
from tests.protection_bench.templates import HEADERS, TEMPLATES, seed

CELLS_EACH: Final = 1000
_OTHER_TIMES: Final = 2
_COLLIDING: Final = 0.15  # of the columns of numbers whose check another kind's number may pass, too
TROUBLES: Final = Troubles(shifted_columns=0.0, typing_errors=0.04, full_width=0.05, mixed_scripts=0.04, headers=0.5)
_SHIFTED: Final = 0.15  # of the columns take part in a shift
_SHIFTED_CELLS: Final = 0.2


def table(number: int, each: int = CELLS_EACH) -> list[Labelled]:
    """Columns with `each` cells of every kind in every script where it occurs; of `other` twice as many."""
    chance = Random(number)
    seed(number)
    made: list[Labelled] = []
    for kind, scripts in TEMPLATES.items():
        for script in scripts:
            left = each * (_OTHER_TIMES if kind == "other" else 1)
            while left:
                rows = min(left, chance.choice((1, 2, 8, 15, 25, 40, 60)))
                one = column(chance, kind, script, rows, TEMPLATES, HEADERS, TROUBLES, restyle=False)
                made.append(_colliding(chance, kind, one) if chance.random() < _COLLIDING else one)
                left -= rows
    chance.shuffle(made)
    return _shifted(chance, made)


def _colliding(chance: Random, kind: str, of: Labelled) -> Labelled:
    """The same column of numbers that are valid for another kind as well: an OGRN that is a card by Luhn, and so on."""
    if kind not in ("ogrn_ru", "inn_ru", "bank_card"):
        return of
    values = tuple(_both(chance, kind) or value for value in of.values)
    return Labelled(of.header, values, of.kinds, of.script)


def _both(chance: Random, kind: str) -> str | None:
    for _ in range(400):
        if kind == "bank_card":  # thirteen digits, as old Visa cards have
            body = "4" + "".join(chance.choices("0123456789", k=11))
            number = body + str(luhn.calc_check_digit(body))
            passes = int(number[:-1]) % 11 % 10 == int(number[-1])
        elif kind == "ogrn_ru":
            body = f"5{chance.randint(2, 24):02d}{chance.randint(1, 92):02d}" + "".join(
                chance.choices("0123456789", k=7)
            )
            number = body + str(ogrn.calc_check_digit(body + "0"))
            passes = luhn.is_valid(number)
        else:
            body = f"{chance.randint(1, 92):02d}" + "".join(chance.choices("0123456789", k=7))
            number = body + str(inn.calc_company_check_digit(body))
            passes = luhn.is_valid(number)
        if passes:
            return number
    return None


def _shifted(chance: Random, made: list[Labelled]) -> list[Labelled]:
    """Pairs of columns exchange cells, as when a row slips by one: the number of cells of each kind stays."""
    chosen = chance.sample(range(len(made)), int(len(made) * _SHIFTED) // 2 * 2)
    done = list(made)
    for a, b in zip(chosen[::2], chosen[1::2], strict=True):
        one, other = done[a], done[b]
        values = [list(one.values), list(other.values)]
        kinds = [list(one.kinds), list(other.kinds)]
        for at in range(min(len(one.values), len(other.values))):
            if chance.random() < _SHIFTED_CELLS:
                values[0][at], values[1][at] = values[1][at], values[0][at]
                kinds[0][at], kinds[1][at] = kinds[1][at], kinds[0][at]
        done[a] = Labelled(one.header, tuple(values[0]), tuple(kinds[0]), one.script)
        done[b] = Labelled(other.header, tuple(values[1]), tuple(kinds[1]), other.script)
    return done
