"""`dawn ingest`: decides what is to be done for each source, has it done, judges, commits.

Sources go through in groups. Within a group everything expensive runs in parallel and in any
order; the judge (duplicates, identities, splits) then sees the whole group at once, sorted, so
that the result does not depend on who finished first.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dawn.recipe import Recipe
from manifests.commit import NewParts, commit, finish, forget
from manifests.content_ids import absent_id, label
from manifests.counting import count
from manifests.forgotten import WHOLE, read_forgotten
from manifests.location import Where, exists, where_of
from manifests.reasons import Quarantine
from manifests.store import Dataset, Session
from pipeline.cluster.executor import Executor
from pipeline.cluster.shared import sights_of
from pipeline.events import note
from pipeline.ingest import steps as steps
from pipeline.ingest.adopt import labels_of
from pipeline.ingest.asked_splits import asks_of
from pipeline.ingest.committed import Committed
from pipeline.ingest.judging import Judge, ToJudge
from pipeline.ingest.removal import blanked, remove_forgotten
from pipeline.ingest.sources import Source
from pipeline.ingest.steps import Identified, Quarantined, VideoTask
from pipeline.ingest.unchanged import Unchanged
from pipeline.ingest.video import Video, failed, note_end, parts_of, step_seconds
from pipeline.progress import Progress, tally

GROUP = 512
"""Videos that are judged and committed together."""
BEHIND = 8 * GROUP
"""Videos, of which only rows are needed, that are judged again together."""

_READ = "read"
"""Of a video that waits to be judged with its group."""
_TRY_AGAIN = {Quarantine.NOT_FOUND, Quarantine.CHANGED}
"""What may have passed by the next run."""


@dataclass(slots=True)
class Summary:
    """What an ingest did."""

    outcomes: dict[str, int] = field(default_factory=dict)
    """ok, rejected, quarantined, unchanged, forgotten -> videos."""
    clips: int = 0
    forgotten: list[str] = field(default_factory=list)
    """Sources that are left out: their bytes were forgotten."""


def ingest(
    sources: list[Source],
    dataset: Dataset,
    recipe: Recipe,
    executor: Executor,
    *,
    retry: bool = False,
    verify: bool = False,
) -> Summary:
    """Bring the dataset to hold the sources under the recipe; what is there is not redone.

    The dataset must have the recipe (`adopt` sees to that). Raises InputError when it is being
    written to or the disk is full. Videos never raise: they end as rows. `retry` looks again at
    quarantined ones, `verify` hashes also what looks as it did when it was hashed.
    """
    summary = Summary()
    dataset.ensure(recipe.as_dict())
    with dataset.writing() as session, sights_of(session) as sights:
        note("writing", folder=dataset.uri)
        executor.expect(sights)
        remove_forgotten(session)
        committed = Committed(dataset)
        judge = Judge(dataset, recipe, asks_of(sources, dataset, recipe), committed)
        run = _Run(session, recipe, executor, summary, committed, judge, retry)
        sources = run.with_stale(sources)
        run.seen = Unchanged(session, sources, verify=verify)
        total = run.seen.look()
        items = len(sources) + len(run.behind)
        run.progress = Progress("ingest", total, describe=partial(run.told, items))
        with run.progress:
            for begin in range(0, max(1, len(sources)), GROUP):
                last = begin + GROUP >= len(sources)
                behind = run.behind[:BEHIND] if last else []
                run.ingest_group(sources[begin : begin + GROUP], behind)
            for begin in range(BEHIND, len(run.behind), BEHIND):
                run.ingest_group([], run.behind[begin : begin + BEHIND])
            run.unite()
        run.seen.finish()
        finish(session)
    return summary


class _Run:
    """One ingest: the dataset as it is, and the group that is worked on."""

    def __init__(
        self,
        session: Session,
        recipe: Recipe,
        executor: Executor,
        summary: Summary,
        committed: Committed,
        judge: Judge,
        retry: bool,
    ) -> None:
        self._session, self._recipe, self._executor = session, recipe, executor
        self._summary, self._judge, self._retry = summary, judge, retry
        self._scratch = str(session.scratch) if session.dataset.local else None
        self._looks, self._hears = steps.networks_of(recipe)
        self._committed = committed
        self._forgotten = read_forgotten(session.dataset)
        self.behind: list[str] = []
        """Videos that an older recipe heard or judged: their files need not be there."""
        self.progress: Progress
        self.seen: Unchanged
        self._clips_found = 0

    def told(self, items: int, counts: Counter[str]) -> str:
        """How far it is: videos by how they ended, or that are read and wait for the others of
        their group, and the clips in them.
        """
        clips = count(self._clips_found, "clip")
        return f"{tally(counts, items)}, {clips} found"

    def with_stale(self, sources: list[Source]) -> list[Source]:
        """The sources, and those of videos that an older recipe extracted; notes who is behind."""
        given = {label(source.path) for source in sources}
        stale = []
        for row in self._committed.unlike(self._recipe):
            labels = labels_of(row)
            key = self._recipe.extract_key(labels)
            audio, judged = self._recipe.audio_key(key), self._recipe.judge_key(key, labels)
            if given.intersection(row["sources"]):
                continue
            if row["extract_key"] != key:
                there = (s for s in row["sources"] if exists(where_of(s)))
                stale.append(Source(where_of(next(there, row["sources"][0]))))
            elif (row["audio_part"] and row["audio_key"] != audio) or (
                row["clips_part"] and row["judge_key"] != judged
            ):
                self.behind.append(row["video_id"])
        self.behind.sort()
        return [*sources, *sorted(stale, key=lambda source: str(source.path))]

    def ingest_group(self, group: list[Source], behind: list[str]) -> None:
        """Take some sources, and videos that are in the dataset, all the way to their rows."""
        identified = self._identify(group)
        self._committed.hold(behind)
        videos = {video: self._stored(video) for video in behind} | identified
        to_judge = [video for video in videos.values() if self._plan(video)]
        for key, outcome in self._executor.results():
            ready = self._advance(videos, key, outcome)
            if ready is not None:
                to_judge.append(ready)
        for video, row, new in self._judged(sorted(to_judge, key=lambda v: v.work.video_id)):
            self._commit(video, row, new)
            if video.facts is not None:
                self.progress.counts[_READ] -= 1
            self._count(row, video, sum(clip["frames"] for clip in new.clips or ()))
        self.seen.keep()

    def unite(self) -> None:
        """Judge together who is in two splits, so that nobody is: older versions let lists do it,
        and a list may have called for what another file of the same name is already.
        """
        divided = [self._stored(video) for video in sorted(self._judge.divided())]
        for video, row, new in self._judged(divided):
            self._commit(video, row, new)
            self._end("judged again")

    def _stored(self, video: str) -> Video:
        """A video as its row has it; nothing of its file is looked at."""
        old = self._committed.get(video) or {}
        work = VideoTask(
            self._session.dataset.uri, self._scratch, self._recipe,
            video, where_of(old["sources"][0]), old["bytes"], "", labels_of(old),
        )  # fmt: skip
        return Video(work, old["sources"], old)

    def _identify(self, group: list[Source]) -> dict[str, Video]:
        """Hash the group's files, but for those that are as they were, and gather the names and
        labels of each content.
        """
        found: dict[Any, Any] = {}
        seen_before = self.seen.known(group)
        self._committed.hold(seen.video_id for seen in seen_before if seen is not None)
        for source, seen in zip(group, seen_before, strict=True):
            if seen is not None and self._is_done(source, seen):
                found[source.path] = seen
            else:
                self._executor.submit(source.path, steps.identify, source.path)
        found |= dict(self._executor.results())
        videos: dict[str, Video] = {}
        for source in group:
            outcome = found[source.path]
            if not isinstance(outcome, Identified):
                self._quarantine_absent(source, outcome)
                continue
            self._drop_absent(source.path)
            gone = self._forgotten.get(outcome.video_id, ())
            if gone == WHOLE:
                self._summary.forgotten.append(label(source.path))
                self._end("forgotten")
                self.progress.advance(outcome.size)
                continue
            self.seen.note(source, outcome)
            known = videos.get(outcome.video_id)
            old = self._committed.get(outcome.video_id)
            labels = source.labels or (known.work.labels if known else labels_of(old))
            if known is not None:
                labels = tuple(sorted({*known.work.labels, *source.labels}, key=repr))
            labels = blanked(labels, gone)
            path, stamp = source.path, outcome.stamp
            if known is not None:
                path, stamp = known.work.path, known.work.stamp
            before = known.sources if known else list((old or {}).get("sources", []))
            work = VideoTask(
                self._session.dataset.uri, self._scratch, self._recipe,
                outcome.video_id, path, outcome.size, stamp, labels, forgotten=gone,
            )  # fmt: skip
            names = sorted({*before, label(source.path)})
            videos[outcome.video_id] = Video(work, names, old, bytes_left=outcome.size)
            if known is not None:
                self.progress.count("unchanged")
        return videos

    def _plan(self, video: Video) -> bool:
        """Submit what is missing; True when only judging is."""
        old, key = video.old, video.work.key
        again = old is not None and old["status"] == "quarantined" and self._tries_again(old)
        if old is None or old["extract_key"] != key or again:
            self._submit(("prepare",), video, steps.prepare)
            return False
        if old["audio_part"] and old["audio_key"] != self._recipe.audio_key(key):
            clips = self._judge.clips_of([old])[old["video_id"]]
            sounds = [(clip["clip_id"], clip["sound_path"]) for clip in clips]
            self._submit(("audio",), video, steps.restage_audio, sounds, networks=self._hears)
            return False
        if old["clips_part"] and old["judge_key"] != self._recipe.judge_key(key, video.work.labels):
            return True
        row = old | {
            "sources": video.sources,
            "labels": [mark.as_row() for mark in video.work.labels],
        }
        if row != old:  # what lists say of a video without clips is kept as well
            self._committed.put(commit(self._session, row, NewParts(), old))
        self._end("unchanged", video)
        return False

    def _is_done(self, source: Source, seen: Identified) -> bool:
        """Whether the dataset holds what extraction makes of it: what is to be read anyway is
        hashed, too.
        """
        old = self._committed.get(seen.video_id)
        if old is None or (old["status"] == "quarantined" and self._tries_again(old)):
            return False
        return bool(old["extract_key"] == self._recipe.extract_key(source.labels or labels_of(old)))

    def _tries_again(self, old: dict[str, Any]) -> bool:
        return self._retry or old["reason"] in _TRY_AGAIN

    def _advance(self, videos: dict[str, Video], key: Any, outcome: Any) -> Video | None:  # noqa: ANN401
        """Take in one finished job; the video when it is ready to be judged."""
        step, video = key[0], videos[key[1]]
        if video.ended:
            return None
        outcome = failed(outcome, step, video.work.path)
        if isinstance(outcome, Quarantined):
            self._quarantine(video, outcome)
        elif step == "prepare":
            info, video.spans = outcome
            video.facts, video.open_spans = info, len(video.spans)
            for start, stop in video.spans:
                part = info, start, stop
                self._submit(
                    ("extract", start, stop), video, steps.extract, *part, networks=self._looks
                )
            if not video.spans:
                self._submit_finish(video)
        elif step == "extract":
            for name, seconds in outcome.items():
                video.seconds[name] = video.seconds.get(name, 0.0) + seconds
            video.open_spans -= 1
            self._advance_bar(video, video.work.size / len(video.spans))
            if video.open_spans == 0 and video.facts is not None:
                self._submit_finish(video)
        elif step == "finish":
            video.facts, video.audio_staged = outcome, outcome["clips_total"] > 0
            self._clips_found += outcome["clips_total"]
            self.progress.count(_READ)
            return video
        else:
            video.audio_staged = True
            return video
        return None

    def _submit_finish(self, video: Video) -> None:
        self._submit(
            ("finish",), video, steps.finish, video.facts, video.spans, networks=self._hears
        )

    def _submit(
        self,
        step: tuple[str | int, ...],
        video: Video,
        job: Callable[..., Any],
        *arguments: object,
        networks: bool = False,
    ) -> None:
        """A job of a video. Where it runs is asked only now: what asks for nothing needs no Ray."""
        name, *part = step
        work = replace(video.work, place=self._executor.place)
        key = (name, video.work.video_id, *part)
        self._executor.submit(key, job, work, *arguments, networks=networks)

    def _judged(self, videos: list[Video]) -> Iterator[tuple[Video, dict[str, Any], NewParts]]:
        """Judge the clips of some videos together; each video's row and new parts."""
        judged = self._judge.judge(
            [
                ToJudge(v.work, v.sources, v.facts["clips_total"] if v.facts else None, v.old)
                for v in videos
                if any(row["clips_total"] for row in (v.facts, v.old) if row)
            ]
        )
        for video in videos:
            clips, decisions = judged.get(video.work.video_id, ([], []))
            row = self._judge.video_row(
                video.work, video.sources, video.facts or video.old or {}, clips, decisions
            )
            staged = {}
            if video.facts is not None:
                row["step_seconds"] = step_seconds(video)
            if video.facts is not None and clips:
                staged["frames"] = f"{video.work.stage}/frames.parquet"
            if video.audio_staged:
                audio = self._recipe.audio_key(video.work.key)
                staged["audio"] = f"{video.work.stage}/audio-{audio}.parquet"
            yield video, row, NewParts(clips, decisions, staged)

    def _commit(self, video: Video, row: dict[str, Any], new: NewParts) -> None:
        keep = {} if video.facts is not None else parts_of(video.old)
        self._committed.put(commit(self._session, keep | row, new, video.old))
        self._session.dataset.delete_folder(video.work.stage)

    def _count(self, row: dict[str, Any], video: Video, frames: int = 0) -> None:
        self._summary.clips += row["clips_accepted"]
        self._end(row["status"], video, row, frames)

    def _quarantine(self, video: Video, why: Quarantined) -> None:
        row = {
            "video_id": video.work.video_id,
            "sources": video.sources,
            "status": "quarantined",
            "reason": str(why.reason),
            "detail": why.detail,
            "bytes": video.work.size,
            "labels": [mark.as_row() for mark in video.work.labels],
            "clips_total": 0,
            "clips_accepted": 0,
            "extract_key": video.work.key,
        }
        video.facts, video.ended = {}, True
        self._executor.withdraw(lambda key: key[1:2] == (video.work.video_id,))
        if video.spans:
            self._session.unclean = True  # spans that were done left media behind
        if video.old is not None:
            self._judge.forget(video.old)
        self._commit(video, row, NewParts())
        self._count(row, video)

    def _quarantine_absent(self, source: Source, outcome: Any) -> None:  # noqa: ANN401 - a failure
        """A source whose bytes cannot be read is known by its path."""
        why = failed(outcome, "identify", source.path)
        name = label(source.path)
        row = {
            "video_id": absent_id(name),
            "sources": [name],
            "status": "quarantined",
            "reason": str(why.reason),
            "detail": why.detail,
            "labels": [mark.as_row() for mark in source.labels],
            "clips_total": 0,
            "clips_accepted": 0,
            "extract_key": self._recipe.extract_key(source.labels),
        }
        old = self._committed.get(row["video_id"])
        self._committed.put(commit(self._session, row, NewParts(), old))
        self._end("quarantined", None, row)

    def _drop_absent(self, path: Where) -> None:
        """The file is there now: what was said of its absence no longer holds."""
        old = self._committed.pop(absent_id(label(path)))
        if old is not None:
            forget(self._session, old)

    def _end(
        self,
        outcome: str,
        video: Video | None = None,
        row: dict[str, Any] | None = None,
        frames: int = 0,
    ) -> None:
        self._summary.outcomes[outcome] = self._summary.outcomes.get(outcome, 0) + 1
        note_end(outcome, row, frames)
        self.progress.count(outcome)
        if video is not None:
            self._advance_bar(video, video.bytes_left)

    def _advance_bar(self, video: Video, size: float) -> None:
        video.bytes_left -= size
        self.progress.advance(size)
