"""The job of an evaluation: one pair of videos to its committed rows.

A plain function that runs in any process. It writes features, then metrics, then the row in
`clips`: that last one is the commit. What was committed of the clip under the same conditions
and is of the same files is kept, so that more metrics can be added to a results folder.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dawn.device import Placement, device_name, onnx_device, pick_device
from eval.metrics.interface import Excluded, Reason
from eval.metrics.steps import installed
from eval.protocol.clips import Clip, ClipSettings, Pair
from eval.results.conditions import Standing
from eval.results.measuring import (
    Measured,
    clip_facts,
    excluded,
    feature_rows,
    guarded,
    measure,
    metric_rows,
    nothing,
)
from eval.results.pairing import PairSpec
from eval.results.stored import INFO
from eval.sensitivity.changes import CHANGES, changed
from manifests.errors import InputError
from manifests.location import Place, is_uri
from manifests.runs import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTask:
    """What a job needs to know."""

    results: str
    system: str
    protocol_hash: str
    """Of the card."""
    settings: ClipSettings
    standings: dict[str, Standing]
    """Of the metrics to measure."""
    features: dict[str, str]
    """Hash of the conditions of each feature that is measured."""
    libraries: dict[str, str]
    """Versions that the conditions say: a worker with others would make other numbers."""
    spec: PairSpec
    same_take: bool
    keep: bool
    """Whether rows are committed that stay valid."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended; `fatal` is a fault of the set-up, which stops the run."""

    status: str
    detail: str | None = None
    fatal: str | None = None
    devices: dict[str, str] = field(default_factory=dict)
    """By library that runs networks: the device on which it ran them."""


def evaluate_clip(work: ClipTask) -> Done:
    """Measure a pair and commit its rows."""
    spec, facts = work.spec, {"status": "ok", "reason": None}
    other = [f"{n} {installed(n)}, not {v}" for n, v in work.libraries.items() if installed(n) != v]
    if other:
        return Done("failed", fatal=f"a worker has {', '.join(other)}: install one version on all")
    place = work.settings.place
    try:
        if place.on_gpu:
            pick_device(place.device)  # a worker without it says so before any work
        with tempfile.TemporaryDirectory() as scratch:
            measured = _measure(work, Path(scratch), facts)
    except InputError as error:
        return Done("failed", fatal=str(error))
    inputs = spec_inputs(spec)
    commit(work, measured, {**facts, "inputs": inputs})
    faults = dict.fromkeys(measured.faults)  # several metrics may stumble over one thing
    return Done(str(facts["status"]), "; ".join(faults) or None, devices=devices_of(place))


def devices_of(place: Placement) -> dict[str, str]:
    """Where the libraries that run networks run them in this process, as records say it."""
    onnx = onnx_device(place.device) if place.on_gpu else "cpu"
    return {"torch": device_name(place.device), "onnxruntime": device_name(onnx)}


def give_up(work: ClipTask, reason: Reason) -> None:
    """Commit that nothing could be measured of a pair."""
    measured = excluded(work.standings, reason)
    inputs = spec_inputs(work.spec)
    commit(work, measured, {"status": "failed", "reason": str(reason), "inputs": inputs})


def _measure(work: ClipTask, scratch: Path, facts: dict[str, Any]) -> Measured:
    spec, wanted = work.spec, work.standings
    if spec.video is None:
        facts |= {"status": "failed", "reason": str(Reason.NOT_GENERATED)}
        return excluded(wanted, Reason.NOT_GENERATED)
    trouble = Measured()
    pair = guarded(lambda: _pair(spec, work.settings, scratch), "reading", trouble)
    if isinstance(pair, Excluded):
        facts |= {"status": "excluded", "reason": str(pair.reason)}
        return replace(excluded(wanted, pair.reason), faults=trouble.faults)
    measured = measure(pair, wanted, same_take=work.same_take)
    known = guarded(lambda: clip_facts(pair, measured), "facts", measured)
    facts |= {} if isinstance(known, Excluded) else known
    reason = nothing(measured)
    if reason is not None:
        facts |= {"status": "excluded", "reason": str(reason)}
    return measured


def _pair(spec: PairSpec, settings: ClipSettings, scratch: Path) -> Pair:
    """The pair's videos, fetched first where they lie in an object store."""
    if spec.video is None:
        raise AssertionError("a pair without a video")
    sound = None if spec.sound is None else Place.of(spec.sound).fetched(scratch / "sound")
    video = Place.of(spec.video).fetched(scratch / "generated")
    generated = Clip(video, settings, sound=sound, still=spec.still)
    if spec.change is not None:
        generated = changed(generated, CHANGES[spec.change], scratch / "changed.mkv")
    reference = Clip(Place.of(spec.reference.video).fetched(scratch / "reference"), settings)
    image = None if spec.image is None else _picture(spec.image, scratch)
    return Pair(spec.clip_id, generated, reference, image, spec.row)


def _picture(image: str, scratch: Path) -> Path:
    return Place.of(image).fetched(scratch / "image") if is_uri(image) else Path(image)


def commit(work: ClipTask, measured: Measured, facts: dict[str, Any]) -> None:
    """Write the rows of one clip; its row in `clips` goes last and makes them count."""
    folder, spec = RunFolder(work.results, INFO), work.spec
    key = {"system": work.system, "clip_id": spec.clip_id}
    speaker = {"speaker": spec.reference.speaker}
    metrics = metric_rows(measured, work.standings, key | speaker)
    features = feature_rows(measured, work.features, key)
    if work.keep:
        metrics += _kept(folder, "metrics", spec.clip_id, "metric", {r["metric"] for r in metrics})
        made = {r["feature"] for r in features}
        features += _kept(folder, "features", spec.clip_id, "feature", made)
    if features:
        folder.write("features", spec.clip_id, features)
    else:
        folder.remove("features", spec.clip_id)
    folder.write("metrics", spec.clip_id, sorted(metrics, key=lambda row: row["metric"]))
    known_angles = {"yaw_p95": spec.reference.yaw_p95, "pitch_p95": spec.reference.pitch_p95}
    row = dict.fromkeys(("speaker", "split", "video")) | speaker | known_angles
    row |= {"split": spec.reference.split, "video": spec.video, "reference": spec.reference.video}
    before = _kept(folder, "clips", spec.clip_id, "clip_id", set()) if work.keep else []
    curves = {name: value for old in before for name, value in old.items() if value is not None}
    known = {name: value for name, value in (row | facts).items() if value is not None}
    own = {"protocol_hash": work.protocol_hash, "reason": facts.get("reason")}
    row = curves | row | known | key | own
    folder.write("clips", spec.clip_id, [row])


def _kept(
    folder: RunFolder, table: str, item: str, column: str, renewed: set[str]
) -> list[dict[str, Any]]:
    """The committed rows of an item that are not renewed."""
    if not folder.has(table, item):
        return []
    rows = folder.read_item(table, item).to_pylist()
    return [row for row in rows if row[column] not in renewed]


def spec_inputs(spec: PairSpec) -> str:
    """Sizes and times of the pair's files: when they change, the clip is measured again."""
    there = spec.image and (is_uri(spec.image) or Path(spec.image).is_absolute())
    image = spec.image if there else None
    names = [spec.video, spec.reference.video, spec.sound, image]
    return " ".join(_stamp(name) for name in names)


def _stamp(uri: str | None) -> str:
    if uri is None:
        return "-"
    try:
        return Place.of(uri).stamp
    except OSError:
        return "absent"
