"""What was seen of sources is held as columns; a plain dictionary says what it must answer."""

import random
from pathlib import Path

import pytest

from manifests import seen
from manifests.seen import Seen, Sighting, write_seen
from manifests.store import SEEN
from tests.manifests.rows import written


@pytest.mark.parametrize("at_once", [3, 1000])
def test_it_answers_as_a_dictionary_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(seen, "_AT_ONCE", at_once)
    chance = random.Random(at_once)
    names = [f"/films/{n} é.mp4" for n in range(40)]
    plain: dict[str, Sighting] = {}
    with written(str(tmp_path / "d")) as session:
        for run in range(5):
            asked = chance.sample(names, 25)
            held = Seen(session.dataset, asked)
            assert held.of(asked) == [plain.get(name) for name in asked]
            for group in range(3):
                some = chance.sample(asked, 7)
                new = {name: Sighting(f"{run}{group % 2}", f"v{name}") for name in some}
                held.note(new)
                plain |= new
                assert held.of(asked) == [plain.get(name) for name in asked]
                held.keep(session)
            held.unite(session)
            (part,) = session.dataset.names(SEEN)
            table = session.dataset.read(f"{SEEN}/{part}").to_pylist()
            assert {row["source"]: Sighting(row["mark"], row["video_id"]) for row in table} == plain
            assert len(table) == len(plain)
        assert held.of([]) == []


def test_parts_that_a_kill_left_are_one_again(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        for name in ("/a", "/b", "/a"):
            write_seen(session, {name: Sighting("1", "v")})
        (session.scratch / "half").write_bytes(b"PAR1 and no more")
        session.dataset.publish(session.scratch / "half", f"{SEEN}/half.parquet")
        for run in range(2):
            held = Seen(session.dataset, ["/a", "/b"])
            now = Sighting(str(1 + run), "v")
            held.note({"/a": now})  # nothing new at first
            held.unite(session)
            (part,) = session.dataset.names(SEEN)
            table = session.dataset.read(f"{SEEN}/{part}")
            assert {*table["source"].to_pylist()} == {"/a", "/b"}
            assert Seen(session.dataset, ["/a"]).of(["/a"]) == [now]
        assert table.num_rows == 2


def test_two_sources_with_one_hash_are_never_taken_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "hash", lambda _: 7, raising=False)
    with written(str(tmp_path / "d")) as session:
        write_seen(session, {"/a": Sighting("1", "a"), "/b": Sighting("2", "b")})
        held = Seen(session.dataset, ["/a"])
        found = held.of(["/a", "/b", "/c"])
        assert found in ([Sighting("1", "a"), None, None], [None, Sighting("2", "b"), None])
        held.note({"/b": Sighting("3", "b")})
        assert held.of(["/b"]) == [Sighting("3", "b")]
