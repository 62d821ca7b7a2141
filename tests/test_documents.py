"""Every command of README and docs/, run as it stands there, in a terminal, with relative paths.

One folder holds what the documents assume; one Ray, started from a terminal as users start it, runs
the commands. The first command of each kind is a new process, further ones and Ray's workers are
forked from one that has imported. Presets have a few steps instead of thousands, and load their
samples themselves; videos are sampled in one step, and the demo's footage is shorter.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import duckdb
import pytest
from PIL import Image

from dawn.synthetic.footage import write_footage
from tests.certificates import write_signer
from tests.clusters import ray_from_a_terminal
from tests.terminals import run_in_terminal, terminal_program
from tests.warm import warm_python, warm_ray

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *("docs/ingest.md", "README.md", "docs/training.md", "docs/generation.md"),
    *("docs/evaluation.md", "docs/leaderboard.md", "docs/votes.md", "docs/regression.md"),
    "docs/provenance.md",
    "docs/queries.md",
    "docs/models.md",
    "docs/publishing.md",
    "docs/cluster.md",
    "docs/view.md",
]
"""In the order of the work: what an earlier one makes, a later one may use."""
ELSEWHERE = ("docs/extending.md",)
"""Documents whose commands test_extending.py runs, in an environment of their own."""

NOT_RUN = {
    "git clone": "the clone is where this runs",
    "make ": "CI runs the one, test_demo.py the command of the other",
    "source .venv": "the environment is active",
    "dawn train lfg --dataset data/ --out runs/lfg --preset 128": "needs eight GPUs",
    "dawn train a2v --dataset data/ --out runs/a2v --preset 128": "builds on the one above",
    "dawn train all --dataset data/ --out runs/small --preset small": "needs a GPU",
    "dawn generate --checkpoint official-128": "needs HuBERT-large; test_generate_official.py",
    "ray start --head": "the fixture `cluster` starts one, on free ports",
    "dawn ingest footage/ --dataset data/ --address": "names the cluster of the line above",
    "ray job submit --address http://head:8265": "needs that cluster and its object store",
    "tensorboard --logdir": "serves until it is stopped; started below",
    "dawn serve --checkpoint": "serves until it is stopped; tests/pipeline/serve",
    "dawn bench-system": "takes minutes; tests/pipeline/bench_system",
    "dawn leaderboard results/* --speed": "takes its times; tests/pipeline/evaluate",
    "dawn vote serve": "serves until it is stopped; tests/pipeline/votes",
    "dawn view ": "serves until it is stopped; tests/pipeline/view",
    "portrait=$(curl": "asks it; the same",
    "curl --silent": "the same",
    "export RAY_AUTH_MODE=token": "for several machines; tests/test_cluster.py",
    "export RAY_ADDRESS=HEAD": "the same",
    "ray start --address=HEAD": "the same",
    "ray up deploy/": "needs AWS; tests/test_deploy.py reads the file",
    "kubectl": "needs Kubernetes; the same",
    "sbatch deploy/slurm.sh": "needs Slurm; tests/test_deploy.py runs the script",
    "dawn ingest s3://": "needs a bucket; tests/test_cluster.py",
    "dawn dataset validate s3://": "the same",
    "dawn dataset compact s3://": "the same",
    "dawn train all --dataset s3://": "the same",
    "dawn generate --checkpoint s3://": "the same",
    "dawn evaluate --run s3://": "the same",
    "dawn evaluate --baseline real --reference s3://": "the same",
    "dawn leaderboard s3://": "the same",
    "python -m tests.parity": "tests/dawn/test_parity.py",
}
VERDICTS = ("dawn regress --", "dawn eval-checkpoint")
"""Commands whose exit code is a verdict: 0 passed, 1 failed or not decided."""

SHORT = """\
import sys
from dataclasses import replace
from pathlib import Path

from dawn.sampling.settings import GenerateConfig
from dawn.training.stage import Stage
from pipeline.cli.app import main
from tests.warm import with_warm_workers

whole = Stage.preset


def short(self, name, source="code"):
    config = whole(self, name, source)
    quick = {"steps": 2, "validate_every": 2, "validation_clips": 1, "loader_workers": 0}
    return replace(config, run=replace(config.run, **quick))


Stage.preset = short
GenerateConfig.__init__.__kwdefaults__["steps"] = 1
GenerateConfig.__dataclass_fields__["steps"].default = 1  # of what is read from settings
if sys.argv[1:2] == ["demo"]:
    from pipeline.demo import model as demo_model
    from pipeline.demo import run as demo_run

    demo_model.TRAINED_STEPS = 2
    demo_model.SETTINGS = replace(demo_model.SETTINGS, steps=1, guidance=1.0)
    demo_run.SECONDS = 3.6

