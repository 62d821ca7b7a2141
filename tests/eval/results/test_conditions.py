"""Each metric's conditions: what made its numbers, and nothing else."""

import contextlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from eval.metrics.catalogue import FEATURES, is_set, steps_of, steps_to, weights_of
from eval.metrics.interface import Excluded
from eval.metrics.steps import Step, installed
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from eval.results.conditions import BY_NAME, Conditions, described, differing
from tests.films import drift, write_film
from tests.onnx_files import write_network
from tests.results_folders import CONDITIONS

LABELS = {"name", "version", "metrics"}
DECIDING = {field.name for field in fields(ProtocolCard)} - LABELS


def changed(other: Conditions) -> set[str]:
    """Metrics whose numbers are under other conditions than in CONDITIONS."""
    before, after = CONDITIONS.standings(BY_NAME), other.standings(BY_NAME)
    return {name for name in BY_NAME if before[name].hash != after[name].hash}


def test_a_weights_file_changes_the_metrics_that_use_it() -> None:
    for name, use in CONDITIONS.weights.items():
        other = {**CONDITIONS.weights, name: replace(use, sha256="1" * 64)}
        using = {n for n, metric in BY_NAME.items() if name in weights_of(metric)}
        assert changed(replace(CONDITIONS, weights=other)) == using != set()


def test_a_weights_file_that_comes_or_goes_leaves_the_others_as_they_are() -> None:
    without = Conditions(CONDITIONS.card, {}, dict.fromkeys(CONDITIONS.weights, "absent"))
    gone = {name for name, metric in BY_NAME.items() if weights_of(metric)}
    assert changed(without) == gone
    assert {"psnr", "ssim", "blink_rate", "fd_pose"}.isdisjoint(gone)


@pytest.mark.parametrize(
    ("library", "some", "others"),
    [
        ("mediapipe", {"m_lmd_iod", "blink_rate", "fd_pose", "csim_gt_mbf128", "fd_exp10"},
         {"psnr", "ssim", "fid_incep2015", "fvd16_i3d400", "lse_c_tracked", "real_time_factor"}),
        ("torch", {"fid_incep2015", "fvd16_i3d400", "lpips_alex", "lse_c_wholeframe"},
         {"psnr", "blink_rate", "csim_gt_mbf128"}),
        ("onnxruntime", {"csim_src_mbf128", "fid_mfn128"}, {"fid_incep2015", "psnr"}),
        ("pytorch-fid", {"fid_incep2015", "kid_incep2015", "dr25_incep2015"}, {"fvd16_i3d400"}),
        ("syncnet-python", {"lse_c_tracked", "av_offset_wholeframe"}, {"asd_margin_lrasd"}),
        ("opencv", {"psnr", "blink_rate", "fid_incep2015"}, {"real_time_factor"}),
    ],
)  # fmt: skip
def test_a_library_changes_what_stands_on_it(
    library: str, some: set[str], others: set[str]
) -> None:
    newer = replace(CONDITIONS, libraries={**CONDITIONS.libraries, library: "99"})
    found = changed(newer)
    assert some <= found
    assert not others & found
    before, after = (c.as_dict(["psnr", *some])["metrics"] for c in (CONDITIONS, newer))
    (line,) = described({n: d for n, d in differing(before, after).items() if n in some})
    assert f"(libraries.{library}: {installed(library)} -> 99)" in line
    assert all(name in line for name in some)


def test_every_library_is_installed_and_builds_of_one_version_are_one() -> None:
    assert set(CONDITIONS.libraries) >= {"av", "mediapipe", "opencv", "torch", "onnxruntime"}
    assert not {name for name, version in CONDITIONS.libraries.items() if version == "absent"}
    assert "+" not in "".join(CONDITIONS.libraries.values())
    assert installed("no-such-library") == "absent"


