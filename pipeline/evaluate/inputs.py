"""What `dawn evaluate` is pointed at: runs, datasets and folders become videos with names."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.results.pairing import Generated, Reference
from manifests.catalog import rows
from manifests.content_ids import label
from manifests.errors import InputError
from manifests.location import Place, Where, is_uri, local_path
from manifests.names import label_text, normalised
from manifests.runs import RunFolder
from manifests.split_counts import no_clips
from manifests.store import Dataset
from pipeline.ingest.sources import SPLITS, is_video


def read_references(where: str) -> tuple[list[Reference], str | None]:
    """Real clips of `DATASET:split` (`:all` for every accepted clip) or of a folder of videos,
    and the hash of the dataset's recipe. Raises InputError.
    """
    root, _, split = where.rpartition(":")
    if root and split in (*SPLITS, "all"):
        return _of_dataset(Dataset(root), split)
    if Dataset(where).exists:
        raise InputError(f"--reference {where}: say which split, as in {where}:test (or :all)")
    names = _videos(where)
    if names is None:
        raise InputError(
            f"--reference {where}: is no folder; give a folder of videos or DATASET:split "
            f"with split one of {', '.join(SPLITS)}, all"
        )
    found = [Reference(name=normalised(Path(v).stem), video=v) for v in names]
    if not found:
        raise InputError(f"--reference {where}: holds no video")
    return found, None


def reference_name(where: str) -> str:
    """What results call their reference: a URI whole, else the last part of the path, which is the
    same wherever the command runs. What is really compared, the rows of `clips` say.
    """
    root, _, split = where.rpartition(":")
    if is_uri(where):
        return where
    if root and split in (*SPLITS, "all"):
        return f"{local_path(root).name}:{split}"
    return local_path(where).name


def _of_dataset(dataset: Dataset, split: str) -> tuple[list[Reference], str | None]:
    info = dataset.info()
    which = "" if split == "all" else f"AND split = '{split}'"  # one of SPLITS
    found = rows(
        dataset,
        "SELECT clip_id, source_name, coalesce(speaker, identity) AS speaker, split, video_path, "  # noqa: S608
        f"yaw_p95, pitch_p95 FROM clips WHERE accepted {which} ORDER BY clip_id",
    )
    if not found:
        raise no_clips(dataset, split, f"--reference {dataset.uri}:all")
    several = {row["source_name"] for row in found}
    alone = len(several) == len(found)  # a source's name means a clip only where it has one clip
    references = [
        Reference(
            name=row["clip_id"],
            also=normalised(row["source_name"]) if alone else None,
            source=row["source_name"],
            video=f"{dataset.uri}/{row['video_path']}",
            speaker=label_text(row["speaker"]),
            split=row["split"],
            yaw_p95=row["yaw_p95"],
            pitch_p95=row["pitch_p95"],
        )
        for row in found
    ]
    return references, info.get("recipe_hash")


def read_run(root: str) -> tuple[list[Generated], dict[str, str | None]]:
    """The videos of a generation run, and its `system`, `checkpoint`, `dataset_hash` (None where
    its rows differ) and `baseline`. Raises InputError.
    """
    run = RunFolder(root, "run.json")
    info = run.info()
    table = run.read("generations").to_pylist()
    if not table:
        raise InputError(f"{run.uri}: has no generation yet")
    found = [
        Generated(
            name=normalised(row["clip_id"] or row["item"]),
            video=f"{run.uri}/{row['video']}" if row["status"] == "ok" and row["video"] else None,
            row=row,
        )
        for row in table
    ]
    _distinct(found, f"--run {root}")
    facts: dict[str, str | None] = {"baseline": info.get("baseline")}
    for key in ("system", "checkpoint", "dataset_hash"):
        values = {row[key] for row in table}
        facts[key] = values.pop() if len(values) == 1 else None
    return found, facts


def read_videos(where: Where) -> list[Generated]:
    """The videos of a folder (not of its subfolders), by file name. Raises InputError."""
    names = _videos(where)
    if names is None:
        raise InputError(f"--videos {where}: is no folder")
    found = [Generated(name=normalised(Path(v).stem), video=v) for v in names]
    if not found:
        raise InputError(f"--videos {where}: holds no video")
    _distinct(found, f"--videos {where}")
    return found


def _distinct(found: list[Generated], where: str) -> None:
    """Raise InputError where two names are one: in Unicode's composed form, without blanks."""
    names = Counter(video.name for video in found)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise InputError(f"{where}: two videos are named {twice[0]}; keep one of them")


def _videos(where: Where) -> list[str] | None:
    """The videos of a folder as paths or URIs, sorted; None where there is no folder."""
    place = Place.of(str(where))
    if not place.fs.isdir(place.path):
        return None
    if not place.local:
        names = sorted(entry["name"] for entry in place.fs.ls(place.path) if _is_file(entry))
        return [replace(place, path=name).uri for name in names if is_video(name)]
    found = []
    for path in sorted(Path(place.path).iterdir()):
        if not is_video(path) or not path.is_file():
            continue
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{label(path)}: its name is no UTF-8 text; rename it") from error
        found.append(str(local_path(path)))
    return found


def _is_file(entry: dict[str, Any]) -> bool:
    return bool(entry["type"] == "file")
