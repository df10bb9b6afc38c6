"""`kiosk-protect`: scan tables for what is to be protected, judge single cells, serve the page.

Exit codes: 0 done, 1 some files were refused (the others are done), 2 wrong usage or configuration, 3 could not go on.
"""

import json
import sys
import time
from pathlib import Path
from typing import IO, Any, Final

import click

from kiosk.errors import ConfigError
from kiosk.protection import gate
from kiosk.protection.catalogue import Catalogue, CatalogueError
from kiosk_cloud.explained import explained
from kiosk_cloud.protect import cells as single
from kiosk_cloud.protect import scanning
from kiosk_cloud.protect.judging import Judge
from kiosk_cloud.protect.reading import opening
from kiosk_cloud.protect.reading.opening import Said
from kiosk_cloud.protect.scanning import Options, Places
from kiosk_cloud.protect.serve_cli import retrain, serve, token, user
from kiosk_cloud.protect.tables import InputRefused

PROGRAM: Final = "kiosk-protect"
EXIT_REFUSED: Final = 1
SAY_EVERY_S: Final = 10.0
SAY_EVERY_TERMINAL_S: Final = 0.2
_models = click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the classifier's networks; that of the package if left out.",
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 some files were refused, 2 wrong usage or configuration, 3 could not go on.",
)
def main() -> None:
    """Find what is to be protected in tables: csv, xls, xlsx, jsonl, sqlite, parquet."""


@main.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the outputs; else beside FILE."
)
@click.option("--resume", is_flag=True, help="Go on where an earlier scan was stopped; finished files are passed over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file on standard output.")
@click.option("--no-copy", is_flag=True, help="No tagged copy: findings and report only.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=scanning.THRESHOLD, show_default=True,
              help="From which score on a cell counts as what it was judged to be.")  # fmt: skip
@click.option("--encoding", help="Of csv and jsonl files, e.g. gb18030 or cp1251; else it is found out.")
@click.option("--delimiter", help="Of csv files; else it is found out.")
@click.option(
    "--header/--no-header", default=None, help="Whether the first row names the columns; else it is found out."
)
@click.option("--catalogue", "catalogue_path", type=click.Path(path_type=Path, dir_okay=False),
              help="The bank's own catalogue of kinds and grades.")  # fmt: skip
@_models
def scan(  # noqa: PLR0913 - click names every option
    paths: tuple[Path, ...],
    out: Path | None,
    catalogue_path: Path | None,
    models: Path | None,
    encoding: str | None,
    delimiter: str | None,
    *,
    resume: bool,
    as_json: bool,
    no_copy: bool,
    threshold: float,
    header: bool | None,
) -> None:
    """Tag every cell of FILE (or of all tables below a folder): a tagged copy, a list of cells, a report.

    Of accounts.csv: accounts.csv.tagged.csv, accounts.csv.cells.jsonl, accounts.csv.report.html and .report.json.
    """
    refused = 0
    with explained(PROGRAM):
        catalogue = _catalogue(catalogue_path)
        said = Said(encoding, _delimiter(delimiter), header)
        options = Options(_judge(models), catalogue, threshold, said, copy=not no_copy, resume=resume)
        folders = [path for path in paths if path.is_dir()]
        for path in opening.files(paths):
            target = _target(path, folders, out)
            meter = Meter(path, sys.stderr)
            try:
                found = scanning.scan(path, Places.of(path, target), options, meter)
            except InputRefused as error:
                refused += 1
                meter.end()
                click.echo(f"{PROGRAM}: {error}", err=True)
                if as_json:
                    click.echo(json.dumps({"file": gate.mask(path.name), "error": str(error)}))
                continue
            meter.end()
            _say(found, Places.of(path, target), as_json=as_json)
    sys.exit(EXIT_REFUSED if refused else 0)


@main.command("cells")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--window", type=click.IntRange(1, 1 << 16), default=single.WINDOW_LINES, show_default=True,
              help="So many lines are read before their verdicts are written.")  # fmt: skip
@_models
def cells_command(file: IO[str], window: int, models: Path | None) -> None:
    """Judge the cells of FILE (`-`: standard input), one {"table", "row", "column", "value"} a line.

    Prints {"kind", "score"} for each, in the same order.
    """
    with explained(PROGRAM):
        for verdict in single.judged(file, _judge(models), window):
            sys.stdout.write(f'{{"kind": "{verdict.kind}", "score": {verdict.score:.4f}}}\n')


main.add_command(serve)
main.add_command(user)
main.add_command(token)
main.add_command(retrain)


class Meter:
    """Progress on standard error: one line that is written over on a terminal, else a line every ten seconds."""

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._name, self._stream = path.name, stream
        self._terminal = stream.isatty()
        self._begun = self._said = time.monotonic()
        self._drawn = False

    def __call__(self, table: str, rows: int, share: float) -> None:
        now = time.monotonic()
        if now - self._said < (SAY_EVERY_TERMINAL_S if self._terminal else SAY_EVERY_S):
            return
        self._said = now
        words = f"{self._name} {table}: {rows:,} rows, {share:.0%}, {now - self._begun:,.0f} s"
        self._stream.write(f"\r\x1b[2K{words}" if self._terminal else f"{words}\n")
        self._stream.flush()
        self._drawn = self._terminal

    def end(self) -> None:
        """Leave the line."""
        if self._drawn:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()


def _say(found: dict[str, Any], places: Places, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({key: value for key, value in found.items() if key != "basis"}, ensure_ascii=False))
        return
    for table in found["tables"]:
        protected = {kind: count for kind, count in table["kinds"].items() if kind != "other"}
        listed = ", ".join(f"{kind} {count:,}" for kind, count in protected.items()) or "nothing"
        click.echo(f"{found['file']} {table['name']}: {table['grade']}, {table['rows']:,} rows; {listed}")
    for note in found["notes"]:
        click.echo(f"  {note}")
    click.echo(f"  {places.html}")


def _target(path: Path, folders: list[Path], out: Path | None) -> Path | None:
    """The folder of a file's outputs; below `--out`, folders that were named keep their shape."""
    if out is None:
        return None
    inside = next((path.parent.relative_to(folder.parent) for folder in folders if folder in path.parents), Path())
    target = out / inside
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    return target


def _catalogue(path: Path | None) -> Catalogue:
    try:
        return Catalogue.load(path)
    except (CatalogueError, OSError) as error:
        raise ConfigError(f"the catalogue cannot be used: {error}", remedy="Correct it, or leave it out.") from error


def _judge(models: Path | None) -> Judge:
    try:
        return Judge.load(models)
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"the models cannot be used: {error}", remedy="Name another folder, or leave it out."
        ) from error


def _delimiter(said: str | None) -> str | None:
    found = {"tab": "\t", "\\t": "\t"}.get(said or "", said)
    if found is not None and (len(found) != 1 or found in '"\r\n'):
        raise ConfigError(
            "a delimiter is one character, no quote and no line end", remedy="For example: --delimiter ';'."
        )
    return found


if __name__ == "__main__":
    main()