def test_onnxruntime_for_gpus_is_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed in the other's place: the device is no condition of a number."""

    def version(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.99.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert installed.__wrapped__("onnxruntime") == "1.99.0"
    assert installed.__wrapped__("torch") == "absent"


def test_the_card_s_fields_change_what_reads_them_and_its_labels_nothing() -> None:
    card = CONDITIONS.card
    labels = replace(card, name="another", version=9, metrics=("psnr",))
    assert changed(replace(CONDITIONS, card=labels)) == set()
    assert labels.hash == card.hash
    strided = changed(replace(CONDITIONS, card=replace(card, stride=3)))
    assert {"psnr", "fid_incep2015", "csim_src_mbf128"} <= strided
    assert not {"flicker", "blink_rate", "lse_c_tracked", "real_time_factor"} & strided
    assert changed(replace(CONDITIONS, card=replace(card, min_frames=20))) == set(BY_NAME)
    read = {name for m in BY_NAME.values() for step in steps_of(m).values() for name in step.card}
    assert read == DECIDING


def test_a_new_version_of_a_step_changes_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def newer(metric: Any) -> dict[str, Step]:
        found = steps_of(metric)
        return {
            name: replace(s, version=2) if name == "head pose" else s for name, s in found.items()
        }

    before = CONDITIONS.standings(BY_NAME)
    monkeypatch.setattr("eval.results.conditions.steps_of", newer)
    after = CONDITIONS.standings(BY_NAME)
    found = {name for name in BY_NAME if before[name].hash != after[name].hash}
    assert {"head_jerk", "pose_std", "fd_pose", "bas_gain", "thl_head_motion"} == found - {
        "bas_a2m", "bas_m2a", "bas_null"
    }  # fmt: skip


def test_names_of_steps_are_no_two_steps() -> None:
    seen: dict[str, Step] = {}
    for found in [steps_of(m) for m in BY_NAME.values()] + [steps_to(f) for f in FEATURES]:
        for name, step in found.items():
            assert seen.setdefault(name, step) == step


class Watched(ProtocolCard):
    """A card that remembers which of its fields were read."""

    __slots__ = ()
    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in DECIDING:
            Watched.read.add(name)
        return super().__getattribute__(name)


class Known(dict[str, Path]):
    """Weights that remember which were asked for."""

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Path:
        self.read.add(name)
        return super().__getitem__(name)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, Known, set[str]]]:
    """Two films of a speaking face, whose landmarks are made up; what of them was asked for."""
    folder, frames, touched = tmp_path_factory.mktemp("films"), 80, set[str]()
    random = np.random.default_rng(0)
    time = np.arange(frames * 640) / 16_000
    loud = np.repeat(np.arange(frames) % 40 > 15, 640) * (1 + np.sin(2 * np.pi * 3 * time))
    sound = (0.2 * loud * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    mesh = np.repeat(random.uniform(20, 100, (1, 478, 3)), frames, axis=0).astype(np.float32)
    weights = Known({
        "mobilefacenet": write_network(folder / "m.onnx", 128),
        "arcface": write_network(folder / "a.onnx", 512),
    })  # fmt: skip
    settings = ClipSettings(card=Watched(name="watched", size=192, stride=16), weights=weights)
    with pytest.MonkeyPatch.context() as patch:
        _watch(patch, touched)
        sides = []
        for seed in range(2):
            film = write_film(folder / f"{seed}.mkv", drift(frames, seed), sound)
            clip = Clip(film, settings)
            clip.__dict__["made up"] = mesh + random.normal(0, 1, mesh.shape).astype(np.float32)
            sides.append(clip)
        generation = {"real_time_factor": 2.0, "frames": frames}
        yield Pair("a", sides[0], sides[1], None, generation), weights, touched


def _watch(patch: pytest.MonkeyPatch, touched: set[str]) -> None:
    """Let clips note which of their steps are asked for, and make up their landmarks."""
    chunks, sound, source = Clip.chunks, Clip.__dict__["sound"].func, Pair.source_image.fget

    def landmarks(self: Clip) -> np.ndarray:
        touched.add("landmarks")
        return self.__dict__["made up"]

    def note(name: str, of: Any) -> Any:
        def noted(self: Any, *arguments: Any) -> Any:
            touched.add(name)
            return of(self, *arguments)

        return noted

    patch.setattr(Clip, "landmarks", property(landmarks))
    patch.setattr(Clip, "sound", property(note("sound", sound)))
    patch.setattr(Clip, "chunks", note("pictures", chunks))
    patch.setattr(Pair, "source_image", property(note("source image", source)))
    found = np.random.default_rng(5).uniform(20, 100, (478, 3)).astype(np.float32)
    patch.setattr("eval.metrics.embeddings.following", lambda: contextlib.nullcontext(_Mesh(found)))


class _Mesh:
    def __init__(self, found: np.ndarray) -> None:
        self.found = found

    def detect(self, picture: np.ndarray) -> np.ndarray:
        return self.found


def runnable() -> list[str]:
    """What needs no large network."""
    here = {"mobilefacenet", "arcface"}
    clip_metrics = [n for n, m in BY_NAME.items() if not is_set(m) and set(weights_of(m)) <= here]
    return clip_metrics + [f.name for f in FEATURES if set(f.weights) <= here]


@pytest.mark.parametrize("name", runnable())
def test_what_is_read_is_declared(name: str, pair: tuple[Pair, Known, set[str]]) -> None:
    both, weights, touched = pair
    for clip in (both.generated, both.reference):
        clip._memo.clear()
        for kept in ("pose", "eyes", "mouth", "first_picture"):
            clip.__dict__.pop(kept, None)
    for read in (touched, weights.read, Watched.read):
        read.clear()
    metric: Any = BY_NAME.get(name)
    if metric is not None:
        value, steps, needed = metric.measure(both), steps_of(metric), metric.weights
    else:
        (feature,) = [f for f in FEATURES if f.name == name]
        value, steps, needed = feature.extract(both.generated), steps_to(feature), feature.weights
    assert not isinstance(value, Excluded), value
    assert touched <= steps.keys()
    assert weights.read == set(needed)
    assert Watched.read <= {field for step in steps.values() for field in step.card}
