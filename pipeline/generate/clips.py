"""What generation reads of a dataset's clip: its first frame, its rows, its sound."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from dawn.sampling.baselines import scaled
from dawn.sampling.drive import Changes, changes_from
from dawn.sampling.portrait import POSE_DIM, Portrait
from dawn.sampling.settings import GenerateConfig
from manifests.errors import InputError
from manifests.parquet import read_parquet
from manifests.store import Dataset
from pipeline.generate.items import ClipFiles


@dataclass(frozen=True, slots=True)
class States:
    """What ingest measured on a clip: pose (T, 6), eyes (T, 2), the first face box as shares."""

    pose: NDArray[np.float32]
    eyes: NDArray[np.float32]
    box: NDArray[np.float32]

    def portrait(self, picture: NDArray[np.uint8]) -> Portrait:
        """The clip's first frame as a portrait."""
        return Portrait(picture=picture, pose=self.pose[0], eyes=self.eyes[0], box=self.box)

    def changes(self, config: GenerateConfig, frames: int) -> Changes:
        """The clip's own pose and eyes where the settings ask for them, or none at all."""

        def chosen(drive: str, states: NDArray[np.float32]) -> NDArray[np.float32] | None:
            if drive == "net":
                return None
            return changes_from(states if drive == "real" else states[:1], frames)

        return Changes(pose=chosen(config.pose, self.pose), eyes=chosen(config.blink, self.eyes))


def read_states(dataset: Dataset, clip: ClipFiles, clip_id: str) -> States:
    """A clip's rows of `frames`. Raises InputError when they are not there."""
    columns = ["frame", "pose", "eye_left", "eye_right", "face_box"]
    table = _clip_rows(dataset, f"frames/{clip.frames_part}", columns, clip_id)
    eyes = np.stack([table["eye_left"].to_numpy(), table["eye_right"].to_numpy()], axis=1)
    return States(
        pose=_matrix(table["pose"])[:, :POSE_DIM].copy(),
        eyes=eyes.astype(np.float32),
        box=_matrix(table["face_box"])[0] / np.float32(clip.size),
    )


def read_audio(dataset: Dataset, clip: ClipFiles, clip_id: str) -> NDArray[np.float32]:
    """A clip's audio features (T, A) as ingest computed them."""
    table = _clip_rows(dataset, f"audio/{clip.audio_part}", ["frame", "features"], clip_id)
    return _matrix(table["features"])


def audio_kind(dataset: Dataset) -> str:
    """Which audio features the dataset holds: log_mel or hubert."""
    return "hubert" if "hubert" in dataset.info()["recipe"].get("weights", {}) else "log_mel"


def local(dataset: Dataset, name: str, folder: Path) -> Path:
    """A path at which a clip's media can be opened; in `folder` where it had to be fetched.

    Raises InputError when it is gone.
    """
    try:
        return dataset.local_copy(name, folder)
    except FileNotFoundError as error:
        raise InputError(f"{dataset.uri}/{name}: is missing; ingest its video again") from error


def first_frame(video: Path, size: int) -> NDArray[np.uint8]:
    """A clip's first frame, RGB (size, size, 3)."""
    for _, frame in read_frames(video, probe(video), stop=1):
        return scaled(frame, size)
    raise InputError(f"{video}: holds no frame; ingest its video again")


def _clip_rows(dataset: Dataset, part: str, columns: list[str], clip_id: str) -> pa.Table:
    try:
        with dataset.open_part(part) as file:
            table = read_parquet(file, columns, ("clip_id", clip_id))
    except FileNotFoundError as error:
        raise InputError(f"{dataset.uri}/{part}: is missing; ingest its video again") from error
    if not table.num_rows:
        raise InputError(f"{dataset.uri}/{part}: holds no row of clip {clip_id}")
    return table.sort_by("frame")


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column of lists of one length, (T, N)."""
    flat = column.combine_chunks()
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(
        len(flat), -1
    )
