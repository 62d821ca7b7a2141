"""`dawn generate` over a split: the same videos whoever makes them, rows that tell all."""

import errno
import json
import os
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.data import astronaut

from dawn.sampling.settings import GenerateConfig
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import OnActors, OneHere
from pipeline.cluster.executor import Failure
from pipeline.cluster.tasks import OnRay
from pipeline.generate import worker as generate_worker
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.items import clip_items, list_items
from pipeline.generate.single import Single, generate_one
from pipeline.generate.worker import Maker
from tests.dawn.sampling.test_voice import chirp, write_wav
from tests.models import write_model

CONFIG = GenerateConfig(steps=2, stretch=16, overlap=4, window=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A portrait and a voice of 0.9 s."""
    folder = tmp_path_factory.mktemp("inputs")
    Image.fromarray(astronaut()).save(folder / "face.png")
    write_wav(folder / "voice.wav", chirp(0.9, 22050), 22050)
    return folder


def options(model: Path, dataset: Dataset, out: Path, **more) -> ManyOptions:
    defaults = {"split": "train", "limit": 3, "max_seconds": 0.8, "seed": 7, "device": "cpu"}
    return ManyOptions(
        config=more.pop("config", CONFIG), checkpoint=model, dataset=dataset.uri, out=str(out),
        **(defaults | more),
    )  # fmt: skip


def here(wanted: ManyOptions):
    return generate_many(wanted, OneHere(Maker, plan_run(wanted).task))


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def run_rows(root: Path) -> list[dict]:
    return RunFolder(str(root), "run.json").read("generations").to_pylist()


def videos(root: Path) -> dict[str, np.ndarray]:
    return {row["item"]: decoded(root / row["video"]) for row in run_rows(root)}


@pytest.fixture(scope="module")
def run(model, dataset, tmp_path_factory) -> Path:
    """Three clips, made in this process."""
    root = tmp_path_factory.mktemp("runs") / "first"
    assert here(options(model, dataset, root)).counts == {"ok": 3, "already done": 0}
    return root


def test_every_row_says_what_was_made_and_how(run, dataset, model):
    rows = run_rows(run)
    items = clip_items(dataset, "train")[:3]
    assert [row["item"] for row in rows] == sorted(item.name for item in items)
    for row in rows:
        assert row["status"] == "ok"
        assert row["reason"] is None
        assert (row["frames"], row["size"], row["duration_s"]) == (20, 256, 0.8)
        assert decoded(run / row["video"]).shape == (20, 256, 256, 3)
        assert row["wall_s"] >= row["network_s"] + row["render_s"] > 0
        assert row["wall_s"] >= row["encode_s"] > 0  # beside the two
        assert row["real_time_factor"] == pytest.approx(row["wall_s"] / 0.8)
        assert row["peak_memory_bytes"] > 1e8
        assert (row["steps"], row["window"], row["device"]) == (2, 4, "cpu")
        assert row["speaker"]
    info = json.loads((run / "run.json").read_text())
    assert info["split"] == "train"
    assert info["checkpoint"] == rows[0]["checkpoint"]
    with av.open(str(run / rows[0]["video"])) as container:
        notes = json.loads(container.metadata["comment"])
    assert notes["generated"] is True
    assert notes["seed"] == rows[0]["seed"] != rows[1]["seed"]


@pytest.mark.slow
@pytest.mark.ray
def test_two_workers_make_the_same_videos(run, dataset, model, tmp_path, ray_session):
    wanted = options(model, dataset, tmp_path / "two")
    workers = OnActors(OnRay(workers=2), Maker, plan_run(wanted).task)
    assert generate_many(wanted, workers).counts["ok"] == 3
    ours, theirs = videos(run), videos(tmp_path / "two")
    assert ours.keys() == theirs.keys()
    for item, frames in ours.items():
        assert np.array_equal(frames, theirs[item])


def test_ray_is_not_started_where_nothing_is_left_to_make(run, dataset, model, monkeypatch):
    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("pipeline.generate.command.OnRay", started)
    assert generate_many(options(model, dataset, run)).counts == {"already done": 3}


def test_videos_that_workers_put_elsewhere_are_not_made(dataset, tmp_path):
    wanted = options(None, dataset, tmp_path / "out", baseline="static", limit=1)
    lost = replace(plan_run(wanted).task, root=str(tmp_path / "lost"))
    with pytest.raises(InputError, match=r"out: 1 of 1 video that workers made cannot be found"):
        generate_many(wanted, OneHere(Maker, lost))


@pytest.mark.ray
def test_workers_make_nothing_in_a_folder_that_they_do_not_share(
    dataset, tmp_path, monkeypatch, ray_session
):
    monkeypatch.chdir(tmp_path)
    wanted = options(None, dataset, "/proc/self/cwd/out", baseline="static", limit=1)
    with pytest.raises(InputError, match=r"cwd/out: node .* does not share this folder"):
        generate_many(wanted)
    assert run_rows(tmp_path / "out") == []


def test_an_item_is_not_recorded_for_its_machine_s_fault(dataset, tmp_path):
    class Lost(OneHere):
        def results(self, jobs):
            return ((job, Failure("node", "its node was lost")) for job in jobs)

    wanted = options(None, dataset, tmp_path / "out", baseline="static", limit=1)
    with pytest.raises(InputError, match="its node was lost"):
        generate_many(wanted, Lost(Maker, plan_run(wanted).task))
    assert run_rows(tmp_path / "out") == []


def test_what_is_there_is_not_made_again(run, dataset, model, tmp_path):
    root = shutil.copytree(run, tmp_path / "again")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    lost = sorted(before)[1]
    lost.unlink()  # as if the run had been killed between a video and its row
    (root / ".tmp-half").mkdir()
    assert here(options(model, dataset, root)).counts == {"ok": 1, "already done": 2}
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    assert [path for path in after if after[path] != before[path]] == [lost]
    assert not list(root.glob(".tmp-*"))
    for item, frames in videos(root).items():
        assert np.array_equal(frames, videos(run)[item])


def test_another_seed_or_model_needs_another_folder(run, dataset, model, tmp_path):
    root = shutil.copytree(run, tmp_path / "run")
    with pytest.raises(InputError, match="seed: 7 -> 8"):
        here(options(model, dataset, root, seed=8))
    with pytest.raises(InputError, match=r"settings\.steps: 2 -> 3"):
        here(options(model, dataset, root, config=replace(CONFIG, steps=3)))
    other = write_model(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="checkpoint"):
        here(options(other, dataset, root))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        here(options(model, dataset, tmp_path / "full"))


def test_a_bad_clip_is_a_row_and_can_be_tried_again(dataset, model, tmp_path):
    root = shutil.copytree(dataset.path, tmp_path / "data")
    copy = Dataset(str(root))
    broken, missing, _ = clip_items(copy, "train")[:3]
    sound = root / broken.audio
    kept = sound.read_bytes()
    sound.write_bytes(b"no sound")
    (root / missing.image).unlink()
    wanted = options(model, copy, tmp_path / "run")
    assert here(wanted).counts == {"ok": 1, "failed": 2, "already done": 0}
    by_item = {row["item"]: row for row in run_rows(tmp_path / "run")}
    assert by_item[broken.name]["reason"] == "bad_input"
    assert "sound" in by_item[broken.name]["detail"]
    assert by_item[missing.name]["video"] is None
    assert len(list((tmp_path / "run" / "videos").iterdir())) == 1
    assert here(wanted).counts == {"already done": 3}
    sound.write_bytes(kept)
    again = here(replace(wanted, retry=True)).counts
    assert again == {"ok": 1, "failed": 1, "already done": 1}


def test_a_full_disk_stops_the_run_and_leaves_no_row(dataset, model, tmp_path, monkeypatch):
    def full(self, temporary, name):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wanted = options(model, dataset, tmp_path / "run", limit=1)
    workers = OneHere(Maker, plan_run(wanted).task)
    with monkeypatch.context() as patch:
        patch.setattr(generate_worker.RunFolder, "publish", full)
        with pytest.raises(OSError, match="No space"):
            generate_many(wanted, workers)
    assert run_rows(tmp_path / "run") == []
    assert here(wanted).counts == {"ok": 1, "already done": 0}


def test_real_pose_and_still_eyes_make_other_videos(run, dataset, model, tmp_path):
    config = replace(CONFIG, pose="real", blink="still")
    wanted = options(model, dataset, tmp_path / "real", config=config, limit=1)
    here(wanted)
    ((item, frames),) = videos(tmp_path / "real").items()
    assert not np.array_equal(frames, videos(run)[item])


def test_baselines(dataset, model, tmp_path):
    made = {}
    for name in ("static", "copy-motion", "reconstruct"):
        here(options(model, dataset, tmp_path / name, baseline=name, limit=1))
        ((_, made[name]),) = videos(tmp_path / name).items()
        (row,) = run_rows(tmp_path / name)
        assert (row["system"], row["frames"], row["steps"]) == (name, 20, None)
    moved = {name: np.ptp(frames.astype(int), axis=0).mean() for name, frames in made.items()}
    assert moved["static"] < 4  # the codec's own noise
    assert moved["reconstruct"] > 2 * moved["static"]
    assert not np.array_equal(made["copy-motion"], made["reconstruct"])
    item, other = clip_items(dataset, "train")[:2]
    assert item.clip.driving == other.clip.video
    bare = options(None, dataset, tmp_path / "bare", baseline="static", limit=1)
    here(bare)
    assert next(iter(videos(tmp_path / "bare").values())).shape[1] == 256
    with pytest.raises(InputError, match="needs --checkpoint"):
        plan_run(replace(bare, baseline="reconstruct"))
    with pytest.raises(InputError, match="one of static"):
        plan_run(replace(bare, baseline="frozen"))


def test_lists(model, inputs, tmp_path):
    path = inputs / "jobs.csv"
    path.write_text("image,audio,name\nface.png,voice.wav,a/../b\nface.png,none.wav,gone\n")
    wanted = ManyOptions(
        config=CONFIG, checkpoint=model, list_=path, out=str(tmp_path / "run"), device="cpu"
    )
    assert here(wanted).counts == {"ok": 1, "failed": 1, "already done": 0}
    good, gone = sorted(run_rows(tmp_path / "run"), key=lambda row: row["item"])
    assert (good["item"], good["clip_id"], good["frames"]) == ("a/../b", None, 23)
    assert Path(tmp_path / "run" / good["video"]).resolve().parent == tmp_path / "run" / "videos"
    assert "no such file" in gone["detail"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no columns"), ("image,audio\n", "holds no pair"), ("image,sound\na,b\n", "unknown"),
     ("image,audio\na\n", "row 1: give"), ("image,audio\na,b,c\n", "row 1: give"),
     ("image,audio\na.png,b.wav\na.png,b.wav\n", "row 2: a second 'a-b'"),
     ("image,audio,name\na.png,b.wav,José\na.png,c.wav,Jose\u0301 \n", "row 2: a second 'José'"),
     ("image,audio,face\na,b,0\n", "row 1: face '0'; give a number by size"),
     ("image,audio\na,\x00\n", "image|cannot be read")],
)  # fmt: skip
def test_lists_that_cannot_be_used(tmp_path, text, says):
    path = tmp_path / "jobs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        list_items(path)


def test_a_list_finds_files_in_another_unicode_form(tmp_path):
    for name in ("José.png", "José.wav"):
        (tmp_path / unicodedata.normalize("NFD", name)).touch()
    path = tmp_path / "jobs.csv"
    path.write_text("image,audio\nJosé.png,José.wav\n", encoding="utf-8")
    (item,) = list_items(path)
    assert item.name == "José-José"
    assert Path(item.image).is_file()
    assert Path(item.audio).is_file()


def single(model: Path, inputs: Path, out: Path, **more) -> Single:
    files = {"image": inputs / "face.png", "audio": inputs / "voice.wav"}
    defaults = {"checkpoint": model, "out": out, "config": CONFIG, "device": "cpu"}
    return Single(**(files | defaults | more))


def test_one_video_the_same_for_the_same_seed(model, inputs, tmp_path):
    made = generate_one(single(model, inputs, tmp_path / "new" / "a.mp4"))
    assert (made.frames, made.size) == (23, 256)
    generate_one(single(model, inputs, tmp_path / "b.mp4"))
    generate_one(single(model, inputs, tmp_path / "c.mp4", seed=1))
    a, b, c = (decoded(tmp_path / name) for name in ("new/a.mp4", "b.mp4", "c.mp4"))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.mp4", "c.mp4", "new"]


def two_faces(path: Path) -> Path:
    """A large face on the right, a smaller one on the left."""
    both = np.full((512, 930, 3), 90, np.uint8)
    both[:, 418:] = astronaut()
    both[50:460, 4:414] = cv2.resize(astronaut(), (410, 410), interpolation=cv2.INTER_AREA)
    Image.fromarray(both).save(path)
    return path


def test_of_several_faces_one_is_chosen(model, inputs, tmp_path, capsys):
    group = two_faces(tmp_path / "group.png")
    (tmp_path / "out").mkdir()
    wanted = single(model, inputs, tmp_path / "out/a.mp4", image=group, max_seconds=0.2)
    generate_one(wanted)
    said = " ".join(capsys.readouterr().out.split())
    assert "2 faces, the largest is used; choose another with --face N, numbered in " in said
    with Image.open(tmp_path / "out/a.faces.jpg") as preview:
        assert preview.size == (930, 512)
    generate_one(replace(wanted, out=tmp_path / "out/b.mp4", face=2))
    assert "faces" not in capsys.readouterr().out
    assert not np.array_equal(decoded(tmp_path / "out/a.mp4"), decoded(tmp_path / "out/b.mp4"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.faces.jpg", "a.mp4", "b.mp4"]
    with pytest.raises(InputError, match="there is no face 3: 2 faces were found") as caught:
        generate_one(replace(wanted, out=tmp_path / "out/c.mp4", face=3))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out/c.mp4").exists()


def test_a_list_chooses_faces(model, tmp_path):
    two_faces(tmp_path / "group.png")
    write_wav(tmp_path / "voice.wav", chirp(0.3, 16000), 16000)
    path = tmp_path / "jobs.csv"
    names = "".join(f"group.png,voice.wav,{name},{name}\n" for name in ("", 2, 3))
    path.write_text("image,audio,name,face\n" + names.replace("wav,,", "wav,none,"))
    here(ManyOptions(
        config=CONFIG, checkpoint=model, list_=path, out=str(tmp_path / "run"), device="cpu"
    ))  # fmt: skip
    rows = {row["item"]: row for row in run_rows(tmp_path / "run")}
    assert [rows[name]["face"] for name in ("none", "2", "3")] == [None, 2, 3]
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {"none", "2"}
    assert "there is no face 3" in rows["3"]["detail"]


def test_rows_of_before_there_were_faces_are_read_beside_those_of_now(tmp_path):
    folder = RunFolder(str(tmp_path / "run"), "run.json")
    row = {"run": "r", "system": "s", "settings_hash": "s", "seed": 0, "device": "cpu",
           "dtype": "float32", "status": "ok"}  # fmt: skip
    for item, face in (("a", 1), ("b", 2)):
        folder.write("generations", item, [row | {"item": item, "face": face}])
    part, _ = folder.parts("generations")
    old = pq.read_table(part).drop_columns(["face"])
    pq.write_table(old, part)
    rows = folder.read("generations").to_pylist()
    assert {row["item"]: row["face"] for row in rows} == {"a": None, "b": 2}


def test_motion_of_another_clip(model, inputs, footage, tmp_path):
    clip = footage / "plain.mp4"
    config = replace(CONFIG, blink="still")
    moved = single(model, inputs, tmp_path / "a.mp4", config=config, pose_from=clip)
    generate_one(moved)
    generate_one(replace(moved, out=tmp_path / "b.mp4", config=replace(config, pose="still"),
                         pose_from=None))  # fmt: skip
    assert not np.array_equal(decoded(tmp_path / "a.mp4"), decoded(tmp_path / "b.mp4"))
    with pytest.raises(InputError, match=r"no face|cannot be read"):
        generate_one(replace(moved, pose_from=inputs / "face.png"))


def test_nothing_is_left_where_it_fails(model, inputs, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("words")
    for bad, says in (
        ({"image": text}, "is not a picture"),
        ({"audio": text}, "no sound"),
        ({"out": tmp_path / "a.avi"}, "ends in .mp4"),
        ({"out": tmp_path / "text.png" / "a.mp4"}, "cannot be created"),
        ({"config": replace(CONFIG, pose="real")}, "use --pose-from"),
        ({"checkpoint": model / "lfg"}, "no checkpoint of pbnet, a2v"),
    ):
        with pytest.raises(InputError, match=says):
            generate_one(replace(single(model, inputs, tmp_path / "out.mp4"), **bad))
    assert [path.name for path in tmp_path.iterdir()] == ["text.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full(model, inputs, tmp_path, monkeypatch):
    from dawn.sampling import talking_head as generate

    original = generate.generate

    def on_a_full_disk(*arguments, **options):
        arguments = list(arguments)
        arguments[5] = Path("/dev/full")
        return original(*arguments, **options)

    monkeypatch.setattr(generate, "generate", on_a_full_disk)
    with pytest.raises(InputError, match=r"out.mp4: cannot be written: No space left"):
        generate_one(single(model, inputs, tmp_path / "out.mp4"))
    assert not list(tmp_path.iterdir())
