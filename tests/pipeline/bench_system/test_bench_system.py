"""`dawn bench-system` on a system that is not ours, and on systems that misbehave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from PIL import Image
from scipy.io import wavfile

from eval.speed.runs import INFO, TABLE, load_speed
from manifests.runs import RunFolder
from pipeline.bench_system.command import parsed
from pipeline.bench_system.outcome import first_frame
from pipeline.cli.app import main
from pipeline.query import conventions, query_runs

SYSTEM = [sys.executable, str(Path(__file__).parent / "foreign.py")]
PLACES = ["{image}", "{audio}", "{out}"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("inputs")
    noise = np.random.default_rng(0).integers(0, 255, (80, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "face.png")
    wavfile.write(folder / "voice.wav", 8000, (noise.ravel()[:8000].astype(np.int16) - 128) * 99)
    return ["--image", str(folder / "face.png"), "--audio", str(folder / "voice.wav")]


def bench(*words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dawn", "bench-system", *words])
        with pytest.raises(SystemExit) as left:
            main()
    if left.value.code:
        raise SystemExit(left.value.code)


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = RunFolder(str(out), INFO).read(TABLE).to_pylist()
    return sorted(found, key=lambda row: row["item"])


def test_a_foreign_system(
    tmp_path: Path, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "other"
    words = [*inputs, "--out", str(out), "--seconds", "0.4,1.2", "--price-per-hour", "2"]
    bench(*words, "--repeats", "1", "--", *SYSTEM, *PLACES)
    assert [row["item"] for row in rows(out)] == ["0.4s-1", "0.4s-warm-0", "1.2s-1"]
    before = {row["item"]: row["wall_s"] for row in rows(out)}
    bench(*words, "--repeats", "2", "--", *SYSTEM, *PLACES)
    there = rows(out)
    assert len(there) == 5
    assert before.items() <= {row["item"]: row["wall_s"] for row in there}.items()  # resumed
    for row in there:
        assert row["status"] == "ok"
        assert row["frames"] == round(25 * row["voice_s"])
        assert 0 < row["first_frame_s"] <= row["wall_s"]
        assert row["peak_memory_bytes"] > 2**20
        assert row["cpu_s"] > 0
        assert (row["peak_gpu_memory_bytes"] is None) == bool(row["gpu_memory_reason"])
    info = json.loads((out / INFO).read_text())
    assert info["command"] == [*SYSTEM, *PLACES]
    assert info["device"]
    found = load_speed(str(out))
    assert [(one.voice_s, one.runs, one.p95_s) for one in found.lengths] == [
        (0.4, 2, None), (1.2, 2, None),
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert f"done: {out}: 4 runs of other" in said
    assert "next: dawn leaderboard" in said
    (row,) = query_runs(
        "SELECT count(*) AS n, max(frames) AS most FROM speed_runs", [str(tmp_path)], conventions()
    ).to_pylist()
    assert row == {"n": 5, "most": 30}


@pytest.mark.parametrize(
    ("flags", "early"), [("frag_keyframe+empty_moov", True), ("faststart", False)]
)
def test_a_frame_shows_as_soon_as_the_file_holds_it(
    tmp_path: Path, flags: str, *, early: bool
) -> None:
    out = tmp_path / "out.mp4"
    shows = first_frame(out)
    assert not shows()
    options = {"movflags": flags, "flush_packets": "1"}
    with av.open(str(out), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 5
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        assert shows() == early
        container.mux(stream.encode(None))
    assert first_frame(out)()


def test_a_system_that_takes_a_folder(tmp_path: Path, inputs: list[str]) -> None:
    out = tmp_path / "out"
    words = ["--seconds", "0.4", "--repeats", "1", "--warm-ups", "0"]
    places = ["{image}", "{audio}", "{out_dir}"]
    bench(*inputs, "--out", str(out), *words, "--", *SYSTEM, *places, "folder")
    (row,) = rows(out)
    assert (row["status"], row["frames"], row["first_frame_s"]) == ("ok", 10, None)
    assert row["first_frame_reason"]
    assert (out / "videos/0.4s.mp4").is_file()


@pytest.mark.parametrize(
    ("fault", "reason", "says"),
    [
        ("fails", "exit_code", "it ended with exit code 1 (CUDA out of memory)"),
        ("nothing", "no_video", "the command ended well and wrote no video.mp4"),
        ("hangs", "timed_out", "it ran longer than 2 s"),
        ("short", "other_length", "the video lasts 0.60 s, its voice 1.20 s"),
        ("cut", "unreadable", "video.mp4 is no whole video"),
    ],
)
def test_what_is_no_video_is_no_measurement(
    tmp_path: Path, inputs: list[str], fault: str, reason: str, says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    limit = "2" if fault == "hangs" else "300"
    words = ["--seconds", "1.2", "--warm-ups", "0", "--timeout-seconds", limit]
    with pytest.raises(SystemExit) as left:
        bench(*inputs, "--out", str(out), *words, "--", *SYSTEM, *PLACES, fault)
    assert left.value.code == 2
    (row,) = rows(out)
    assert (row["status"], row["reason"], row["frames"]) == ("failed", reason, None)
    assert says in row["detail"]
    assert says in capsys.readouterr().err
    assert list((out / "logs").iterdir())
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(out) in str(p.info["cmdline"])]


def test_what_a_killed_command_started_ends_with_it(tmp_path: Path, inputs: list[str]) -> None:
    mark = tmp_path / "pid"
    script = (
        "import subprocess, sys, time; "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True); "
        f"open({str(mark)!r}, 'w').write(str(p.pid)); time.sleep(600)"
    )
    words = ["--seconds", "1", "--warm-ups", "0", "--timeout-seconds", "8"]
    with pytest.raises(SystemExit):
        bench(
            *inputs, "--out", str(tmp_path / "out"), *words, "--",
            sys.executable, "-c", script, *PLACES,
        )  # fmt: skip
    assert ended(int(mark.read_text()))


def ended(pid: int) -> bool:
    """Whether a process that was killed is gone, or waits for nobody but its parent."""
    for _ in range(200):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


TOLD_AS_IT_BEGINS = """
import subprocess, time
real = subprocess.Popen
def begin(*words, **options):
    begun = real(*words, **options)
    while not Path({mark!r}).exists() or not Path({mark!r}).read_text().endswith(chr(10)):
        time.sleep(0.02)
    os.kill(os.getpid(), {told})
    return begun
