"""The store: whole or nothing, one writer, one recipe."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from manifests.catalog import rows
from manifests.errors import InputError
from manifests.parquet import write_parquet
from manifests.store import Dataset
from tests.conftest import ROOT
from tests.manifests.rows import RECIPE, add, clip, written


def test_a_new_dataset_remembers_its_recipe(tmp_path: Path) -> None:
    dataset = Dataset(str(tmp_path / "d"))
    assert not dataset.exists
    assert dataset.ensure({"a": {"b": 1}}) == []
    assert dataset.info()["recipe"] == {"a": {"b": 1}}
    assert dataset.ensure({"a": {"b": 1}}) == []


def test_another_recipe_is_refused_with_the_difference(tmp_path: Path) -> None:
    dataset = Dataset(str(tmp_path / "d"))
    dataset.ensure({"a": {"b": 1}, "c": 2})
    with pytest.raises(InputError, match=r"a\.b: 1 -> 5"):
        dataset.ensure({"a": {"b": 5}, "c": 2})
    assert dataset.info()["recipe"]["a"]["b"] == 1
    assert dataset.ensure({"a": {"b": 5}, "c": 2}, update=True) == ["a.b: 1 -> 5"]
    assert dataset.info()["recipe"]["a"]["b"] == 5


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "x"}', '{"recipe": {}}', '{"format": 1}']
)
def test_a_broken_dataset_json_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=r"dataset\.json"):
        Dataset(str(tmp_path)).info()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(
        json.dumps({"format": 99, "recipe": {}, "recipe_hash": ""})
    )
    with pytest.raises(InputError, match="format 99"):
        Dataset(str(tmp_path)).info()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="other files"):
        Dataset(str(tmp_path)).ensure(RECIPE)
    with pytest.raises(InputError, match="is a file"):
        Dataset(str(tmp_path / "thesis.tex")).ensure(RECIPE)


@pytest.mark.parametrize("where", ["local", "memory"])
def test_a_part_comes_back_as_it_was_written(tmp_path: Path, where: str) -> None:
    root = str(tmp_path / "d") if where == "local" else f"memory://{tmp_path.name}/d"
    table = pa.table({"x": [1.5, None], "s": ["a", "b"]})
    with written(root) as session:
        session.dataset.publish_table(table, "clips/p.parquet", session.scratch)
        assert session.dataset.read("clips/p.parquet").equals(table)
        assert session.dataset.names("clips") == ["p.parquet"]
        session.dataset.move("clips/p.parquet", "frames/q.parquet")
        assert session.dataset.names("clips") == []
        assert session.dataset.has("frames/q.parquet")
        session.dataset.delete("frames/q.parquet")
        session.dataset.delete("frames/q.parquet")
        assert not session.dataset.has("frames/q.parquet")


def test_a_failed_publish_leaves_the_old_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with written(str(tmp_path / "d")) as session:
        old = pa.table({"x": [1]})
        session.dataset.publish_table(old, "clips/p.parquet", session.scratch)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                session.dataset.publish_table(
                    pa.table({"x": [2]}), "clips/p.parquet", session.scratch
                )
        assert session.dataset.read("clips/p.parquet").equals(old)


def test_only_one_process_writes(tmp_path: Path) -> None:
    root = str(tmp_path / "d")
    with written(root), pytest.raises(InputError, match="another dawn command"):  # noqa: SIM117
        with Dataset(root).writing():
            pass


def test_the_lock_of_a_killed_writer_is_free_and_its_trace_is_seen(tmp_path: Path) -> None:
    root = str(tmp_path / "d")
    with written(root) as session:
        assert not session.unclean
    code = textwrap.dedent(
        f"""
        from manifests.store import Dataset
        with Dataset({root!r}).writing():
            print("holding", flush=True)
            input()
        """
    )
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(InputError, match="another dawn command"), Dataset(root).writing():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Dataset(root).writing() as session:
        assert session.unclean
    with Dataset(root).writing() as session:
        assert not session.unclean
    assert not (tmp_path / "d" / ".tmp").exists()


def test_landmarks_in_small_steps_take_half_the_space(tmp_path: Path) -> None:
    import numpy as np

    from dawn.curation.tables import fixed_lists

    values = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (400, 1434)), axis=0) + 128
    sizes = []
    for name, points in (("raw", values), ("rounded", np.round(values * 64) / 64)):
        path = tmp_path / f"{name}.parquet"
        write_parquet(path, pa.table({"landmarks": fixed_lists(points.astype(np.float32))}))
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.55 * sizes[0]


def test_forgetting_a_video_removes_its_files(tmp_path: Path) -> None:
    from manifests.commit import forget

    with written(str(tmp_path / "d")) as session:
        row = add(session, "a")
        add(session, "b")
        forget(session, row)
    left = [path.name for path in (tmp_path / "d").rglob("*.*") if path.is_file()]
    assert not any(name.startswith("a") for name in left)
    assert any(name.startswith("b") for name in left)


def test_clips_that_are_judged_again_are_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same keys as well: their row is not there yet, and readers see the old one."""
    publish = Dataset.publish

    def dies_at_the_row(dataset: Dataset, temporary: Path, name: str) -> None:
        if name.startswith("videos/"):
            raise KeyboardInterrupt
        publish(dataset, temporary, name)

    with written(str(tmp_path / "d")) as session:
        old = add(session, "a")
        with monkeypatch.context() as patch:
            patch.setattr(Dataset, "publish", dies_at_the_row)
            with pytest.raises(KeyboardInterrupt):
                add(session, "a", [clip("a", face_px=7.0)], old=old)
        assert rows(session.dataset, "SELECT face_px FROM clips") == [{"face_px": 100.0}]
        again = add(session, "a", [clip("a", face_px=7.0)], old=old)
        assert rows(session.dataset, "SELECT face_px FROM clips") == [{"face_px": 7.0}]
        assert again["clips_part"] != old["clips_part"]
        add(session, "a", old=again)
        assert session.dataset.names("clips") == [old["clips_part"]]
