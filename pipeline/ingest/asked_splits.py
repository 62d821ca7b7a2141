"""What lists and conventions ask of a person's split, held together before any work begins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dawn.curation.splits import EXCLUDED, asked_split, held_out, speaker_identity
from dawn.curation.tables import Label
from dawn.recipe import Recipe
from manifests.catalog import own_query
from manifests.content_ids import label
from manifests.errors import InputError
from manifests.location import name_of
from manifests.store import Dataset
from pipeline.ingest.sources import Source

_STORED = """
SELECT video_id, sources, labels, split_key, speaker, split
FROM videos LEFT JOIN (
    SELECT DISTINCT video_id, speaker, split FROM clips
    WHERE split <> 'excluded' AND speaker IS NOT NULL
) USING (video_id)
WHERE speaker IS NOT NULL OR len(labels) > 0
ORDER BY ALL
"""
"""Of what nobody labelled nothing is claimed."""
_NAMES = "SELECT video_id, sources FROM videos"
_AT_ONCE = 16_384
_NAMED = 3
"""Rows that a refusal names for each split."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """Something that puts a person into a split."""

    person: str
    split: str
    by: str
    """The row or the video, for people."""
    settled: bool = False
    """Clips in the dataset that this run does not judge by other labels."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What a run's lists say of persons and of videos that are in the dataset."""

    splits: dict[str, str]
    """Identity of a labelled speaker -> the split that is asked for somewhere in this run."""
    labelled_anew: frozenset[str]
    """Ids of videos in the dataset for which a list of this run speaks."""


def asks_of(sources: list[Source], dataset: Dataset, recipe: Recipe) -> Asks:
    """What the judge must know of all sources before it sees the first group of them."""
    stored = _stored(dataset)
    asked: dict[str, set[str]] = {}
    for claim in _claims(sources, stored, recipe):
        if not claim.settled:
            asked.setdefault(claim.person, set()).add(claim.split)
    splits = {person: split for person, found in asked.items() if (split := held_out(found))}
    paths = _labelled(sources)
    if not (paths and dataset.exists):
        return Asks(splits, frozenset())
    anew = {
        row["video_id"]
        for row in _rows(own_query(dataset, _NAMES))
        if paths.intersection(row["sources"])
    }
    return Asks(splits, frozenset(anew))


def refuse_conflicts(sources: list[Source], dataset: Dataset, recipe: Recipe) -> None:
    """Raise InputError when two splits are asked for one person, and the user chose no rule.

    A person is a labelled speaker, or the video where nothing tells its faces apart. What is in the
    dataset counts as well; that it is divided in itself is no fault of this run's.
    """
    if recipe.config.splits.on_conflict != "refuse":
        return
    claims: dict[str, dict[str, list[_Claim]]] = {}
    for claim in _claims(sources, _stored(dataset), recipe):
        claims.setdefault(claim.person, {}).setdefault(claim.split, []).append(claim)
    divided = {
        person: splits
        for person, splits in claims.items()
        if len(splits) > 1 and not all(c.settled for found in splits.values() for c in found)
    }
    if divided:
        raise InputError(_refusal(divided))


def _refusal(divided: dict[str, dict[str, list[_Claim]]]) -> str:
    person, splits = min(divided.items())
    kind, name = person.split(":", 1)
    asked = "; ".join(f"{split}: {_by(found)}" for split, found in sorted(splits.items()))
    others = f" (and {len(divided) - 1} more like this)" if len(divided) > 1 else ""
    settled = any(claim.settled for found in splits.values() for claim in found)
    correct = "list the videos of the dataset as well, with" if settled else "correct the list to"
    if kind == "video":
        correct = "name the speakers of its parts, or give it"
    return (
        f"{kind} {name}: more than one split is asked for ({asked}){others}; {correct} one split, "
        "or set `splits: {on_conflict: exclude}` in --config to keep the held-out split of each "
        "person and leave out the rest"
    )


def _by(claims: list[_Claim]) -> str:
    names = list(dict.fromkeys(claim.by for claim in claims))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _stored(dataset: Dataset) -> pa.Table:
    """Labelled videos in the dataset, one row for each speaker and split."""
    return own_query(dataset, _STORED) if dataset.exists else pa.table({})


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(_AT_ONCE):
        yield from batch.to_pylist()


def _labelled(sources: list[Source]) -> set[str]:
    return {label(source.path) for source in sources if source.labels}


def _claims(sources: list[Source], stored: pa.Table, recipe: Recipe) -> Iterator[_Claim]:
    """All claims on splits as they will be once the run has ended."""
    for source in sources:
        name = label(Path(name_of(source.path)))
        said = [f"{where} ({name})" for where in source.said] or [name] * len(source.labels)
        yield from _asked(label(source.path), zip(source.labels, said, strict=True), recipe)
    anew = _labelled(sources)
    for row in _rows(stored):
        if anew.intersection(row["sources"]):
            continue
        name = row["sources"][0]
        if row["split_key"] != recipe.split_key():
            marks = ((Label.from_row(mark), f"{name}, in the dataset") for mark in row["labels"])
            yield from _asked(name, marks, recipe)
        elif row["speaker"] is not None:
            by = f"{name}, in the dataset"
            yield _Claim(speaker_identity(row["speaker"]), row["split"], by, settled=True)


def _asked(path: str, said: Iterable[tuple[Label, str]], recipe: Recipe) -> Iterator[_Claim]:
    """What the labels of one video ask, or the convention in their place."""
    name = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for mark, by in said:
        split = asked_split(mark.split, name, recipe.config.splits)
        if mark.speaker is not None:
            person = speaker_identity(mark.speaker)
        elif "identity" in recipe.weights:
            continue  # faces will tell
        else:
            person = f"video:{path}"
        if split not in (None, EXCLUDED):
            how = "" if mark.split else f", by convention {recipe.config.splits.convention}"
            yield _Claim(person, split, by + how)
