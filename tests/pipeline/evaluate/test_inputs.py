"""Runs, datasets and folders as what `dawn evaluate` is pointed at."""

import os
import unicodedata
from pathlib import Path

import pytest

from eval.results.stored import INFO
from manifests.catalog import query
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import plan
from pipeline.evaluate.run import evaluate, results_folder
from tests.evaluations import of_set, options, run
from tests.films import drift, write_film


def test_nothing_that_pairs_is_an_error(real: Path, card: str, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    with pytest.raises(InputError, match="holds no video"):
        plan(options(tmp_path / "out", card, real, videos=videos))
    write_film(videos / "other.mkv", drift(12))
    job = plan(options(tmp_path / "out", card, real, videos=videos))
    with pytest.raises(
        InputError, match=r"no videos could be paired: 1 video and 3 real.*'other'.*'clip0'"
    ):
        evaluate(job, results_folder(str(tmp_path / "out")), InProcess())
    odd = Path(os.fsdecode(os.fsencode(videos) + b"/\xff.mp4"))
    odd.write_bytes(b"")
    with pytest.raises(InputError, match="no UTF-8 text"):
        plan(options(tmp_path / "out", card, real, videos=videos))
    odd.rename(videos / "other.mp4")
    with pytest.raises(InputError, match="two videos are named other"):
        plan(options(tmp_path / "out", card, real, videos=videos))


def named(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        write_film(folder / f"{name}.mkv", drift(12))
    return folder


def test_names_pair_in_any_unicode_form(card: str, tmp_path: Path) -> None:
    composed, apart = (
        [unicodedata.normalize(form, name) for name in ("José", "Zoë é", "ascii")]
        for form in ("NFC", "NFD")
    )
    real, videos = named(tmp_path / "real", *composed), named(tmp_path / "videos", *apart)
    for one, other in ((real, videos), (videos, real)):
        pairing = plan(options(tmp_path / "out", card, one, videos=other)).pairing
        assert [pair.clip_id for pair in pairing.pairs] == sorted(composed)
        assert (pairing.only_generated, pairing.only_reference) == ([], [])
    write_film(videos / f"{composed[0]}.mkv", drift(12))
    with pytest.raises(InputError, match="two videos are named José; keep one"):
        plan(options(tmp_path / "out", card, real, videos=videos))
    write_film(real / f"{apart[0]}.mkv", drift(12))
    with pytest.raises(InputError, match=r"has the same name as .*; rename one of them"):
        plan(options(tmp_path / "out", card, real, baseline="static"))


def test_names_of_a_run_pair_in_any_unicode_form(card: str, tmp_path: Path) -> None:
    made = RunFolder(str(tmp_path / "run"), "run.json")
    made.write_info({})
    real = named(tmp_path / "real", "José")
    row = {
        "run": "r", "system": "s", "seed": 0, "settings_hash": "s", "device": "cpu",
        "dtype": "float32", "image": "/a.png", "audio": "/a.wav", "status": "failed",
    }  # fmt: skip
    apart = unicodedata.normalize("NFD", "José ")
    made.write("generations", apart, [row | {"item": apart}])
    wanted = options(tmp_path / "out", card, real, run=str(tmp_path / "run"))
    assert [pair.clip_id for pair in plan(wanted).pairing.pairs] == ["José"]
    (tmp_path / "run/generations/._part.parquet").write_bytes(bytes(4096))
    made.write("generations", "José", [row | {"item": "José"}])
    with pytest.raises(InputError, match="two videos are named José"):
        plan(wanted)


def test_what_macos_writes_beside_videos_is_no_clip(card: str, tmp_path: Path) -> None:
    real, videos = named(tmp_path / "real", "a", "b"), named(tmp_path / "videos", "a", "b")
    clean = plan(options(tmp_path / "out", card, real, videos=videos)).pairing
    for folder in (real, videos):
        for name in ("a", "b"):
            (folder / f"._{name}.mkv").write_bytes(bytes(4096))
    pairing = plan(options(tmp_path / "out", card, real, videos=videos)).pairing
    assert pairing == clean
    assert pairing.clip_list_hash == clean.clip_list_hash


def test_runs_give_their_rows(real: Path, fake: Path, card: str, tmp_path: Path) -> None:
    made = RunFolder(str(tmp_path / "run"), "run.json")
    made.write_info({})
    (tmp_path / "run/videos").mkdir()
    for k in range(3):
        target = tmp_path / f"run/videos/v{k}.mkv"
        target.write_bytes((fake / f"clip{k}.mkv").read_bytes())
        ok = k != 2
        row = {
            "run": "r", "system": "mine", "item": f"clip{k}", "checkpoint": "abc", "seed": 0,
            "dataset_hash": "d", "settings_hash": "s", "device": "cpu", "dtype": "float32",
            "video": f"videos/v{k}.mkv" if ok else None, "frames": 40 * (k + 1),
            "real_time_factor": 2.0 + k if ok else None, "status": "ok" if ok else "failed",
        }  # fmt: skip
        made.write("generations", f"clip{k}", [row])
    folder = run(
        options(
            tmp_path / "out", card, real, run=str(tmp_path / "run"), metrics="psnr,real_time_factor"
        )
    )
    info, numbers = folder.info(), of_set(folder)
    assert (info["system"], info["checkpoint"], info["dataset_hash"]) == ("mine", "abc", "d")
    assert (numbers["psnr"]["n"], numbers["psnr"]["n_total"]) == (2, 3)
    assert numbers["psnr"]["reason"] == "excluded: 1 not_generated"
    # Total work over total duration: (2 x 40 + 3 x 80) / 120.
    assert numbers["real_time_factor"]["value"] == pytest.approx(320 / 120)
    clips = {row["clip_id"]: row for row in folder.read("clips").to_pylist()}
    assert (clips["clip2"]["status"], clips["clip2"]["reason"]) == ("failed", "not_generated")
    assert clips["clip1"]["real_time_factor"] == 3.0
    assert (tmp_path / "out" / INFO).exists()


def test_a_dataset_s_clips_are_references(dataset: Dataset, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("name: short\nsize: 64\nstride: 2\nmax_frames: 10\n")
    where = f"{dataset.path}:all"
    accepted = query(dataset, "SELECT * FROM clips WHERE accepted ORDER BY clip_id").to_pylist()
    given = options(tmp_path / "out", str(card), where, baseline="static", metrics="flicker")
    folder = run(given)
    assert folder.info()["dataset_hash"] == dataset.info()["recipe_hash"]
    clips = {row["clip_id"]: row for row in folder.read("clips").to_pylist()}
    assert sorted(clips) == [row["clip_id"] for row in accepted]
    for row in accepted:
        clip = clips[row["clip_id"]]
        assert (clip["split"], clip["speaker"]) == (row["split"], row["speaker"] or row["identity"])
        assert clip["yaw_p95"] == pytest.approx(row["yaw_p95"])
        assert clip["reference_frames"] == row["frames"]
        assert clip["status"] == "ok"
    # Videos may be named after the clip or, where a source has one clip, after the source.
    videos = tmp_path / "videos"
    videos.mkdir()
    sources = [row["source_name"] for row in accepted]
    alone = len(set(sources)) == len(sources)
    for name in (accepted[0]["clip_id"], sources[1]):
        write_film(videos / f"{name}.mkv", drift(12))
    pairing = plan(options(tmp_path / "o", str(card), where, videos=videos)).pairing
    assert len(pairing.pairs) == 1 + alone
    assert len(pairing.only_generated) == 1 - alone
    for wrong, what in (
        (dataset.path, "say which split, as in"),
        (str(tmp_path / "none:test"), "is not a dataset"),
        (str(tmp_path / "none"), "give a folder of videos or DATASET:split"),
    ):
        with pytest.raises(InputError, match=what):
            plan(options(tmp_path / "o", str(card), wrong, videos=videos))
