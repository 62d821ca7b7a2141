"""The columns that `--by` names, of the clips of some results."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from eval.results.columns import By, Grouping, grouping, parse_by
from eval.results.scores import Results
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.columns import DERIVED, Table, read_table

_STORED = ("speaker", "split", "frames", "duration_s", "yaw_p95", "pitch_p95", "status")
"""What results know of their clips without a dataset."""
_UNITS = {"duration_s": "s", "yaw_p95": "°", "pitch_p95": "°"}


def groupings(by: Sequence[str], labels: str | None, results: Sequence[Results]) -> list[Grouping]:
    """Of `labels`, a dataset or a file; where none is given, of the dataset that the real clips
    lie in, or of what the results know themselves. Raises InputError.
    """
    wanted = [parse_by(text) for text in by]
    if labels is not None and not wanted:
        raise InputError("--labels: names a source of columns; say which with --by")
    if not wanted:
        return []
    table = read_table(labels) if labels is not None else _of_reference(results)
    clips = {clip for one in results for clip in one.clip_ids}
    return [_grouping(one, table, clips, results) for one in wanted]


def _of_reference(results: Sequence[Results]) -> Table | None:
    """The dataset whose media the real clips are, where it is still there."""
    for one in results:
        video = next((str(c["reference"]) for c in one.clips if c["reference"]), "")
        folder = video
        while "/" in folder.strip("/").removeprefix("s3://"):
            folder = folder.rpartition("/")[0]
            if PurePosixPath(folder).name and Dataset(folder).exists:
                return Table(where=folder, dataset=Dataset(folder))
    return None


def _grouping(by: By, table: Table | None, clips: set[str], results: Sequence[Results]) -> Grouping:
    stored = {"length": "duration_s", "head_turn": "yaw_p95"}.get(by.column, by.column)
    if table is not None and (by.column in table.names or table.dataset is not None):
        found = table.grouped(by, clips)
    elif stored in _STORED:
        values = {str(c["clip_id"]): c[stored] for one in results for c in one.clips}
        found = grouping(by, values, _UNITS.get(stored, ""))
    elif table is not None:
        found = table.grouped(by, clips)
    else:
        raise InputError(
            f"--by {by.column}: these results know of their clips {', '.join(_STORED)}; give "
            f"--labels with a dataset, which also has {', '.join(DERIVED)}, or with a list"
        )
    if not clips & found.of_clip.keys():
        raise InputError(f"--by {by.column}: none of the results' clips has a value in it")
    return found
