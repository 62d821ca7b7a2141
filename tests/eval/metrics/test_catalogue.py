"""What is wrong with a declared metric, filter or stage is said at once, naming the module."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dawn.curation import decisions
from dawn.training import stages
from eval.metrics import catalogue
from eval.metrics.interface import Measure
from eval.metrics.pictures import PSNR
from manifests.errors import InputError


def module(**declared: Any) -> ModuleType:
    found = ModuleType("theirs.extension")
    vars(found).update(declared)
    return found


@pytest.mark.parametrize("metrics", [None, (), PSNR, "psnr"])
def test_a_module_must_list_metrics(metrics: Any) -> None:
    with pytest.raises(InputError, match=r"theirs\.extension\.METRICS: must list|is no metric"):
        catalogue._metrics(module(METRICS=metrics))


@pytest.mark.parametrize("entry", [len, SimpleNamespace(feature="x", distance=len, definition=1)])
def test_what_is_no_metric_is_refused(entry: Any) -> None:
    with pytest.raises(InputError, match=r"theirs\.extension\.METRICS: .* is no metric"):
        catalogue._metrics(module(METRICS=(PSNR, entry)))


def test_names_must_differ() -> None:
    with pytest.raises(InputError, match="two metrics are named 'psnr'"):
        catalogue._unique([PSNR, PSNR])


@pytest.mark.parametrize(
    ("change", "message"), [({"together": max}, "Together"), ({"of": 3}, "of")]
)
def test_a_measure_refuses_what_it_cannot_use(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"metric psnr: {message}|metric psnr: together"):
        Measure(**{"definition": PSNR.definition, "of": PSNR.of, "steps": PSNR.steps} | change)


def test_metrics_stand_in_the_order_of_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = module(METRICS=(PSNR,), PLACE=1), module(METRICS=(PSNR,))
    monkeypatch.setattr(catalogue, "modules", lambda *_, **__: [last, first])
    assert catalogue._declaring() == [first, last]


@pytest.mark.parametrize("filters", [None, [], ("x",)])
def test_filters_likewise(filters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "modules", lambda *_: [module(FILTERS=filters)])
    with pytest.raises(InputError, match=r"theirs\.extension\.FILTERS: must be a tuple of Filter"):
        decisions._filters()


def test_two_filters_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    own = tuple(decisions.FILTERS.values())[:1]
    monkeypatch.setattr(decisions, "modules", lambda *_: [module(FILTERS=own), module(FILTERS=own)])
    with pytest.raises(InputError, match="two filters or settings"):
        decisions._filters()


def test_stages_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    stages.stages.cache_clear()
    monkeypatch.setattr(stages, "modules", lambda *_: [module(STAGE=3)])
    with pytest.raises(InputError, match=r"theirs\.extension\.STAGE: must be a Stage"):
        stages.stages()
    stages.stages.cache_clear()
