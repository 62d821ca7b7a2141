"""Logs of commands: on disks and in object stores, bounded, without secrets, and forgotten."""

import json
import time
import uuid
from pathlib import Path

import pytest

from manifests import run_logs
from manifests.location import Place
from manifests.run_logs import KEPT, LogFile, forget_logged, without_secrets
from manifests.store import Dataset
from tests.logs import lines_of


def stem(number: int = 0) -> str:
    return f"20260101T0000{number:02d}.000000Z-ingest-0123abcd"


@pytest.fixture(params=["disk", "store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path)
    return f"memory://{uuid.uuid4().hex}"


def line(**said: object) -> str:
    return json.dumps(said)


def write(root: str, name: str, *lines: str) -> None:
    log = LogFile(root, name, pytest.fail)
    log.open()
    for one in lines:
        log.write(one)
    log.close()


def names(root: str) -> list[str]:
    place = Place.of(f"{root}/logs")
    found = place.fs.ls(place.path, detail=False) if place.fs.exists(place.path) else []
    return sorted(name.rsplit("/", 1)[-1] for name in found)


def test_lines_from_before_the_log_is_opened_are_in_it_and_without_opening_there_is_none(
    root: str,
) -> None:
    log = LogFile(root, stem(), pytest.fail)
    log.write(line(n=1))
    log.close()
    assert names(root) == []
    log.open()
    log.write(line(n=2, name="Jos\udce9"))
    log.close()
    assert [said["n"] for said in lines_of(root)] == [1, 2]


def test_a_store_has_parts_that_are_written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    monkeypatch.setattr(run_logs, "EVERY_S", 0.01)
    monkeypatch.setattr(run_logs, "PART_BYTES", 30)
    log = LogFile(root, stem(), pytest.fail)
    log.open()
    for n in range(3):
        log.write(line(n=n, more="." * 20))
        end = time.monotonic() + 60
        while len(lines_of(root)) <= n:  # nobody closes it: a kill loses little
            assert time.monotonic() < end
            time.sleep(0.01)
    log.write(line(n=3))
    log.close()
    assert names(root) == [f"{stem()}.{n:04d}.jsonl" for n in (1, 2, 3, 4)]
    assert [said["n"] for said in lines_of(root)] == [0, 1, 2, 3]


def test_logs_of_the_newest_commands_are_kept_and_others_files_left_alone(root: str) -> None:
    place = Place.of(f"{root}/logs")
    place.fs.makedirs(place.path)
    place.fs.pipe_file(f"{place.path}/a-system.txt", b"what it said")
    for n in range(KEPT + 3):
        write(root, stem(n), line(n=n))
    assert len(names(root)) == KEPT + 1
    assert [said["n"] for said in lines_of(root)] == [*range(3, KEPT + 3)]


def test_what_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    told: list[str] = []
    log = LogFile(str(tmp_path), stem(), told.append)
    log.write(line(n=0))
    log.open()
    for n in range(3):
        log.write(line(n=n))
    log.close()
    assert len(told) == 1
    assert "logs: cannot be written" in told[0]


def test_secrets_are_not_told() -> None:
    signed = "https://user:pw12@h.example:8/a/b.mp4?X-Amz-Signature=abc&X-Amz-Credential=k#t"
    assert without_secrets(signed, {}) == "https://h.example:8/a/b.mp4"
    said = line(source=signed, detail=f'"{signed}": 403, s3://b/k.mp4, token=abcdef', n=1)
    clean = json.loads(without_secrets(said, {}))
    assert clean["detail"] == '"https://h.example:8/a/b.mp4": 403, s3://b/k.mp4, token=***'
    held = {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "RAY_AUTH_MODE": "token", "HOME": "/home/me1"}
    assert without_secrets("wJalrXUtnFEMI of /home/me1", held) == "*** of /home/me1"


def test_lines_that_name_what_is_forgotten_go(root: str) -> None:
    dataset = Dataset(root)
    dataset.ensure({})
    kept = line(event="job", job="extract:other:0:9")
    write(
        root, stem(1), line(job="extract:0123:0:9"), kept, line(clips={"0123-0000000-0": 1}),
        line(source="https://h/anna.mp4"), line(error="tape \"é\".mp4: damaged"), '{"cut": "of',
    )  # fmt: skip
    write(root, stem(2), line(job="prepare:0123"))
    before = names(root)
    with dataset.writing() as session:
        forget_logged(session, [])
        assert names(root) == before
        forget_logged(session, ["0123", "https://h/anna.mp4?sig=1", 'tape "é".mp4'])
    assert [json.dumps(said) for said in lines_of(root)] == [kept]
    assert names(root) == before[:1]
