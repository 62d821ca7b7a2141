"""Batches for one worker: made by loader processes, copied to its device one ahead of the step.

Samples hold bytes and boxes; on a GPU they come through pinned memory on a stream of their own,
where pictures and masks are made of them while the step before is still computed.
"""

import atexit
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dawn.training.order import MicroBatches, Sample, Samples

_PREFETCH = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """What one part of a step is computed from."""

    values: Sample
    """Prepared, on the device."""
    bad: tuple[tuple[str, ...], ...]
    """Clips that were skipped for it."""


class Batches:
    """The batches of a run's rest, in order. A context: loader processes end with it."""

    def __init__(
        self,
        samples: Samples,
        order: MicroBatches,
        workers: int,
        device: str,
        prepare: Callable[[Sample], Sample],
    ) -> None:
        self._device, self._prepare = torch.device(device), prepare
        cuda = self._device.type == "cuda"
        self._stream = torch.cuda.Stream(self._device) if cuda else None
        loader = DataLoader(
            samples, batch_sampler=order, collate_fn=collate, num_workers=workers,
            prefetch_factor=_PREFETCH if workers else None, pin_memory=cuda,
            multiprocessing_context="spawn" if workers else None, worker_init_fn=_end_as_forked,
        )  # fmt: skip
        self._loaded: Iterator[Sample] = iter(loader)
        self._ahead: Batch | None = None
        self.waited = 0.0
        """Seconds that `next` and `fetch` waited for the loader so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end = getattr(self._loaded, "_shutdown_workers", None)  # else it waits for the last
        if end is not None:  # reference, which a traceback may hold
            end()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """The next batch; one that `fetch` began is ready for the current stream's use."""
        if self._ahead is None:
            self.fetch()
        batch, self._ahead = self._ahead, None
        if batch is None:
            raise StopIteration
        if self._stream is not None:
            here = torch.cuda.current_stream(self._device)
            here.wait_stream(self._stream)
            for value in batch.values.values():
                value.record_stream(here)
        return batch

    def fetch(self) -> None:
        """Begin the next batch: call it when a step's work is given to the device."""
        began = time.monotonic()
        loaded = next(self._loaded, None)
        self.waited += time.monotonic() - began
        if loaded is not None:
            bad = loaded.pop("bad")
            with self._aside():
                self._ahead = Batch(on_device(loaded, self._device, self._prepare), bad)

    def _aside(self) -> contextlib.AbstractContextManager[Any]:
        return torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext()


@torch.no_grad()
def on_device(
    loaded: Sample, device: torch.device | str, prepare: Callable[[Sample], Sample]
) -> Sample:
    """A collated batch, copied to the device and prepared there."""
    return prepare({k: value.to(device, non_blocking=True) for k, value in loaded.items()})


def collate(samples: list[Sample]) -> Sample:
    """Stack samples of one batch; the names of unusable clips stay a list."""
    batch: Sample = {"bad": tuple(sample.pop("bad") for sample in samples)}
    for key, value in samples[0].items():
        values = [sample[key] for sample in samples]
        batch[key] = torch.stack(values) if isinstance(value, Tensor) else torch.tensor(values)
    return batch


def _end_as_forked(_: int) -> None:
    """Have a loader process end as forked ones do, without taking the interpreter apart.

    The thread that sends its batches may be inside PyTorch still; stopped there by the
    interpreter's end, it takes the process down with "terminate called without an active
    exception".
    """
    atexit.register(os._exit, 0)
