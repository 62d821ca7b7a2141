"""`dawn dataset tones`: light and skin tone of clips, for who wants results by them."""

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from dawn.features.faces.tones import BOUNDS, Tones, tones
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from manifests.atomic_write import write_whole
from manifests.catalog import rows
from manifests.counting import count
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError
from manifests.store import Dataset
from pipeline.progress import Progress, console

_LOOKS = 5
"""Frames of a clip, evenly spaced; a clip's value is their median."""
_FRAMES = """
SELECT clip_id, video_path, frame, landmarks_68 FROM frames JOIN clips USING (clip_id)
WHERE accepted AND found AND landmarks_68 IS NOT NULL AND frame IN ({places})
ORDER BY clip_id, frame
"""
_PLACES = ", ".join(f"frames * {2 * k + 1} // {2 * _LOOKS}" for k in range(_LOOKS))


def write_tones(root: str, out: Path) -> None:
    """A CSV with a row a clip: `clip_id`, `lightness`, `side_light`, `skin_tone`. Raises InputError
    where no clip has any.
    """
    dataset = Dataset(root)
    looks = rows(dataset, _FRAMES.format(places=_PLACES))
    found = dict(_measured(dataset, looks))
    if not found:
        raise InputError(f"{root}: no accepted clip shows both cheeks")
    file = io.StringIO()
    writer = csv.DictWriter(file, ["clip_id", *Tones.__dataclass_fields__], lineterminator="\n")
    writer.writeheader()
    for clip, of_clip in found.items():
        writer.writerow({"clip_id": clip, **{k: f"{v:.2f}" for k, v in of_clip.items()}})
    write_whole(out, file.getvalue().encode())
    bounds = ",".join(f"{bound:g}" for bound in BOUNDS)
    console.print(f"done: {out}, {count(len(found), 'clip')}", markup=False)
    console.print(
        f"next: dawn leaderboard RESULTS --labels {out} --by skin_tone:{bounds} --by lightness",
        markup=False,
    )


def _measured(
    dataset: Dataset, looks: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Clips that can be read, with their medians."""
    clips = len({look["clip_id"] for look in looks})
    with tempfile.TemporaryDirectory() as scratch, Progress("tones", clips) as progress:
        for clip, of_clip in groupby(looks, key=lambda look: str(look["clip_id"])):
            try:
                seen = list(_of_clip(dataset, [*of_clip], Path(scratch)))
            except (OSError, UnreadableVideoError) as error:
                console.print(f"{clip}: {error}", markup=False)
                seen = []
            progress.count("measured" if seen else "without cheeks", 1)
            if seen:
                values = [asdict(one) for one in seen]
                yield clip, {k: float(np.median([v[k] for v in values])) for k in values[0]}


def _of_clip(dataset: Dataset, looks: list[dict[str, Any]], scratch: Path) -> Iterator[Tones]:
    video = dataset.local_copy(looks[0]["video_path"], scratch)
    wanted = {look["frame"]: look["landmarks_68"] for look in looks}
    for number, picture in read_frames(video, probe(video), min(wanted), max(wanted) + 1):
        if number in wanted:
            points = np.asarray(wanted[number], np.float32).reshape(68, 2)
            found = tones(picture, points)
            if found is not None:
                yield found
    if not dataset.local:
        video.unlink()
