"""What a GPU replays as one graph, traced here: other numbers go through the same operations."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from benchmarks.train_step import config_of
from dawn.lfg.model import LFG
from dawn.training import graph as module
from dawn.training.batches import on_device
from dawn.training.graph import AFTER, GraphedPass
from dawn.training.objective import Objective
from dawn.training.order import Sample
from dawn.training.precision import narrowed
from dawn.training.stages import stage_named
from tests.dawn.training.test_device import SMALLER, loaded


def made(stage: str, precision: str = "float32") -> tuple[Objective, Any]:
    config = config_of(stage, "tiny", 2, precision, SMALLER[stage])
    torch.manual_seed(0)
    lfg = LFG(stage_named("lfg").preset("tiny").network) if stage == "a2v" else None
    objective = stage_named(stage).objective(config, lfg).train()
    return objective, config


def view_key(value: Tensor) -> object:
    """What two tensors share that show the same memory alike."""
    memory = value.untyped_storage()._cdata
    return memory, value.storage_offset(), value.shape, value.stride(), value.dtype


@dataclass
class Taken:
    """An operation's argument: the value of that number, or one that was there all along."""

    number: int | None
    value: Tensor


class Recording(TorchDispatchMode):
    """Operations as they come, to be done again with other numbers, as a graph does."""

    def __init__(self, *given: Tensor) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any]] = []
        self._numbers: dict[object, int] = {}
        self._values: list[Any] = []  # kept, so that no memory is used twice
        self._number(given)

    def _number(self, values: object) -> None:
        for value in tree_leaves(values):
            if isinstance(value, Tensor):
                self._numbers[view_key(value)] = len(self._values)
            self._values.append(value)

    def _taken(self, value: Tensor) -> Taken:
        return Taken(self._numbers.get(view_key(value)), value)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        assert function is not torch.ops.aten._local_scalar_dense.default, "a number is read"
        given = (args, kwargs or {})
        self._operations.append((function, tree_map_only(Tensor, self._taken, given)))
        made = function(*given[0], **given[1])
        self._number(made)
        return made

    @torch.no_grad()
    def again(self, given: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
        """What takes the place of the values `wanted` when others are given."""
        values = [*given]

        def now(taken: Taken) -> Tensor:
            return taken.value if taken.number is None else values[taken.number]

        for function, taken in self._operations:
            args, kwargs = tree_map_only(Taken, now, taken)
            values += tree_leaves(function(*args, **kwargs))
        return [values[self._numbers[view_key(value)]] for value in wanted]


@pytest.mark.parametrize(("stage", "precision"), [("lfg", "bfloat16"), ("a2v", "float32")])
def test_a_pass_is_the_same_operations_for_every_batch(stage: str, precision: str) -> None:
    objective, config = made(stage, precision)
    weights = [weight for weight in objective.parameters() if weight.requires_grad]
    buffers = {name: value.clone() for name, value in objective.named_buffers()}
    batches = [
        on_device(loaded(stage, config, count), "cpu", objective.prepared) for count in (2, 2)
    ]
    for name, value in batches[1].items():  # other numbers of the same kinds
        if value.is_floating_point():
            batches[1][name] = (value * 0.9).contiguous(memory_format=torch.preserve_format)

    def passed(batch: Sample) -> list[Tensor]:
        narrow = narrowed(objective.narrow(), torch.bfloat16)
        with narrow if precision == "bfloat16" else nullcontext():
            loss, _ = objective(batch)
            found = torch.autograd.grad(loss, weights, allow_unused=True)
        return [loss, *(value for value in found if value is not None)]

    def as_before() -> None:
        for name, value in objective.named_buffers():
            value.data.copy_(buffers[name])

    with Recording(*batches[0].values()) as recording:
        recorded = passed(batches[0])
    losses = []
    for batch in batches:
        as_before()
        wanted = passed(batch)
        as_before()
        found = recording.again([*batch.values()], recorded)
        assert len(wanted) > 10
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
        losses.append(wanted[0].item())
    assert losses[0] != losses[1]


def test_what_changes_as_steps_go_on_is_another_graph() -> None:
    kinds: dict[str, list[object]] = {"lfg": [], "a2v": [], "pbnet": []}
    for stage, seen in kinds.items():
        objective, _ = made(stage)
        if stage == "a2v":
            objective.config = config_of("a2v", "tiny", 2, "float32", {})  # type: ignore[assignment]
        for objective.progress in (0.0, 0.4, 0.6, 1.0):
            seen.append(objective.phase())
    assert kinds == {
        "lfg": [None] * 4,
        "a2v": [False, False, True, True],
        "pbnet": [0.0, 0.4, 0.6, 1.0],
    }


class Counting(Objective):
    """Twice a weight times what is given."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Linear(1, 1, bias=False)
        self.phases: list[int] = [0]

    def phase(self) -> int:
        return self.phases[-1]


class Recorded:
    """Stands for a CUDA graph: replays a Python function on the same tensors."""

    def replay(self) -> None:
        self.again()


def test_graphs_are_made_of_what_repeats_and_fed_what_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objective, plain, captured = Counting(), [0], []
    weight = objective.network.weight

    def compute(batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        plain[0] += 1
        loss = (weight * batch["x"]).sum()
        (weight.grad,) = torch.autograd.grad(loss, [weight])
        return loss, {"part": loss.detach()}

    @contextmanager
    def capture(graph: Recorded, stream: object) -> Iterator[None]:
        captured.append(graph)
        yield
        given = passes._given
        gradient = weight.grad
        assert gradient is not None

        def again() -> None:
            made = passes._made
            assert made is not None
            with torch.no_grad():
                made[0].copy_((weight * given["x"]).sum())
                gradient.copy_(given["x"].sum().view(1, 1))

        graph.again = again  # type: ignore[attr-defined]

    class Stream:
        def wait_stream(self, other: object) -> None:
            pass

    for name, value in {
        "Stream": lambda _: Stream(), "current_stream": Stream, "stream": lambda _: nullcontext(),
        "CUDAGraph": Recorded, "graph": capture,
    }.items():  # fmt: skip
        monkeypatch.setattr(module.torch.cuda, name, value)
    passes = GraphedPass(objective, compute)

    def step(value: float, size: int = 3) -> None:
        weight.grad = None
        batch = {"x": torch.full((size,), value)}
        loss, _ = passes(batch)
        assert loss.item() == pytest.approx(float(weight.detach()) * value * size)
        assert weight.grad is not None
        assert float(weight.grad) == pytest.approx(value * size)

    for number in range(AFTER):
        step(1.0 + number)
    assert (plain[0], len(captured)) == (AFTER, 0)
    for number in range(4):
        step(10.0 + number)
    assert (plain[0], len(captured)) == (AFTER + 1, 1)  # once to be captured
    step(5.0, size=4)
    objective.phases.append(1)
    step(6.0, size=4)
    assert len(captured) == 1
    for number in range(AFTER + 2):
        step(7.0 + number, size=4)
    assert len(captured) == 2
