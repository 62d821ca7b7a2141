"""Commands on a bucket in bad weather: `python -m tests.storms [ROUNDS] [SEED]`.

Each round brings footage from a bucket into a dataset in it and compacts that, while the server
fails, answers late or not at all, the command is killed, a second one does the same, or the disk
under it is full. What ends with exit code 0 must have made all there is to make; whatever happened,
the same commands in calm weather end with 0 and leave what one undisturbed run leaves: nothing
lost, nothing doubled. Extraction itself is done once and its result used again.
"""

import contextlib
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2

from manifests.catalog import connect
from manifests.schema import COLUMNS, MEASURED_ANEW
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cli import app as cli
from pipeline.cluster.executor import InProcess
from pipeline.ingest import command, steps
from tests.buckets import new_bucket, s3_server
from tests.hostile import Film, faces, plain
from tests.remembered import Known, remembering
from tests.stormy_s3 import Storm

CONFIG = """\
use_weights: false
filters: {min_face_px: 40, min_seconds: 0.5, min_voiced: null, min_mouth_moves: null}
"""
KINDS = ("errors", "cuts", "lost answers", "slow", "outage", "kill", "two", "full disk")
OUTAGE_S = 12.0


class Weather:
    """What the server is told, and asked."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def be(self, storm: Storm | None) -> None:
        httpx2.post(f"{self._endpoint}/storm", json=asdict(storm) if storm else {}, timeout=60)

    def requests(self) -> int:
        return int(httpx2.get(f"{self._endpoint}/storm", timeout=60).json()["requests"])


def storm_of(kinds: list[str], chance: random.Random) -> Storm:
    """How bad each kind of weather is, drawn."""
    storm = Storm(seed=chance.randrange(10**6))
    for kind in kinds:
        match kind:
            case "errors":
                storm = replace(storm, error=chance.uniform(0.02, 0.3))
            case "cuts":
                storm = replace(storm, cut=chance.uniform(0.02, 0.2))
            case "lost answers":
                storm = replace(storm, lost=chance.uniform(0.02, 0.2))
            case "slow":
                storm = replace(storm, slow=chance.uniform(0.05, 0.3))
            case "outage":
                begun, length = chance.randrange(1, 120), chance.uniform(1, OUTAGE_S)
                storm = replace(storm, outage_from=begun, outage_s=length)
    return storm


def begun(work: Callable[[], object], log: Path, disk: int | None = None) -> int:
    """A child of this process that does the work; what it says goes to `log`."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1), os.dup2(out, 2)
        if disk is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child never returns into its parent's work
        traceback.print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dawn(*arguments: str, known: Known) -> None:
    """A command as the shell runs it, but that its jobs run in its process."""
    with (
        mock.patch.object(command, "OnRay", return_value=InProcess()),
        mock.patch.object(steps, "extract_span", remembering(known)),
        mock.patch.object(sys, "argv", ["dawn", *arguments]),
    ):
        cli.main()


def held(uri: str) -> dict[str, Any]:
    """Sorted rows of every view but `timings`, and the names and sizes of media."""
    dataset = Dataset(uri)
    connection, found = connect(dataset), {}
    for table, columns in COLUMNS.items():
        own = ("sources", "clips_part", "frames_part", "audio_part", "decisions_part")
        names = ", ".join(c.name for c in columns if c.name not in {*MEASURED_ANEW, *own})
        table_rows = connection.sql(f"SELECT {names} FROM {table}").to_arrow_table().to_pylist()
        found[table] = sorted(map(repr, table_rows))
    media = dataset.fs.find(f"{dataset.path}/media", detail=True)
    sizes = {name.removeprefix(dataset.path): info["size"] for name, info in media.items()}
    return found | {"media": sorted(sizes.items())}


