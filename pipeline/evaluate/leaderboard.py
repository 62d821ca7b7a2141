"""`dawn leaderboard`: reads results, compares what may be compared, writes the page and exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from eval.leaderboard.bench import CSV as SPEED_CSV
from eval.leaderboard.bench import PICTURE as SPEED_PICTURE
from eval.leaderboard.bench import as_csv as speed_as_csv
from eval.leaderboard.bench import with_speed
from eval.leaderboard.board import Board, BoardSettings, make_board
from eval.leaderboard.cells import measured
from eval.leaderboard.exports import EXPORTS
from eval.leaderboard.figure import as_picture, speed_as_picture
from eval.leaderboard.fragility import with_fragility
from eval.leaderboard.groups import Entry, grouped
from eval.leaderboard.hub import model_cards, space_readme
from eval.leaderboard.names import folder_names, public_command
from eval.leaderboard.page import as_html
from eval.leaderboard.subgroups import CSV, as_csv, with_subgroups
from eval.protocol.card import read_card
from eval.results.scores import Results, load_results
from eval.results.subgroups import FEWEST
from eval.speed.runs import load_speed
from eval.votes.table import counted
from manifests.atomic_write import write_whole
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Place, Where, inside, name_of, where_of
from pipeline.evaluate.groupings import groupings
from pipeline.progress import Progress, console
from pipeline.votes.study import Study

PAGE = "index.html"
SPACE_CARD = "README.md"
PICTURES: tuple[Literal["png", "svg"], ...] = ("png", "svg")
To = Literal["page", "hf-space", "model-card"]
"""A page with its exports; the same as a static Space; a folder with a model card a system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardOptions:
    """The command's flags."""

    results: tuple[str, ...]
    out: Where
    protocol: str | None = None
    settings: BoardSettings = field(default_factory=BoardSettings)
    command: tuple[str, ...] = ()
    to: To = "page"
    hub_dataset: str | None = None
    """The benchmark's name on the Hub, for model cards."""
    votes: Path | None = None
    """A study of `dawn vote`."""
    by: tuple[str, ...] = ()
    """Columns of the clips, as `--by` spells them."""
    labels: str | None = None
    """Where these columns come from; by default the dataset of the real clips."""
    fewest: int = FEWEST
    speed: tuple[str, ...] = ()
    """Folders of `dawn bench-system`."""


def run_leaderboard(options: LeaderboardOptions) -> Where:
    """Make the page and the exports; returns the page's place. Raises InputError."""
    out = where_of(str(options.out))
    check_out(out)
    found, where = _load(options.results)
    if options.protocol is not None:
        found = _under(options.protocol, found)
    groups = grouped(found, where)
    votes = counted(Study(options.votes).rows()) if options.votes is not None else None
    timed = [load_speed(folder) for folder in options.speed]
    by = groupings(options.by, options.labels, found)
    steps = sum(len(measured(group.entries)) + 1 for group in groups)
    with Progress("compare", steps) as progress:
        board = make_board(groups, options.settings, lambda _: progress.advance(1), votes)
    if votes is not None and not any(sheet.votes for sheet in board.sheets):
        raise InputError(
            f"--votes {options.votes}: no vote that counts compares two of these systems; they "
            "must have the names that they had when the study was made"
        )
    board = with_speed(with_fragility(board), timed)
    if by:
        board = with_subgroups(board, by, options.fewest)
    if options.to == "model-card":
        return _write_cards(board, options, out)
    files: dict[str, str | bytes] = {PAGE: as_html(board, public_command(options.command))}
    files |= {name: writer(board) for name, writer in EXPORTS.values()}
    files |= {f"leaderboard.{kind}": as_picture(board, kind) for kind in PICTURES}
    if by:
        files[CSV] = as_csv(board)
    if timed:
        files[SPEED_CSV] = speed_as_csv(board)
        files |= {f"{SPEED_PICTURE}.{kind}": speed_as_picture(board, kind) for kind in PICTURES}
    if options.to == "hf-space":
        files[SPACE_CARD] = space_readme(board)
    for name, content in files.items():
        _write(inside(out, name), content)
    _report(board, inside(out, PAGE), len(files[PAGE]))
    if options.to == "hf-space":
        _say("      hf upload OWNER/NAME . --repo-type space   (in that folder)")
    return inside(out, PAGE)


