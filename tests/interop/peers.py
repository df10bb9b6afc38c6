"""The other side's programs: a question a line goes in, an answer a line comes out."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
BUILT: Final = HERE.parents[1] / ".stamps" / "interop"
NODE: Final = HERE / "node"
COMMANDS: Final = {
    "go-note": [str(BUILT / "go-note")],
    "go-tlog": [str(BUILT / "go-tlog")],
    "cose": ["node", str(NODE / "cose.mjs")],
    "hpke": ["node", str(NODE / "hpke.mjs")],
    "ml-dsa": ["node", str(NODE / "mldsa.mjs")],
    "asyncapi": ["node", str(NODE / "asyncapi.mjs")],
}
LIMIT_S: Final = 120


class PeerFailed(RuntimeError):
    """A peer ended instead of answering; run scripts/setup-interop.sh, or read what it said."""


def ask(name: str, questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of one run of a peer, `{"accepted": bool, "says": ...}` each. Raises PeerFailed."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    try:
        done = subprocess.run(COMMANDS[name], input=lines, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerFailed(f"{name}: {error} {getattr(error, 'stderr', '')}") from error
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(questions):
        raise PeerFailed(f"{name} answered {len(answers)} of {len(questions)} questions")
    return answers
