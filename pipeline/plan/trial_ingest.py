"""A trial of `dawn ingest`: one clip in a new process, once more, then all; each job measured."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from dawn.device import Placement
from dawn.recipe import Recipe
from manifests.catalog import rows
from manifests.content_ids import label, video_id
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.cluster.executor import InProcess
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import Source
from pipeline.plan.costs import Item, Job, Stage, Took
from pipeline.plan.meter import Usage, metered, peak
from pipeline.plan.trial import Trial, less, so_far, total


class _Metered(InProcess):
    """Measures each job."""

    def __init__(self, place: Placement) -> None:
        super().__init__(place)
        self.done: list[tuple[str, Any, Usage]] = []
        """Step, the source's path or the video's id, and what it took."""

    def submit(
        self, key: Hashable, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        def measured() -> Any:  # noqa: ANN401 - any result
            with metered() as usage:
                result = job(*arguments)
            step, of = key[:2] if isinstance(key, tuple) else ("identify", key)
            self.done.append((step, of, usage))
            return result

        super().submit(key, measured, networks=networks)

    def sum(self) -> Took:
        """Of all jobs."""
        return total([usage.took for _, _, usage in self.done])


def try_ingest(trial: Trial, command: Took) -> Stage:
    """What the first clip takes more in a new process is a worker's start; what all take more of
    the command itself than one is what each costs it.
    """
    begin = so_far()
    with trial.folder() as root:
        cold, _ = ingested(trial, trial.clips[:1], f"{root}/cold")
        warm, alone = ingested(trial, trial.clips[:1], f"{root}/warm")
        every, all_ = ingested(trial, trial.clips, f"{root}/all")
        jobs, usages = defaultdict(list), defaultdict(list)
        ids = {label(clip): video_id(clip) for clip in trial.clips}
        for step, of, usage in every.done:
            video = ids.get(label(of), str(of))
            jobs[video].append(Job(step, usage.took))
            usages[video].append(usage)
        dataset = Dataset(f"{root}/all")
        facts = {row["video_id"]: row for row in rows(dataset, _FACTS)}
        sizes = _sizes(dataset)
        items = [
            Item(
                clip.name, facts[video]["seconds"], facts[video]["accepted"], tuple(jobs[video]),
                sum(u.read for u in usages[video]), sum(u.written for u in usages[video]),
                sum(size for name, size in sizes.items() if name.startswith(video)),
                sum(u.requests for u in usages[video]),
            )
            for clip, video in ((clip, ids[label(clip)]) for clip in trial.clips)
            if facts[video]["seconds"]
        ]  # fmt: skip
        if not items:
            raise InputError("--measure: none of these videos can be read")
        driver = less(less(all_, every.sum()), less(alone, warm.sum()), len(trial.clips) - 1)
        return Stage(
            tuple(items), command, begin, less(cold.sum(), warm.sum()), driver, peak(),
            trial.device,
        )  # fmt: skip


_FACTS = """
SELECT video_id, any_value(videos.duration_s) AS seconds,
       coalesce(sum(clips.duration_s) FILTER (accepted), 0) AS accepted
FROM videos LEFT JOIN clips USING (video_id) GROUP BY video_id
"""


def ingested(trial: Trial, clips: Iterable[Path], root: str) -> tuple[_Metered, Took]:
    """A dataset of the clips, and what each job and the whole took."""
    dataset, recipe, executor = Dataset(root), Recipe.resolve(trial.config), _Metered(trial.place)
    adopt(dataset, recipe, update=False)
    with metered() as usage:
        ingest([Source(clip) for clip in sorted(clips)], dataset, recipe, executor)
    return executor, usage.took


def _sizes(dataset: Dataset) -> dict[str, int]:
    """The bytes of all files by their names, which begin with the video's."""
    found = dataset.fs.find(dataset.path, detail=True)
    return {path.rsplit("/", 1)[-1]: int(info["size"]) for path, info in found.items()}
