"""Workers have no terminal, however Ray was started; the driver keeps its own. Ray starts whatever
the folder for temporary files is called.
"""

import os
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.terminals import run_in_terminal

JOBS = '''
import os, subprocess, sys, termios

def touch() -> tuple[int, bool]:
    """As ffmpeg does: set standard input's terminal. As ssh does: open the terminal."""
    code = "import termios; termios.tcsetattr(0, termios.TCSANOW, termios.tcgetattr(0))"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, stderr=subprocess.DEVNULL)
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return answer.returncode, False
    return answer.returncode, True
'''

SCRIPT = """
import os
from jobs import touch
from pipeline.cluster.tasks import OnRay

executor = OnRay(1)
executor.submit("here", touch)
print("jobs:", dict(executor.results()))
executor.close()
print("driver's own:", os.isatty(0), touch())
"""


def test_a_job_that_touches_the_terminal_ends(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "script.py").write_text(SCRIPT)
    # Temporary files go to a folder whose name is longer than Ray's sockets can have.
    scratch = tmp_path / ("job-" + "1234567890" * 6)
    scratch.mkdir()
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "TMPDIR": str(scratch)}
    code, text = run_in_terminal(f"{sys.executable} script.py", tmp_path, env)
    assert code == 0, text
    assert "jobs: {'here': (1, False)}" in text
    assert "driver's own: True (0, True)" in text
