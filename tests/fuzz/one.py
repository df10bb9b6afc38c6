"""Fuzz one target in this process: `python -m tests.fuzz.one TARGET MODULE [libFuzzer arguments]`; needs atheris."""

import sys

import atheris

from tests.fuzz.catalogue import GROUPS, targets_of


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, module, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=list(GROUPS[module]), enable_loader_override=False):
        target = targets_of(module)[name]
    atheris.Setup([name, *arguments], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
