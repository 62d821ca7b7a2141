"""The catalogue: committed rows only, right macros, and SQL that cannot do harm."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from manifests import catalog
from manifests.catalog import connect, query, rows
from manifests.compact import compact
from manifests.errors import InputError
from manifests.schema import CLIPS, COLUMNS, schema
from manifests.store import COMPACT, Dataset
from tests.manifests.rows import RECIPE, add, clip, written


@pytest.fixture(autouse=True, params=["held", "read"])
def rows_are_held_or_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few videos and of many, the same is true."""
    if request.param == "read":
        monkeypatch.setattr(catalog, "_MANY", 0)
        monkeypatch.setattr(catalog, "_are_few", lambda _, names: not catalog._merged(names))


def test_an_empty_dataset_has_every_view_and_column(tmp_path: Path) -> None:
    dataset = Dataset(str(tmp_path / "d"))
    dataset.ensure(RECIPE)
    for table, columns in COLUMNS.items():
        assert query(dataset, f"FROM {table}").column_names == [c.name for c in columns]
    assert query(dataset, "FROM funnel()").num_rows > 0


@pytest.mark.parametrize("root", ["plain", "it's [a] *dir? {x}", "ünï cödé 🙂", "lr=1e-4"])
def test_any_folder_name_works(tmp_path: Path, root: str) -> None:
    with written(str(tmp_path / root)) as session:
        add(session, "a")
        assert rows(session.dataset, "SELECT clip_id FROM clips") == [{"clip_id": "a-0000000-0"}]
        assert query(session.dataset, "FROM clips").column_names == [c.name for c in CLIPS]