def _write_cards(board: Board, options: LeaderboardOptions, out: Where) -> Where:
    files = model_cards(board, options.hub_dataset)
    if not files:
        raise InputError("--to model-card: none of the results is of a system with numbers")
    for name, text in files.items():
        _write(inside(out, name), text)
    folders = sorted({name.split("/")[0] for name in files})
    _say(f"done: {count(len(folders), 'model card')} in {out}: {', '.join(folders)}")
    _say("next: add the results to the model's own README.md, and push .eval_results with it")
    return out


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
        cards = {name for name in there if place.fs.isdir(f"{name}/.eval_results")}
        foreign = [name_of(name) for name in there if name not in cards and not _ours(name)]
        if foreign:
            raise InputError(f"--out {out}: holds other files ({foreign[0]}); give another")
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder")
    there = list(out.iterdir()) if out.exists() else []
    cards = {entry for entry in there if (entry / ".eval_results").is_dir()}
    others = [e.name for e in there if e not in cards and (e.is_dir() or not _ours(e.name))]
    if others:
        raise InputError(f"--out {out}: holds other files ({others[0]}); give a folder of its own")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be created: {error.strerror}") from error


def _ours(path: str) -> bool:
    name = name_of(path)
    files = {PAGE, SPACE_CARD, CSV, SPEED_CSV, *(file for file, _ in EXPORTS.values())}
    files |= {f"{name}.{kind}" for name in ("leaderboard", SPEED_PICTURE) for kind in PICTURES}
    return name.startswith(".") or name in files


def _load(folders: Sequence[str]) -> tuple[list[Results], dict[str, str]]:
    """The results, and by their URIs how they were named. A folder given twice is an error."""
    found, where = [], {}
    for folder in folders:
        results = load_results(folder)
        if results.folder.uri in where:
            raise InputError(f"{folder}: is given twice")
        where[results.folder.uri] = folder
        found.append(results)
    return found, dict(zip(where, folder_names(list(where.values())), strict=True))


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


def _write(file: Where, content: str | bytes) -> None:
    # Names need not be Unicode, and JSON can spell what UTF-8 cannot.
    whole = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    write_whole(file, whole)


def _report(board: Board, page: Where, size: int) -> None:
    for number, sheet in enumerate(board.sheets, start=1):
        ranked = [entry for entry in sheet.entries if entry.ranked]
        shown = sum(column.shown for column in sheet.columns)
        _say(
            f"table {number}: {count(len(ranked), 'system')}{_named(ranked)}, "
            f"{count(len(sheet.entries) - len(ranked), 'bound')}, "
            f"{count(shown, 'metric')}, {count(sheet.facts['clips'], 'clip')}"
        )
        for reason in sheet.apart:
            _say(f"  apart: {reason}")
        for line in sheet.other:
            _say(f"  left out: {line}")
        for line in sheet.devices:
            _say(f"  {line}")
        for sentence in sheet.summary.sentences:
            _say(f"  {sentence}")
        for bench in sheet.bench:
            _say(f"  speed on {bench.device}: {count(len(bench.rows), 'system')}")
    page = page if isinstance(page, str) else page.absolute()
    made = [*(name for name, _ in EXPORTS.values()), *(f"leaderboard.{kind}" for kind in PICTURES)]
    if any(sheet.bench for sheet in board.sheets):
        made += [SPEED_CSV, *(f"{SPEED_PICTURE}.{kind}" for kind in PICTURES)]
    names = ", ".join(made)
    _say(f"done: {page} ({size / 2**20:.1f} MiB), beside it {names}")
    _say(f"next: open {page if isinstance(page, str) else page.as_uri()}")


def _named(entries: Sequence[Entry]) -> str:
    few = 0 < len(entries) <= 4
    return f" ({', '.join(entry.name for entry in entries)})" if few else ""


def _say(line: str) -> None:
    """Names may be anybody's: what steers a terminal, or cannot be encoded, is spelt out."""
    console.print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), markup=False)
