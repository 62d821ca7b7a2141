"""What the user points at: files, folders, globs and lists become sources with labels."""

import csv
import glob
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dawn.curation.tables import Label
from dawn.features.rates import FPS
from manifests.errors import InputError
from manifests.file_names import is_hidden, on_disk
from manifests.glance import Glance, glance
from manifests.location import Place, Where, is_uri, local_path, name_of
from manifests.names import label_text, normalised
from manifests.parquet import read_parquet
from manifests.staging import at_hand
from pipeline.ingest.further_columns import Extra, from_arrow, from_texts, further_columns

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".flv", ".wmv", ".3gp", ".ogv", ".mxf"}
)
LIST_SUFFIXES = (".csv", ".parquet")
LIST_COLUMNS = ("path", "speaker", "licence", "split", "start", "end")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Source:
    """One path to ingest and what is known of it."""

    path: Where
    labels: tuple[Label, ...] = ()
    said: tuple[str, ...] = ()
    """Where each label stands: the list and its row."""
    glance: Glance | None = None
    """What a listing said of it."""


def is_video(path: Where) -> bool:
    """Whether a file in a folder is a video, by its name."""
    name = name_of(path)
    return Path(name).suffix.lower() in VIDEO_SUFFIXES and not is_hidden(name)


def find_sources(arguments: Iterable[str], limit: int | None = None) -> list[Source]:
    """Sources of files, folders (with their subfolders), globs and CSV or Parquet lists, on this
    machine or in object stores.

    Sorted by path, each path once. Raises InputError for an argument that names nothing.
    """
    labels: dict[Where, dict[Label, str]] = {}
    listed: dict[Where, Glance] = {}
    for argument in arguments:
        for path, said in _expand(argument, listed):
            found = labels.setdefault(path, {})
            if said is not None:
                found.setdefault(*said)
    if not labels:
        raise InputError("no source: give a video, a folder, a glob or a list")
    order = sorted(labels, key=os.fsencode)
    return [_source(path, labels[path], listed.get(path)) for path in order[:limit]]


def _source(path: Where, said: dict[Label, str], seen: Glance | None) -> Source:
    """With one label for rows (of several lists, say) that do not disagree on a range."""
    ranges: dict[tuple[int, int | None], dict[Label, str]] = {}
    for label in sorted(said, key=repr):
        found, whole, where = ranges.setdefault((label.start, label.stop), {}), label, said[label]
        for other in found:
            both = other.joined(label)
            if both is not None:
                whole, where = both, f"{found.pop(other)}, {where}"
                break
        found[whole] = where
    joined = {label: where for found in ranges.values() for label, where in found.items()}
    labels = sorted(joined, key=repr)
    return Source(path, tuple(labels), tuple(joined[label] for label in labels), seen)


def _expand(
    argument: str, listed: dict[Where, Glance]
) -> Iterator[tuple[Where, tuple[Label, str] | None]]:
    """Sources, with a label where a list gives one; `listed` learns what listings say of them."""
    if is_uri(argument):
        yield from _expand_uri(argument, listed)
        return
    path = Path(argument)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        yield from _in_list(path)
    elif os.path.lexists(path):
        yield local_path(path), None
    else:
        matches = sorted(glob.glob(argument, recursive=True), key=os.fsencode)  # noqa: PTH207
        if not matches:
            raise InputError(f"{argument}: no such file, folder or match; check the path")
        for match in matches:
            if Path(match).is_dir():
                yield from _in_folder(Path(match), may_be_empty=True)
            elif is_video(Path(match)):
                yield local_path(Path(match)), None


def _expand_uri(
    argument: str, listed: dict[Where, Glance]
) -> Iterator[tuple[Where, tuple[Label, str] | None]]:
    place = Place.of(argument)
    try:
        if glob.has_magic(argument) and not place.fs.exists(place.path):
            places = [replace(place, path=match) for match in place.fs.glob(place.path)]
        else:
            places = [place] if place.fs.exists(place.path) else []
        for one in places:
            if one.fs.isdir(one.path):
                yield from _in_remote_folder(one, listed, may_be_empty=len(places) > 1)
            elif one is place and argument.lower().endswith(LIST_SUFFIXES):
                yield from _in_list(argument)
            elif one is place or is_video(one.uri):
                yield one.uri, None
    except OSError as error:
        raise InputError(f"{argument}: cannot be read: {error}") from error
    if not places:
        raise InputError(f"{argument}: no such file, folder or match; check the address")


def _in_remote_folder(
    folder: Place, listed: dict[Where, Glance], *, may_be_empty: bool
) -> Iterator[tuple[Where, None]]:
    """As `_in_folder`, by one listing."""
    entries = folder.fs.find(folder.path, detail=True)
    infos = {path[len(folder.path) + 1 :]: info for path, info in entries.items()}
    names = sorted(infos)
    ours = [
        f"{name.rpartition('/')[0]}/"
        for name in names
        if name.endswith("/dataset.json")
        and b'"recipe_hash"' in folder.fs.cat_file(f"{folder.path}/{name}")
    ]
    found = [
        name
        for name in names
        if is_video(name)
        and not any(is_hidden(part) for part in name.split("/"))
        and not name.startswith(tuple(ours))
    ]
    if not found and not may_be_empty:
        raise _without_videos(folder.uri)
    for name in found:
        listed[f"{folder.uri}/{name}"] = glance(infos[name])
        yield f"{folder.uri}/{name}", None


