"""What a run generates: the clips of a split, or the pairs of a list."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.catalog import rows
from manifests.errors import InputError
from manifests.location import Where
from manifests.names import label_text, normalised
from manifests.split_counts import no_clips
from manifests.staging import at_hand
from manifests.store import Dataset
from pipeline.ingest.sources import SPLITS, beside

LIST_COLUMNS = ("image", "audio", "name", "speaker", "face")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFiles:
    """Where a clip's rows and media lie in its dataset."""

    video: str
    size: int
    """Width and height of the video."""
    sound: str
    frames_part: str
    audio_part: str
    driving: str
    """The clip whose motion `copy-motion` takes: another person's, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One video to make."""

    name: str
    image: str
    audio: str
    speaker: str | None = None
    face: int | None = None
    """Which of the image's faces, by size; None: the largest."""
    clip_id: str | None = None
    video_id: str | None = None
    frames: int = 0
    """As far as it is known beforehand."""
    clip: ClipFiles | None = None


def clip_items(dataset: Dataset, split: str) -> list[Item]:
    """The accepted clips of a split or of `all`, by id. Raises InputError when there is none."""
    if split not in (*SPLITS, "all"):
        raise InputError(f"--split {split}: give one of {', '.join(SPLITS)}, all")
    dataset.info()
    which = "" if split == "all" else f"AND split = '{split}'"  # one of SPLITS
    found = rows(
        dataset,
        "SELECT clip_id, video_id, speaker, identity, frames, size, video_path, sound_path, "  # noqa: S608
        "frames_part, audio_part FROM clips JOIN videos USING (video_id) "
        f"WHERE accepted {which} ORDER BY clip_id",
    )
    if not found:
        raise no_clips(dataset, split, "--split all")
    return [
        Item(
            name=row["clip_id"],
            image=row["video_path"],
            audio=row["sound_path"],
            speaker=label_text(row["speaker"]) or row["identity"],
            clip_id=row["clip_id"],
            video_id=row["video_id"],
            frames=row["frames"],
            clip=ClipFiles(
                video=row["video_path"],
                size=row["size"],
                sound=row["sound_path"],
                frames_part=row["frames_part"],
                audio_part=row["audio_part"],
                driving=_other(found, place)["video_path"],
            ),
        )
        for place, row in enumerate(found)
    ]


def _other(found: list[dict[str, Any]], place: int) -> dict[str, Any]:
    """The next clip of somebody else, else the next one, else the clip itself."""
    own = found[place]
    following = [*found[place + 1 :], *found[:place]]
    others = (row for row in following if row["identity"] != own["identity"])
    return next(others, following[0] if following else own)


def list_items(path: Where) -> list[Item]:
    """The pairs of a CSV list with columns image, audio and, if wanted, name, speaker and face.

    Paths are relative to the list; items have absolute ones, which whoever reads the run's rows
    later finds from anywhere. Raises InputError for a list that cannot be used.
    """
    try:
        with at_hand(path) as here, here.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            table = list(reader)
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV list: {error}") from error
    unknown = [column for column in columns if column not in LIST_COLUMNS]
    if unknown or not {"image", "audio"} <= set(columns):
        fault = f"unknown column {unknown[0]!r}" if unknown else "no columns image and audio"
        raise InputError(
            f"{path}: {fault}; a list has the columns {', '.join(LIST_COLUMNS)} (the last three "
            "need not be there)"
        )
    items: dict[str, Item] = {}
    for number, row in enumerate(table, start=1):
        image, audio = row.get("image"), row.get("audio")
        if None in row or not image or not audio or "\0" in image + audio:
            raise InputError(f"{path}: row {number}: give an image and an audio file")
        name = normalised(row.get("name") or f"{Path(image).stem}-{Path(audio).stem}")
        if name in items:
            raise InputError(f"{path}: row {number}: a second {name!r}; give each row its own name")
        items[name] = Item(
            name=name,
            image=str(beside(path, image)),
            audio=str(beside(path, audio)),
            speaker=label_text(row.get("speaker")),
            face=_face(row.get("face"), f"{path}: row {number}"),
        )
    if not items:
        raise InputError(f"{path}: holds no pair; give at least one row")
    return list(items.values())


def _face(text: str | None, where: str) -> int | None:
    """The number of a face. Raises InputError for what is none."""
    if not (text or "").strip():
        return None
    number = str(text).strip()
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) < 1000):
        raise InputError(f"{where}: face {number!r}; give a number by size, 1 is the largest")
    return int(number)
