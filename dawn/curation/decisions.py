"""The verdicts of all filters on a clip: pass, fail or not judged."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

from dawn.curation.filter import Filter
from manifests.errors import InputError
from manifests.plugins import modules

Verdict = Literal["pass", "fail", "not_judged"]
_LAST = 1000
_DIVIDED = "one_split"
"""Has no setting and stands only where it fails, see `dawn.curation.splits`."""
MARKED = "marked"
"""The same, see `manifests.marks`."""


def _filters() -> dict[str, Filter]:
    """All filters by name: ours, and those of the entry-point group `dawn.filters`."""
    found = modules("dawn.curation.filters", "dawn.filters")
    entries: list[Filter] = []
    for module in sorted(found, key=lambda module: getattr(module, "PLACE", _LAST)):
        declared = getattr(module, "FILTERS", None)
        if not isinstance(declared, tuple) or not all(isinstance(f, Filter) for f in declared):
            raise InputError(
                f"{module.__name__}.FILTERS: must be a tuple of Filter, is {declared!r:.200}"
            )
        entries += declared
    names = [entry.name for entry in entries] + [s.name for e in entries for s in e.settings]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two filters or settings of filters are named {min(twice)!r}")
    return {entry.name: entry for entry in entries}


FILTERS = _filters()
EXPLANATIONS = {name: entry.explanation for name, entry in FILTERS.items()} | {
    _DIVIDED: "the person is in another split",
    MARKED: "a person marked it as bad",
}


def _config() -> type:
    """The bounds of all filters as a configuration object: a field a setting."""
    from pydantic import Field

    entries = []
    for setting in (setting for entry in FILTERS.values() for setting in entry.settings):
        kind: Any = int | None if setting.whole else float | None
        described: Any = Annotated[kind, Field(description=setting.reason)]
        entries.append((setting.name, described, dataclasses.field(default=setting.default)))
    made = dataclasses.make_dataclass(
        "FilterConfig", entries, frozen=True, slots=True, kw_only=True
    )
    made.__module__ = __name__  # workers look it up by name
    made.__doc__ = "The filters' bounds; docs/dataset.md explains the defaults. null: off."
    return made


if TYPE_CHECKING:

    class FilterConfig:
        """Made below from the filters: a field a setting."""

        def __init__(self, **bounds: float | None) -> None: ...
        def __getattr__(self, name: str) -> float | None: ...
else:
    FilterConfig = _config()


def judge(clip: dict[str, Any], config: FilterConfig) -> list[dict[str, object]]:
    """A clip's rows of `decisions`, from its row of `clips`. Filters that are off give none;
    `divided` clips would put a person into a second split; `marked` ones were called bad.
    """
    rows = []
    for entry in FILTERS.values():
        threshold = getattr(config, entry.setting_for(clip))
        if threshold is not None:
            rows.append(_decision(clip, entry.name, entry.score(clip), threshold, entry.rule))
    if clip.get("divided"):
        rows.append(_decision(clip, _DIVIDED, 2, 1, "max"))
    if clip.get("marked"):
        rows.append(marked(clip))
    return rows


def marked(clip: dict[str, Any]) -> dict[str, object]:
    """The row of `decisions` of a clip that a person marked as bad."""
    return _decision(clip, MARKED, 1, 0, "max")


def _decision(
    clip: dict[str, Any], name: str, score: float | None, threshold: float, rule: str
) -> dict[str, object]:
    return {
        "clip_id": clip["clip_id"],
        "video_id": clip["video_id"],
        "filter": name,
        "score": None if score is None else float(score),
        "threshold": float(threshold),
        "rule": rule,
        "verdict": verdict_of(score, threshold, rule),
    }


def verdict_of(score: float | None, threshold: float, rule: str) -> Verdict:
    """What a filter says of a score."""
    if score is None:
        return "not_judged"
    good = score >= threshold if rule == "min" else score <= threshold
    return "pass" if good else "fail"


def why_none_passed(decisions: list[dict[str, object]]) -> str:
    """The most frequent failures of a video's clips, in words, with score and bound."""
    failed: dict[str, list[dict[str, object]]] = {}
    for row in decisions:
        if row["verdict"] == "fail":
            failed.setdefault(str(row["filter"]), []).append(row)
    worst = sorted(
        failed.items(), key=lambda item: (-len(item[1]), list(EXPLANATIONS).index(item[0]))
    )
    return "; ".join(
        f"{EXPLANATIONS[name]} ({name} {rows[0]['score']:.3g}, bound {rows[0]['threshold']:.3g})"
        for name, rows in worst
    )
