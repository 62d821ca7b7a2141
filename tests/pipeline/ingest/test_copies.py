"""A shortened copy of a video: dropped beside it, and named by `validate` where it was let in."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dawn.curation.decisions import FilterConfig
from dawn.features.video.decode import read_pictures
from dawn.features.video.probe import probe
from dawn.recipe import IngestConfig
from manifests.catalog import rows
from manifests.store import Dataset
from tests.conftest import Dawn, ingest_into
from tests.hostile import Film


@pytest.fixture(scope="module")
def root(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three seconds of a video, and of the same without the first 0.6 s."""
    folder = tmp_path_factory.mktemp("copies")
    whole = footage / "plain.mp4"
    pictures = [picture for _, picture, *_ in read_pictures(whole, probe(whole), 0, 75)]
    (folder / "videos").mkdir()
    for name, begin in (("whole", 0), ("head", 15)):
        film = Film(folder / "videos" / f"{name}.mp4")
        film.pictures(pictures[begin:]).sound((75 - begin) / 25).close()
    filters = FilterConfig(min_voiced=None, min_mouth_moves=None, min_face_px=40.0)
    ingest_into(
        folder / "root", [folder / "videos"], IngestConfig(use_weights=False, filters=filters)
    )
    return folder / "root"


def test_a_shortened_copy_is_dropped_and_named_where_it_was_let_in(root: Path, dawn: Dawn) -> None:
    dataset = Dataset(str(root))
    clips = rows(dataset, "FROM clips ORDER BY frames")
    assert [clip["frames"] for clip in clips] == [60, 75]
    (dropped,) = (clip for clip in clips if not clip["accepted"])
    (kept,) = (clip for clip in clips if clip["accepted"])
    assert dropped["reasons"] == ["duplicate"]
    assert dropped["duplicate_of"] == kept["clip_id"]
    assert dropped["duplicate_score"] > FilterConfig().max_duplicate
    assert "footage does not cross" not in dawn("dataset", "validate", root, "--no-media").stdout
    for part in (root / "clips").iterdir():  # as an older version let it in
        table = pq.read_table(part)
        changed = [
            clip | {"accepted": True, "reasons": []}
            | ({"split": "val"} if clip["clip_id"] == dropped["clip_id"] else {"split": "train"})
            for clip in table.to_pylist()
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(changed, table.schema), part)
    answer = dawn("dataset", "validate", root, "--no-media")
    said = " ".join(answer.stdout.split())
    assert answer.returncode == 1
    first, second = sorted([dropped["clip_id"], kept["clip_id"]])
    assert f"footage does not cross splits: {second} shows what {first} shows" in said


def test_a_dataset_without_the_newer_fingerprints_can_be_read(root: Path, dawn: Dawn) -> None:
    for part in (root / "clips").iterdir():
        pq.write_table(pq.read_table(part).drop_columns(["motion_curves"]), part)
    answer = dawn("dataset", "validate", root, "--no-media")
    assert "columns follow the schema" in answer.stdout
    assert "footage does not cross" not in answer.stdout
