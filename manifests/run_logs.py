"""What commands did, as JSON lines in the folder `logs` of a dataset or a run.

A command's own file is `TIME-COMMAND-ID.jsonl`, each line on the disk as it comes. In an object
store, where nothing can be appended, lines lie in numbered parts (`….0001.jsonl`); the last one is
written again every `EVERY_S` seconds, until it is large enough. Logs are notes beside the tables:
nothing reads them but people, and what cannot be written is lost.
"""

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from manifests.location import Place
from manifests.store import LOGS, Session

KEPT = 50
"""Commands whose logs are kept, the newest."""
EVERY_S = 30.0
PART_BYTES = 4_000_000

_OURS = re.compile(r"(\d{8}T\d{6}\.\d{6}Z-[a-z]+-[0-9a-f]{8})(\.\d{4})?\.jsonl")
_ADDRESS = re.compile(
    r"([A-Za-z][\w+.-]*://)(?:[^\s/@\"'\\]*@)?([^\s?#\"'\\]*)(?:[?#][^\s\"'\\]*)?"
)
_GIVEN = re.compile(
    r"(?i)\b([\w-]*(?:signature|credential|token|secret|password|api_?key|\bsig)=)[^\s&\"'\\]+"
)
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|API_KEY|CREDENTIAL")
_SHORTEST = 8
"""Characters of a secret that the environment holds: shorter ones are words of their own."""


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text without users, passwords and queries of addresses, and without what variables of the
    environment hold whose names tell of secrets.
    """
    text = _GIVEN.sub(r"\1***", _ADDRESS.sub(r"\1\2", text))
    for name, value in environment.items():
        if len(value) >= _SHORTEST and _SECRET.search(name) and not name.endswith("_FILE"):
            text = text.replace(value, "***")
    return text


class LogFile:
    """The lines of one command. `failed` is told once of what cannot be written; nothing raises."""

    def __init__(self, root: str, name: str, failed: Callable[[str], None]) -> None:
        self._root, self._name, self._failed = root, name, failed
        self._place: Place | None = None
        self._torn = False
        """Whether a line may have been written by half."""
        self._lines, self._number, self._stored = bytearray(), 1, 0
        """Of the part that is being written: its lines, its number, how many bytes are stored."""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Make room for it, write what came before, and drop the logs of the oldest commands."""
        self._try(self._open)

    def write(self, line: str) -> None:
        """Add a line."""
        content = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._place is not None and self._place.local:
            self._try(lambda: self._append(content))
        else:
            with self._lock:
                self._lines += content

    def close(self) -> None:
        """Write what is left; a log that was never opened leaves nothing."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._try(self._put)

    def _open(self) -> None:
        place = self._place = Place.of(f"{self._root}/{LOGS}")
        if place.local:
            Path(place.path).mkdir(exist_ok=True)
            self._append(bytes(self._lines))
        else:
            self._thread = threading.Thread(target=self._put_until_ended, daemon=True)
            self._thread.start()
        _drop_old(place, self._name)

    def _append(self, content: bytes) -> None:
        """To a file that is opened anew: a removal may have put another in its place."""
        if self._place is None:
            return
        with Path(self._place.path, f"{self._name}.jsonl").open("ab") as file:
            content, self._torn = b"\n" * self._torn + content, True
            file.write(content)
        self._torn = False

    def _put_until_ended(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._try(self._put)

    def _put(self) -> None:
        """The part again, with the lines that came since; what cannot be stored until it is full
        is lost.
        """
        with self._lock:
            lines, number, stored = bytes(self._lines), self._number, self._stored
            if len(lines) >= PART_BYTES:
                self._lines, self._number, self._stored = bytearray(), number + 1, 0
        if len(lines) > stored and self._place is not None:
            path = f"{self._place.path}/{self._name}.{number:04d}.jsonl"
            self._place.fs.pipe_file(path, lines)
            if self._number == number:
                self._stored = len(lines)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a store's libraries raise
            tell, self._failed = self._failed, _nothing
            why = without_secrets(str(error))
            tell(f"{self._root}/{LOGS}: cannot be written ({why}); the command goes on without")


def _nothing(_: str) -> None:
    """What failed once is not told again."""


def forget_logged(session: Session, names: Iterable[str]) -> None:
    """Take out of a dataset's logs each line that has one of these names anywhere in it, and lines
    that were cut off.
    """
    wanted = {form for name in names if name for form in (name, without_secrets(name))}
    if not wanted:
        return
    told, dataset = re.compile("|".join(map(re.escape, sorted(wanted)))), session.dataset
    for name in dataset.names(LOGS):
        if not _OURS.fullmatch(name):
            continue
        left, kept, lost = session.scratch / "log.jsonl", 0, 0
        with dataset.open_part(f"{LOGS}/{name}") as file, left.open("wb") as copy:
            for line in file:
                if _names(line, told):
                    lost += 1
                else:
                    kept += copy.write(line)
        if not kept:
            dataset.delete(f"{LOGS}/{name}")
        elif lost:
            dataset.publish(left, f"{LOGS}/{name}")


def _names(line: bytes, told: re.Pattern[str]) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return True
    # As a table holds names, not as JSON escapes them.
    return any(told.search(str(value)) for value in record.values())


def _drop_old(place: Place, newest: str) -> None:
    try:
        entries = place.fs.ls(place.path, detail=False, refresh=True)
    except FileNotFoundError:
        return
    found = {path: _OURS.fullmatch(path.rsplit("/", 1)[-1]) for path in entries}
    commands = sorted({newest, *(match[1] for match in found.values() if match)})
    for path, match in found.items():
        if match and match[1] in commands[:-KEPT]:
            place.fs.rm_file(path)
