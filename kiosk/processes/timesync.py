"""Whether the machine's clock is disciplined: the kernel's own word, whichever time daemon is used (adjtimex(2))."""

import ctypes
from typing import Final

_TIMEX_BYTES: Final = 256  # struct timex is 208 bytes on 64-bit Linux; room to spare, all zero: read only
_TIME_ERROR: Final = 5  # the clock is not synchronised


def clock_synchronised() -> bool:
    """True when the kernel says that its clock is synchronised; False when it is not or cannot say."""
    libc = ctypes.CDLL(None, use_errno=True)
    state: int = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
