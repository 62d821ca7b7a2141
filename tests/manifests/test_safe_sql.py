"""What users are told of SQL that DuckDB refuses."""

import duckdb
import pytest

from manifests.errors import InputError
from manifests.safe_sql import answer


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE clips (clip_id VARCHAR, frames INTEGER)")
    return connection


@pytest.mark.parametrize(
    ("sql", "meant"),
    [
        ("SELECT frame FROM clips", "frames"),
        ("SELECT * FROM clip", "clips"),
        ("SELECT lenght(clip_id) FROM clips", "length"),
    ],
)
def test_what_was_meant_is_said_in_one_line(sql: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        answer(_connect, sql)
    said = str(caught.value)
    assert "\n" not in said
    assert f'"{meant}"' in said
    assert "LINE" not in said
