"""`dawn evaluate` on Ray: the numbers do not depend on workers, shards, or who was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from eval.results.stored import INFO
from manifests.runs import RunFolder
from pipeline.cluster.executor import InProcess
from pipeline.cluster.tasks import OnRay
from pipeline.evaluate.command import plan
from pipeline.evaluate.run import evaluate, results_folder
from tests.conftest import ROOT
from tests.evaluations import content, options
from tests.films import drift, hum, write_film
from tests.networks import write_i3d
from tests.processes import wait_until_gone

METRICS = "psnr,ssim,flicker,fvd16"
CARD = "name: small\nsize: 128\nstride: 3\n"


def films(folder: Path, count: int, noise: float) -> Path:
    folder.mkdir()
    for seed in range(count):
        write_film(folder / f"clip{seed}.mkv", drift(20, seed, noise), hum(20))
    return folder


@pytest.mark.slow
@pytest.mark.ray
def test_workers_and_shards_do_not_matter(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    real, fake = films(tmp_path / "real", 4, 4), films(tmp_path / "fake", 4, 20)
    card = tmp_path / "card.yaml"
    card.write_text(CARD)
    found = []
    for out, executors in (
        ("one", [InProcess()]),
        ("ray", [OnRay(workers=2)]),
        ("shards", [InProcess(), InProcess(), OnRay(workers=1)]),
    ):
        given = options(
            tmp_path / out, str(card), real, videos=fake, system="s", metrics=METRICS,
            trust_weights=("i3d_k400",),
        )  # fmt: skip
        job = plan(given)
        whole = job.pairing.pairs
        for k, executor in enumerate(executors, start=1):
            # A folder that grows: more videos each time, as from a run that is still going on.
            job.pairing.pairs = whole[: len(whole) * k // len(executors)]
            evaluate(job, results_folder(given.out), executor)
        found.append(content(RunFolder(given.out, INFO)))
    assert found[0] == found[1] == found[2]
    assert '"complete": true' in found[0][3]


@pytest.mark.slow
@pytest.mark.ray
def test_killed_with_all_it_started_and_run_again(
    tmp_path: Path, in_ray_session: dict[str, str]
) -> None:
    """The first time on a Ray of its own, which dies with it."""
    real, fake = films(tmp_path / "real", 12, 4), films(tmp_path / "fake", 12, 20)
    card = tmp_path / "card.yaml"
    card.write_text(CARD)

    given = options(tmp_path / "calm", str(card), real, videos=fake, metrics="psnr,ssim,head_jerk")
    evaluate(plan(given), results_folder(given.out), InProcess())

    def start(env: dict[str, str]) -> subprocess.Popen[bytes]:
        arguments = ["--videos", fake, "--reference", real, "--out", tmp_path / "killed"]
        more = ["--metrics", "psnr,ssim,head_jerk", "--protocol", card, "--workers", "2"]
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "evaluate", *map(str, [*arguments, *more])],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    killed = start(dict(os.environ))
    while not list((tmp_path / "killed/clips").glob("*.parquet")):
        assert killed.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    children = psutil.Process(killed.pid).children(recursive=True)
    for process in [*children, psutil.Process(killed.pid)]:
        process.kill()
    assert killed.wait() == -signal.SIGKILL
    wait_until_gone(children)
    done = len(list((tmp_path / "killed/clips").glob("*.parquet")))
    assert 1 <= done < 12, "it was to be killed half way"
    assert start(in_ray_session).wait() == 0
    assert content(RunFolder(str(tmp_path / "killed"), INFO)) == content(
        RunFolder(str(tmp_path / "calm"), INFO)
    )
