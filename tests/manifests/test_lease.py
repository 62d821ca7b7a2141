"""One writer at a time on object stores: who holds a folder, who is refused, who takes over."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from manifests import lease
from manifests.errors import InputError
from manifests.lease import Lease
from manifests.runs import RunFolder
from manifests.store import Dataset

LEFT = {"token": "another", "host": "elsewhere", "machine": "another", "pid": 1, "since": "then"}


@pytest.fixture
def root(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}"


def lock_of(root: str) -> tuple[Any, str]:
    fs, path = fsspec.core.url_to_fs(f"{root}/.lock")
    return fs, path


def left(root: str, **changes: object) -> None:
    fs, path = lock_of(root)
    fs.pipe_file(path, json.dumps(LEFT | changes).encode())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats and pauses of no length to speak of."""
    monkeypatch.setattr(lease, "BEAT_S", 0.01)
    monkeypatch.setattr(lease, "_SETTLE_S", 0.0)


def run_folder(root: str) -> RunFolder:
    return RunFolder(root, "run.json")


@pytest.mark.parametrize("kind", [Dataset, run_folder])
def test_a_second_writer_on_an_object_store_is_told_who_holds_it(
    root: str, kind: Callable[[str], Dataset | RunFolder]
) -> None:
    def hold(root: str) -> Any:
        return kind(root).writing()

    with hold(root), pytest.raises(InputError, match=r"another dawn command .*process \d+ on "):  # noqa: SIM117
        with hold(root):
            pass
    with hold(root):  # it ended: the next one begins at once
        pass
    fs, path = lock_of(root)
    assert not fs.exists(path)


def test_a_second_writer_leaves_what_the_first_one_staged(root: str) -> None:
    dataset = Dataset(root)
    with dataset.writing() as session:
        dataset.fs.pipe_file(f"{dataset.path}/.staged/video/part.parquet", b"x")
        traces = dataset.names(".tmp")
        with pytest.raises(InputError, match="another dawn command"), Dataset(root).writing():
            pass
        assert dataset.names(".tmp") == traces
        assert dataset.has(".staged/video/part.parquet")
        session.require_hold()


def test_a_recipe_is_not_changed_under_a_writer(root: str) -> None:
    Dataset(root).ensure({"a": 1})
    with Dataset(root).writing(), pytest.raises(InputError, match="another dawn command"):
        Dataset(root).ensure({"a": 2}, update=True)
    assert Dataset(root).info()["recipe"] == {"a": 1}


def test_a_lock_that_nobody_renews_is_taken_over(root: str, quick: None) -> None:
    left(root, beat=time.time() - 2 * lease.EXPIRY_S)
    with Dataset(root).writing():
        pass


def test_one_that_died_on_this_machine_blocks_nobody(root: str, quick: None) -> None:
    left(root, beat=time.time(), machine=lease._machine(), pid=2**22 + 1)
    with Dataset(root).writing():
        pass


@pytest.mark.parametrize("behind_s", [0.0, 3600.0])
def test_a_holder_whose_clock_is_behind_is_seen_to_live(
    root: str, behind_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(root, beat=time.time() - behind_s)

    def meanwhile(_: float) -> None:
        left(root, beat=time.time() - behind_s + 10)

    monkeypatch.setattr(lease.time, "sleep", meanwhile)
    with pytest.raises(InputError, match="process 1 on elsewhere, since then"):  # noqa: SIM117
        with Dataset(root).writing():
            pass


def test_of_two_that_clear_the_same_dead_lock_away_one_is_refused(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(root, beat=0)

    def other_was_as_quick(_: float) -> None:
        """While this one waits, the other one writes its own name."""
        fs, path = lock_of(root)
        if b"elsewhere" not in fs.cat_file(path):
            left(root, beat=time.time(), pid=2)

    monkeypatch.setattr(lease.time, "sleep", other_was_as_quick)
    with pytest.raises(InputError, match="another dawn command"), Dataset(root).writing():
        pass


@pytest.mark.parametrize("times", [1, 3, 99])
def test_a_holder_who_has_gone_by_the_time_he_is_looked_for_is_in_nobody_s_way(
    root: str, quick: None, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The store refuses to make the object, and then has none."""
    fs, path = lock_of(root)
    pipe_file, refused = type(fs).pipe_file, []

    def come_and_gone(self: Any, name: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create" and name == path and len(refused) < times:
            refused.append(name)
            raise FileExistsError("At least one of the pre-conditions you specified did not hold")
        pipe_file(self, name, value, mode)

    monkeypatch.setattr(type(fs), "pipe_file", come_and_gone)
    hold = Lease(fs, path, root).held()
    if times == 99:
        with pytest.raises(InputError, match="another dawn command"), hold:
            pass
        return
    with hold as held:
        held.require()
    assert len(refused) == times
    assert not fs.exists(path)


def test_a_holder_whose_lock_was_taken_commits_nothing_more_and_leaves_it(
    root: str, quick: None
) -> None:
    fs, path = lock_of(root)
    noticed = threading.Event()

    class Watched(Lease):
        def _renew_until(self, ended: threading.Event) -> None:
            super()._renew_until(ended)
            noticed.set()

    with Watched(fs, path, root).held() as held:
        held.require()
        left(root, beat=time.time())
        noticed.wait()
        with pytest.raises(InputError, match="lost its hold of the folder"):
            held.require()
    assert json.loads(fs.cat_file(path))["host"] == "elsewhere"


def test_a_holder_renews_its_lock(root: str, quick: None) -> None:
    fs, path = lock_of(root)
    with Lease(fs, path, root).held():
        first = json.loads(fs.cat_file(path))["beat"]
        while json.loads(fs.cat_file(path))["beat"] == first:
            time.sleep(0.01)


def test_a_store_out_of_reach_for_too_long_ends_the_hold(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = lock_of(root)
    with Lease(fs, path, root).held() as held:
        late = time.monotonic() + lease.EXPIRY_S + 1
        monkeypatch.setattr(lease.time, "monotonic", lambda: late)
        with pytest.raises(InputError, match="lost its hold"):
            held.require()
