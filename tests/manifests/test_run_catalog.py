"""SQL over runs: committed rows only, nothing incomparable together, and SQL that cannot harm."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from eval.protocol.card import ProtocolCard
from eval.results.stored import SET
from manifests.errors import InputError
from manifests.run_catalog import DEFINITIONS, RESULTS, names_in, query_runs
from manifests.runs import RUN_TABLES, RunFolder
from manifests.store import Dataset
from pipeline.query import conventions
from tests.evaluations import of_set
from tests.manifests.rows import add, written
from tests.manifests.test_catalog import REFUSED
from tests.results_folders import CONDITIONS, write_results
from tests.run_folders import write_generations, write_training

OTHER = replace(CONDITIONS, card=ProtocolCard(name="other", size=128))
PSNR = CONDITIONS.standing("psnr").hash
BLINKS = {"blink_rate": [0.2, 0.2, 0.2]}


def ask(sql: str, *roots: Path | str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query_runs(sql, map(str, roots), conventions()).to_pylist()
    return found


def psnr(
    path: Path, values: Sequence[float | None], system: str | None = None, **more: Any
) -> RunFolder:
    return write_results(path, {"psnr": values}, system=system or path.name, **more)


def test_every_view_is_there_and_empty_without_rows(tmp_path: Path) -> None:
    write_generations(tmp_path / "run", [])
    for view, table in (("metrics", "metrics"), ("clip_results", "clips"), ("training", "training"),
                        ("generations", "generations"), ("features", "features"),
                        ("speed_runs", "speed_runs")):  # fmt: skip
        found = query_runs(f"FROM {view}", [str(tmp_path)], conventions())
        assert found.num_rows == 0
        columns = {column.name for column in RUN_TABLES[table]} - {"values"}
        assert set(found.column_names) - {"results", "folder"} == columns
    results = query_runs("FROM results", [str(tmp_path)], conventions())
    assert results.column_names == [column.name for column in RESULTS]
    meanings = query_runs("FROM definitions", [str(tmp_path)], conventions())
    assert meanings.column_names == [column.name for column in DEFINITIONS]


def test_definitions_are_the_catalogue_s(tmp_path: Path) -> None:
    psnr(tmp_path / "r", [1.0])
    found = {row["metric"]: row for row in ask("FROM definitions", tmp_path)}
    assert found["psnr"]["direction"] == "higher"
    assert found["blink_rate"]["direction"] == "closer"
    assert (found["fid_incep2015"]["set_metric"], found["psnr"]["set_metric"]) == (True, False)


def test_only_committed_rows_are_seen(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 4, 3))
    folder = psnr(tmp_path / "r", [1.0, 2.0], features={"inception_pool3": (noise, noise)})
    base = {"system": "r", "conditions_hash": PSNR, "clip_id": "half", "n": 1,
            "n_total": 1, "status": "paper", "metric": "psnr", "value": 99.0}  # fmt: skip
    folder.write("metrics", "half", [base])
    feature = {"feature": "inception_pool3", "side": "generated", "shape": [1, 1], "values": [1.0]}
    folder.write("features", "half", [{k: base[k] for k in ("system", "conditions_hash", "clip_id")}
                                      | feature])  # fmt: skip
    seen = ask("SELECT DISTINCT clip_id FROM metrics ORDER BY ALL NULLS LAST", tmp_path)
    assert [row["clip_id"] for row in seen] == ["clip0000", "clip0001", None]
    features = ask("SELECT DISTINCT clip_id FROM features ORDER BY ALL", tmp_path)
    assert [row["clip_id"] for row in features] == ["clip0000", "clip0001"]
    # A set is of all clips: under way, it has no number.
    folder.write_info(folder.info() | {"complete": False})
    assert len(ask("FROM metrics", tmp_path)) == 2
    assert ask("FROM metrics WHERE clip_id IS NULL", tmp_path) == []
    assert ask("FROM leaderboard('made')", tmp_path) == []
    assert ask("SELECT complete FROM results", tmp_path) == [{"complete": False}]


def test_the_leaderboard_has_the_set_s_own_rows(tmp_path: Path) -> None:
    folders = [
        write_results(tmp_path / name, {"psnr": values, "blink_rate": rates, "face_rate": [None]},
                      references={"blink_rate": [0.2]}, system=name, set_metrics=["fid_incep2015"])
        for name, values, rates in (("a", [20.0], [0.9]), ("b", [25.0], [0.1]))
    ]  # fmt: skip
    found = ask("FROM leaderboard('made')", tmp_path)
    assert len(found) == 8
    columns = ("value", "reference", "n", "n_total", "status", "reason")
    for folder in folders:
        rows = of_set(folder)
        for row in found:
            if row["results"] == folder.path.rsplit("/", 1)[-1]:
                for column in columns:
                    assert row[column] == rows[row["metric"]][column]
    ranks = {(row["metric"], row["system"]): row["rank"] for row in found}
    assert (ranks["psnr", "b"], ranks["psnr", "a"]) == (1, 2)
    assert (ranks["blink_rate", "b"], ranks["blink_rate", "a"]) == (1, 2)
    assert ranks["fid_incep2015", "a"] is ranks["face_rate", "b"] is None
    status = {row["metric"]: row["status"] for row in found}
    assert (status["fid_incep2015"], status["face_rate"]) == ("unavailable", "excluded")


def test_bounds_are_shown_and_not_ranked(tmp_path: Path) -> None:
    psnr(tmp_path / "system", [20.0])
    psnr(tmp_path / "real", [90.0], baseline="real")
    found = ask("SELECT results, baseline, rank FROM leaderboard('made') ORDER BY 1", tmp_path)
    assert found == [
        {"results": "real", "baseline": "real", "rank": None},
        {"results": "system", "baseline": None, "rank": 1},
    ]


def test_ranks_are_within_what_is_comparable(tmp_path: Path) -> None:
    psnr(tmp_path / "a", [20.0])
    psnr(tmp_path / "b", [30.0], conditions=OTHER)
    psnr(tmp_path / "c", [10.0], dataset_hash="e")
    psnr(tmp_path / "d", [10.0], same_take=False)
    psnr(tmp_path / "e", [15.0])
    whole = "SELECT system, rank FROM leaderboard('') ORDER BY system"
    assert [row["rank"] for row in ask(whole, tmp_path)] == [1, 1, 1, 1, 2]
    for given in ("other", OTHER.card.hash, OTHER.card.hash[:5]):
        (row,) = ask(f"FROM leaderboard('{given}')", tmp_path)
        assert (row["system"], row["protocol_hash"]) == ("b", OTHER.card.hash)
    with pytest.raises(InputError, match="no results are of the protocol nope"):
        ask("FROM leaderboard('nope')", tmp_path)


def test_compare_is_oriented_and_counts_common_clips(tmp_path: Path) -> None:
    for name, values, rates in (("a", [20.0, 21.0, None], [0.5, 0.2, 0.1]),
                                ("b", [21.0, 20.5, 30.0], [0.1, 0.2, 0.1])):  # fmt: skip
        write_results(tmp_path / name, {"psnr": values, "blink_rate": rates}, references=BLINKS,
                      system=f"system {name}")  # fmt: skip
    found = {row["metric"]: row for row in ask("FROM compare('system a', 'b')", tmp_path)}
    assert found["psnr"] | {"gain": 0} == {
        "metric": "psnr", "clips": 2, "mean_a": 20.5, "mean_b": 20.75, "gain": 0, "b_wins": 1,
        "a_wins": 1, "direction": "higher", "results_a": "a", "results_b": "b",
        "conditions_hash": PSNR,
    }  # fmt: skip
    assert found["psnr"]["gain"] == pytest.approx(0.25)
    assert found["blink_rate"]["gain"] == pytest.approx((0.3 - 0.1) / 3)
    assert (found["blink_rate"]["b_wins"], found["blink_rate"]["a_wins"]) == (1, 0)
    back = {row["metric"]: row["gain"] for row in ask("FROM compare('b', 'a')", tmp_path)}
    assert back["psnr"] == pytest.approx(-0.25)


def test_compare_never_pairs_across_conditions(tmp_path: Path) -> None:
    psnr(tmp_path / "a1", [20.0, 21.0], "a")
    psnr(tmp_path / "a2", [50.0, 51.0], "a", conditions=OTHER)
    psnr(tmp_path / "b1", [22.0, 23.0], "b")
    psnr(tmp_path / "b2", [60.0, 61.0], "b", conditions=OTHER)
    found = ask("SELECT results_a, results_b, clips, gain FROM compare('a', 'b')", tmp_path)
    assert sorted(found, key=lambda row: row["results_a"]) == [
        {"results_a": "a1", "results_b": "b1", "clips": 2, "gain": 2.0},
        {"results_a": "a2", "results_b": "b2", "clips": 2, "gain": 10.0},
    ]
    psnr(tmp_path / "c", [1.0, 2.0], dataset_hash="e")
    for pair in ("'a1', 'b2'", "'a', 'c'"):
        with pytest.raises(InputError, match="cannot be compared"):
            ask(f"FROM compare({pair})", tmp_path)
    with pytest.raises(InputError, match="no system and no results are named nope"):
        ask("FROM compare('a', 'nope')", tmp_path)
    # Rows of another hash that lie in a folder are not paired either.
    rogue = {"system": "b", "conditions_hash": OTHER.standing("psnr").hash, "metric": "psnr",
             "clip_id": "clip0000", "value": 99.0, "n": 1, "n_total": 1,
             "status": "paper"}  # fmt: skip
    RunFolder(str(tmp_path / "b1"), "results.json").write("metrics", "rogue", [rogue])
    assert ask("SELECT clips, gain FROM compare('a1', 'b1')", tmp_path) == [
        {"clips": 2, "gain": 2.0}
    ]


def test_a_metric_is_compared_where_its_own_conditions_agree(tmp_path: Path) -> None:
    newer = replace(CONDITIONS, libraries={**CONDITIONS.libraries, "mediapipe": "99"})
    for name, conditions in (("a", CONDITIONS), ("b", newer)):
        write_results(tmp_path / name, {"psnr": [20.0, 21.0], "face_rate": [0.9, 0.8]},
                      system=name, conditions=conditions)  # fmt: skip
    assert [row["metric"] for row in ask("FROM compare('a', 'b')", tmp_path)] == ["psnr"]
    ranks = ask("SELECT metric, system, rank FROM leaderboard('made') ORDER BY ALL", tmp_path)
    assert [row["rank"] for row in ranks] == [1, 1, 1, 1]
    (row,) = ask("FROM differences('a', 'b')", tmp_path)
    assert row == {
        "metric": "face_rate", "setting": "libraries.mediapipe", "results_a": "a",
        "value_a": CONDITIONS.libraries["mediapipe"], "value_b": "99", "results_b": "b",
    }  # fmt: skip
    settings = ask("FROM conditions WHERE results = 'b' AND metric = 'psnr'", tmp_path)
    assert {row["conditions_hash"] for row in settings} == {PSNR}
    assert {"libraries.av", "card.size", "version", "steps.pictures"} <= {
        row["setting"] for row in settings
    }
    with pytest.raises(InputError, match="no system and no results are named nope"):
        ask("FROM differences('a', 'nope')", tmp_path)


def test_history_is_in_time_and_within_a_protocol(tmp_path: Path) -> None:
    made = [("late", 23.0, "2026-01-03T00:00:00+02:00", CONDITIONS),
            ("early", 20.0, "2026-01-01T00:00:00+00:00", CONDITIONS),
            ("other", 50.0, "2026-01-02T00:00:00+00:00", OTHER),
            ("middle", 19.0, "2026-01-02T00:00:00+00:00", CONDITIONS),
            ("untimed", 5.0, None, CONDITIONS)]  # fmt: skip
    for name, value, time, conditions in made:
        psnr(tmp_path / name, [value], conditions=conditions, checkpoint=name, created_at=time)
    found = ask("FROM history('psnr')", tmp_path)
    assert [row["checkpoint"] for row in found] == ["untimed", "early", "middle", "other", "late"]
    assert [row["change"] for row in found] == [None, None, -1.0, None, 4.0]
    assert [row["better"] for row in found] == [None, None, False, None, True]
    assert found[-1]["created_at"].isoformat() == "2026-01-02T22:00:00"
    assert ask("FROM history('lpips_alex')", tmp_path) == []
    with pytest.raises(InputError, match="no metric is named nope"):
        ask("FROM history('nope')", tmp_path)


@pytest.mark.parametrize("root", ["it's [a] *dir? {x}", "lr=1e-4 'x", "ünï cödé 🙂"])
def test_any_name_of_a_folder_or_system_works(tmp_path: Path, root: str) -> None:
    system = "it's'; DROP VIEW metrics; -- \"x\""
    psnr(tmp_path / root / "a", [1.0], system)
    psnr(tmp_path / root / root, [3.0], "b")
    write_training(tmp_path / root / "train", "lfg", {"loss": [1.0]})
    write_generations(tmp_path / root / "run", [{}])
    literal = system.replace("'", "''")
    (row,) = ask(f"FROM compare('{literal}', '{root.replace(chr(39), chr(39) * 2)}')",
                 tmp_path / root)  # fmt: skip
    assert (row["gain"], row["results_b"]) == (2.0, root)
    for view, folder in (("training", "train"), ("generations", "run"), ("results", "a")):
        found = ask(f"SELECT folder FROM {view} ORDER BY folder", tmp_path / root)
        assert str(tmp_path / root / folder) in [row["folder"] for row in found]
    assert len(ask("FROM metrics", tmp_path / root)) == 4


def test_columns_that_older_parts_lack_are_null(tmp_path: Path) -> None:
    folder = psnr(tmp_path / "r", [1.0])
    with folder.scratch() as scratch:
        old = folder.read_item("metrics", "clips").drop_columns(["reference", "speaker"])
        pa.parquet.write_table(old, scratch / "old.parquet")
        folder.publish(scratch / "old.parquet", folder.parts("metrics")[0].rsplit("r/", 1)[-1])
    assert {row["reference"] for row in ask("FROM metrics", tmp_path)} == {None}


def test_a_link_to_results_elsewhere_is_read_and_nothing_else_there(tmp_path: Path) -> None:
    folder = psnr(tmp_path / "disk" / "dawn", [1.0])
    (tmp_path / "disk" / "secret.txt").write_text("secret")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "it's [a] link").symlink_to(folder.path)
    (tmp_path / "all" / "way").symlink_to(tmp_path / "disk")
    assert {row["results"] for row in ask("FROM metrics", tmp_path / "all")} == {"it's [a] link"}
    for way in ("all/way/secret.txt", "all/it''s [[]a[]] link/../secret.txt",
                "all/it''s [a] link/../secret.txt", "all/way/../disk/secret.txt"):  # fmt: skip
        with pytest.raises(InputError, match="Permission Error"):
            ask(f"SELECT content FROM read_text('{tmp_path}/{way}')", tmp_path / "all")


def test_an_object_store_and_a_dataset_together(tmp_path: Path) -> None:
    with written(str(tmp_path / "data")) as session:
        add(session, "a")
    root = f"memory://{tmp_path.name}"
    local = psnr(tmp_path / "local", [1.0], clips=[{"clip_id": "a-0000000-0"}])
    far = RunFolder(f"{root}/far", "results.json")
    for table in ("metrics", "clips"):
        far.write(table, "clips", local.read_item(table, "clips").to_pylist())
    far.write("metrics", SET, local.read_item("metrics", SET).to_pylist())
    far.write_info(local.info() | {"system": "far"})
    sql = "SELECT results, split, value FROM metrics JOIN clips USING (clip_id) ORDER BY results"
    dataset = Dataset(str(tmp_path / "data"))
    found = query_runs(sql, [root, str(tmp_path / "local")], conventions(), dataset).to_pylist()
    assert [(row["results"], row["split"]) for row in found] == [("far", "train"),
                                                                 ("local", "train")]  # fmt: skip
    assert len(ask("FROM leaderboard('made')", root, tmp_path / "local")) == 2


@pytest.mark.parametrize("sql", [*REFUSED, "COPY metrics TO 'x'", "ATTACH '{root}/x' AS x",
                                 "FROM read_json('{root}/../secret.txt')"])  # fmt: skip
def test_sql_that_is_refused(tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    psnr(tmp_path / "r" / "clips", [1.0])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"^SQL: .+") as error:
        ask(sql.format(root=tmp_path / "r"), tmp_path / "r")
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_what_a_statement_names_is_made() -> None:
    assert names_in("FROM LEADERBOARD('x')") == {"leaderboard", "_set_metrics"}
    assert names_in("FROM compare('a', 'b')") == {"compare", "metrics", "clip_results"}
    assert names_in("SHOW TABLES") >= {"metrics", "features", "training", "history"}