def test_parts_that_no_video_names_are_invisible(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        add(session, "a")
        orphan = pa.Table.from_pylist([clip("a", 50), clip("b")], schema(CLIPS))
        session.dataset.publish_table(orphan, "clips/orphan.parquet", session.scratch)
        found = rows(session.dataset, "SELECT clip_id FROM clips")
        assert found == [{"clip_id": "a-0000000-0"}]
        assert rows(session.dataset, "SELECT count(*) AS n FROM frames") == [{"n": 4}]


OLDER = {"decisions": "rule", "clips": "voice", "videos": "transfer"}
"""Columns that an older version's parts lack here; last those of what every query reads."""


@pytest.mark.parametrize("old", ["none", "first", "last", "all"])
def test_parts_of_an_older_version_are_read_with_the_others(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    whole = catalog.whatever_parts

    def told(ask: Callable[[bool], object]) -> object:
        return whole(lambda alike: (asked.append(alike), ask(alike))[1])

    monkeypatch.setattr(catalog, "whatever_parts", told)
    monkeypatch.setattr(catalog, "_MANY", 1)
    with written(str(tmp_path / "d")) as session:
        dataset, found = session.dataset, {}
        for video in ("a", "b", "c"):
            add(session, video, [clip(video, face_px=ord(video))])
        for table, column in OLDER.items():
            names = sorted(name for name in dataset.names(table) if name.endswith(".parquet"))
            older = {"none": [], "first": names[:1], "last": names[-1:], "all": names}[old]
            for name in older:
                part = dataset.read(f"{table}/{name}").drop_columns(column)
                dataset.publish_table(part, f"{table}/{name}", session.scratch)
            asked.clear()
            found[table] = query(dataset, f"FROM {table}")
            assert asked == ([True] if old in ("none", "all") else [True, False])
            assert (column in found[table].column_names) == (old != "all")
            everywhere = rows(dataset, f"SELECT video_id FROM {table} ORDER BY 1")
            assert [row["video_id"] for row in everywhere] == ["a", "b", "c"]
        assert [len(table) for table in found.values()] == [3, 3, 3]
        videos = [row["video_id"] for batch in catalog.batches(dataset, "FROM videos", 1)
                  for row in batch.to_pylist()]  # fmt: skip
        assert sorted(videos) == ["a", "b", "c"]


@pytest.mark.parametrize("older", [["a"], ["b"], ["c"], ["a", "b", "c"]])
def test_fields_that_older_parts_lack_are_kept_of_the_others(
    older: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further columns of source lists are a field of `labels`: lost in a compaction, it is gone."""
    monkeypatch.setattr(catalog, "_MANY", 1)
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        label = dict.fromkeys(
            field.name for field in schema(COLUMNS["videos"]).field("labels").type.value_type
        )
        for video in ("a", "b", "c"):
            row = add(session, video, [])
            label["extra"] = [{"name": "mood", "type": "VARCHAR", "value": "glad"}]
            part = pa.Table.from_pylist([row | {"labels": [label]}], schema(COLUMNS["videos"]))
            if video in older:
                labels = pa.array([[{k: v for k, v in label.items() if k != "extra"}]])
                part = part.set_column(part.column_names.index("labels"), "labels", labels)
            dataset.publish_table(part, f"videos/{video}.parquet", session.scratch)
    wanted = {video: None if video in older else "glad" for video in ("a", "b", "c")}
    for _ in range(2):
        found = {}
        for row in rows(dataset, "SELECT video_id, labels FROM videos"):
            (mark,) = row["labels"]
            extra = mark.get("extra")
            found[row["video_id"]] = extra[0]["value"] if extra else None
        assert found == wanted
        compact(dataset, 1000)


def test_of_many_parts_none_is_looked_at_before_it_is_read(tmp_path: Path) -> None:
    """DuckDB would keep 170 kB of each."""
    with written(str(tmp_path / "d")) as session:
        names = [f"v{number:03d}" for number in range(catalog._MANY + 1)]
        for name in names:
            add(session, name, [])
        parts = session.dataset.names("videos")
        few = catalog._files(session.dataset, "videos", parts[:-1], alike=True)
        many = catalog._files(session.dataset, "videos", parts, alike=True)
        assert "union_by_name = True" in few
        assert "union_by_name = False" in many
        assert [row["video_id"] for row in rows(session.dataset, "FROM videos ORDER BY 1")] == names


def test_a_damaged_part_among_many_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_MANY", 1)
    with written(str(tmp_path / "d")) as session:
        for video in ("a", "b"):
            add(session, video)
        name = min(session.dataset.names("clips"))
        (tmp_path / "d/clips" / name).write_bytes(b"")
        with pytest.raises(InputError, match=name):
            rows(session.dataset, "FROM clips")


def test_a_redone_video_is_seen_once_as_it_is_now(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        old = add(session, "a")
        add(session, "a", [clip("a", face_px=7.0)], key="k2", old=old)
        assert rows(session.dataset, "SELECT face_px FROM clips") == [{"face_px": 7.0}]
        assert len(session.dataset.names("clips")) == 1


def test_a_video_s_own_row_goes_before_a_merged_one(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        add(session, "a")
        stale = dataset.read("videos/a.parquet").to_pylist()[0] | {"sources": ["/stale"]}
        table = pa.Table.from_pylist([stale], dataset.read("videos/a.parquet").schema)
        dataset.publish_table(table, "videos/compact-0.parquet", session.scratch)
        assert rows(dataset, "SELECT sources FROM videos") == [{"sources": ["/a.mp4"]}]


QUERIES = [
    "FROM videos ORDER BY video_id",
    *(f"SELECT count(*), count(DISTINCT video_id) FROM {table}" for table in COLUMNS),
    "SELECT clip_id, face_px FROM clips ORDER BY clip_id",
    "SELECT * FROM timings ORDER BY ALL",
    "FROM funnel()",
    "FROM what_if('face_px', 40)",
]


def test_answers_do_not_depend_on_how_many_rows_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged, newer loose rows in the place of merged ones, and a merge that did not end."""
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        for video in "abcdef":
            add(session, video)
    compact(dataset, 3)
    with dataset.writing() as session:
        (row,) = rows(dataset, "FROM videos WHERE video_id = 'b'")
        add(session, "b", [clip("b", face_px=7.0)], key="k2", old=row)
        add(session, "g")
    (old,) = [name for name in dataset.names("videos") if name.startswith(COMPACT)]
    twice = dataset.read(f"videos/{old}")
    dataset.publish_table(twice, f"videos/{COMPACT}0.parquet", tmp_path)
    found = []
    for few in (0, 3, 50):
        monkeypatch.undo()
        monkeypatch.setattr(catalog, "_FEW", few)
        found.append([rows(dataset, sql) for sql in QUERIES])
        kind = connect(dataset).sql("SELECT table_type FROM information_schema.tables "
                                    "WHERE table_name = 'videos'").fetchall()  # fmt: skip
        assert kind == [("BASE TABLE" if few == 50 else "VIEW",)]
    assert found[0] == found[1] == found[2]
    assert [row["video_id"] for row in found[0][0]] == [*"abcdefg"]


def test_a_row_that_is_replaced_while_many_are_read_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers see all parts of one moment, or look again."""
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        add(session, "a")
    compact(dataset, 3)
    monkeypatch.setattr(catalog, "_FEW", 0)
    with dataset.writing() as session:
        row = add(session, "b")
        connection = connect(dataset)
        add(session, "b", [clip("b", face_px=7.0)], key="k2", old=row)
    assert connection.sql("SELECT video_id, extract_key FROM videos ORDER BY ALL").fetchall() == [
        ("a", "k1extract"), ("b", "k1extract"),
    ]  # fmt: skip
    with pytest.raises(duckdb.IOException):
        connection.sql("FROM clips").fetchall()
    assert rows(dataset, "SELECT face_px FROM clips WHERE video_id = 'b'") == [{"face_px": 7.0}]


def test_our_queries_are_shut_to_all_but_the_dataset_and_see_it_as_it_is(tmp_path: Path) -> None:
    """The engine behind them is kept, but nothing that it read, and threads ask it at once."""
    (tmp_path / "secret.csv").write_text("a,b")
    with written(str(tmp_path / "d")) as session, written(str(tmp_path / "e")) as other:
        with pytest.raises(InputError, match="Permission"):
            rows(session.dataset, f"FROM '{tmp_path}/secret.csv'")
        for number in range(3):
            add(session, "a", [clip("a", face_px=float(number))], key=f"k{number}")
            assert rows(session.dataset, "SELECT face_px FROM clips") == [{"face_px": number}]
            assert rows(other.dataset, "FROM clips") == []
        with ThreadPoolExecutor(4) as pool:
            datasets = [session.dataset, other.dataset] * 20
            found = pool.map(lambda dataset: len(rows(dataset, "FROM clips")), datasets)
            assert [*found] == [1, 0] * 20
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: there are threads
            child = os.fork()
        if child == 0:
            try:
                os.write(write, repr(rows(session.dataset, "SELECT face_px FROM clips")).encode())
            finally:
                os._exit(0)  # whatever happened: the rest of the tests is the parent's
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(read, 100) == b"[{'face_px': 2.0}]"


REFUSED = [
    "COPY clips TO 'out.csv'",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW clips",
    "DELETE FROM clips",
    "UPDATE clips SET accepted = true",
    "ATTACH 'other.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SELECT 1; SELECT 2",
    "",
    "SELEC 1",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_blob('{root}/../secret.txt')",
    "SELECT * FROM read_text('{root}/clips/../../secret.txt')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "SELECT getenv('HOME')",
    "SELECT * FROM dataset",
    "SELECT * FROM secret",
    "EXPLAIN ANALYZE COPY clips TO 'out.csv'",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_sql_that_is_refused(tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    secret = pa.table({"x": ["secret"]})
    dataset = Dataset(str(tmp_path / "d"))
    dataset.ensure(RECIPE)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"^SQL: .+") as error:
        query(dataset, sql.format(root=dataset.path))
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert secret.num_rows == 1


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", "FROM clips", "WITH x AS (SELECT 1) SELECT * FROM x", "EXPLAIN SELECT 1",
     "DESCRIBE clips", "SELECT * FROM read_parquet('{root}/clips/*.parquet')"],
)  # fmt: skip
def test_sql_that_is_allowed(tmp_path: Path, sql: str) -> None:
    with written(str(tmp_path / "d")) as session:
        add(session, "a")
        assert query(session.dataset, sql.format(root=session.dataset.path)).num_rows >= 1


def test_blinks_are_pooled_over_seconds(tmp_path: Path) -> None:
    spans = [{"start": 0, "stop": 2}, {"start": 3, "stop": 4}]
    with written(str(tmp_path / "d")) as session:
        add(session, "a", [clip("a", blinks=spans, duration_s=4.0)])
        add(session, "b", [clip("b", blinks=[], duration_s=16.0)])
        add(session, "c", [clip("c", blinks=spans, duration_s=1.0, split="test")])
        found = rows(session.dataset, "FROM blinks_per_second()")
    assert found == [
        {"split": "test", "blinks": 2, "seconds": 1.0, "blinks_per_second": 2.0},
        {"split": "train", "blinks": 2, "seconds": 20.0, "blinks_per_second": 0.1},
    ]


def test_what_if_names_the_clips_that_would_change(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        for video, size in (("a", 70.0), ("b", 90.0), ("c", 200.0)):
            add(session, video, [clip(video, face_px=size)])
        dataset = session.dataset
        found = rows(dataset, "SELECT clip_id, score, accepted_then FROM what_if('face_size', 90)")
        assert found == [{"clip_id": "a-0000000-0", "score": 70.0, "accepted_then": False}]
        assert rows(dataset, "FROM what_if('face_size', 10)") == []
        assert rows(dataset, "FROM what_if('nothing', 10)") == []


def test_same_voice_names_pairs_of_identities_once(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        voices = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.0, 1.0], "d": None}
        for video, voice in voices.items():
            add(session, video, [clip(video, voice=voice, duration_s=2.0, split="test")])
        # The shorter clip of an identity is not asked, and nobody is compared with himself.
        add(session, "e", [clip("e", voice=[0.0, 1.0], identity="video:a", duration_s=1.0)])
        found = rows(session.dataset, "FROM same_voice(0.7)")
        assert [(r["identity"], r["other"], r["split"]) for r in found] == [
            ("video:a", "video:b", "test")
        ]
        assert found[0]["similarity"] == pytest.approx(0.8)
        assert len(rows(session.dataset, "FROM same_voice(0.5)")) == 2


def test_the_funnel_counts(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        add(session, "a")
        add(session, "b", [])
        found = {row["step"]: row["count"] for row in rows(session.dataset, "FROM funnel()")}
    assert found["sources read"] == 2
    assert found["without a face"] == 1
    assert found["clips"] == found["accepted clips"] == 1
    assert found["fail face_size"] == 0


def test_timings_are_a_view(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        add(session, "a")
        found = rows(session.dataset, "FROM timings")
    assert found == [{"video_id": "a", "footage_s": 1.0, "step": "total", "seconds": 2.0}]
