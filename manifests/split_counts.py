"""How a dataset's clips are divided, and what to say where a split has too few."""

from manifests.catalog import rows
from manifests.counting import count
from manifests.errors import InputError
from manifests.store import Dataset

SPLITS = ("train", "val", "test")


def split_counts(dataset: Dataset) -> dict[str, int]:
    """The accepted clips of each split, also of those that have none."""
    sql = "SELECT split, count(*) AS clips FROM clips WHERE accepted GROUP BY split"
    found = {row["split"]: row["clips"] for row in rows(dataset, sql)}
    return {split: found.get(split, 0) for split in SPLITS}


def no_clips(dataset: Dataset, split: str, instead: str) -> InputError:
    """The error for a split without an accepted clip; `instead` is what to type to get all."""
    counts = split_counts(dataset)
    there = ", ".join(f"{name} {clips}" for name, clips in counts.items())
    total = sum(counts.values())
    if not total:
        return InputError(
            f"{dataset.uri}: has no accepted clip, in no split; "
            f'`dawn query "FROM funnel()" --dataset {dataset.uri}` shows what dropped them'
        )
    return InputError(
        f"{dataset.uri}: has no accepted clip in split {split} ({there}); for all "
        f"{count(total, 'clip')} give {instead}, or ask for the split in a list, column split"
    )


def too_few_to_train(dataset: Dataset, clips: int, split: str, least: int) -> InputError:
    """The error for a split that is too small to train on."""
    others = ", ".join(f"{n} {c}" for n, c in split_counts(dataset).items() if n != split)
    return InputError(
        f"{dataset.uri}: has {clips} accepted clips in split {split!r} ({others}), training needs "
        f"{least}; ingest more footage, or a list with {split} in its column split for people who "
        'are in another (`dawn query "FROM funnel()"` shows what was dropped)'
    )
