"""The training loop: one process of one or several, exactly resumable.

Nothing here knows Ray. `pipeline.train.run` runs it in Ray Train's workers, tests and the demo in
their own process.
"""

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from dawn.training.clips import ClipReader, clips_of
from dawn.training.config import RunSettings
from dawn.training.norm import synced
from dawn.training.objective import Objective
from dawn.training.order import MicroBatches, Sample, Samples
from dawn.training.record import Recorder
from dawn.training.stages import stage_named
from dawn.training.state import Checkpoints, Progress
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


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many workers this is, and what it computes on."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"


class Trainer:
    """One worker's part of a run."""

    def __init__(self, task: TrainingTask, watch: Watch, place: Place | None = None) -> None:
        self.task, self.watch = task, watch
        self.place = place or Place()
        self.settings: RunSettings = task.config.run
        self.objective: Objective = objective_of(task).to(self.place.device)
        self.averaged = {k: v.clone() for k, v in self._weights().items()}
        self.folder = RunFolder(task.out, "config.json")
        self.checkpoints = Checkpoints(self.folder)
        self.progress = Progress()
        self.optimizer = optimizer_of(self.objective, self.settings)
        steps = self.checkpoints.steps()
        if steps:
            self._restore(steps[-1])
        self.record = Recorder(task, self.folder, self.progress.step, self.place.rank == 0)
        self.parallel = self._parallel()
        self.train_clips, self.validation_clips = split_clips(task.dataset)

    def _weights(self) -> dict[str, Tensor]:
        return self.objective.network.state_dict()

    def _parallel(self) -> nn.Module:
        if self.place.world == 1:
            return self.objective
        synced(self.objective.network)
        # The official U-Net carries weights that nothing uses; DDP would wait for them.
        return DistributedDataParallel(self.objective, find_unused_parameters=True)

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the last step. Raises DivergedError, ClipError or InputError."""
        settings = self.settings
        began = time.monotonic() - self.progress.wall_s
        saved = time.monotonic()
        waited, busy = 0.0, 1e-9
        batches = self._batches()
        first = self.progress.step
        for step in range(first, settings.steps):
            top = time.monotonic()
            parts, waiting = self._step(step, batches)
            if step > first:  # which waits for the loader's processes to start
                waited, busy = waited + waiting, busy + time.monotonic() - top
            self.progress.step = step + 1
            self.progress.wall_s = time.monotonic() - began
            last = step + 1 == settings.steps
            if self.place.rank == 0:
                self.record.add(step + 1, parts, self.progress.wall_s)
                self.watch(self._news(parts, waited / busy))
                waited, busy = waited * 0.98, busy * 0.98
            if last or (step + 1) % settings.validate_every == 0:
                self._validate(waited / busy)
            due = time.monotonic() - saved >= settings.save_every_s
            if last or due or (step + 1) % settings.validate_every == 0:
                self.save()
                saved = time.monotonic()
        self._finish()

    def _step(self, step: int, batches: Iterator[Sample]) -> tuple[dict[str, float], float]:
        """One optimiser step; returns the loss's parts and the seconds waited for data."""
        settings, place = self.settings, self.place
        torch.manual_seed(hash((settings.seed, step, place.rank)) & 0x7FFFFFFF)
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(step, settings)
        self.objective.train()
        self.objective.progress = step / settings.steps
        self.optimizer.zero_grad(set_to_none=True)
        sums: defaultdict[str, float] = defaultdict(float)
        waiting = 0.0
        for part in range(settings.accumulate):
            top = time.monotonic()
            batch = next(batches)
            waiting += time.monotonic() - top
            self._note_bad(batch.pop("bad"))
            batch = {key: value.to(place.device) for key, value in batch.items()}
            last = part + 1 == settings.accumulate
            with self._no_sync(last), self._precision():
                loss, parts = self.parallel(batch)
            (loss / settings.accumulate).backward()
            for name, value in {"loss": loss, **parts}.items():
                sums[name] += float(value.detach()) / settings.accumulate
        norm = nn.utils.clip_grad_norm_(
            self.objective.network.parameters(), settings.clip_norm or math.inf
        )
        if not math.isfinite(sums["loss"]) or not torch.isfinite(norm):
            kept = self.checkpoints.steps()
            raise DivergedError(
                f"{self.folder.uri}: the loss is not a number at step {step + 1} "
                f"({', '.join(f'{k} {v:.3g}' for k, v in sums.items())}); "
                + (f"the checkpoint of step {kept[-1]} is kept, " if kept else "")
                + "lower --set run.lr or look at the data"
            )
        self.optimizer.step()
        self._average(step)
        return {**sums, "grad_norm": float(norm), "lr": cosine(step, settings)}, waiting

    def _no_sync(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        if isinstance(self.parallel, DistributedDataParallel) and not last:
            return self.parallel.no_sync()
        return contextlib.nullcontext()

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.settings.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.place.device).type, torch.bfloat16)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if not self.settings.ema:
            return
        decay = min(self.settings.ema, (1 + step) / (10 + step))
        for key, value in self._weights().items():
            if value.is_floating_point():
                self.averaged[key].lerp_(value, 1 - decay)
            else:
                self.averaged[key].copy_(value)

    def _note_bad(self, bad: tuple[tuple[str, ...], ...]) -> None:
        for line in (line for sample in bad for line in sample):
            if line in self.progress.bad:
                continue
            self.progress.bad.append(line)
            self.watch({"warning": f"skipped clip {line}"})
            if len(self.progress.bad) > self.settings.max_bad_clips:
                raise InputError(
                    f"{self.task.dataset}: over {self.settings.max_bad_clips} clips cannot be "
                    f"read, the last: {line}; run `dawn dataset validate {self.task.dataset}`"
                )

    def _news(self, parts: dict[str, float], wait_share: float) -> dict[str, Any]:
        done, wall = self.progress.step, self.progress.wall_s
        rate = (done - self.record.first_step) / max(wall - self.record.first_wall, 1e-9)
        return {
            "stage": self.task.stage, "step": done, "steps": self.settings.steps,
            "loss": parts["loss"], "wait_share": wait_share,
            "samples_per_s": rate * self.settings.batch,
            "eta_s": (self.settings.steps - done) / max(rate, 1e-9),
        }  # fmt: skip

    # --- data ---------------------------------------------------------------------------------

    def _batches(self) -> Iterator[Sample]:
        settings, place = self.settings, self.place
        samples = Samples(
            self.train_clips, sample_maker(self.task), settings.seed, settings.batch, self._reader()
        )
        order = MicroBatches(
            self.progress.step, settings.steps, settings.batch, settings.accumulate, place.rank,
            place.world,
        )  # fmt: skip
        workers = settings.loader_workers
        loader = DataLoader(
            samples, batch_sampler=order, collate_fn=collate, num_workers=workers,
            prefetch_factor=4 if workers else None,
            multiprocessing_context="spawn" if workers else None,
        )  # fmt: skip
        return iter(loader)

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
        return {key: value.to(self.place.device) for key, value in batch.items()}

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
        own = {key: value.clone() for key, value in self._weights().items()}
        self.objective.network.load_state_dict(self.averaged)
        yield
        self.objective.network.load_state_dict(own)

    def save(self) -> None:
        """Write a checkpoint, then drop those that are neither new nor among the best."""
        if self.place.rank == 0:
            weights = self.averaged if self.settings.ema else self._weights()
            state = {
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "averaged": self.averaged,
                "recipe_hash": self.task.hash,
            }
            source = self.task.source(self.progress.step)
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
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.averaged = state["averaged"]

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


def collate(samples: list[Sample]) -> Sample:
    """Stack samples of one batch; the names of unusable clips stay a list."""
    batch: Sample = {"bad": tuple(sample.pop("bad") for sample in samples)}
    for key, value in samples[0].items():
        values = [sample[key] for sample in samples]
        batch[key] = torch.stack(values) if isinstance(value, Tensor) else torch.tensor(values)
    return batch


def cosine(step: int, settings: RunSettings) -> float:
    """The learning rate of a step: half a cosine from `lr` to `lr_end` over the run."""
    share = (1 + math.cos(math.pi * step / settings.steps)) / 2
    return settings.lr_end + (settings.lr - settings.lr_end) * share


def optimizer_of(objective: nn.Module, settings: RunSettings) -> torch.optim.Optimizer:
    """Adam, or AdamW where weights decay, over everything that learns."""
    kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
    parameters = [p for p in objective.parameters() if p.requires_grad]
    betas = (settings.beta1, settings.beta2)
    return kind(parameters, settings.lr, betas=betas, weight_decay=settings.weight_decay)
