"""What the logs of a dataset or run say."""

import json
from typing import Any

from manifests.location import Place


def lines_of(root: str) -> list[dict[str, Any]]:
    """All lines of `ROOT/logs/*.jsonl`, in order."""
    place = Place.of(f"{root}/logs")
    files = sorted(place.fs.glob(f"{place.path}/*.jsonl"))
    return [json.loads(line) for file in files for line in place.fs.cat_file(file).splitlines()]
