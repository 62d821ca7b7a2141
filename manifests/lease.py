"""One writer at a time where the system has no locks: an object that its holder keeps renewing.

`.lock` says who holds the folder and when that was last true. Who wants it makes the object only if
there is none, where the store can do that in one request (S3, GCS, Azure); elsewhere it writes,
waits, and has it if what is read back is its own. A holder reads before it renews: one that finds
another's name, or could not renew for `EXPIRY_S`, has lost the folder and commits nothing more.

What this guarantees: of two commands that begin, at any distance in time, one is refused; what was
killed blocks for `EXPIRY_S` (and by how much its machine's clock is ahead), on its own machine not
at all. What it does not: a holder that was stopped for longer than `EXPIRY_S` (a suspended machine)
may finish the commit that it is in after another has begun.
"""

import contextlib
import inspect
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from manifests.errors import InputError

BEAT_S = 10.0
EXPIRY_S = 60.0
_SETTLE_S = 2.0
"""Longer than a write takes to be seen by all."""

_TRIES = 5
"""Commands that come and go while this one asks."""

_FAULTS = (OSError, ValueError, RuntimeError)
"""What a store's libraries raise while it cannot be reached."""


class Lease:
    """The hold of one command on a folder of a store."""

    def __init__(self, fs: AbstractFileSystem, path: str, folder: str) -> None:
        self._fs, self._path, self._folder = fs, path, folder
        self._me = {
            "token": uuid.uuid4().hex, "host": platform.node(), "machine": _machine(),
            "pid": os.getpid(), "since": _utc(),
        }  # fmt: skip
        self._renewed = time.monotonic()
        self._taken = False

    def require(self) -> None:
        """Raise InputError when the folder is another's now."""
        if self._taken or time.monotonic() - self._renewed > EXPIRY_S:
            raise InputError(
                f"{self._folder}: this command lost its hold of the folder (it was stopped, or the "
                f"store out of reach, for over {EXPIRY_S:.0f} s); run it again to go on"
            )

    @contextlib.contextmanager
    def held(self) -> Iterator["Lease"]:
        """Hold it meanwhile. Raises InputError while another does."""
        self._take()
        ended = threading.Event()
        beat = threading.Thread(target=self._renew_until, args=(ended,), daemon=True)
        beat.start()
        try:
            yield self
        finally:
            ended.set()
            beat.join(timeout=BEAT_S)
            with contextlib.suppress(*_FAULTS):
                if (self._holder() or {}).get("token") == self._me["token"]:
                    self._fs.rm_file(self._path)

    def _take(self) -> None:
        sure = once = _creates_once(self._fs)
        holder = self._holder()
        if holder is not None:
            if not self._is_left(holder):
                raise self._refusal(holder)
            sure = False  # another may be clearing the same one away
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._path)
        for _ in range(_TRIES):
            if self._made(once):
                break
        if not sure:
            time.sleep(_SETTLE_S)
        holder = self._holder() or {}
        if holder.get("token") != self._me["token"]:
            raise self._refusal(holder)
        self._renewed = time.monotonic()

    def _made(self, once: bool) -> bool:
        """Make the object; False where another did, who has gone since."""
        try:
            self._fs.pipe_file(self._path, self._text(), **({"mode": "create"} if once else {}))
        except FileExistsError:
            return self._holder() is not None  # maybe ours: an answer may have been lost
        except OSError:
            if self._holder() is None:
                raise  # the store's fault, not another holder's
        return True

    def _is_left(self, holder: dict[str, Any]) -> bool:
        """Whether who made it is gone: dead on this machine, or silent for long enough. Clocks of
        machines differ, hence one that seems silent is watched for a beat before it is believed.
        """
        here = holder.get("machine") == self._me["machine"]
        if here and not Path(f"/proc/{holder.get('pid')}").exists():
            return True
        if time.time() - float(holder.get("beat", 0)) < EXPIRY_S:
            return False
        time.sleep(1.5 * BEAT_S)
        return (self._holder() or {}).get("beat") == holder.get("beat")

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT_S):
            with contextlib.suppress(*_FAULTS):
                if (self._holder() or {}).get("token") != self._me["token"]:
                    self._taken = True
                    return
                self._fs.pipe_file(self._path, self._text())
                self._renewed = time.monotonic()

    def _holder(self) -> dict[str, Any] | None:
        try:
            text = self._fs.cat_file(self._path)
        except FileNotFoundError:
            return None
        with contextlib.suppress(ValueError):
            found = json.loads(text)
            if isinstance(found, dict):
                return found
        return {}  # half written, or none of ours: nobody who renews it

    def _text(self) -> bytes:
        return json.dumps(self._me | {"beat": time.time()}).encode()

    def _refusal(self, holder: dict[str, Any]) -> InputError:
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
        return InputError(
            f"{self._folder}: another dawn command is writing to it ({who}, since "
            f"{holder.get('since', '?')}); wait for it to end, or {EXPIRY_S:.0f} s if it was killed"
        )


def _creates_once(fs: AbstractFileSystem) -> bool:
    """Whether `pipe_file(…, mode="create")` is one request, of which only one can succeed."""
    own = type(fs)._pipe_file if getattr(fs, "async_impl", False) else type(fs).pipe_file
    return own is not AbstractFileSystem.pipe_file and "mode" in inspect.signature(own).parameters


def _machine() -> str:
    """Names this machine since its start, and the container: where a process number means one."""
    parts = [Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")]
    try:
        return f"{parts[0].read_text().strip()} {parts[1].readlink()}"
    except OSError:
        return uuid.uuid4().hex


def _utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
