"""Which items of a run remain to be made: those without a row, and on request the failed ones."""

from collections.abc import Iterable

from manifests.runs import RunFolder, item_name
from pipeline.generate.items import Item


def remaining(items: Iterable[Item], folder: RunFolder, *, retry: bool) -> list[Item]:
    """The items that have no row yet, or with `retry` a failed one; the longest first."""
    done = _done(folder, retry=retry)
    todo = [item for item in items if f"{item_name(item.name)}.parquet" not in done]
    return sorted(todo, key=lambda item: (-item.frames, item.name))


def _done(folder: RunFolder, *, retry: bool) -> set[str]:
    """Names of the parts that are there and are not to be made again."""
    names = {part.rsplit("/", 1)[-1] for part in folder.parts("generations")}
    if not retry:
        return names
    table = folder.read("generations", ["item", "status"]).to_pylist()
    failed = {f"{item_name(row['item'])}.parquet" for row in table if row["status"] != "ok"}
    return names - failed
