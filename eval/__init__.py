"""Metrics, statistics, leaderboards and the regression gate. No Ray.

`eval.measure(video, reference)` measures one video, `eval.load(results)` reads results of
`dawn evaluate`, both as pandas DataFrames.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def measure(
    video: "str | Path",
    reference: "str | Path",
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    image: "str | Path | None" = None,
) -> "pd.DataFrame":
    """Measure one generated video against the real one; see `eval.api.measure`."""
    from eval import api

    return api.measure(video, reference, metrics, protocol, image)


def load(results: "str | Sequence[str]", *, clips: bool = False) -> "pd.DataFrame":
    """Read results folders as one table; see `eval.api.load`."""
    from eval import api

    return api.load(results, clips=clips)
