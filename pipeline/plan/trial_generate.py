"""A trial of `dawn generate`: a video of each accepted clip, by one worker."""

from typing import Any

import torch

from dawn.sampling.memory import peak_memory
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.cluster.actors import OneHere
from pipeline.generate.command import ManyOptions, plan_run
from pipeline.generate.run import generate_run
from pipeline.generate.worker import Maker
from pipeline.info_names import GENERATIONS
from pipeline.plan.costs import Item, Job, Stage, Took
from pipeline.plan.meter import Usage, metered
from pipeline.plan.trial import Trial, less, so_far, total
from pipeline.plan.trial_ingest import ingested


def try_generate(trial: Trial, command: Took) -> Stage:
    """A video of each accepted clip, by one worker."""
    begin = so_far()
    with trial.folder() as root:
        ingested(trial, trial.clips, f"{root}/data")
        plan = plan_run(
            ManyOptions(
                config=trial.generate, checkpoint=trial.checkpoint, out=f"{root}/run",
                dataset=f"{root}/data", split="all", max_seconds=trial.max_seconds,
                device=trial.device,
            )
        )  # fmt: skip
        if not plan.items:
            raise InputError("--measure: no clip of these videos is accepted, to make a video of")
        with metered() as load:
            worker = _MeteredMaker(Maker(plan.task))
        with metered() as whole:
            generate_run(plan.items, plan.task, plan.info, OneHere(lambda: worker))
        folder = RunFolder(f"{root}/run", GENERATIONS)
        made = {row["item"]: row for row in folder.read("generations").to_pylist()}
        sizes = {
            name: folder.fs.size(folder.at(row["video"]))
            for name, row in made.items()
            if row["video"]
        }
    items = [
        Item(
            name, made[name]["duration_s"], made[name]["duration_s"], (Job("make", u.took),),
            u.read, u.written, sizes[name], u.requests,
        )
        for name, u in worker.done.items()
        if made[name]["status"] == "ok"
    ]  # fmt: skip
    driver = less(whole.took, total([u.took for u in worker.done.values()]), len(worker.done))
    return Stage(
        tuple(items), command, begin, load.took, driver,
        peak_memory(torch.device(trial.device)) or 0, trial.device,
    )  # fmt: skip


class _MeteredMaker:
    """Measures each item."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self.done: dict[str, Usage] = {}

    def do(self, item: Any) -> str:  # noqa: ANN401 - as Worker
        """See Worker."""
        with metered() as self.done[item.name]:
            return self._maker.do(item)
