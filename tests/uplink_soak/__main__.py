"""`make uplink-soak`: a real uplink, broker and two receivers over a network that loses, repeats, reorders and cuts.

Ends with one line of JSON; exit code 1 when a record did not arrive, or was not posted, exactly once, when a file of
evidence is not whole at the bank, or memory grew. `start` of the memory is taken when 60 % of the records are signed
for and only the broker is ended from there on; what a process had used before that (the poster, for a large file) is no
growth.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.uplink_soak.run import soak


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.uplink_soak", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50, help="how often the broker is stopped or killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work in this (new) folder and leave it there")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="uplink-soak-") as temporary:
        folder = options.keep or Path(temporary)
        outcome = asyncio.run(soak(folder.absolute(), options.records, options.kills, options.seed))
    for words in outcome.wrong[:20]:
        sys.stderr.write(f"uplink-soak: WRONG {words}\n")
    sys.stdout.write(json.dumps(outcome.line) + "\n")
    return int(bool(outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())
