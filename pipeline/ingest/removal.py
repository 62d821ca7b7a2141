"""Removing what `forgotten/` names: rows, files and derived features, for good.

The records say what is to go, so that any writer can begin or go on with it, after a kill as well.
First the clips that were held to be copies of what goes are judged without it; then each video is
taken out, or written anew without its forgotten clips; then merged parts lose its rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dawn.curation.orphans import judge_orphans
from dawn.curation.tables import Label
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.commit import DATA_TABLES, NewParts, commit, finish, forget
from manifests.compact import scrub
from manifests.config import load
from manifests.forgotten import Region, read_forgotten
from manifests.location import name_of
from manifests.marks import remove_marks
from manifests.run_logs import forget_logged
from manifests.seen import forget_seen
from manifests.store import FORGOTTEN, STAGED, Dataset, Session
from pipeline.ingest.stored import Judged, file_of, kept_footage, listed, status_of

Row = dict[str, Any]
Regions = Mapping[str, Iterable[Region]]

PLACES = "clip_id, video_id, start_frame, frames, crop_x, crop_y, crop_side"
"""Columns of `clips` by which a region knows a clip."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What regions name of what a dataset holds."""

    videos: frozenset[str]
    """Of which nothing stays."""
    clips: frozenset[str]
    """All of them, those of `videos` too."""
    labels: frozenset[str] = frozenset()
    """Videos that stay, but not what lists say of some of their ranges."""

    def __bool__(self) -> bool:
        return bool(self.videos or self.clips or self.labels)


def shown_in(regions: Regions, videos: Mapping[str, list[Row]], clips: Iterable[Row]) -> Gone:
    """What regions name of these videos, each with its labels, and clips. A video without any
    other clip goes whole.
    """
    going: dict[str, list[bool]] = {}
    gone = set()
    for clip in clips:
        goes = any(region.shows(clip) for region in regions.get(clip["video_id"], ()))
        going.setdefault(clip["video_id"], []).append(goes)
        if goes:
            gone.add(clip["clip_id"])
    there = regions.keys() & videos.keys()
    whole = {v for v in there if all(going.get(v, [Region() in {*regions[v]}]))}
    said = {v: [Label.from_row(label) for label in videos[v]] for v in there - whole}
    changed = {v for v, labels in said.items() if blanked(labels, regions[v]) != tuple(labels)}
    return Gone(frozenset(whole), frozenset(gone), frozenset(changed))


def left_to_remove(dataset: Dataset) -> Gone:
    """What was forgotten and is still there: a removal was stopped."""
    regions = read_forgotten(dataset)
    if not regions:
        return Gone(frozenset(), frozenset())
    among = f"video_id IN ({listed(regions)})"
    videos = rows(dataset, f"SELECT video_id, labels FROM videos WHERE {among}")  # noqa: S608
    clips = rows(dataset, f"SELECT {PLACES} FROM clips WHERE {among}")  # noqa: S608
    return shown_in(regions, {row["video_id"]: row["labels"] for row in videos}, clips)


def remove_forgotten(session: Session) -> Gone:
    """Remove what is forgotten and still there; what that was. Killed at any moment, it is gone on
    with by the next call. Nothing of a stopped ingest may be staged.
    """
    dataset = session.dataset
    gone = left_to_remove(dataset)
    if gone:
        forget_seen(session, gone.videos)
        forget_logged(session, _names_of(dataset, gone))
        _judge_orphans(session, gone)
        holders = {clip.rsplit("-", 2)[0] for clip in gone.clips}
        for row in _videos(dataset, gone.videos | gone.labels | holders):
            if row["video_id"] in gone.videos:
                forget(session, row)
            elif row["video_id"] in holders:
                _without_clips(session, row, gone.clips)
            else:
                commit(session, row | _labels_left(dataset, row), NewParts(), row)
        remove_marks(session, gone.clips)
        session.unclean = True
    stopped = session.unclean and dataset.names(FORGOTTEN) and not dataset.names(STAGED)
    if gone or stopped:
        finish(session)
        scrub(session)
    return gone


