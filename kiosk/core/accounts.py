"""Account numbers as typed at the terminal: digits with a Luhn check digit (ISO/IEC 7812-1 annex B)."""

ACCOUNT_DIGITS_MIN = 8
ACCOUNT_DIGITS_MAX = 19


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - casting out nines of a two-digit product
    return total % 10 == 0


def normalise(typed: str) -> str | None:
    """The account's digits without spaces and dashes, or None when it cannot be an account number."""
    digits = typed.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and ACCOUNT_DIGITS_MIN <= len(digits) <= ACCOUNT_DIGITS_MAX):
        return None
    return digits if luhn_valid(digits) else None


def masked(account: str) -> str:
    """What screens, receipts and logs may show: the last four digits."""
    return f"{'*' * 4}{account[-4:]}"
