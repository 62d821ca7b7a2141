"""`dawn dataset forget`: take people, videos or clips out of a dataset, for good."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.catalog import rows
from manifests.content_ids import is_absent
from manifests.counting import count
from manifests.errors import InputError
from manifests.forgotten import WHOLE, Region, read_forgotten, remember
from manifests.names import normalised
from manifests.store import FORGOTTEN, SCRATCH, STAGED, Dataset
from pipeline.dataset.uses import Use, uses_of
from pipeline.ingest.removal import (
    PLACES,
    Gone,
    left_to_remove,
    orphans_of,
    remove_forgotten,
    shown_in,
)
from pipeline.progress import console

Row = dict[str, Any]

_SHOWN = 20
"""Lines of each kind that are printed."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be forgotten."""

    speakers: Sequence[str] = ()
    """Labels of the source lists, or identities as `clips` has them."""
    videos: Sequence[str] = ()
    clips: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, and what is left to be told of."""

    regions: dict[str, set[Region]]
    gone: Gone
    videos: list[Row] = field(default_factory=list)
    """Rows of those that go whole."""
    clips: list[Row] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    """Clips that stay, though they show the same footage."""


def run_forget(root: str, targets: Targets, runs: Sequence[str], *, dry_run: bool) -> None:
    """Remove what is named, and remember by content that it is not to come back.

    Killed at any moment, the same command goes on. Raises InputError for what is not there, or
    while an ingest is under way; then nothing is changed.
    """
    if not (targets.speakers or targets.videos or targets.clips):
        raise InputError("nothing to forget: give --speaker, --video or --clip")
    dataset = Dataset(root)
    dataset.info()
    _refuse_staged(dataset)
    plan = plan_of(dataset, targets)
    uses = _uses(dataset, plan.gone.clips, runs) if plan.gone else []
    orphans = orphans_of(dataset, plan.gone.clips)
    _print_plan(plan, len(orphans), dry_run=dry_run)
    if not dry_run:
        with dataset.writing() as session:
            _refuse_staged(dataset)
            remember(session, plan_of(dataset, targets).regions)
            remove_forgotten(session)
        _print_accepted(dataset, [row["clip_id"] for row in orphans if not row["accepted"]])
    _print_after(dataset, plan, uses, dry_run=dry_run)


def plan_of(dataset: Dataset, targets: Targets) -> Plan:
    """What goes with the targets, and with a removal that was stopped.

    Raises InputError for a target that names nothing.
    """
    known = read_forgotten(dataset)
    stopped = left_to_remove(dataset) or (known and dataset.names(SCRATCH))
    videos = {row["video_id"]: row for row in rows(dataset, _VIDEOS)}
    clips = rows(dataset, _CLIPS)
    regions = {video: {*known[video]} for video in videos.keys() & known.keys()}
    for video in targets.videos:
        if video in videos and not is_absent(video):
            regions.setdefault(video, set()).update(WHOLE)
        elif known.get(video) != WHOLE:
            raise InputError(_unknown(dataset, "video", video))
    by_id = {clip["clip_id"]: clip for clip in clips}
    for name in targets.clips:
        if name in by_id:
            _add(regions, by_id[name])
        elif not _was_forgotten(known, name):
            raise InputError(_unknown(dataset, "clip", name))
    for speaker in targets.speakers:
        found = _of_speaker(speaker, videos.values(), clips)
        if not found and not stopped:
            raise InputError(_unknown(dataset, "speaker", speaker))
        for video, more in found.items():
            regions.setdefault(video, set()).update(more)
    gone = shown_in(regions, {name: row["labels"] for name, row in videos.items()}, clips)
    for video in gone.videos:
        regions[video] = {*WHOLE}
    return Plan(
        regions,
        gone,
        [videos[name] for name in sorted(gone.videos)],
        [clip for clip in clips if clip["clip_id"] in gone.clips],
        sorted(_same_footage(gone.clips, clips) - gone.clips),
    )


_VIDEOS = "SELECT video_id, sources, labels, clips_total FROM videos ORDER BY video_id"
_CLIPS = f"""
SELECT {PLACES}, duration_s, speaker, identity, split, accepted, duplicate_of, reasons
FROM clips ORDER BY clip_id
"""  # noqa: S608 - our own names


def _of_speaker(
    speaker: str, videos: Iterable[Row], clips: Sequence[Row]
) -> dict[str, set[Region]]:
    """Where a speaker is: ranges that lists give, clips, and copies of these that no list says to
    show somebody else.
    """
    name = normalised(speaker)
    found: dict[str, set[Region]] = {}
    for video in videos:
        for label in video["labels"]:
            if label["speaker"] is not None and normalised(label["speaker"]) == name:
                region = Region(label["start"], label["stop"])
                found.setdefault(video["video_id"], set()).add(region)
    seen = {
        clip["clip_id"]
        for clip in clips
        if clip["identity"] == speaker
        or (clip["speaker"] is not None and normalised(clip["speaker"]) == name)
    }
    free = {clip["clip_id"] for clip in clips if clip["speaker"] is None}
    seen |= _same_footage(seen, clips) & free
    for clip in clips:
        if clip["clip_id"] in seen:
            _add(found, clip)
    return found


def _same_footage(of: Iterable[str], clips: Sequence[Row]) -> set[str]:
    """Clips that the filter for duplicates finds to show what these show, by any number of steps,
    and these.
    """
    links: dict[str, set[str]] = {}
    for clip in clips:
        if "duplicate" in clip["reasons"] and clip["duplicate_of"] is not None:
            links.setdefault(clip["clip_id"], set()).add(clip["duplicate_of"])
            links.setdefault(clip["duplicate_of"], set()).add(clip["clip_id"])
    found, waiting = set(), [*of]
    while waiting:
        clip_id = waiting.pop()
        if clip_id not in found:
            found.add(clip_id)
            waiting += links.get(clip_id, ())
    return found


def _add(regions: dict[str, set[Region]], clip: Row) -> None:
    regions.setdefault(clip["video_id"], set()).add(Region.of(clip))


def _was_forgotten(known: dict[str, tuple[Region, ...]], clip_id: str) -> bool:
    """Whether a record names the video of a clip that is not there, at the clip's first frame."""
    video, *rest = clip_id.rsplit("-", 2)
    if len(rest) != 2 or not rest[0].isdecimal():
        return False
    start = int(rest[0])
    return any(region.overlaps(Region(start, start + 1)) for region in known.get(video, ()))


