"""A dataset as pandas DataFrames: what `manifests.open` gives."""

import pandas as pd

from manifests.catalog import query
from manifests.errors import InputError
from manifests.location import location
from manifests.safe_sql import quoted
from manifests.split_counts import SPLITS
from manifests.store import Dataset


class DatasetReader:
    """A dataset, read-only. Columns are described in docs/dataset.md."""

    def __init__(self, root: str) -> None:
        """Raises InputError when no dataset is there."""
        self._dataset = Dataset(location(root))
        self._dataset.info()

    def __repr__(self) -> str:
        return f"manifests.open({self.root!r})"

    @property
    def root(self) -> str:
        """The path or URI."""
        return self._dataset.uri

    def clips(self, split: str | None = None, *, accepted: bool = True) -> pd.DataFrame:
        """One row for each clip, indexed by `clip_id`; of a split, and only those that passed all
        filters unless `accepted` is off. Raises InputError for a split that does not exist.
        """
        if split is not None and split not in SPLITS:
            raise InputError(f"{split}: there is no such split; give one of {', '.join(SPLITS)}")
        conditions = ["accepted"] if accepted else []
        conditions += [f"split = {quoted(split)}"] if split else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return self.sql(f"FROM clips{where} ORDER BY clip_id").set_index("clip_id")

    def frames(self, clip_id: str) -> pd.DataFrame:
        """One row for each frame of a clip, with its audio features: landmarks, pose, eyes, mouth,
        boxes. Raises InputError for a clip that the dataset does not hold.
        """
        sql = (
            "SELECT * EXCLUDE (video_id) FROM frames "  # noqa: S608 - quoted
            "JOIN (SELECT * EXCLUDE (video_id) FROM audio) "
            f"USING (clip_id, frame) WHERE clip_id = {quoted(clip_id)} ORDER BY frame"
        )
        found = self.sql(sql)
        if found.empty:
            raise InputError(f"{self.root}: has no clip {clip_id}; see .clips()")
        return found.drop(columns="clip_id").set_index("frame")

    def videos(self) -> pd.DataFrame:
        """One row for each source video: what became of it, and why."""
        return self.sql("FROM videos ORDER BY video_id").set_index("video_id")

    def sql(self, statement: str) -> pd.DataFrame:
        """The answer of one SELECT over the views and macros that `dawn query` has; read-only.

        Raises InputError for SQL that is refused or fails.
        """
        frame: pd.DataFrame = query(self._dataset, statement).to_pandas()
        return frame