def _names_of(dataset: Dataset, gone: Gone) -> set[str]:
    """By which logs may know it: ids, and of whole videos the files with and without folders."""
    among = f"video_id IN ({listed(gone.videos)})"
    whole = rows(dataset, f"SELECT sources FROM videos WHERE {among}")  # noqa: S608
    sources = {source for row in whole for source in row["sources"]}
    return {*gone.videos, *gone.clips, *sources, *(name_of(source) for source in sources)}


def orphans_of(dataset: Dataset, gone: frozenset[str]) -> list[Row]:
    """Clips that stay and name one that goes as the most similar: id, video, whether accepted."""
    if not gone:
        return []
    among = listed(gone)
    return rows(
        dataset,
        "SELECT clip_id, video_id, accepted FROM clips "  # noqa: S608
        f"WHERE duplicate_of IN ({among}) AND clip_id NOT IN ({among}) ORDER BY clip_id",
    )


def _judge_orphans(session: Session, gone: Gone) -> None:
    """Judge again, and commit, the clips that would name what is gone."""
    dataset = session.dataset
    orphans = {row["clip_id"]: row["video_id"] for row in orphans_of(dataset, gone.clips)}
    if not orphans:
        return
    judged = Judged.of(dataset, orphans.values())
    judge_orphans(
        [clip for clip in judged.clips if clip["clip_id"] in orphans],
        judged.decisions,
        kept_footage(dataset, without=gone.clips | orphans.keys()),
    )
    for row in _videos(dataset, orphans.values()):
        video = row["video_id"]
        commit(session, row | judged.status_of(video), judged.parts_of(video), row)


def _without_clips(session: Session, old: Row, gone: frozenset[str]) -> None:
    """Commit a video without some of its clips, nor what lists said of them."""
    dataset, video = session.dataset, old["video_id"]
    judged = Judged.of(dataset, [video])
    left = [clip for clip in judged.clips if clip["clip_id"] not in gone]
    ids = [clip["clip_id"] for clip in left]
    said = [row for name in ids for row in judged.decisions[name]]
    files = {table: file_of(session, dataset, table, old, ids) for table in DATA_TABLES}
    row = old | status_of(left, said) | _labels_left(dataset, old)
    commit(session, row, NewParts(files=files), old)


def _videos(dataset: Dataset, videos: Iterable[str]) -> list[Row]:
    among = f"video_id IN ({listed(videos)})"
    return rows(dataset, f"SELECT * FROM videos WHERE {among} ORDER BY video_id")  # noqa: S608


def _labels_left(dataset: Dataset, old: Row) -> Row:
    """Labels without what they say of forgotten ranges, which stay as ranges: they cut the video.
    The judge's key follows, so that nothing is judged again for it.
    """
    before = tuple(Label.from_row(label) for label in old["labels"])
    after = blanked(before, read_forgotten(dataset).get(old["video_id"], ()))
    if after == before:
        return {}
    recipe = recipe_of(dataset)
    changed: Row = {"labels": [label.as_row() for label in after]}
    if old["judge_key"] == recipe.judge_key(old["extract_key"], before):
        changed["judge_key"] = recipe.judge_key(old["extract_key"], after)
    return changed


def blanked(labels: Iterable[Label], regions: Iterable[Region]) -> tuple[Label, ...]:
    """Labels of which those whose whole range is forgotten say nothing but the range."""
    found = list(regions)
    return tuple(
        Label(start=label.start, stop=label.stop)
        if any(region.covers(label.start, label.stop) for region in found)
        else label
        for label in labels
    )


def recipe_of(dataset: Dataset) -> Recipe:
    """The recipe that a dataset was made with, whatever weights are here now."""
    recipe = dataset.info()["recipe"]
    return Recipe(load(IngestConfig, recipe["config"], f"{dataset.uri}: recipe"), recipe["weights"])