def _unknown(dataset: Dataset, kind: str, name: str) -> str:
    asked = {
        "video": "video_id, sources FROM videos",
        "clip": "clip_id, video_id FROM clips",
        "speaker": "DISTINCT speaker, identity FROM clips",
    }
    recorded = "; who was forgotten is not recorded" if kind == "speaker" else ""
    return (
        f"--{kind} {name}: names nothing in {dataset.uri}{recorded}; see what there is with "
        f'dawn query "SELECT {asked[kind]}" --dataset {dataset.uri}'
    )


def _refuse_staged(dataset: Dataset) -> None:
    if dataset.names(STAGED):
        raise InputError(
            f"{dataset.uri}: an ingest is under way, or was stopped; let it end or run it again, "
            "then forget"
        )


def _uses(dataset: Dataset, clips: frozenset[str], runs: Sequence[str]) -> list[Use]:
    """Of the runs in the given folders, and in the one that holds the dataset."""
    uses = uses_of(dataset, clips, runs)
    if dataset.local:
        beside = dataset.path.rsplit("/", 1)[0] or "/"
        try:
            uses += [use for use in uses_of(dataset, clips, [beside]) if use not in uses]
        except InputError as error:
            console.print(f"runs beside the dataset were not looked at: {error}", markup=False)
    return uses


def _print_plan(plan: Plan, orphans: int, *, dry_run: bool) -> None:
    if not plan.gone:
        console.print("nothing of it is left: it was forgotten before")
        return
    seconds = sum(clip["duration_s"] for clip in plan.clips)
    console.print(
        f"{'would forget' if dry_run else 'forgetting'} {count(len(plan.clips), 'clip')} "
        f"({seconds:.1f} s), {count(len(plan.videos), 'video')} as a whole"
    )
    _print_some(
        [f"video {row['video_id']}: {', '.join(row['sources'])}" for row in plan.videos],
        "more videos",
    )
    _print_some(
        [
            f"clip {clip['clip_id']}: {clip['duration_s']:.1f} s, "
            f"{clip['split'] if clip['accepted'] else 'rejected'}"
            for clip in plan.clips
        ],
        "more clips",
    )
    if plan.gone.labels:
        names = count(len(plan.gone.labels), "video that stays", "videos that stay")
        console.print(f"with what lists say of it in {names}")
    if orphans:
        what = count(orphans, "clip that names one of these", "clips that name some of these")
        console.print(f"judged again: {what} as the most alike")


def _print_accepted(dataset: Dataset, rejected: Sequence[str]) -> None:
    """Of clips that were rejected, those that are accepted now."""
    accepted = {row["clip_id"] for row in rows(dataset, "SELECT clip_id FROM clips WHERE accepted")}
    found = [name for name in rejected if name in accepted]
    if found:
        console.print("accepted now, for what they were copies of is gone:")
        _print_some(found, "more clips")


def _print_after(dataset: Dataset, plan: Plan, uses: Sequence[Use], *, dry_run: bool) -> None:
    if plan.alike:
        console.print("the same footage is in clips that stay; name them, too, if they are to go:")
        _print_some([f"--clip {name}" for name in plan.alike], "more clips")
    if not plan.gone:
        return
    if uses:
        console.print("used by:")
        for use in uses:
            console.print(f"  {use.kind} {use.folder}: {use.how}", markup=False)
        console.print("  what these learnt or made is still there: delete it, or make it again")
    else:
        console.print("no run that used it was found; --runs FOLDER looks elsewhere")
    if dry_run:
        console.print("nothing was changed; run it without --dry-run")
        return
    sources = [source for row in plan.videos for source in row["sources"]]
    console.print(
        f"forgotten, and remembered by content in {dataset.uri}/{FORGOTTEN}: a later ingest "
        "leaves it out",
        markup=False,
    )
    if sources:
        console.print("sources are not touched; delete them yourself:")
        _print_some(sources, "more sources")
    console.print("datasets, cards, sheets and exports made of it before still show it")
    console.print(f"next: dawn dataset validate {dataset.uri}", markup=False)


def _print_some(lines: Sequence[str], more: str) -> None:
    for line in lines[:_SHOWN]:
        console.print(f"  {line}", markup=False)
    if len(lines) > _SHOWN:
        console.print(f"  and {len(lines) - _SHOWN:,} {more}", markup=False)
