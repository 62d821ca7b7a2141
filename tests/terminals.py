"""Commands in a real terminal, as users run them."""

import os
import select
import subprocess
import time
from pathlib import Path

TOUCHES = """#!/bin/sh
# As FFmpeg does when it starts: sets the terminal, if standard input is one.
echo "$0 $*" >> "$TOUCHED"
stty sane
"""


def terminal_program(folder: Path, name: str = "ffmpeg") -> Path:
    """A program that touches the terminal, and notes each start in the file $TOUCHED."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(TOUCHES)
    program.chmod(0o755)
    return program


class Terminal:
    """A shell command with a pseudo-terminal of its own as its controlling terminal."""

    def __init__(self, script: str, cwd: Path, env: dict[str, str], columns: int = 120) -> None:
        ours, theirs = os.openpty()
        os.set_blocking(ours, False)
        self._ours, self._text = ours, b""
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=cwd, env={**env, "COLUMNS": str(columns), "TERM": "xterm"},
            preexec_fn=lambda: os.login_tty(theirs),
        )  # fmt: skip
        os.close(theirs)

    @property
    def text(self) -> str:
        """What it has shown so far; a line that was written over stands as lines."""
        return self._text.decode(errors="replace").replace("\r", "\n")

    def read(self, seconds: float) -> bool:
        """Read what is shown within so many seconds; False: nothing more will come."""
        if select.select([self._ours], [], [], seconds)[0]:
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # how a terminal ends whose last process has gone
                return False
            self._text += part
            return bool(part)
        return True

    def wait(self, limit_s: float) -> int:
        """The exit code. Fails the test, with what was shown, when it does not end: the limit is
        for what hangs, not for what is slow.
        """
        end = time.monotonic() + limit_s
        while self.process.poll() is None:
            self.read(0.2)
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"does not end: …{self.text[-2000:]}")
        while self.read(0) and select.select([self._ours], [], [], 0)[0]:
            pass
        os.close(self._ours)
        return self.process.returncode


def run_in_terminal(
    script: str, cwd: Path, env: dict[str, str], limit_s: float = 900
) -> tuple[int, str]:
    """Exit code and what was shown."""
    terminal = Terminal(script, cwd, env)
    return terminal.wait(limit_s), terminal.text
