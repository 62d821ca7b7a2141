"""Nodes that share nothing but a bucket make what one machine makes, as a user has it made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dawn.sampling.settings import GenerateConfig
from dawn.synthetic.footage import write_footage
from eval.results.stored import INFO
from manifests.catalog import query
from manifests.location import Place
from manifests.runs import RunFolder
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.actors import OneHere
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker
from tests.clusters import nodes_that_share_nothing
from tests.conftest import ROOT, ingest_into
from tests.models import write_model
from tests.pipeline.test_object_store import upload

CARD = "name: small\nsize: 128\nstride: 3\n"
SMALL = "use_weights: false\n"


@pytest.fixture(scope="module")
def nodes(s3: dict[str, str]) -> Iterator[dict[str, str]]:
    environment = {**os.environ, **s3, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with nodes_that_share_nothing(environment) as joined:
        yield joined


def dawn(environment: dict[str, str], *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments], env=environment, check=False,
        capture_output=True, text=True, timeout=900, cwd=environment["TMPDIR"],
    )  # fmt: skip
    assert done.returncode in allowed, f"dawn {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def table(dataset: str, name: str, leaving_out: str) -> pa.Table:
    return query(Dataset(dataset), f"SELECT * EXCLUDE ({leaving_out}) FROM {name} ORDER BY ALL")


def same_datasets(one: str, other: str) -> None:
    for name, own in {
        "videos": "sources, step_seconds, clips_part, frames_part, audio_part, decisions_part",
        "clips": "reasons", "decisions": "rule", "frames": "frame", "audio": "frame",
    }.items():  # fmt: skip
        assert table(one, name, own).equals(table(other, name, own)), name


def numbers(results: str) -> list[dict[str, Any]]:
    columns = ["metric", "clip_id", "value", "reference", "n", "status"]
    found = RunFolder(results, INFO).read("metrics", columns).to_pylist()
    kept = [row for row in found if row["metric"] != "real_time_factor"]
    return sorted(kept, key=lambda row: (row["metric"], str(row["clip_id"])))


def videos(run: str) -> list[bytes]:
    folder = RunFolder(run, "run.json")
    return [folder.fs.cat_file(folder.at(f"videos/{n}")) for n in sorted(folder.names("videos"))]


def made_at(base: str, sources: str, environment: dict[str, str], here: Path) -> None:
    """The commands of a user, from footage to numbers."""
    settings, card = here / "ingest.yaml", here / "card.yaml"
    settings.write_text(SMALL)
    card.write_text(CARD)
    data = f"{base}/data"
    dawn(environment, "ingest", sources, "--dataset", data, "--config", str(settings))
    said = dawn(
        environment, "generate", "--checkpoint", f"{base}/model", "--dataset", data, "--split",
        "all", "--out", f"{base}/made", "--steps", "1", "--max-seconds", "0.4", "--device", "cpu",
    )  # fmt: skip
    assert "2 ok" in said, said
    dawn(
        environment, "evaluate", "--run", f"{base}/made", "--reference", f"{data}:all", "--out",
        f"{base}/results", "--metrics", "psnr,ssim", "--protocol", str(card),
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in folders of one machine, in this process."""
    base = tmp_path_factory.mktemp("one")
    write_footage(base / "footage", kinds=["plain", "second"], seconds=2.0)
    write_model(base / "model")
    data = ingest_into(base / "data", [base / "footage"])
    wanted = ManyOptions(
        config=GenerateConfig(steps=1), checkpoint=base / "model", out=str(base / "made"),
        dataset=data.uri, split="all", max_seconds=0.4, device="cpu",
    )  # fmt: skip
    generate_many(wanted, OneHere(Maker, plan_run(wanted).task))
    card = base / "card.yaml"
    card.write_text(CARD)
    run_evaluate(
        EvaluateOptions(
            reference=f"{data.uri}:all", out=str(base / "results"), run=str(base / "made"),
            metrics="psnr,ssim", protocol=str(card), device="cpu",
        ),
        InProcess(),
    )  # fmt: skip
    return base


@pytest.mark.ray
@pytest.mark.slow
def test_three_nodes_and_a_bucket_make_what_one_machine_makes(
    nodes: dict[str, str], one_machine: Path, bucket: str, tmp_path: Path
) -> None:
    upload(one_machine / "footage", f"{bucket}/footage")
    upload(one_machine / "model", f"{bucket}/model")
    made_at(bucket, f"{bucket}/footage", nodes, tmp_path)
    assert list(faults(Dataset(f"{bucket}/data"))) == []
    same_datasets(f"{bucket}/data", str(one_machine / "data"))
    assert videos(f"{bucket}/made") == videos(str(one_machine / "made"))
    assert numbers(f"{bucket}/results") == numbers(str(one_machine / "results"))
    assert len(numbers(f"{bucket}/results")) > 2
    refused = tmp_path / "run"
    said = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "generate", "--baseline", "static", "--dataset",
         f"{bucket}/data", "--split", "all", "--out", f"{nodes['TMPDIR']}/run"],
        env=nodes, check=False, capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 2, said.stdout + said.stderr
    assert "does not share this folder" in "".join(said.stderr.split("\n")), said.stderr
    assert not refused.exists()


@pytest.mark.skipif("DAWN_CLUSTER" not in os.environ, reason="takes long: make test-cluster")
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_way_on_nodes_that_share_nothing(
    nodes: dict[str, str], one_machine: Path, bucket: str, tmp_path: Path
) -> None:
    boards = []
    environment = {**nodes, "TMPDIR": str(tmp_path)}
    upload(one_machine / "data", f"{bucket}/data")
    upload(one_machine / "made", f"{bucket}/made")
    upload(one_machine / "results", f"{bucket}/results")
    card = one_machine / "card.yaml"
    for base, joined in ((bucket, nodes), (str(one_machine), None)):
        data = f"{base}/data"
        where = nodes if joined else {k: v for k, v in environment.items() if "RAY_" not in k}
        assert "clips" in dawn(where, "query", "FROM funnel()", "--dataset", data)
        dawn(where, "dataset", "compact", data)
        dawn(where, "dataset", "validate", data)
        dawn(
            where, "train", "lfg", "--dataset", data, "--out", f"{base}/lfg",
            "--workers", "2", "--set", "run.steps=2", "--set", "run.validate_every=2",
            "--set", "run.loader_workers=0", "--curriculum", "faces",
        )  # fmt: skip
        dawn(
            where, "evaluate", "--baseline", "real", "--reference", f"{data}:all", "--out",
            f"{base}/real", "--metrics", "psnr,ssim", "--protocol", str(card),
        )  # fmt: skip
        dawn(where, "leaderboard", f"{base}/results", f"{base}/real", "--out", f"{base}/page")
        verdict = dawn(
            where, "regress", "--baseline", f"{base}/results", "--candidate", f"{base}/results",
            "--report", "json", "--out", f"{base}/reports", allowed=(0, 1),
        )  # fmt: skip
        assert "PASS" in verdict or "INCONCLUSIVE" in verdict
        place = Place.of(f"{base}/page/leaderboard.json")
        (sheet,) = json.loads(place.fs.cat_file(place.path))["sheets"]
        boards.append({metric["metric"]: metric["cells"] for metric in sheet["metrics"]})
        for name in ("lfg.safetensors", "lfg.json"):
            assert Place.of(f"{base}/lfg").fs.exists(f"{Place.of(base).path}/lfg/model/lfg/{name}")
    assert boards[0] == boards[1]
