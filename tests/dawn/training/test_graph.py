"""What a GPU replays as one graph, traced here: other numbers go through the same operations."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

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

    def passed(*values: Tensor) -> list[Tensor]:
        batch = dict(zip(batches[0], values, strict=True))
        narrow = narrowed(objective.narrow(), torch.bfloat16)
        with narrow if precision == "bfloat16" else nullcontext():
            loss, _ = objective(batch)
            found = torch.autograd.grad(loss, weights, allow_unused=True)
        return [loss, *(value for value in found if value is not None)]

    def as_before() -> None:
        for name, value in objective.named_buffers():
            value.data.copy_(buffers[name])

    traced = make_fx(passed)(*batches[0].values())
    for batch in batches:
        as_before()
        wanted = passed(*batch.values())
        as_before()
        found = traced(*batch.values())
        assert len(wanted) > 10
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert not torch.equal(passed(*batches[0].values())[0], passed(*batches[1].values())[0])


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
