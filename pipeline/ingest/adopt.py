"""The recipe of a dataset: taken on when it is made, or changed for another."""

from typing import Any

from dawn.curation.tables import Label
from dawn.recipe import Recipe
from manifests.catalog import own_query
from manifests.errors import InputError
from manifests.location import exists, where_of
from manifests.store import Dataset

_AT_ONCE = 4096
"""Rows that are objects at any moment."""


def adopt(dataset: Dataset, recipe: Recipe, *, update: bool) -> list[str]:
    """Create the dataset, or check that it has this recipe; with `update`, change it to this one.

    Returns the settings that changed. Raises InputError, before anything is changed, when the
    recipes differ without `update`, or when a video would have to be read again and is gone.
    """
    if update and dataset.exists:
        videos = own_query(dataset, "SELECT extract_key, labels, sources FROM videos")
        for row in (row for few in videos.to_batches(_AT_ONCE) for row in few.to_pylist()):
            stale = row["extract_key"] != recipe.extract_key(labels_of(row))
            if stale and not any(exists(where_of(source)) for source in row["sources"]):
                raise InputError(
                    f"{row['sources'][0]}: the changed recipe must read it again, but it is gone; "
                    "put it back, or use another --dataset"
                )
    return dataset.ensure(recipe.as_dict(), update=update)


def labels_of(row: dict[str, Any] | None) -> tuple[Label, ...]:
    """What source lists say, by a row of `videos`."""
    return tuple(Label.from_row(entry) for entry in (row or {}).get("labels") or ())
