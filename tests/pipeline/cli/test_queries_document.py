"""Every query of docs/queries.md runs as it stands, and finds something."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from eval.protocol.card import ProtocolCard
from manifests.run_catalog import query_runs
from manifests.store import Dataset
from pipeline.query import conventions
from tests.conftest import ROOT
from tests.manifests.rows import add, clip, decision, written
from tests.results_folders import CONDITIONS, write_results
from tests.run_folders import write_generations, write_training

DOCUMENT = ROOT / "docs/queries.md"
QUERIES = re.findall(r"^\*\*(.+?)\*\*.*?^```sql\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dataset, two models' results of its clips and a baseline's, their runs, their training."""
    root = tmp_path_factory.mktemp("all")
    with written(str(root / "data")) as session:
        made = [clip("a"), clip("b", yaw_p95=25.0), clip("c", face_px=150.0, split="test")]
        for row in made:
            add(session, row["video_id"], [row])
        small = clip("d", face_px=50.0, accepted=False, reasons=["face_size"])
        video = add(session, "d", [small])
        refused = pa.Table.from_pylist(
            [decision(small, verdict="fail")],
            session.dataset.read(f"decisions/{video['decisions_part']}").schema,
        )
        session.dataset.publish_table(
            refused, f"decisions/{video['decisions_part']}", session.scratch
        )
    clips = [{"clip_id": row["clip_id"], "yaw_p95": row["yaw_p95"]} for row in made]
    default = replace(CONDITIONS, card=ProtocolCard(name="default", size=64))
    for day, (name, psnr, checkpoint) in enumerate(
        [("static", [9.0, 9.5, None], None), ("dawn", [20.0, 21.0, 19.0], "c1"),
         ("dawn-next", [22.0, 20.0, 23.0], "c2")],
        start=1,
    ):  # fmt: skip
        write_results(
            root / "results" / name, {"psnr": psnr, "blink_rate": [0.1, 0.2, 0.3]},
            references={"blink_rate": [0.2, 0.2, 0.2]}, clips=clips, system=name,
            conditions=default, checkpoint=checkpoint, created_at=f"2026-03-0{day}T10:00:00+00:00",
            set_metrics=["fid_incep2015"],
        )  # fmt: skip
    ok = {"real_time_factor": 2.5, "peak_memory_bytes": 10**9, "steps": 20}
    bad = {"item": "bad", "status": "failed", "reason": "bad_input", "detail": "no sound"}
    write_generations(root / "runs/dawn", [ok, bad], checkpoint="c1", dataset_hash="d" * 16)
    for stage, path in (("lfg", "lfg"), ("pbnet", "pbnet"), ("a2v", "a2v/long")):
        numbers = {"loss": [3.0, 2.0, 1.0], "val/loss": [3.0, 1.0, 2.0]}
        write_training(root / "runs/first" / path, stage, numbers)
    return {name: root / name for name in ("data", "results", "runs")}


def test_the_document_has_the_questions_of_each_kind() -> None:
    assert len(QUERIES) >= 12
    assert len(QUERIES) == DOCUMENT.read_text().count("```sql")


@pytest.mark.parametrize(("question", "sql"), QUERIES, ids=[question for question, _ in QUERIES])
def test_a_query_of_the_document_finds_rows(
    roots: dict[str, Path], question: str, sql: str
) -> None:
    dataset = Dataset(str(roots["data"]))
    found = query_runs(sql, [str(roots["results"]), str(roots["runs"])], conventions(), dataset)
    assert found.num_rows > 0


def test_a_model_s_gain_and_history_are_as_documented(roots: dict[str, Path]) -> None:
    sql = "SELECT clips, gain, a_wins, b_wins FROM compare('dawn', 'dawn-next') WHERE metric='psnr'"
    (row,) = query_runs(sql, [str(roots["results"])], conventions()).to_pylist()
    assert row == {"clips": 3, "gain": pytest.approx(5 / 3), "a_wins": 1, "b_wins": 2}
