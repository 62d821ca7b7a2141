"""`dawn vote import` and `dawn vote report`."""

import json
from collections.abc import Sequence
from pathlib import Path

from eval.leaderboard.groups import grouped
from eval.report.numbers import finite
from eval.results.scores import load_results
from eval.votes.report import as_dict, as_markdown, report, sentences
from eval.votes.table import counted
from manifests.counting import count
from manifests.errors import InputError
from pipeline.progress import console
from pipeline.votes.study import Study


def import_votes(folder: Path, files: Sequence[Path]) -> None:
    """Take in what raters sent, or ratings from elsewhere. Raises InputError."""
    study = Study(folder)
    contents = []
    for file in files:
        try:
            contents.append((file, file.read_bytes()))
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    for file, content in contents:
        votes, new = study.add(content, file.name)
        said = "" if new else ", which were there already"
        console.print(f"{file.name}: {count(votes, 'answer')}{said}", markup=False)
    for line in sentences(report(counted(study.rows()))):
        console.print(line, markup=False)


def report_votes(folder: Path, results: Sequence[str], out: Path | None) -> None:
    """Print what the votes say, and write it as Markdown and JSON. Raises InputError."""
    found = counted(Study(folder).rows())
    if not found.rows:
        raise InputError(
            f"{folder}: no vote counts: {count(found.failed_votes, 'vote')} of raters who failed "
            "their attention checks"
        )
    groups = grouped([load_results(one) for one in results]) if results else []
    of = {e.name: e.results for group in groups for e in group.entries if e.ranked}
    made = report(found, of)
    out = out or folder
    out.mkdir(parents=True, exist_ok=True)
    text = as_markdown(made)
    (out / "votes.md").write_text(text, encoding="utf-8")
    content = json.dumps(finite(as_dict(made)), indent=1, ensure_ascii=False, allow_nan=False)
    (out / "votes.json").write_text(content + "\n", encoding="utf-8")
    console.print(text, markup=False)
    console.print(f"done: {out / 'votes.md'}, {out / 'votes.json'}", markup=False)