def _without_videos(folder: Where) -> InputError:
    suffixes = " ".join(sorted(VIDEO_SUFFIXES))
    return InputError(f"{folder}: holds no video (looked for {suffixes})")


def _in_folder(folder: Path, *, may_be_empty: bool = False) -> Iterator[tuple[Path, None]]:
    """Videos below a folder, by suffix, without hidden ones. Links to folders are not followed:
    they may loop; our own datasets are passed by: their clips are no footage.
    """
    found = False
    for parent, folders, names in os.walk(folder):
        seen = (name for name in folders if not is_hidden(name))
        folders[:] = [name for name in seen if not _is_dataset(Path(parent) / name)]
        for name in names:
            if is_video(Path(name)):
                found = True
                yield local_path(Path(parent) / name), None
    if not found and not may_be_empty:
        raise _without_videos(folder)


def _is_dataset(folder: Path) -> bool:
    try:
        return b'"recipe_hash"' in (folder / "dataset.json").read_bytes()
    except OSError:
        return False


def _in_list(path: Where) -> Iterator[tuple[Where, tuple[Label, str]]]:
    with at_hand(path) as file:
        found = list(_rows(file, str(path)))
    for number, (row, extra) in enumerate(found, start=1):
        where = f"{path}: row {number}"
        name = row.get("path")
        if None in row:
            raise InputError(f"{where}: has more cells than the list has columns")
        if not isinstance(name, str) or not name or "\0" in name:
            raise InputError(f"{where}: has no path")
        label = _label(row, extra, where)
        yield beside(path, name), (label, where)


def _label(row: dict[str, Any], extra: tuple[Extra, ...], where: str) -> Label:
    start, end = _seconds(row.get("start"), where), _seconds(row.get("end"), where)
    first = round((start or 0.0) * FPS)
    stop = None if end is None else round(end * FPS)
    if stop is not None and stop <= first:
        raise InputError(f"{where}: end {end:g} s is not after start {start or 0.0:g} s")
    texts = {}
    for column in ("speaker", "licence", "split"):
        try:
            texts[column] = label_text(row.get(column))
        except ValueError as error:
            raise InputError(f"{where}: {column} {error}") from error
    if texts["split"] is not None and texts["split"] not in SPLITS:
        raise InputError(f"{where}: split {texts['split']!r} is not one of {', '.join(SPLITS)}")
    return Label(start=first, stop=stop, extra=extra, **texts)


def beside(path: Where, name: str) -> Where:
    """A file that a list names: relative to the list, so that both can be moved together."""
    if is_uri(name):
        return name
    if isinstance(path, Path):
        return on_disk(local_path(path.parent / name))
    if name.startswith("/"):
        raise InputError(f"{path}: names {name} on a machine; give an address, or one beside it")
    store, _, folder = path.rpartition("/")[0].partition("://")
    return f"{store}://{posixpath.normpath(posixpath.join(folder, name))}"


def _rows(path: Path, shown: str) -> Iterator[tuple[dict[str, Any], tuple[Extra, ...]]]:
    """Each row's cells by column, and what its further columns hold."""
    try:
        if path.suffix.lower() == ".parquet":
            with path.open("rb") as file:
                table = read_parquet(file)
            columns = [normalised(name) for name in table.column_names]
            rows: list[dict[str, Any]] = []
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                columns = [normalised(name) for name in reader.fieldnames or ()]
                reader.fieldnames = columns
                table, rows = None, list(reader)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise InputError(f"{shown}: cannot be read as a list: {error}") from error
    further = further_columns(shown, columns, LIST_COLUMNS)
    if "path" not in columns:
        wanted = ", ".join(LIST_COLUMNS)
        raise InputError(
            f"{shown}: no column `path`; a list has the columns {wanted} (only path is needed) and "
            "any of your own"
        )
    if table is not None:
        table = table.rename_columns(columns)
        rows = table.select([name for name in columns if name in LIST_COLUMNS]).to_pylist()
        extras = [from_arrow(shown, name, table[name]) for name in further]
    else:
        extras = [from_texts(name, [row[name] for row in rows]) for name in further]
    for i, row in enumerate(rows):
        yield row, tuple(entry for column in extras if (entry := column[i]) is not None)


def _seconds(value: object, where: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError as error:
        raise InputError(f"{where}: {value!r} is not a time in seconds") from error
    if not 0 <= seconds < 1e7:
        raise InputError(f"{where}: {value!r} is not a time in seconds of 0 or more")
    return seconds