if __name__ == "__main__":  # not in the processes that read samples
    if sys.argv[1:2] == ["demo"] and not Path("demo").exists():  # else it starts no Ray
        with with_warm_workers(main):
            pass
    main()
"""

DAWN = """\
#!/bin/sh
case "$1" in query) kind=$1;; *) kind=$(echo "$1 $2" | tr / _);; esac
if mkdir "{programs}/begun/$kind" 2> /dev/null; then python={python}; else python={warm}; fi
case "$1" in train|demo|generate|eval-checkpoint)
exec $python {programs}/short_dawn.py "$@";; esac
exec $python -m pipeline.cli "$@"
"""
"""A command's first run is of a process of its own, further ones are of one that has imported."""


def blocks(document: str) -> list[tuple[str, str]]:
    """A document's code blocks: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / document).read_text(), re.S | re.M)


def commands(document: str) -> list[str]:
    """The shell commands and Python programs of a document's blocks."""
    found = []
    for language, text in blocks(document):
        if language == "bash":
            found += split_commands(text)
        elif language == "python":
            found.append(f"python - <<'END'\n{text}END")
    return found


def split_commands(script: str) -> list[str]:
    """Lines joined until the shell takes them as whole."""
    found, begun = [], ""
    for line in script.splitlines():
        begun += line + "\n"
        whole = subprocess.run(["/bin/bash", "-n", "-c", begun], capture_output=True, check=False)
        open_text = b"here-document" in whole.stderr  # of which bash only warns
        if whole.returncode == 0 and not open_text and not begun.endswith("\\\n"):
            found.append(begun.strip())
            begun = ""
    assert not begun, begun
    plain = (re.sub(r"\s+#\s.*$", "", command, flags=re.M) for command in found)
    return [command for command in plain if command and not command.startswith("#")]


def not_run(command: str) -> str | None:
    """The entry of NOT_RUN that a command falls under."""
    return next((start for start in NOT_RUN if command.startswith(start)), None)


def test_every_block_that_holds_commands_is_marked_as_such() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for language, text in blocks(str(document.relative_to(ROOT))):
            if language not in ("bash", "yaml"):
                assert not re.search(r"^(dawn|ray|python|make|duckdb) ", text, re.M), document.name
        if "```bash" in document.read_text():
            assert str(document.relative_to(ROOT)) in (*DOCUMENTS, *ELSEWHERE)


def test_what_is_not_run_is_still_documented() -> None:
    documented = [command for document in DOCUMENTS for command in commands(document)]
    assert len(documented) > 40
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in documented), start


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documents speak of: footage, a list, a face, a voice."""
    work = tmp_path_factory.mktemp("studio")
    for folder, kinds in {
        "footage": ["plain", "variable", "truncated"], "more": ["rotated"],
        "raw": ["ntsc", "second"], "raw/more": ["delayed"],
    }.items():  # fmt: skip
        (work / folder).mkdir()
        write_footage(work / folder, kinds=kinds, seconds=2.0)
    (work / "more/rotated.mp4").rename(work / "more/rotated.mov")
    (work / "list.csv").write_text(
        "path,speaker,split\nraw/ntsc.mp4,anna,val\nraw/second.mp4,ben,test\n"
        "raw/more/delayed.mp4,eve,test\n"
    )
    with av.open(work / "footage/plain.mp4") as container:
        face = next(container.decode(video=0)).to_image()
    face.save(work / "face.png")
    group = Image.new("RGB", (2 * face.width, face.height))
    group.paste(face)
    group.paste(face.resize((face.width * 4 // 5, face.height * 4 // 5)), (face.width, 0))
    group.save(work / "group.jpg")
    write_voice(work / "footage/plain.mp4", work / "voice.wav", 0.4)
    (work / "jobs.csv").write_text("image,audio,name\nface.png,voice.wav,one\n")
    return work


def write_voice(video: Path, path: Path, seconds: float) -> None:
    """The first seconds of a video's sound."""
    with av.open(video) as source, av.open(path, "w") as target:
        stream = target.add_stream("pcm_s16le", rate=source.streams.audio[0].rate)
        for frame in source.decode(audio=0):
            if frame.time >= seconds:
                break
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A user's shell, where commands of a kind that has run begin warm."""
    with warm_python() as warm:
        yield shell(tmp_path_factory.mktemp("programs"), warm)


