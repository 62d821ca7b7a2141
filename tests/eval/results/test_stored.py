from pathlib import Path

import numpy as np
import pytest

from eval.results.stored import INFO, Stored
from manifests.runs import RunFolder


def test_stored_features_are_the_same_each_time_kept_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(str(tmp_path), INFO)
    random = np.random.default_rng(0)
    written = {}
    for clip in ("a", "b", "c"):
        rows = []
        for feature, width in (("wide", 9), ("thin", 2)):
            for side in ("generated", "reference"):
                values = random.normal(size=(3, width)).astype(np.float32)
                written[clip, feature, side] = values
                row = {"system": "s", "feature": feature, "conditions_hash": "h", "clip_id": clip}
                rows.append(row | {"side": side, "shape": [3, width], "values": values.ravel()})
        folder.write("features", clip, rows)
    passes: list[str] = []
    batches = RunFolder.batches

    def counted(self: RunFolder, *arguments: str) -> object:
        passes.append(arguments[0])
        return batches(self, *arguments)

    monkeypatch.setattr(RunFolder, "batches", counted)
    for budget, reads in ((1000, 1), (0, 2)):
        monkeypatch.setattr("eval.results.stored.KEEP_BYTES", budget)
        stored = Stored(folder, "thin", "reference", {"a", "c"})
        for _ in range(2):
            found = list(stored)
            for array, clip in zip(found, "ac", strict=True):
                np.testing.assert_array_equal(array, written[clip, "thin", "reference"])
        assert len(passes) == reads
        passes.clear()
