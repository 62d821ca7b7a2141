"""Evaluations in this process, and what they wrote."""

import json
from pathlib import Path
from typing import Any

from eval.results.stored import SET
from manifests.runs import RunFolder
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import EvaluateOptions, announce, plan, report
from pipeline.evaluate.run import evaluate, results_folder

CHEAP = "psnr,ssim,flicker,real_time_factor,fvd16"


def options(out: Path, card: str, reference: Path | str, **others: Any) -> EvaluateOptions:
    values = {"reference": str(reference), "out": str(out), "protocol": card, "metrics": CHEAP}
    return EvaluateOptions(**(values | others))


def run(given: EvaluateOptions) -> RunFolder:
    job = plan(given)
    folder = results_folder(given.out)
    announce(job)
    report(folder, evaluate(job, folder, InProcess()), job)
    return folder


def of_set(folder: RunFolder) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in folder.read_item("metrics", SET).to_pylist()}


def of_clips(folder: RunFolder) -> dict[tuple[str, str], dict[str, Any]]:
    rows = folder.read("metrics").to_pylist()
    return {(row["clip_id"], row["metric"]): row for row in rows if row["clip_id"]}


def content(folder: RunFolder) -> list[str]:
    """Every row, and the info file but for the command and when it was begun."""
    found = [repr(folder.read(name).to_pylist()) for name in ("metrics", "features", "clips")]
    told = {k: v for k, v in folder.info().items() if k not in ("command", "created_at")}
    return [*found, json.dumps(told)]