def shell(programs: Path, warm: str = sys.executable) -> dict[str, str]:
    """What a user's shell has: `dawn` and `python` on PATH, and an ffmpeg."""
    terminal_program(programs)
    (programs / "short_dawn.py").write_text(SHORT)
    (programs / "begun").mkdir()
    dawn = programs / "dawn"
    dawn.write_text(DAWN.format(programs=programs, python=sys.executable, warm=warm))
    dawn.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    ours = {"PATH": path, "PYTHONPATH": str(ROOT), "TOUCHED": str(programs / "touched")}
    return {**os.environ, **ours, "RAY_AUTH_MODE": "token"}


@pytest.fixture(scope="module")
def cluster(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The Ray that all commands join."""
    folder = tmp_path_factory.mktemp("cluster")
    with warm_ray() as ray, ray_from_a_terminal(folder, environment, ray) as named:
        yield named


def before(command: str, work: Path) -> None:
    """What a document assumes to be there and no command above it makes."""
    made: dict[str, Callable[[], object]] = {
        "results/next": lambda: shutil.copytree(work / "results/dawn", work / "results/next"),
        "run/model": lambda: shutil.copytree(work / "runs/first/model", work / "run/model"),
        "runs/mine": lambda: shutil.copytree(work / "runs/dawn", work / "runs/mine"),
        "runs/old": lambda: shutil.copytree(work / "runs/dawn", work / "runs/old"),
        "runs/new": lambda: shutil.copytree(work / "runs/dawn", work / "runs/new"),
        "theirs/": lambda: named_as_clips(work, "theirs"),
        "real_videos/": lambda: named_as_clips(work, "real_videos"),
        " model ": lambda: shutil.copytree(work / "runs/first/model", work / "model"),
        "LFG_128_1000ep.pth": lambda: official(work),
        "chain.pem": lambda: write_signer(work),
    }
    for name, make in made.items():
        if name in command and not (work / name.strip()).exists():
            make()


def named_as_clips(work: Path, name: str) -> None:
    """A folder of videos, each named after its clip."""
    (work / name).mkdir()
    for video in (work / "runs/dawn/videos").rglob("*.mp4"):
        shutil.copy(video, work / name / f"{video.stem.rsplit('-', 1)[0]}.mp4")


def run_job(command: str, work: Path, environment: dict[str, str]) -> tuple[int, str]:
    """As soon as Ray's agent, which takes jobs, has started."""
    end = time.monotonic() + 300
    while True:
        code, text = run_in_terminal(command, work, environment)
        if "No available agent" not in text:
            return code, text
        assert time.monotonic() < end, text


def official(work: Path) -> None:
    """Random weights in the official layout, under the names that the documents give."""
    from tests.pipeline.generate.test_official import write_release

    *_, pose, blink = write_release(work)
    for file, name in (
        (pose, "pose/checkpoint_40000.pth.tar"),
        (blink, "blink/checkpoint_95000.pth.tar"),
    ):
        (work / name).parent.mkdir()
        shutil.copy(file, work / name)
        shutil.copy(file.parent / "opt.yaml", (work / name).parent)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_documented_command_runs_as_it_stands(
    studio: Path, environment: dict[str, str], cluster: dict[str, str]
) -> None:
    done = set()
    for document in DOCUMENTS:
        for command in commands(document):
            if not_run(command) or command in done:
                continue
            done.add(command)
            before(command, studio)
            begun = time.monotonic()
            run = run_job if command.startswith("ray job") else run_in_terminal
            code, text = run(command, studio, environment | cluster)
            took = time.monotonic() - begun
            sys.stdout.write(f"{took:5.1f} s  {command.splitlines()[0]}\n")
            allowed = (0, 1) if command.startswith(VERDICTS) else (0,)
            assert code in allowed, f"{document}: {command}\nends with {code}:\n{text[-3000:]}"
    assert (studio / "runs/first/model/lfg/lfg.safetensors").is_file()
    made = duckdb.sql(f"FROM '{studio}/runs/dawn/generations/*.parquet'").to_arrow_table()
    assert {*made["steps"].to_pylist()} == {1}, "they were sampled in the usual number of steps"
    assert (studio / "talking.mp4").is_file()
    assert (studio / "page/index.html").is_file()
    assert not Path(environment["TOUCHED"]).exists(), "a command started ffmpeg"


@pytest.mark.slow
@pytest.mark.parametrize("program", ["tensorboard --version", "ray --version", "dawn --help"])
def test_programs_that_the_documents_name_start(program: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        program.split(), env=shell(tmp_path), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
