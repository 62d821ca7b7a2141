import contextlib
import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dawn import weights
from dawn.recipe import AudioConfig, IngestConfig, Recipe
from dawn.weights import REGISTRY, State, WeightFile
from manifests.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    return tmp_path


def register(monkeypatch: pytest.MonkeyPatch, sha256: str | None) -> None:
    entry = WeightFile(
        file_names=("a.bin", "b.bin"), purpose="", enables="", licence="", url=None, sha256=sha256
    )
    monkeypatch.setitem(REGISTRY, "thing", entry)


def test_digest_decides_what_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"some weights"
    digest = hashlib.sha256(content).hexdigest()
    (folder / "b.bin").write_bytes(content)
    for expected, state in (
        (digest, State.VERIFIED),
        (f"{digest[:8]}…{digest[-4:]}", State.VERIFIED),
        (f"{digest[:8]}…", State.VERIFIED),
        (None, State.UNVERIFIED),
        (f"{digest[:8]}…0000", State.MISMATCH),
        ("0" * 64, State.MISMATCH),
    ):
        register(monkeypatch, expected)
        assert weights.status("thing").state is state
        assert weights.find("thing") == (None if state is State.MISMATCH else folder / "b.bin")
    with pytest.raises(InputError, match=r"b\.bin.*damaged or another file"):
        weights.require("thing")


def test_a_later_good_copy_wins_over_an_earlier_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for path, content in ((good, b"good"), (bad, b"bad")):
        path.mkdir()
        (path / "a.bin").write_bytes(content)
    register(monkeypatch, hashlib.sha256(b"good").hexdigest())
    monkeypatch.setenv("DAWN_WEIGHTS", f"{bad}{os.pathsep}{good}")
    assert weights.find("thing") == good / "a.bin"


def test_missing_names_the_place_and_the_source(folder: Path) -> None:
    result = weights.status("syncnet_v2")
    assert (result.state, result.path) == (State.MISSING, None)
    assert str(folder) in result.reason
    assert "robots.ox.ac.uk" in result.reason
    with pytest.raises(InputError, match="no weights named 'synnet'; known names are syncnet_v2"):
        weights.find("synnet")


def test_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAWN_WEIGHTS", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert weights.folders() == (Path("/home/someone/.cache/dawn/weights"),)


def test_digest_is_computed_once_until_the_file_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    real_open = Path.open

    def counting_open(path: Path, *args: str, **options: str) -> object:
        reads.append(path)
        return real_open(path, *args, **options)

    monkeypatch.setattr(Path, "open", counting_open)
    file = folder / "x"
    file.write_bytes(b"1")
    reads.clear()
    first = weights.sha256(file)
    assert (weights.sha256(file), len(reads)) == (first, 1)
    file.write_bytes(b"22")
    assert weights.sha256(file) == hashlib.sha256(b"22").hexdigest()


def test_state_is_read_from_each_format(tmp_path: Path) -> None:
    state = {"layer.weight": torch.arange(3.0)}
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "wrapped.model")
    save_file(state, tmp_path / "safe.safetensors")
    for path in tmp_path.iterdir():
        loaded = weights.load_state(path)
        assert loaded.keys() == state.keys()
        assert torch.equal(loaded["layer.weight"], state["layer.weight"])


class Payload:
    """Unpickling this writes a file: the attack that weights_only loading must stop."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_bad_files_are_named_and_run_nothing(tmp_path: Path) -> None:
    target = tmp_path / "attacked"
    torch.save({"a": Payload(target)}, tmp_path / "evil.pth")
    (tmp_path / "evil_raw.pth").write_bytes(pickle.dumps(Payload(target)))
    (tmp_path / "text.pth").write_text("<html>404 not found</html>")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("<html>404 not found</html>")
    torch.save({"a": torch.zeros(100)}, tmp_path / "cut.pth")
    whole = (tmp_path / "cut.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    names = ["evil", "evil_raw", "text", "empty", "cut", "list", "absent"]
    for name in [*(f"{name}.pth" for name in names), "text.safetensors", "absent.safetensors"]:
        with pytest.raises(InputError, match=name):
            weights.load_state(tmp_path / name)
    assert not target.exists()


def test_no_cut_or_garbled_file_escapes_as_another_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save({"a": torch.arange(9.0)}, whole, _use_new_zipfile_serialization=False)
    content = bytearray(whole.read_bytes())
    rng = np.random.default_rng(0)
    for cut in range(3, len(content), 7):
        whole.write_bytes(content[:cut])
        with pytest.raises(InputError, match="whole"):
            weights.load_state(whole)
        garbled = content.copy()
        garbled[cut] = rng.integers(256)
        whole.write_bytes(garbled)
        with contextlib.suppress(InputError):  # a changed number is no fault the loader can see
            weights.load_state(whole)


def test_strict_filling_names_the_first_difference() -> None:
    layer = torch.nn.Linear(2, 1)
    good = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    weights.load_into(layer, good, "f")
    assert layer.weight.tolist() == [[1.0, 1.0]]
    for state, message in (
        ({"weight": good["weight"]}, "f: lacks 'bias'"),
        (good | {"extra": torch.ones(1)}, "f: has an unknown 'extra'"),
        (good | {"bias": torch.ones(2)}, r"f: 'bias' has shape \(2,\) instead of \(1,\)"),
    ):
        with pytest.raises(InputError, match=message):
            weights.load_into(layer, state, "f")


def test_registry_has_no_duplicate_files_and_sound_digests() -> None:
    names = [name for entry in REGISTRY.values() for name in entry.file_names]
    assert len(names) == len(set(names))
    for entry in REGISTRY.values():
        digest = (entry.sha256 or "").replace("…", "")
        assert set(digest) <= set("0123456789abcdef")
        assert entry.sha256 is None or "…" in entry.sha256 or len(digest) == 64
        assert entry.purpose
        assert entry.uses
        assert entry.licence


@pytest.mark.shared
def test_real_files_have_the_registered_digests(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAWN_WEIGHTS", str(shared / "weights"))
    verified = {name for name in REGISTRY if weights.status(name).state is State.VERIFIED}
    present = {"mobilefacenet", "lr_asd", "3ddfa_mb05", "3ddfa_mean_std"}
    assert verified >= present


def test_ingest_says_where_absent_features_come_from() -> None:
    config = IngestConfig(audio=AudioConfig(features="hubert"))
    with pytest.raises(InputError, match=r"hubert: hubert-large-ls960-ft is not in .*https://"):
        Recipe.resolve(config)


def test_listing_weights_does_not_import_torch() -> None:
    code = "import sys, dawn.weights as w; w.status('arcface'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