class Rounds:
    """A bucket with footage, and what an undisturbed run makes of it."""

    def __init__(self, folder: Path, weather: Weather) -> None:
        self.folder, self._weather, self._known = folder, weather, Known()
        (folder / "ingest.yaml").write_text(CONFIG)
        (folder / "films").mkdir()
        for name, count in (("a", 30), ("b", 34), ("c", 38)):
            Film(folder / f"films/{name}.mp4").pictures(faces(count)).sound(count / 25).close()
        (folder / "films/none.mp4").write_bytes(plain())
        self._bucket = str(self._child(self._upload))
        self.usual = self._weather.requests()
        self._expected, self._known = self._child(self._first)
        self.usual = self._weather.requests() - self.usual

    def _child(self, work: Callable[[], object]) -> Any:
        """In a child, so that this process has no threads when it makes the next one."""
        answer = self.folder / "answer"
        answer.unlink(missing_ok=True)
        log = self.folder / "child.log"
        code = ended(begun(lambda: answer.write_bytes(pickle.dumps(work())), log))
        assert code == 0, log.read_text()
        return pickle.loads(answer.read_bytes())  # noqa: S301 - a child of ours wrote it

    def _upload(self) -> str:
        bucket = new_bucket()
        dataset = Dataset(f"{bucket}/films")
        dataset.fs.put(str(self.folder / "films"), f"{dataset.path}", recursive=True)
        return bucket

    def _first(self) -> tuple[dict[str, Any], Known]:
        with contextlib.suppress(SystemExit):
            self.ingest("expected")
        with contextlib.suppress(SystemExit):
            dawn("dataset", "compact", f"{self._bucket}/expected", known=self._known)
        found = held(f"{self._bucket}/expected")
        assert len(found["clips"]) == 3, found["videos"]
        return found, self._known

    def arguments(self, name: str) -> list[str]:
        """Of the command that brings the footage into a dataset."""
        bucket, config = self._bucket, str(self.folder / "ingest.yaml")
        return ["ingest", f"{bucket}/films", "--dataset", f"{bucket}/{name}", "--config", config]

    def ingest(self, name: str) -> None:
        dawn(*self.arguments(name), known=self._known)

    def round(self, number: int, seed: int) -> tuple[list[str], list[int]]:
        """One round: the kinds of weather and the exit codes. Raises AssertionError."""
        chance = random.Random(f"{seed}-{number}")
        kinds = self.drawn(chance)
        name, log = f"round{number}", self.folder / f"round{number}.log"
        storm = storm_of(kinds, chance)
        disk = chance.choice((500, 4_000, 30_000)) if "full disk" in kinds else None
        self.before(kinds)
        self._weather.be(storm)
        drivers = [begun(lambda: self.disturbed(name), log, disk)]
        if "two" in kinds:
            time.sleep(chance.uniform(0, 1))
            drivers.append(begun(lambda: self.disturbed(name), log))
        self.during(kinds, drivers[0], chance)
        codes = [ended(driver) for driver in drivers]
        if 0 in codes:
            compact = "dataset", "compact", f"{self._bucket}/{name}"
            codes.append(ended(begun(lambda: dawn(*compact, known=self._known), log)))
        self._weather.be(None)
        self.after(kinds)
        said = f"round {number} of seed {seed}, {', '.join(kinds)}, {storm}: {codes}"
        assert set(codes) <= {0, 2, -signal.SIGKILL}, f"{said}\n{log.read_text()[-3000:]}"
        if 0 in codes[: len(drivers)]:
            self._require(name, f"{said}: ended with 0", log)
        last = ended(begun(lambda: self.ingest(name), log))
        assert last == 0, f"{said}: {last} in calm weather\n{log.read_text()[-3000:]}"
        self._require(name, f"{said}: after a calm run", log)
        return kinds, codes

    def drawn(self, chance: random.Random) -> list[str]:
        """The kinds of a round."""
        return chance.sample(KINDS, chance.choice((1, 1, 2, 3)))

    def disturbed(self, name: str) -> None:
        """What has to stand the weather, in a child."""
        self.ingest(name)

    def before(self, kinds: list[str]) -> None:
        """What is wrong from the start."""

    def during(self, kinds: list[str], driver: int, chance: random.Random) -> None:
        """What happens while the driver works."""
        if "kill" in kinds:
            self.await_requests(chance.randrange(1, self.usual), driver)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver, signal.SIGKILL)

    def after(self, kinds: list[str]) -> None:
        """All is well again."""

    def await_requests(self, count: int, driver: int) -> None:
        """Until the server has seen so many, or the driver has ended."""
        peek = os.WEXITED | os.WNOHANG | os.WNOWAIT  # `ended` takes its code
        while self._weather.requests() < count and os.waitid(os.P_PID, driver, peek) is None:
            time.sleep(0.01)

    def _require(self, name: str, said: str, log: Path) -> None:
        uri = f"{self._bucket}/{name}"
        found, wrong = self._child(lambda: (held(uri), [str(f) for f in faults(Dataset(uri))]))
        assert wrong == [], f"{said}: {wrong}\n{log.read_text()[-3000:]}"
        for key, wanted in self._expected.items():
            assert found[key] == wanted, f"{said}: {key}: {found[key]}\n{log.read_text()[-3000:]}"


@contextlib.contextmanager
def ground() -> Iterator[tuple[Path, Weather]]:
    """A scratch folder, and a server that fails as it is told."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        s3_server(Path(scratch), stormy=True) as address,
        mock.patch.dict(os.environ, address),
    ):
        yield Path(scratch), Weather(address["AWS_ENDPOINT_URL"])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def play(rounds: Rounds, count: int, seed: int) -> bool:
    """Rounds one after the other, told as they end: whether nothing was lost, doubled or
    misreported.
    """
    met: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    bad = 0
    for number in range(count):
        try:
            kinds, ends = rounds.round(number, seed)
        except AssertionError as error:
            bad += 1
            say(f"BAD {error}")
            rounds.after([])
            continue
        met.update(kinds)
        codes.update(ends)
        say(f"{number} {', '.join(kinds)}: {ends}")
    say(f"{count} rounds, {bad} bad; {dict(met)}; exit codes {dict(codes)}")
    return bad == 0


def main(count: int = 200, seed: int = 0) -> None:
    """Exit code 1 and the rounds' stories where one was bad."""
    with ground() as (folder, weather):
        well = play(Rounds(folder, weather), count, seed)
    sys.exit(not well)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
