"""Signing the videos of a run, in the driver.

Workers make videos, the driver signs them: the private key stays in the process whose user gave
it. It would otherwise lie in Ray's object store, which spills to disks, and on every node. Signing
takes milliseconds beside the minutes of making, and only the videos travel.
"""

from typing import Any

from dawn.credentials.carried import carries
from dawn.credentials.claim import Claim
from dawn.credentials.reading import read_credentials
from dawn.credentials.signing import Signer
from manifests.location import Place
from manifests.runs import RunFolder
from pipeline.generate.worker import RunTask


class Signing:
    """Signs videos of one run folder, each once; the row says so last."""

    def __init__(self, folder: RunFolder, task: RunTask, signer: Signer) -> None:
        self._folder, self._task, self._signer = folder, task, signer

    def sign_those_of_before(self) -> None:
        """Videos that an earlier command made and that are not signed."""
        columns = ["item", "status", "signed_by"]
        for row in self._folder.read("generations", columns).to_pylist():
            if row["status"] == "ok" and row["signed_by"] is None:
                self.sign(row["item"])

    def sign(self, name: str) -> None:
        """Sign an item's video. One that is not to be found here is left: the run names it."""
        try:
            (row,) = self._folder.read_item("generations", name).to_pylist()
            with self._folder.scratch() as scratch:
                row["signed_by"] = self._signed(row, Place.of(self._at(row)), scratch)
        except FileNotFoundError:
            return
        self._folder.write("generations", name, [row])

    def _at(self, row: dict[str, Any]) -> str:
        return f"{self._folder.uri}/{row['video']}"

    def _signed(self, row: dict[str, Any], place: Place, scratch: Any) -> str:  # noqa: ANN401
        """Whose credentials the video carries afterwards."""
        there = place.fetched(scratch / "fetched")
        if carries(there):  # a kill came between video and row
            return read_credentials(there).signer or self._signer.name
        copy = scratch / "video.mp4"
        copy.write_bytes(there.read_bytes())
        self._signer.sign(copy, self._claim(row))
        self._folder.publish(copy, row["video"])
        return self._signer.name

    def _claim(self, row: dict[str, Any]) -> Claim:
        task = self._task
        networks = {} if task.baseline == "static" else task.networks
        return Claim(
            checkpoint=row["checkpoint"] if networks else None,
            checkpoint_name=task.checkpoint.rsplit("/", 1)[-1]
            if networks and task.checkpoint
            else None,
            networks=networks,
            portrait_sha256=row.get("image_sha256"),
            audio_sha256=row.get("audio_sha256"),
            settings_hash=row["settings_hash"],
            seed=row["seed"],
        )
