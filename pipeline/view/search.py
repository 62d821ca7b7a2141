"""Which clips a page shows: what was asked in its address, and the answer from a snapshot."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from manifests.errors import InputError
from pipeline.dataset.where import clips_where
from pipeline.view.snapshot import Score, Snapshot

PER_PAGE = 24
_BINS = 32
STATES = ("all", "accepted", "rejected", "changed")
_ELSEWHERE = ("frames", "audio", "timings", "funnel", "blinks_per_second", "what_if", "same_voice")
"""Views and macros that a snapshot does not hold: conditions on them read the dataset."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Filters of a page. `bounds` are other bounds of filters, `ranges` of measures."""

    state: str = "all"
    reason: str = ""
    split: str = ""
    identity: str = ""
    video: str = ""
    find: str = ""
    where: str = ""
    sort: str = ""
    up: bool = False
    page: int = 1
    bounds: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def as_query(self) -> dict[str, Any]:
        """As an address carries it; page 1 and what is not asked are left out."""
        plain = {
            "state": self.state if self.state != "all" else "", "reason": self.reason,
            "split": self.split, "identity": self.identity, "video": self.video,
            "find": self.find, "where": self.where, "sort": self.sort,
            "up": "1" if self.up else "", "page": self.page if self.page > 1 else "",
        }  # fmt: skip
        bounds = {f"b.{name}": f"{value:g}" for name, value in self.bounds.items()}
        ranges = {
            f"{side}.{name}": f"{value:g}"
            for name, ends in self.ranges.items()
            for side, value in zip(("min", "max"), ends, strict=True)
            if value is not None
        }
        return {k: v for k, v in (plain | bounds | ranges).items() if v != ""}


def ask_of(given: Mapping[str, str], snapshot: Snapshot) -> Ask:
    """What an address asks. Raises InputError for a name or number that is none."""
    snapshot.cursor().close()  # names of filters and measures are those of the rows now
    ask = Ask(
        reason=given.get("reason", ""), split=given.get("split", ""),
        identity=given.get("identity", ""), video=given.get("video", ""),
        find=given.get("find", "").strip(), where=given.get("where", "").strip(),
        state=given.get("state") or "all", sort=given.get("sort", ""), up=given.get("up") == "1",
        page=int(_number("page", given.get("page") or "1")),
    )  # fmt: skip
    known = {*snapshot.scores, *snapshot.measures, ""}
    if ask.state not in STATES:
        raise InputError(f"state: give one of {', '.join(STATES)}")
    if ask.sort not in known:
        raise InputError(f"sort: there is no score {ask.sort!r}")
    bounds: dict[str, float] = {}
    ranges: dict[str, tuple[float | None, float | None]] = {}
    for key, text in given.items():
        kind, _, name = key.partition(".")
        if not text or kind not in ("b", "min", "max"):
            continue
        value = _number(key, text)
        if kind == "b" and name in snapshot.scores and snapshot.scores[name].movable:
            bounds[name] = value
        elif kind != "b" and name in snapshot.measures:
            low, high = ranges.get(name, (None, None))
            ranges[name] = (value, high) if kind == "min" else (low, value)
        else:
            raise InputError(f"{key}: there is no such score")
    return replace(ask, bounds=bounds, ranges=ranges, page=max(1, ask.page))


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the clips that were asked for, whatever their state."""

    clips: int
    accepted: int
    accepted_then: int
    lost: int
    gained: int


def counts(snapshot: Snapshot, ask: Ask) -> Counts:
    """How many, now and with the asked bounds."""
    sql = _Sql(snapshot, ask)
    (row,) = sql.run(
        f"SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted, "
        f"count(*) FILTER ({sql.then}) AS accepted_then, "
        f"count(*) FILTER (accepted AND NOT {sql.then}) AS lost, "
        f"count(*) FILTER (NOT accepted AND {sql.then}) AS gained {sql.found}"
    )
    return Counts(**row)


def found(snapshot: Snapshot, ask: Ask) -> tuple[int, list[dict[str, Any]]]:
    """How many clips there are, and those of the asked page."""
    sql = _Sql(snapshot, ask)
    state = {
        "all": "true", "accepted": sql.then, "rejected": f"NOT {sql.then}",
        "changed": f"accepted <> {sql.then}",
    }[ask.state]  # fmt: skip
    column = _column(snapshot, ask.sort)
    way = "ASC" if ask.up else "DESC"
    order = f"{column} {way} NULLS LAST, clip_id" if ask.sort else "accepted, clip_id"
    ((total,),) = [tuple(r.values()) for r in sql.run(f"SELECT count(*) {sql.found} AND {state}")]
    page = sql.run(
        "SELECT clip_id, video_id, source_name, duration_s, start_s, split, identity, speaker, "
        f"accepted, reasons, duplicate_of, duplicate_score, size, {column} AS score, "
        f"{sql.then} AS accepted_then {sql.found} AND {state} "
        f"ORDER BY {order} LIMIT {PER_PAGE} OFFSET {PER_PAGE * (ask.page - 1)}"
    )
    return total, page


def histograms(snapshot: Snapshot) -> dict[str, list[int]]:
    """How many clips have a filter's score in each equal part of its range, by filter."""
    snapshot.cursor().close()  # scores are those of the rows now
    if "histograms" not in snapshot.held:
        snapshot.held["histograms"] = {
            name: _histogram(snapshot, place, score)
            for place, (name, score) in enumerate(snapshot.scores.items())
        }
    found: dict[str, list[int]] = snapshot.held["histograms"]
    return found


