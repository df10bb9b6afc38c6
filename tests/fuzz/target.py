"""What a fuzz target is: bytes in; any exception but the codec's own, and any broken promise, is a crash."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

Run = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """One decoder. `run` judges one input; `seeds` are inputs that reach deep into it."""

    name: str
    run: Run
    seeds: tuple[bytes, ...]


class Targets:
    """The targets of one module, by name; `add` is a decorator."""

    def __init__(self) -> None:
        self.by_name: Final[dict[str, Target]] = {}

    def add(self, *seeds: Iterable[bytes]) -> Callable[[Run], Run]:
        """Register the decorated function under its own name."""

        def register(run: Run) -> Run:
            every = tuple(seed for group in seeds for seed in group)
            self.by_name[run.__name__] = Target(run.__name__, run, every)
            return run

        return register


def pieces(data: bytes) -> list[bytes]:
    """The same bytes as they may arrive: split where the data themselves say."""
    if not data:
        return []
    step = data[0] % 7 + 1
    return [data[at : at + step] for at in range(0, len(data), step)]
