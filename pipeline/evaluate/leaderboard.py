"""`dawn leaderboard`: reads results, compares what may be compared, writes the page and exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.leaderboard.board import Board, BoardSettings, Sheet, make_board
from eval.leaderboard.cells import measured
from eval.leaderboard.exports import EXPORTS
from eval.leaderboard.groups import Entry, grouped
from eval.leaderboard.page import as_html
from eval.protocol.card import read_card
from eval.results.scores import Results, load_results
from manifests.atomic_write import write_whole
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Place, Where, inside, name_of, where_of
from pipeline.progress import Progress, console

PAGE = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardOptions:
    """The command's flags."""

    results: tuple[str, ...]
    out: Where
    protocol: str | None = None
    settings: BoardSettings = field(default_factory=BoardSettings)
    command: tuple[str, ...] = ()


def run_leaderboard(options: LeaderboardOptions) -> Where:
    """Make the page and the exports; returns the page's place. Raises InputError."""
    out = where_of(str(options.out))
    check_out(out)
    found, where = _load(options.results)
    if options.protocol is not None:
        found = _under(options.protocol, found)
    groups = grouped(found, where)
    steps = sum(len(measured(group.entries)) + 1 for group in groups)
    with Progress("compare", steps) as progress:
        board = make_board(groups, options.settings, lambda _: progress.advance(1))
    texts = {PAGE: as_html(board, options.command)}
    texts |= {name: writer(board) for name, writer in EXPORTS.values()}
    for name, text in texts.items():
        # Paths need not be Unicode, and JSON can spell what UTF-8 cannot.
        write_whole(inside(out, name), text.encode("utf-8", "backslashreplace"))
    _report(board, inside(out, PAGE), len(texts[PAGE]))
    return inside(out, PAGE)


def make_leaderboard(
    folders: Sequence[str], out: Where, settings: BoardSettings | None = None
) -> Where:
    """The same for callers in Python."""
    return run_leaderboard(
        LeaderboardOptions(
            results=tuple(folders),
            out=out,
            settings=settings or BoardSettings(),
            command=("dawn", "leaderboard", *folders, "--out", str(out)),
        )
    )


def check_out(out: Where) -> None:
    """Raise InputError where the page cannot be written, before anything is computed."""
    if isinstance(out, str):
        place = Place.of(out)
        there = place.fs.ls(place.path, detail=False) if place.fs.isdir(place.path) else []
        foreign = [name for name in map(name_of, there) if not _ours(name)]
        if foreign:
            raise InputError(f"--out {out}: holds other files ({foreign[0]}); give another")
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder")
    others = [e.name for e in out.iterdir() if not _ours(e.name)] if out.exists() else []
    if others:
        raise InputError(f"--out {out}: holds other files ({others[0]}); give a folder of its own")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be created: {error.strerror}") from error


def _ours(name: str) -> bool:
    return name == PAGE or name in {file for file, _ in EXPORTS.values()} or name.startswith(".")


def _load(folders: Sequence[str]) -> tuple[list[Results], dict[str, str]]:
    """The results, and by their URIs how they were named. A folder given twice is an error."""
    found, where = [], {}
    for folder in folders:
        results = load_results(folder)
        if results.folder.uri in where:
            raise InputError(f"{folder}: is given twice")
        where[results.folder.uri] = folder.rstrip("/") or folder
        found.append(results)
    return found, where


def _under(protocol: str, found: Sequence[Results]) -> list[Results]:
    """Those made under a card, or with every metric they share with a results folder's protocol
    under the conditions it has there.
    """
    card, whole = read_card(protocol)
    kept = [
        results
        for results in found
        if results.protocol_hash == card.hash and (whole is None or _alike(results, whole))
    ]
    if not kept:
        cards = ", ".join(sorted({str(r.info["protocol"]["card"]["name"]) for r in found}))
        raise InputError(f"--protocol {protocol}: none of the results is made under it ({cards})")
    return kept


def _alike(results: Results, whole: Mapping[str, Any]) -> bool:
    own, record = results.protocol["metrics"], whole["metrics"]
    return all(own[name] == record[name] for name in own.keys() & record.keys())


def _report(board: Board, page: Where, size: int) -> None:
    for number, sheet in enumerate(board.sheets, start=1):
        ranked = [entry for entry in sheet.entries if entry.ranked]
        shown = sum(column.shown for column in sheet.columns)
        _say(
            f"table {number}: {count(len(ranked), 'system')}, "
            f"{count(len(sheet.entries) - len(ranked), 'bound')}, "
            f"{count(shown, 'metric')}, {count(sheet.facts['clips'], 'clip')}"
        )
        for reason in sheet.apart:
            _say(f"  apart: {reason}")
        for line in sheet.other:
            _say(f"  left out: {line}")
        for line in sheet.devices:
            _say(f"  {line}")
        for entry in ranked:
            _say(f"  {entry.name}: {_wins(sheet, entry)}")
    page = page if isinstance(page, str) else page.absolute()
    names = ", ".join(name for name, _ in EXPORTS.values())
    _say(f"done: {page} ({size / 2**20:.1f} MiB), beside it {names}")
    _say(f"next: open {page if isinstance(page, str) else page.as_uri()}")


def _say(line: str) -> None:
    """Names may be anybody's: what steers a terminal, or cannot be encoded, is spelt out."""
    console.print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), markup=False)


def _wins(sheet: Sheet, entry: Entry) -> str:
    """In how many metrics a row is best, and in how many it ties."""
    place = sheet.entries.index(entry)
    cells = [column.cells[place] for column in sheet.columns]
    best = sum(cell is not None and cell.best for cell in cells)
    tied = sum(cell is not None and cell.tied for cell in cells)
    return f"best in {count(best, 'metric')}, tied in {tied}"