def _histogram(snapshot: Snapshot, place: int, score: Score) -> list[int]:
    width = (score.high - score.low) / _BINS or 1.0
    rows = snapshot.rows(
        f"SELECT least({_BINS - 1}, floor((s{place} - ?) / ?))::INT AS bin, count(*) AS n "  # noqa: S608
        f"FROM wide WHERE s{place} IS NOT NULL GROUP BY bin",
        [score.low, width],
    )
    by_bin = {row["bin"]: row["n"] for row in rows}
    return [by_bin.get(i, 0) for i in range(_BINS)]


def splits(snapshot: Snapshot) -> list[str]:
    """The splits that clips are in."""
    if "splits" not in snapshot.held:
        rows = snapshot.rows("SELECT DISTINCT split FROM clips ORDER BY split")
        snapshot.held["splits"] = [row["split"] for row in rows]
    found: list[str] = snapshot.held["splits"]
    return found


class _Sql:
    """Parts of a statement with their values."""

    def __init__(self, snapshot: Snapshot, ask: Ask) -> None:
        self._snapshot, self._ask = snapshot, ask
        self._values: dict[str, Any] = {}
        self._chosen = _chosen(snapshot, ask.where)
        self.then = self._then()
        """Whether a clip would be accepted."""
        self.found = f"FROM clips LEFT JOIN wide USING (clip_id) WHERE {self._where()}"

    def run(self, sql: str) -> list[dict[str, Any]]:
        with self._snapshot.cursor() as cursor:
            if self._chosen is not None:
                cursor.register("chosen", self._chosen)
            used = {k: v for k, v in self._values.items() if f"${k}" in sql}
            return cursor.sql(sql, params=used).to_arrow_table().to_pylist()

    def _value(self, value: Any) -> str:  # noqa: ANN401 - any SQL value
        name = f"v{len(self._values)}_"
        self._values[name] = value
        return f"${name}"

    def _then(self) -> str:
        if not self._ask.bounds:
            return "accepted"
        fails = []
        for i, (name, score) in enumerate(self._snapshot.scores.items()):
            if name in self._ask.bounds:
                sign = "<" if score.rule == "min" else ">"
                # Scores are single precision, so the bound is, too.
                bound = f"{self._value(self._ask.bounds[name])}::FLOAT"
                fails.append(f"coalesce(s{i} {sign} {bound}, false)")
            else:
                fails.append(f"coalesce(f{i}, false)")
        return f"(NOT ({' OR '.join(fails)}))"

    def _where(self) -> str:
        ask = self._ask
        parts = ["true"]
        exact = {"split": ask.split, "identity": ask.identity, "clips.video_id": ask.video}
        parts += [f"{column} = {self._value(text)}" for column, text in exact.items() if text]
        if ask.reason:
            parts.append(f"list_contains(reasons, {self._value(ask.reason)})")
        if ask.find:
            text = self._value(ask.find.lower())
            names = "lower(concat_ws(' ', clip_id, source_name, speaker, identity))"
            parts.append(f"contains({names}, {text})")
        for name, (low, high) in ask.ranges.items():
            if low is not None:
                parts.append(f"clips.{name} >= {self._value(low)}::FLOAT")
            if high is not None:
                parts.append(f"clips.{name} <= {self._value(high)}::FLOAT")
        if self._chosen is not None:
            parts.append("clip_id IN (SELECT clip_id FROM chosen)")
        return " AND ".join(parts)


def _chosen(snapshot: Snapshot, where: str) -> Any:  # noqa: ANN401 - an Arrow table or None
    if not where:
        return None
    if any(name in where.lower() for name in _ELSEWHERE):
        import pyarrow as pa

        return pa.table({"clip_id": pa.array(clips_where(snapshot.dataset, where), pa.string())})
    return snapshot.condition(where)


def _column(snapshot: Snapshot, name: str) -> str:
    """SQL for a score: a filter's, or a measure."""
    if name in snapshot.scores:
        return f"s{list(snapshot.scores).index(name)}"
    return f"clips.{name}" if name else "NULL"


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{name}: {text!r} is no number") from None
    if not math.isfinite(value):
        raise InputError(f"{name}: {text!r} is no number")
    return value
