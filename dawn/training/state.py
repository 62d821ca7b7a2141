"""Checkpoints of a training run: everything that going on exactly as before needs.

`RUN/checkpoints/step-N/` holds `training.pt` (weights, averaged weights, optimiser moments, step)
and the network as `dawn generate` takes it. A checkpoint is written aside and renamed whole, so a
full disk or a kill leaves the one before. Learning rate, sample order and random numbers are
functions of seed and step, hence the step is all of them that is kept.
"""

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dawn import checkpoints
from dawn.checkpoints import Config
from manifests.errors import InputError
from manifests.location import Place
from manifests.runs import RunFolder
from manifests.staging import keep_at_hand

_FOLDER = "checkpoints"
_DONE = "done"
_STATE = "training.pt"


@dataclass(slots=True)
class Progress:
    """Where a run is. `best` are (measure, step) of the checkpoints worth keeping, best first."""

    step: int = 0
    wall_s: float = 0.0
    best: list[tuple[float, int]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def name_of(step: int) -> str:
    """A checkpoint's folder inside the run."""
    return f"{_FOLDER}/step-{step:09d}"


class Checkpoints:
    """The checkpoints of one run, in a local folder or an object store."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def steps(self) -> list[int]:
        """The steps that whole checkpoints are of, ascending."""
        try:
            entries = self._run.fs.ls(self._run.at(_FOLDER), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        found = [entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries]
        numbers = [int(name.removeprefix("step-")) for name in found if name.startswith("step-")]
        return sorted(n for n in numbers if self._run.fs.exists(self._file(n, _DONE)))

    def save(
        self,
        state: Mapping[str, Any],
        progress: Progress,
        network: tuple[str, Config, Mapping[str, Tensor], Mapping[str, Any]],
    ) -> None:
        """Write the checkpoint of `progress.step`, whole or not at all. `network` is the name,
        configuration, weights and source of what is handed on.
        """
        name, config, weights, source = network
        with self._run.scratch() as scratch:
            folder = scratch / "checkpoint"
            checkpoints.save(folder, name, config, weights, source)
            plain = {"step": progress.step, "wall_s": progress.wall_s, "best": progress.best}
            torch.save({**state, "progress": {**plain, "bad": progress.bad}}, folder / _STATE)
            (folder / _DONE).write_text("")
            self._publish(folder, progress.step)

    def _publish(self, folder: Path, step: int) -> None:
        run, target = self._run, self._run.at(name_of(step))
        if not run.local:
            for path in sorted(folder.iterdir(), key=lambda path: path.name == _DONE):
                run.fs.put_file(str(path), f"{target}/{path.name}")
            return
        if Path(target).exists():  # of a run that went back to an older checkpoint
            shutil.rmtree(target)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        folder.replace(target)

    def load(self, step: int, device: str) -> tuple[dict[str, Any], Progress]:
        """The state at `step`. Raises InputError when the file is damaged."""
        path = self._file(step, _STATE)
        try:
            with self._run.fs.open(path, "rb") as file:
                buffer = io.BytesIO(file.read())
            state = torch.load(buffer, map_location=device, weights_only=True)
            plain = state.pop("progress")
        except (OSError, RuntimeError, KeyError, EOFError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{path}: cannot be read ({reason}); remove its folder to go on from the one before"
            ) from error
        best = [(float(value), int(at)) for value, at in plain["best"]]
        progress = Progress(int(plain["step"]), float(plain["wall_s"]), best, list(plain["bad"]))
        return state, progress

    def prune(self, keep: set[int]) -> None:
        """Remove all checkpoints but the newest and those of the steps in `keep`."""
        for step in self.steps()[:-1]:
            if step not in keep:
                self._run.fs.rm(self._run.at(name_of(step)), recursive=True)

    def finish(self, name: str) -> None:
        """Hand on the best network of a run at its last step, where that was not done: a kill may
        come between the last checkpoint and its network.
        """
        if self.handed_on(name):
            return
        steps = self.steps()
        if not steps:
            raise InputError(
                f"{self._run.uri}: holds no checkpoint after training; where workers are on other "
                "machines, give --out a folder that all share, or an object store"
            )
        _, progress = self.load(steps[-1], "cpu")
        self.hand_on(progress.best[0][1], name)

    def handed_on(self, name: str) -> bool:
        """Whether the network is there as a whole."""
        return all(self._run.fs.exists(self._run.at(part)) for part in _network(name))

    def hand_on(self, step: int, name: str) -> None:
        """Put the network of a checkpoint where `dawn generate` looks: RUN/model/NAME.

        Raises InputError when the checkpoint is gone.
        """
        with self._run.scratch() as scratch:
            for target in _network(name):
                part = scratch / target.rsplit("/", 1)[-1]
                try:
                    self._run.fs.get_file(self._file(step, part.name), str(part))
                except FileNotFoundError as error:
                    raise InputError(
                        f"{self._file(step, part.name)}: is missing, and it is the run's best "
                        "network; restore it, or train into another folder"
                    ) from error
                self._run.publish(part, target)

    def _file(self, step: int, name: str) -> str:
        return f"{self._run.at(name_of(step))}/{name}"


def _network(name: str) -> tuple[str, str]:
    """The files of what is handed on, the card last: it says that all is there."""
    return f"model/{name}/{name}.safetensors", f"model/{name}/{name}.json"


def local_network(folder: str, name: str) -> Path:
    """The folder of the checkpoint `name` as a local path: that of a stage, or a model folder that
    has it; downloaded from an object store.
    """
    place = Place.of(folder)
    fs, path = place.fs, place.path
    if not fs.exists(f"{path}/{name}.json") and fs.exists(f"{path}/{name}/{name}.json"):
        path = f"{path}/{name}"
    if place.local:
        return Path(path)
    files = {f"{name}.safetensors", f"{name}.json"}
    try:
        return keep_at_hand(replace(place, path=path).uri, files.__contains__)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no network {name}; check the address") from error
