"""The dataset in DuckDB: views over the committed rows, macros, and safe SQL from users."""

from typing import Any

import duckdb
import pyarrow as pa

from manifests.safe_sql import answer, lock, parts_of, use_filesystem
from manifests.schema import COLUMNS, schema
from manifests.store import COMPACT, Dataset

# Kept from the files as they are; everything else is seen through the videos that name it.
_VIDEOS = """
SELECT * EXCLUDE (filename) FROM {files}
QUALIFY row_number() OVER (
    PARTITION BY video_id
    ORDER BY parse_filename(filename) LIKE '{compact}%', parse_filename(filename) DESC
) = 1
"""
_OF_VIDEOS = """
SELECT * EXCLUDE (filename) FROM {files} AS part
SEMI JOIN videos ON videos.{column} = parse_filename(part.filename)
    AND videos.video_id = part.video_id
"""

_TIMINGS = """
SELECT video_id, duration_s AS footage_s, step.step AS step, step.seconds AS seconds
FROM (SELECT video_id, duration_s, unnest(step_seconds) AS step FROM videos)
"""

MACROS = {
    "funnel()": (
        "how many sources and clips are left after each step",
        """
        WITH failed AS (
            SELECT clip_id, filter, verdict,
                   min(filter) FILTER (verdict = 'fail') OVER (PARTITION BY clip_id) AS first_fail
            FROM decisions
        )
        SELECT step, count FROM (
            SELECT 0 AS place, 'sources read' AS step, count(*) AS count FROM videos
            UNION ALL SELECT 1, 'quarantined', count(*) FROM videos WHERE status = 'quarantined'
            UNION ALL SELECT 2, 'without a face', count(*) FROM videos WHERE reason = 'no_face'
            UNION ALL SELECT 3, 'clips', count(*) FROM clips
            UNION ALL
            SELECT 4, 'fail ' || filter, count(*) FILTER (verdict = 'fail')
            FROM failed GROUP BY filter
            UNION ALL SELECT 5, 'accepted clips', count(*) FROM clips WHERE accepted
        ) ORDER BY place, step
        """,
    ),
    "blinks_per_second()": (
        "pooled blinks over pooled seconds of the accepted clips of each split",
        """
        SELECT split, sum(len(blinks))::BIGINT AS blinks, sum(duration_s) AS seconds,
               sum(len(blinks)) / sum(duration_s) AS blinks_per_second
        FROM clips WHERE accepted GROUP BY split ORDER BY split
        """,
    ),
    "what_if(filter_name, new_threshold)": (
        "the clips whose acceptance would change with another threshold of one filter",
        """
        WITH changed AS (
            SELECT clip_id, filter, score, rule, verdict,
                   CASE WHEN filter <> filter_name OR verdict = 'not_judged' THEN verdict
                        WHEN rule = 'min' THEN if(score >= new_threshold, 'pass', 'fail')
                        ELSE if(score <= new_threshold, 'pass', 'fail') END AS then_verdict
            FROM decisions
        )
        SELECT clip_id, max(score) FILTER (filter = filter_name) AS score,
               bool_and(verdict <> 'fail') AS accepted_now,
               bool_and(then_verdict <> 'fail') AS accepted_then
        FROM changed GROUP BY clip_id
        HAVING accepted_now <> accepted_then ORDER BY clip_id
        """,
    ),
}


def add_dataset(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    """Give a connection the dataset's views and macros."""
    use_filesystem(connection, dataset.fs, local=dataset.local)
    for table in COLUMNS:
        _create_view(connection, dataset, table)
    connection.execute(f"CREATE VIEW timings AS {_TIMINGS}")
    for signature, (_, sql) in MACROS.items():
        connection.execute(f"CREATE MACRO {signature} AS TABLE {sql}")


def connect(dataset: Dataset, *, locked: bool = True) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the dataset's views and macros.

    `locked` shuts everything but files under the dataset's root, for good.
    """
    connection = duckdb.connect()
    add_dataset(connection, dataset)
    if locked:
        lock(connection, [dataset.uri])
    return connection


def query(dataset: Dataset, sql: str) -> pa.Table:
    """Run one read-only statement of a user's. Raises InputError with DuckDB's reason."""
    return answer(lambda: connect(dataset), sql)


def rows(dataset: Dataset, sql: str) -> list[dict[str, Any]]:
    """Our own queries, as a list of rows."""
    found: list[dict[str, Any]] = query(dataset, sql).to_pylist()
    return found


def _create_view(connection: duckdb.DuckDBPyConnection, dataset: Dataset, table: str) -> None:
    if not any(name.endswith(".parquet") for name in dataset.names(table)):
        connection.register(f"_no_{table}", schema(COLUMNS[table]).empty_table())
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM _no_{table}")  # noqa: S608
        return
    files = parts_of([f"{dataset.uri}/{table}"])
    if table == "videos":
        sql = _VIDEOS.format(files=files, compact=COMPACT)
    else:
        sql = _OF_VIDEOS.format(files=files, column=f"{table}_part")
    connection.execute(f"CREATE VIEW {table} AS {sql}")