subprocess.Popen = begin
"""


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_harness_leaves_nothing_behind(
    tmp_path: Path, told: signal.Signals, begins: bool
) -> None:
    """`begins`: told when the command has begun, and before its number is known."""
    mark = tmp_path / "pid"
    code = (
        "import os, sys, signal; from pathlib import Path\n"
        "from pipeline.bench_system.watched import run_watched\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{TOLD_AS_IT_BEGINS.format(mark=str(mark), told=int(told)) if begins else ''}\n"
        f"run_watched(['sh', '-c', 'echo $$ > {mark}; sleep 600'], Path('{tmp_path}/log'), 600,"
        " None)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as harness:
        while not mark.exists() or not mark.read_text().endswith("\n"):
            assert harness.poll() is None
            time.sleep(0.02)
        if not begins:
            harness.send_signal(told)
        assert harness.wait() != 0
    assert ended(int(mark.read_text()))


NVIDIA_SMI = """#!/bin/sh
case "$*" in
*name,driver*) printf 'NVIDIA H100, 555.42\\nNVIDIA H100, 555.42\\n' ;;
*loop-ms*) while sleep 0.02; do printf '0, 700\\n1, 50\\n'; done ;;
*) printf '0, 100\\n1, 50\\n' ;;
esac
"""


def test_memory_of_gpus_is_what_comes_on_top(
    tmp_path: Path, inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two GPUs as `nvidia-smi` tells of them, of which one fills up."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    out = tmp_path / "out"
    words = ["--seconds", "0.4", "--repeats", "1", "--warm-ups", "0"]
    bench(*inputs, "--out", str(out), *words, "--", *SYSTEM, *PLACES)
    (row,) = rows(out)
    assert row["device"] == "2 x NVIDIA H100"
    assert row["peak_gpu_memory_bytes"] == 600 * 2**20
    assert row["gpu_memory_reason"] is None
    assert json.loads((out / INFO).read_text())["versions"]["nvidia_driver"] == "555.42"


def test_other_devices_and_commands_do_not_mix(
    tmp_path: Path, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*inputs, "--out", str(tmp_path / "out"), "--seconds", "0.4", "--repeats", "1"]
    bench(*words, "--device", "a", "--", *SYSTEM, *PLACES)
    for device, more in (("b", []), ("a", ["faster"])):
        with pytest.raises(SystemExit):
            bench(*words, "--device", device, "--", *SYSTEM, *PLACES, *more)
        assert "was made with other settings" in capsys.readouterr().err


def test_bad_use_is_one_line(
    tmp_path: Path, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    cases: dict[tuple[str, ...], str] = {
        ("--", *SYSTEM, "{image}", "{audio}"): "must have {out}",
        ("--", *SYSTEM, "{audio}", "{out}"): "has no {image}",
        ("--", *SYSTEM, *PLACES, "{out_dir}"): "not both",
        ("--", "no-such-program", *PLACES): "no such program",
        ("--seconds", "fast", "--", *SYSTEM, *PLACES): "--seconds fast",
        ("--price-per-hour", "-1", "--", *SYSTEM, *PLACES): "positive number",
    }
    for words, says in cases.items():
        with pytest.raises(SystemExit):
            bench(*inputs, *out, *words)
        assert says in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench("--image", __file__, *inputs[2:], *out, "--", *SYSTEM, *PLACES)
    assert "is no picture" in capsys.readouterr().err


def test_words_reach_the_system_as_they_are(tmp_path: Path) -> None:
    words = parsed([sys.executable, "$HOME; {image}", "--to={out}", "{audio}"]).filled(
        Path("/a b"), Path("/v"), Path("/{image}")
    )
    assert words == [sys.executable, "$HOME; /a b", "--to=/{image}", "/v"]
