"""A dataset's clips as a torch Dataset: what `dawn.clips` gives."""

from typing import Any

import torch
from torch.utils.data import Dataset as TorchDataset

from dawn.training.clips import ClipReader, require_clips
from manifests.location import location
from manifests.store import Dataset


class ClipDataset(TorchDataset[dict[str, Any]]):
    """Whole clips: pictures, sound features, head pose and eye openness at 25 a second."""

    def __init__(self, root: str, split: str = "train", size: int | None = None) -> None:
        """`size`: side of the pictures in pixels; as stored where it is not given."""
        self._root, self._size = location(root), size
        self.table = require_clips(Dataset(self._root), split)
        """The clips, in the order of their ids."""

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`clip_id`; `pictures` (T, 3, S, S) uint8 RGB; `audio` (T, A), `pose` (T, 6: yaw, pitch,
        roll in degrees, scale, tx, ty) and `eyes` (T, 2) float32.

        Raises ClipError for a clip whose files are missing or corrupt.
        """
        clip = self.table[range(len(self))[index]]  # which also counts from the end
        reader = ClipReader(self._root, self._size or clip.size)
        features = reader.features(clip)
        pictures = reader.frames(clip, range(clip.frames))
        return {
            "clip_id": clip.clip_id,
            "pictures": torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(),
            "audio": torch.from_numpy(features.audio),
            "pose": torch.from_numpy(features.pose),
            "eyes": torch.from_numpy(features.eyes),
        }
