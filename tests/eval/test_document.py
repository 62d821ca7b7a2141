import ast

from dawn import recipe
from dawn.weights_registry import REGISTRY
from eval.document import lists, updated
from eval.metrics.catalogue import FEATURES, METRICS, SET_METRICS, names, select, weights_of
from eval.protocol.card import SHIPPED, read_card
from eval.results.conditions import Conditions
from tests.conftest import ROOT

DOCUMENT = ROOT / "docs/metrics.md"
PACKAGES = ("manifests", "dawn", "eval", "pipeline")


def test_the_document_is_of_these_metrics() -> None:
    text = DOCUMENT.read_text()
    assert updated(text, lists()) == text, "run python -m eval.document docs/metrics.md"


def test_the_catalogue_is_consistent() -> None:
    assert len(set(names())) == len(names())
    assert {metric.feature for metric in SET_METRICS} <= {feature.name for feature in FEATURES}
    for metric in METRICS:
        definition = metric.definition
        assert set(weights_of(metric)) <= REGISTRY.keys()
        assert all((definition.title, definition.range, definition.formula, definition.source))


def test_what_no_paper_defines_is_not_called_a_paper_s() -> None:
    """`paper` names a publication or a program that others publish with; `own` says ours."""
    status = {m.definition.name: m.definition.status for m in METRICS}
    ours = ("flicker", "head_jerk", "lip_audio", "face_rate", "csim_drift", "lse_zero", "fd_pose",
            "blink_rate", "real_time_factor", "face_sharpness", "bas_null", "bas_gain")  # fmt: skip
    for name, stands in status.items():
        assert (stands == "own") == name.startswith(ours), name
    for metric in METRICS:
        source = metric.definition.source
        assert source.startswith("ours") or metric.definition.status != "own", source
        assert "ours" not in source or metric.definition.status != "paper", source


def test_weights_promise_what_code_asks_of_them() -> None:
    """Metrics by what they declare, all else by a call with the name, or a table of ingest's."""
    asked = {name for name in REGISTRY if name.startswith("dawn_")}  # `dawn checkpoint import NAME`
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("require", "find"):
                asked |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    asked |= set(recipe._OPTIONAL.values())
    assert asked == {name for name, entry in REGISTRY.items() if entry.enables}
    for name, entry in REGISTRY.items():
        using = [m.definition.name for m in METRICS if name in weights_of(m)]
        assert (select(entry.metrics) if entry.metrics else []) == using, name


def test_words_choose_metrics() -> None:
    assert select(["all"]) == names()
    assert select(["psnr", "fvd"]) == ["fvd16_i3d400", "fvd32_i3d400", "psnr"]
    assert select(["fvd16"]) == ["fvd16_i3d400"]
    assert select(["ssim"]) == ["ssim"]  # not ms_ssim


def test_every_metric_stands_somewhere() -> None:
    cards = [read_card(name)[0] for name in SHIPPED]
    assert all(select(card.metrics) for card in cards)
    conditions = Conditions.resolve(cards[0])
    for metric in METRICS:
        standing = conditions.standing(metric.definition.name)
        status = "unavailable" if weights_of(metric) else metric.definition.status
        assert standing.status == status
        assert (standing.reason is None) == (status in ("paper", "own"))
        assert (standing.hash is None) == (status == "unavailable")
