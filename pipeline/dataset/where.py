"""Clips that a user's condition chooses."""

from manifests.catalog import query
from manifests.errors import InputError
from manifests.store import Dataset


def clips_where(dataset: Dataset, where: str | None) -> list[str]:
    """Ids of the clips for which a condition holds, sorted; of all where there is none.

    Raises InputError for SQL that is refused or is no condition.
    """
    # The line break ends a comment that the condition may end with.
    condition = f" WHERE ({where}\n)" if where else ""
    table = query(dataset, f"SELECT clip_id FROM clips{condition} ORDER BY clip_id")  # noqa: S608
    if table.column_names != ["clip_id"]:
        raise InputError('--where: give a condition on `clips`, such as "yaw_p95 > 20"')
    return list(dict.fromkeys(table["clip_id"].to_pylist()))
