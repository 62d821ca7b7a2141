"""Third-party model files: where they lie, whether they are the right ones, how to load them.

They are looked for in the folders of `$DAWN_WEIGHTS` (several are separated as in `$PATH`), else
in `~/.cache/dawn/weights`. Nothing here downloads. A file whose SHA-256 is not the registry's is
reported and never used. Files are loaded without running code from them.
"""

import enum
import functools
import hashlib
import os
import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dawn.weights_registry import REGISTRY, WeightFile
from manifests.errors import InputError
from manifests.location import local_path

if TYPE_CHECKING:  # torch takes a second to import; listing weights should not
    import torch

ENVIRONMENT_VARIABLE = "DAWN_WEIGHTS"

# What a weights-only unpickler meets in a cut or garbled file. None of it is a fault of ours.
_DAMAGE = (
    *(RuntimeError, EOFError, ValueError, LookupError, struct.error),
    *(AttributeError, TypeError, AssertionError, OverflowError),
)


class State(enum.StrEnum):
    """What is known of a file: a stable word for tables and reports."""

    MISSING = "missing"
    MISMATCH = "mismatch"
    """Present, but its SHA-256 is another file's: not used."""
    UNVERIFIED = "unverified"
    """Present and usable, but no SHA-256 is published to hold it against."""
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of one registered file; `path` is where it lies, `reason` says why in words."""

    name: str
    state: State
    path: Path | None
    sha256: str | None
    reason: str

    @property
    def usable(self) -> bool:
        """Whether `find` gives the file out."""
        return self.state in (State.VERIFIED, State.UNVERIFIED)


def folders() -> tuple[Path, ...]:
    """Where weights are looked for, in order; absolute."""
    named = [part for part in os.environ.get(ENVIRONMENT_VARIABLE, "").split(os.pathsep) if part]
    return tuple(map(local_path, named)) or (Path.home() / ".cache" / "dawn" / "weights",)


def fix_folders() -> None:
    """Make `$DAWN_WEIGHTS` absolute, for processes that are started to work elsewhere."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        os.environ[ENVIRONMENT_VARIABLE] = os.pathsep.join(map(str, folders()))


def registered(name: str) -> WeightFile:
    """The registry's entry for `name`; InputError lists the names when there is none."""
    if name not in REGISTRY:
        raise InputError(f"no weights named {name!r}; known names are {', '.join(REGISTRY)}")
    return REGISTRY[name]


def enabling(word: str) -> list[str]:
    """The names of the files that enable what `word` names: a group, a metric, or how metrics
    begin. Raises InputError, with what there is, where none does.
    """
    found = [name for name, entry in REGISTRY.items() if entry.serves(word)]
    if not found:
        metrics = (re.split(r"[_\d]", name)[0] for e in REGISTRY.values() for name in e.metrics)
        groups = (group for entry in REGISTRY.values() for group in entry.groups)
        known = ", ".join(dict.fromkeys([*metrics, *groups]))
        raise InputError(f"--for {word}: no weights enable it; give a metric or one of {known}")
    return found


def status(name: str) -> Status:
    """Look for `name` in every folder: the first usable copy, else the first faulty one."""
    entry = registered(name)
    candidates = [folder / file for folder in folders() for file in entry.file_names]
    found = [verify(name, path) for path in candidates if path.exists()]
    for result in found:
        if result.usable:
            return result
    if found:
        return found[0]
    where = ", ".join(map(str, folders()))
    return Status(
        name=name,
        state=State.MISSING,
        path=None,
        sha256=None,
        reason=f"{entry.file_names[0]} is not in {where} (set ${ENVIRONMENT_VARIABLE}); "
        f"get it from {entry.url or 'its authors'}",
    )


def verify(name: str, path: Path) -> Status:
    """Hold the file at `path` against the registry's SHA-256 for `name`."""
    expected = registered(name).sha256
    if path.is_dir():
        state, digest, reason = State.UNVERIFIED, None, "a folder: only its files are read"
    elif expected is None:
        state, digest = State.UNVERIFIED, sha256(path)
        reason = "its publisher prints no sha256"
    else:
        digest = sha256(path)
        state = State.VERIFIED if agrees(digest, expected) else State.MISMATCH
        reason = f"sha256 {digest[:8]}…{digest[-4:]}"
        if state is State.MISMATCH:
            reason += f" is not {expected}: damaged or another file; fetch it again"
    return Status(name=name, state=state, path=path, sha256=digest, reason=reason)


def find(name: str) -> Path | None:
    """The path of a usable copy of `name`, or None; `status` says why not."""
    result = status(name)
    return result.path if result.usable else None


def require(name: str) -> Path:
    """As `find`, but InputError says what is wrong and what to do."""
    result = status(name)
    if result.path is None or not result.usable:
        where = f"{result.path}: " if result.path else ""
        raise InputError(f"weights {name!r} are needed: {where}{result.reason}")
    return result.path


def load_state(path: Path, key: str = "state_dict") -> dict[str, "torch.Tensor"]:
    """The tensors of a .safetensors or PyTorch file, on the CPU.

    A checkpoint that keeps them under `key` is unwrapped. Raises InputError when the file
    cannot be read, is damaged, or holds anything but tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with path.open("rb") as file:
            if not file.read(4).startswith((b"PK", b"\x80")):
                raise ValueError("its first bytes are not a PyTorch file's")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: the result is checked below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors, and loading it could run its code; "
            "convert it to .safetensors where you trust it"
        ) from error
    except (SafetensorError, *_DAMAGE) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: is damaged or no weights file; fetch it again ({reason})"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
        content = content[key]
    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        raise InputError(f"{path}: expected a state dict (names to tensors)")
    return dict(content)


def load_into(
    module: "torch.nn.Module", state: Mapping[str, "torch.Tensor"], source: str | Path
) -> None:
    """Strictly fill `module` from `state`; InputError names `source` and the first difference.

    Only the batch counts of normalisation layers may be absent: files from before PyTorch 0.4.1
    have none, and they serve training alone.
    """
    own = module.state_dict()
    counts = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    state = counts | dict(state)
    for problem, names in (("lacks", own.keys() - state), ("has an unknown", state.keys() - own)):
        if names:
            raise InputError(f"{source}: {problem} {min(names)!r} ({len(names)} such tensors)")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            shapes = f"{tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            raise InputError(f"{source}: {name!r} has shape {shapes}")
    module.load_state_dict(state)


def sha256(path: Path) -> str:
    """Hex digest of a file, computed once per process as long as the file stays the same."""
    stat = path.stat()
    return _digest(path.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def agrees(digest: str, expected: str) -> bool:
    """Whether a digest is the expected one, of which the middle may be left out (`ab…yz`).

    Ends alone rule out a wrong or damaged file, not a forged one; the loader runs no code.
    """
    head, ellipsis, tail = expected.partition("…")
    return digest == expected if not ellipsis else digest.startswith(head) and digest.endswith(tail)
