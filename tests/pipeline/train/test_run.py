"""Training on Ray: kills, workers that agree, refusals, and the command."""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from dawn import checkpoints
from dawn.lfg.config import LFG_TINY
from dawn.training.config import LFGTraining, RunSettings
from dawn.training.loop import Trainer
from dawn.training.state import Checkpoints
from dawn.training.task import TrainingTask, plan
from manifests.errors import InputError
from manifests.parquet import write_parquet
from manifests.runs import TRAINING, RunFolder
from manifests.schema import schema
from manifests.store import Dataset
from pipeline.cli.app import app
from pipeline.train.command import changed
from pipeline.train.report import Report, ReportPart, curve, curves_of
from pipeline.train.run import INFO, Resources, train
from tests.gradients import gradients_agree
from tests.models import PBNET_MEL, write_network
from tests.small import SMALL_LFG

pytestmark = pytest.mark.ray

SHORT = RunSettings(
    steps=4, batch=2, lr=1e-3, validate_every=2, validation_clips=2, loader_workers=0
)  # fmt: skip


def lfg_task(dataset: Dataset, out: Path, run: RunSettings = SHORT) -> TrainingTask:
    return plan("lfg", LFGTraining(run=run, network=SMALL_LFG), dataset.path, str(out), None, None)


def weights(out: Path, step: int) -> dict[str, torch.Tensor]:
    path = out / f"checkpoints/step-{step:09d}/training.pt"
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["objective"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("resources", [Resources(workers=2), Resources(workers=1, max_workers=2)])
def test_workers_on_ray_take_the_step_that_a_plain_process_takes(
    resources: Resources, ray_session: None, dataset: Dataset, tmp_path: Path
) -> None:
    """Two of them share the batch, and their batch norms see all of it (tests/dawn/training has
    the other stages without Ray). As many as there are may be one or two.
    """
    run = replace(SHORT, steps=1, batch=4, validate_every=1)
    Trainer(lfg_task(dataset, tmp_path / "plain", run), lambda news: None).run()
    train(lfg_task(dataset, tmp_path / "ray", run), resources, resume=False)
    gradients_agree(tmp_path / "plain", tmp_path / "ray")
    assert (tmp_path / "ray/report.html").exists()


def _worker() -> psutil.Process | None:
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "RayTrainWorker" in line:
            return process
    return None


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_goes_on_from_the_last_checkpoint(
    ray_session: None, dataset: Dataset, tmp_path: Path
) -> None:
    run = replace(SHORT, steps=60, validate_every=10, batch=4)
    out = tmp_path / "run"
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(0.1):
            if Checkpoints(RunFolder(str(out), INFO)).steps() and (victim := _worker()):
                os.kill(victim.pid, signal.SIGKILL)
                killed.append(victim.pid)
                return

    thread = threading.Thread(target=kill)
    thread.start()
    train(lfg_task(dataset, out, run), Resources(workers=1), resume=False)
    ended.set()
    thread.join()
    assert killed
    rows = pq.read_table(out / "metrics.parquet").to_pylist()
    steps = [row["step"] for row in rows if row["name"] == "val/l1"]
    assert steps == [10, 20, 30, 40, 50, 60]
    Trainer(lfg_task(dataset, tmp_path / "calm", run), lambda news: None).run()
    one, other = weights(out, 60), weights(tmp_path / "calm", 60)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_more_than_the_cluster_has_is_refused_at_once(
    ray_session: None, dataset: Dataset, tmp_path: Path
) -> None:
    run = replace(SHORT, batch=64)
    for resources, words in (
        (Resources(workers=64), "needs 64 CPUs"),
        (Resources(workers=1, gpus_per_worker=1), "needs 1 GPUs"),
        (Resources(workers=3), "cannot be shared equally"),
        (Resources(workers=1, max_workers=4), "--max-workers 4: --workers 3: a batch"),
        (Resources(workers=2, max_workers=1), "--max-workers 1: is less than --workers 2"),
    ):
        with pytest.raises(InputError, match=words):
            train(lfg_task(dataset, tmp_path / "run", run), resources, resume=True)
    left = {path for path in (tmp_path / "run").rglob("*") if path.is_file()}
    trained = {path.name for path in left if path.suffix in (".safetensors", ".parquet", ".pt")}
    assert trained <= {"clips.parquet"}, "something was trained"  # what it would have been given


def test_a_folder_with_a_run_is_not_overwritten_and_another_configuration_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(lfg_task(dataset, out, replace(SHORT, steps=2)), Resources(), resume=False)
    with pytest.raises(InputError, match="at step 2 of 2; add --resume to the same command"):
        train(lfg_task(dataset, out, replace(SHORT, steps=2)), Resources(), resume=False)
    with pytest.raises(InputError, match=r"run\.lr: 0\.001 -> 0\.01"):
        train(lfg_task(dataset, out, replace(SHORT, steps=2, lr=0.01)), Resources(), resume=True)
    before = (out / "metrics.parquet").read_bytes()
    train(lfg_task(dataset, out, replace(SHORT, steps=2)), Resources(), resume=True)
    assert (out / "metrics.parquet").read_bytes() == before


def test_the_command_trains_a_stage_by_relative_paths_and_says_what_is_next(
    ray_session: None, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Train's workers have directories of their own: paths mean what the user's shell says."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(dataset.path)
    write_network(Path("before/model/pbnet"), "pbnet", PBNET_MEL)
    words = "train pbnet --dataset data/ --out runs/first --init before/model --preset tiny"
    for setting in ("run.steps=2", "run.validate_every=1", "run.loader_workers=0", "frames=20"):
        words += f" --set {setting}"
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    assert f"the best network is in {tmp_path}/runs/first/model/pbnet" in result.output
    assert "next: look at" in result.output
    card = checkpoints.read_card(tmp_path / "runs/first/model/pbnet/pbnet.json")
    assert set(card.source["states"]) == {"low", "high"}
    told = RunFolder("runs/first", INFO).info()
    assert (told["dataset"], told["init"]) == (f"{tmp_path}/data", f"{tmp_path}/before/model")


def test_an_attempt_that_trained_nothing_is_begun_anew(dataset: Dataset, tmp_path: Path) -> None:
    """Even with other settings: what failed is mended by changing them."""
    out = tmp_path / "run"
    with pytest.raises(InputError, match="cannot be shared equally"):
        train(lfg_task(dataset, out, SHORT), Resources(workers=3), resume=False)
    (out / "pictures").mkdir()
    (out / "pictures/reconstruction-000000001.png").write_bytes(b"of the attempt before")
    mended = lfg_task(dataset, out, replace(SHORT, steps=1, validate_every=1))
    train(mended, Resources(), resume=False)
    assert (out / "model/lfg/lfg.json").exists()
    assert RunFolder(str(out), INFO).info()["recipe_hash"] == mended.hash
    learnt = pq.read_table(out / "clips.parquet").to_pydict()
    counts = {split: told["clips"] for split, told in mended.clips.items()}
    assert {split: learnt["split"].count(split) for split in {*learnt["split"]}} == counts
    assert b"before" not in b"".join(path.read_bytes() for path in out.glob("pictures/*"))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("published", [0, 1])
def test_a_death_before_the_network_is_handed_on_is_mended(
    published: int, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last checkpoint is there, of the network nothing, or its weights without the card."""
    task = lfg_task(dataset, tmp_path / "run", replace(SHORT, steps=2))
    publish = RunFolder.publish

    def dies(self: RunFolder, temporary: Path, name: str) -> None:
        if name.startswith("model/") and name.endswith(("safetensors", "json")[published]):
            raise Killed
        publish(self, temporary, name)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "publish", dies)
        with pytest.raises(Killed):
            train(task, Resources(), resume=False)
    assert not (tmp_path / "run/model/lfg/lfg.json").exists()
    train(task, Resources(), resume=True)
    _, card = checkpoints.load_network(tmp_path / "run/model/lfg", "lfg")
    assert card.source["config_hash"] == task.hash
    assert (tmp_path / "run/report.html").exists()


def test_a_best_checkpoint_that_is_gone_is_named(dataset: Dataset, tmp_path: Path) -> None:
    task = lfg_task(dataset, tmp_path, replace(SHORT, steps=1, validate_every=1))
    train(task, Resources(), resume=False)
    (tmp_path / "model/lfg/lfg.json").unlink()
    (tmp_path / "checkpoints/step-000000001/lfg.safetensors").unlink()
    with pytest.raises(InputError, match=r"step-000000001/lfg\.safetensors: is missing"):
        train(task, Resources(), resume=True)


def test_a_folder_of_something_else_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format": 1}')
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match=r"its config\.json is of something else"):
        train(lfg_task(dataset, tmp_path), Resources(), resume=False)
    assert (tmp_path / "config.json").read_text() == '{"format": 1}'
    assert (tmp_path / "pictures").is_dir()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nothing=1", "give KEY=VALUE with one of"),
        ("run.steps", "give KEY=VALUE"),
        ("run.steps=many", "run: steps: expected int"),
        ("run.steps=0", "steps must be at least 1"),
        ("network.image_size=50", "image_size must be a multiple"),
    ],
)
def test_a_wrong_setting_is_named(change: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        changed(LFGTraining(network=LFG_TINY), (change,))


def test_numbers_may_be_written_as_scientists_do() -> None:
    config = changed(LFGTraining(network=LFG_TINY), ("run.lr=1e-4", "run.lr_end=1e-5"))
    assert config.run.lr == 1e-4


def test_a_curve_escapes_its_name() -> None:
    assert "<script>" not in curve("<script>", [(1, 2.0), (2, 3.0)], [])
    assert curve("lost", [(1, float("nan"))], []) == ""


def test_a_point_alone_is_drawn_and_validation_shares_its_plot() -> None:
    assert '<circle class="validation"' in curve("csim", [], [(60, 0.4)])
    row = {"step": 1, "value": 2.0}
    (both,) = curves_of([{**row, "name": "loss"}, {**row, "name": "val/loss"}])
    assert curve(*both).count("<circle") == 2


def test_all_stages_share_one_report_that_is_there_while_they_train(tmp_path: Path) -> None:
    parts = []
    for stage in ("lfg", "a2v"):
        run = RunFolder(str(tmp_path / "all" / stage), "config.json")
        parts.append(ReportPart(stage, run, 20))
    first = parts[0].run
    first.write_info({"recipe": {}, "recipe_hash": "ab" * 8, "dataset": "/secret/place/people"})
    rows = [{"run": "lfg-1", "stage": "lfg", "step": s, "name": "loss", "value": 1.0 / s,
             "wall_s": 1.0} for s in (1, 10)]  # fmt: skip
    write_parquet(
        tmp_path / "all/lfg/metrics.parquet", pa.Table.from_pylist(rows, schema(TRAINING))
    )
    report = Report(RunFolder(str(tmp_path / "all"), "config.json"), parts)
    report.write()
    page = (tmp_path / "all/report.html").read_text()
    assert "<h1>Training of LFG, A2V</h1>" in page
    assert "10 of 20 steps" in page
    assert "Not begun" in page
    assert 'http-equiv="refresh"' in page
    assert "dataset people" in page
    assert "/secret" not in page
