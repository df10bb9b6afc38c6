"""`kiosk-verify`: checks a receipt offline and says what each step proves.

Exit codes: 0 it holds, 1 it does not (or a vector disagrees), 2 wrong usage or files.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from kiosk.errors import ConfigError
from kiosk.guarantee import policy as policies
from kiosk.verifier import checking, page, reading, report, vectors

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
VECTORS: Final = "vectors"
PAGE: Final = "page"


class _ReceiptByDefault(click.Group):
    """`kiosk-verify photo.jpg` needs no word for what it is mostly used for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["receipt", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["receipt", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_ReceiptByDefault,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 it holds, 1 it does not, 2 wrong usage or files.",
)
def main() -> None:
    """Check a deposit receipt offline: kiosk-verify [receipt] FILE... --policy POLICY."""


@main.command("receipt")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="Whom to trust.")
@click.option("--language", type=click.Choice(("en", "zh", "ru")), default="en", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def receipt(files: tuple[Path, ...], policy_file: Path, language: report.Language, *, as_json: bool) -> None:
    """Check the receipt in FILES: photos of its codes, or their texts; - reads texts from standard input."""
    try:
        policy = policies.load(policy_file)
        texts = reading.sort(sys.stdin.read()) if files == (Path("-"),) else reading.read(files)
    except ConfigError as error:
        _usage(error)
    checked = checking.check(texts, policy)
    if as_json:
        click.echo(json.dumps(report.as_json(checked, policy), ensure_ascii=False))
    else:
        click.echo(report.in_words(checked, policy, language))
    sys.exit(EXIT_REFUSED if checked.verdict == "refused" else 0)


@main.command(VECTORS)
@click.argument("file", type=click.Path(path_type=Path))
def run_vectors(file: Path) -> None:
    """Judge the proofs in FILE (JSON lines, as transparency-dev/merkle's) and end with one JSON line."""
    try:
        with file.open("rb") as lines:
            result = vectors.judge(lines)
    except OSError as error:
        _usage(ConfigError(f"{file} cannot be read: {error.strerror}", remedy="Name a file of JSON lines."))
    except ConfigError as error:
        _usage(error)
    click.echo(json.dumps(result))
    sys.exit(EXIT_REFUSED if result["disagreed"] or not result["cases"] else 0)


@main.command(PAGE)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), help="Whom it trusts at first; built in.")
def write_page(out: Path, policy_file: Path | None) -> None:
    """Write the page that checks receipts on a phone: one file, no server, no network."""
    try:
        text = page.build(None if policy_file is None else policies.load_bytes(policy_file))
        out.write_text(text, encoding="utf-8")
    except ConfigError as error:
        _usage(error)
    except OSError as error:
        _usage(ConfigError(f"{out} cannot be written: {error.strerror}", remedy="Name another file."))
    click.echo(f"{out}: {len(text.encode()) // 1024} KiB, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}")


def _usage(error: ConfigError) -> NoReturn:
    click.echo(f"kiosk-verify: {error}", err=True)
    sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
