"""One optimiser step after another, on one device: what is computed, and nothing of where runs lie.

Nothing here waits for a GPU. A step's numbers stay there until `Unread.read` fetches those of many
steps at once.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dawn.layout import channels_last
from dawn.training.batches import Batches
from dawn.training.config import RunSettings
from dawn.training.graph import GraphedPass, Passed
from dawn.training.norm import synced
from dawn.training.objective import Objective
from dawn.training.order import Sample
from dawn.training.precision import allow_tf32, narrowed


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many workers this is, and what it computes on."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def cuda(self) -> bool:
        """Whether the device is a GPU of NVIDIA's."""
        return torch.device(self.device).type == "cuda"

    @property
    def fused(self) -> bool:
        """Whether the optimiser changes all weights in one launch."""
        return self.cuda


class Stepper:
    """An objective under training, its optimiser and its averaged weights."""

    def __init__(self, objective: Objective, settings: RunSettings, place: Place) -> None:
        allow_tf32(settings.tf32, place.device)
        self.settings, self.place = settings, place
        self.objective = objective.to(place.device)
        if place.cuda:
            channels_last(self.objective)
        self.averaged = {key: value.clone() for key, value in self.weights().items()}
        self.optimizer = optimizer_of(objective, settings, fused=place.fused)
        self._parallel = self._shared()
        alone = place.cuda and place.world == 1 and settings.accumulate == 1
        graphed = settings.graph and alone
        self._pass = GraphedPass(objective, self._plain) if graphed else self._plain

    def weights(self) -> dict[str, Tensor]:
        """The network's state."""
        return self.objective.network.state_dict()

    def _shared(self) -> nn.Module:
        if self.place.world == 1:
            return self.objective
        synced(self.objective.network)
        # The official U-Net carries weights that nothing uses; DDP would wait for them.
        return DistributedDataParallel(self.objective, find_unused_parameters=True)

    def step(self, number: int, batches: Batches) -> tuple[dict[str, Tensor], list[str]]:
        """Step `number` of the run; returns its loss, the parts and the gradient's norm, on the
        device, and the clips that could not be used.
        """
        settings = self.settings
        torch.manual_seed(hash((settings.seed, number, self.place.rank)) & 0x7FFFFFFF)
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(number, settings)
        self.objective.train()
        self.objective.progress = number / settings.steps
        self.optimizer.zero_grad(set_to_none=True)
        sums: defaultdict[str, list[Tensor]] = defaultdict(list)
        bad: list[str] = []
        for part in range(settings.accumulate):
            batch = next(batches)
            bad += [line for sample in batch.bad for line in sample]
            with self._no_sync(part + 1 == settings.accumulate):
                loss, parts = self._pass(batch.values)
            for name, value in {"loss": loss, **parts}.items():
                sums[name].append(value.detach())
            batches.fetch()
        norm = clip(self.objective.network, settings.clip_norm)
        self.optimizer.step()
        self._average(number)
        numbers = {name: torch.stack(each).mean() for name, each in sums.items()}
        return {**numbers, "grad_norm": norm}, bad

    def _plain(self, batch: Sample) -> Passed:
        """Forward and backward, one operation after another."""
        with self._precision():
            loss, parts = self._parallel(batch)
            (loss / self.settings.accumulate).backward()
        return loss, parts

    def _no_sync(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        if isinstance(self._parallel, DistributedDataParallel) and not last:
            return self._parallel.no_sync()
        return contextlib.nullcontext()

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.settings.precision == "float32":
            return contextlib.nullcontext()
        return narrowed(self.objective.narrow(), torch.bfloat16)

    @torch.no_grad()
    def _average(self, number: int) -> None:
        if not self.settings.ema:
            return
        decay = min(self.settings.ema, (1 + number) / (10 + number))
        own = self.weights()
        floats = [key for key, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.averaged[key] for key in floats], [own[key] for key in floats], 1 - decay
        )
        for key in own.keys() - set(floats):
            self.averaged[key].copy_(own[key])

    def computed(self) -> dict[str, Any]:
        """On what and in which types: a card tells it of the weights."""
        device = torch.cuda.get_device_name(self.place.device) if self.place.cuda else "cpu"
        precision, tf32 = self.settings.precision, self.settings.tf32 and self.place.cuda
        return {"device": device, "precision": precision, "tf32": tf32}

    def state(self) -> dict[str, Any]:
        """All that going on needs."""
        return {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": self.averaged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.averaged = state["averaged"]


class Unread:
    """Numbers of the latest steps that still lie on the device."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, step: int, numbers: dict[str, Tensor]) -> None:
        """Keep a step's numbers, tensors of one element."""
        self._steps.append((step, numbers))

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """The steps since the last call with their numbers, in one copy."""
        every = [value.float() for _, numbers in self._steps for value in numbers.values()]
        values = iter(torch.stack(every).tolist() if every else [])
        found = [(step, {key: next(values) for key in numbers}) for step, numbers in self._steps]
        self._steps = []
        return found


@torch.no_grad()
def clip(network: nn.Module, limit: float) -> Tensor:
    """The norm of the network's gradient, which is scaled down to `limit` unless that is 0."""
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit:
        nn.utils.clip_grads_with_norm_(network.parameters(), limit, norm)
    return norm


def cosine(step: int, settings: RunSettings) -> float:
    """The learning rate of a step: half a cosine from `lr` to `lr_end` over the run."""
    share = (1 + math.cos(math.pi * step / settings.steps)) / 2
    return settings.lr_end + (settings.lr - settings.lr_end) * share


def optimizer_of(
    objective: nn.Module, settings: RunSettings, *, fused: bool = False
) -> torch.optim.Optimizer:
    """Adam, or AdamW where weights decay, over everything that learns."""
    kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
    parameters = [p for p in objective.parameters() if p.requires_grad]
    betas = (settings.beta1, settings.beta2)
    decay = settings.weight_decay
    return kind(parameters, settings.lr, betas=betas, weight_decay=decay, fused=fused or None)
