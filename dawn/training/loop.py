"""The training loop: one process of one or several, exactly resumable.

Nothing here knows Ray. `pipeline.train.run` runs it in Ray Train's workers, tests and the demo in
their own process.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch.distributed as dist

from dawn.training.batches import Batches, collate, on_device
from dawn.training.clips import ClipReader, clips_of
from dawn.training.config import RunSettings
from dawn.training.objective import Objective
from dawn.training.order import MicroBatches, Sample, Samples
from dawn.training.record import EVERY, Recorder
from dawn.training.stages import stage_named
from dawn.training.state import Checkpoints, Progress
from dawn.training.step import Place, Stepper, Unread, cosine
from dawn.training.task import TrainingTask, objective_of, sample_maker
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset

Watch = Callable[[dict[str, Any]], None]
_VALIDATION_SEED = 0x7A11
_HELD_OUT = 8
"""Without a validation split every eighth training clip is held out."""


class DivergedError(InputError):
    """The loss is no number any more; the last checkpoint is kept."""


class Trainer:
    """One worker's part of a run."""

    def __init__(self, task: TrainingTask, watch: Watch, place: Place | None = None) -> None:
        self.task, self.watch = task, watch
        self.place = place or Place()
        self.settings: RunSettings = task.config.run
        self.stepper = Stepper(objective_of(task), self.settings, self.place)
        self.folder = RunFolder(task.out, "config.json")
        self.checkpoints = Checkpoints(self.folder)
        self.progress = Progress()
        steps = self.checkpoints.steps()
        if steps:
            self._restore(steps[-1])
        self.record = Recorder(task, self.folder, self.progress.step, self.place.rank == 0)
        self.read_every = EVERY if self.place.cuda else 1
        """Steps between two looks at their numbers, each of which waits for the device."""
        self._unread = Unread()
        self.train_clips, self.validation_clips = split_clips(task.dataset)

    @property
    def objective(self) -> Objective:
        """What is trained."""
        return self.stepper.objective

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the last step. Raises DivergedError, ClipError or InputError."""
        with self._batches() as batches:
            self._train(batches)
        self._finish()

    def _train(self, batches: Batches) -> None:
        settings = self.settings
        began = time.monotonic() - self.progress.wall_s
        saved = time.monotonic()
        first = self.progress.step
        top, waited = 0.0, 0.0
        for step in range(first, settings.steps):
            numbers, bad = self.stepper.step(step, batches)
            self._unread.add(step + 1, numbers)
            self._note_bad(bad)
            if step == first:  # which waits for the loader's processes to start
                top, waited = time.monotonic(), batches.waited
            self.progress.step = step + 1
            last = step + 1 == settings.steps
            validates = last or (step + 1) % settings.validate_every == 0
            due = last or validates or time.monotonic() - saved >= settings.save_every_s
            if due or step == 0 or (step + 1) % self.read_every == 0:
                waiting = (batches.waited - waited) / max(time.monotonic() - top, 1e-9)
                self._read(began, waiting)
            if validates:
                self._validate(waiting)
            if due:
                self.save()
                saved = time.monotonic()

    def _read(self, began: float, wait_share: float) -> None:
        """Look at the numbers of the steps since the last look. Raises DivergedError."""
        steps = self._unread.read()
        self.progress.wall_s = time.monotonic() - began
        for step, numbers in steps:
            if not (math.isfinite(numbers["loss"]) and math.isfinite(numbers["grad_norm"])):
                raise DivergedError(self._diverged(step, numbers))
            if self.place.rank == 0:
                numbers["lr"] = cosine(step - 1, self.settings)
                self.record.add(step, numbers, self.progress.wall_s)
                self.watch(self._news(step, numbers, wait_share))

    def _diverged(self, step: int, numbers: dict[str, float]) -> str:
        kept = self.checkpoints.steps()
        parts = ", ".join(f"{k} {v:.3g}" for k, v in numbers.items() if k != "grad_norm")
        return (
            f"{self.folder.uri}: the loss is not a number at step {step} ({parts}); "
            + (f"the checkpoint of step {kept[-1]} is kept, " if kept else "")
            + "lower --set run.lr or look at the data"
        )

    def _note_bad(self, bad: list[str]) -> None:
        for line in bad:
            if line in self.progress.bad:
                continue
            self.progress.bad.append(line)
            self.watch({"warning": f"skipped clip {line}"})
            if len(self.progress.bad) > self.settings.max_bad_clips:
                raise InputError(
                    f"{self.task.dataset}: over {self.settings.max_bad_clips} clips cannot be "
                    f"read, the last: {line}; run `dawn dataset validate {self.task.dataset}`"
                )

    def _news(self, step: int, numbers: dict[str, float], wait_share: float) -> dict[str, Any]:
        done, wall = self.progress.step, self.progress.wall_s
        rate = (done - self.record.first_step) / max(wall - self.record.first_wall, 1e-9)
        return {
            "stage": self.task.stage, "step": step, "steps": self.settings.steps,
            "loss": numbers["loss"], "wait_share": wait_share,
            "samples_per_s": rate * self.settings.batch,
            "eta_s": (self.settings.steps - done) / max(rate, 1e-9),
        }  # fmt: skip

    # --- data ---------------------------------------------------------------------------------

    def _batches(self) -> Batches:
        settings, place = self.settings, self.place
        samples = Samples(
            self.train_clips, sample_maker(self.task), settings.seed, settings.batch, self._reader()
        )
        order = MicroBatches(
            self.progress.step, settings.steps, settings.batch, settings.accumulate, place.rank,
            place.world,
        )  # fmt: skip
        workers = settings.loader_workers
        return Batches(samples, order, workers, place.device, self.objective.prepared)

    def _reader(self) -> ClipReader:
        size = stage_named(self.task.stage).picture_size(self.task.config)
        return ClipReader(self.task.dataset, size, self.settings.cache_mb * 2**20)

    def _validation_batch(self) -> Sample:
        count = min(self.settings.validation_clips, 4 * len(self.validation_clips))
        samples = Samples(
            self.validation_clips, sample_maker(self.task), _VALIDATION_SEED, count, self._reader()
        )
        batch = collate([samples[number] for number in range(count)])
        batch.pop("bad")
        return on_device(batch, self.place.device, self.objective.prepared)

    # --- what is kept -------------------------------------------------------------------------

    def _validate(self, wait_share: float) -> None:
        """Measure the weights that would be handed on; the first worker does."""
        if self.place.rank == 0:
            batch = self._validation_batch()
            with self._averaged_weights():
                self.objective.eval()
                measures = self.objective.validate(batch)
                self.record.pictures(self.progress.step, self.objective, batch)
            measures["wait_share"] = wait_share
            self.record.add(
                self.progress.step,
                {f"val/{name}": value for name, value in measures.items()},
                self.progress.wall_s,
            )
            self.record.write()
            self.watch({"stage": self.task.stage, "step": self.progress.step, "val": measures})
            best = [*self.progress.best, (measures[self.objective.measure], self.progress.step)]
            self.progress.best = sorted(best)[: self.settings.keep_best]
        if self.place.world > 1:
            dist.barrier()

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        if not self.settings.ema:
            yield
            return
        own = {key: value.clone() for key, value in self.stepper.weights().items()}
        self.objective.network.load_state_dict(self.stepper.averaged)
        yield
        self.objective.network.load_state_dict(own)

    def save(self) -> None:
        """Write a checkpoint, then drop those that are neither new nor among the best."""
        if self.place.rank == 0:
            weights = self.stepper.averaged if self.settings.ema else self.stepper.weights()
            state = {**self.stepper.state(), "recipe_hash": self.task.hash}
            source = self.task.source(self.progress.step)
            source["computed"] = self.stepper.computed()
            network = (self.task.stage, self.task.config.network, weights, source)
            self.record.write()  # first: going on drops what is beyond the checkpoint
            self.checkpoints.save(state, self.progress, network)
            self.checkpoints.prune({step for _, step in self.progress.best})
        if self.place.world > 1:
            dist.barrier()

    def _restore(self, step: int) -> None:
        state, self.progress = self.checkpoints.load(step, self.place.device)
        if state["recipe_hash"] != self.task.hash:
            raise InputError(
                f"{self.folder.uri}: its checkpoint of step {step} was made with other settings or "
                "from other data; give another folder"
            )
        self.stepper.restore(state)

    def _finish(self) -> None:
        if self.place.rank == 0:
            self.checkpoints.hand_on(self.progress.best[0][1], self.task.stage)
            self.record.close()


def split_clips(root: str) -> tuple[Any, Any]:
    """Training and validation clips; without a validation split some are held out."""
    dataset = Dataset(root)
    train, validation = clips_of(dataset, "train"), clips_of(dataset, "val")
    if len(validation):
        return train, validation
    held = list(range(0, len(train), _HELD_OUT))
    kept = [i for i in range(len(train)) if i % _HELD_OUT]
    return [train[i] for i in kept], [train[i] for i in held]
