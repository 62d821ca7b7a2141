"""Keeping Ray's processes away from the user's terminal.

A worker is no foreground process: one that reads the terminal or changes its settings, or whose
child does, is stopped by the system for ever. `ffmpeg` does it merely by starting.
"""

import contextlib
import fcntl
import os
import termios
from collections.abc import Iterator


@contextlib.contextmanager
def processes_without_terminal() -> Iterator[None]:
    """Processes started meanwhile have an empty standard input; ours is as before afterwards."""
    try:
        ours = os.dup(0)
    except OSError:  # closed: there is nothing to pass on
        yield
        return
    _empty_standard_input()
    try:
        yield
    finally:
        os.dup2(ours, 0)
        os.close(ours)


def leave_terminal() -> None:
    """In a worker, on whichever node and however Ray was started there: an empty standard input,
    and no terminal to be stopped by.
    """
    _empty_standard_input()
    with contextlib.suppress(OSError):  # there is no terminal
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        finally:
            os.close(terminal)


def _empty_standard_input() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null != 0:
        os.close(null)
