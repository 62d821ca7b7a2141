"""Whether this tree and an earlier commit make the same things of the same footage, bit for bit.

`python -m tests.identity COMMIT`: a dataset, a tiny training of each stage, a generation, an
evaluation and a leaderboard, by the commands of both; prints what differs and exits with 1. For
changes that must not change behaviour.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dawn.synthetic.footage import write_footage
from tests.conftest import ROOT

GIT = shutil.which("git") or "git"
SHORT = " ".join(
    f"--set run.{key}"
    for key in ("steps=2", "validate_every=2", "validation_clips=2", "loader_workers=0")
)
METRICS = "psnr,ssim,ms_ssim,flicker,head_jerk,pose,fd,lip,m,f,blink,bas,thl,silent,face"
"""All that need no weights, but for speed."""
COMMANDS = f"""\
ingest footage --dataset data --config ingest.yaml
train lfg --dataset data --out runs/lfg --curriculum faces {SHORT} --set run.seed=3
train pbnet --dataset data --out runs/pbnet {SHORT}
train a2v --dataset data --out runs/a2v --lfg runs/lfg/model/lfg --curriculum short {SHORT}
generate --checkpoint model --dataset data --split all --out videos --steps 2 --max-seconds 1
evaluate --run videos --reference data:all --out results/model --metrics {METRICS}
evaluate --baseline static --reference data:all --out results/static --metrics {METRICS}
leaderboard results/model results/static --out page
query "SELECT * FROM leaderboard('default')" --runs results --format csv --out ranks.csv
regress --baseline results/model --candidate results/model --report json --out verdict
"""
VOLATILE = {
    "wall_s", "network_s", "render_s", "encode_s", "real_time_factor", "peak_memory_bytes",
    "seconds", "created_at", "ingested_at", "made_at", "code_version", "command", "speed",
    "inputs", "wait_share", "val/wait_share",
}  # fmt: skip
"""What differs from run to run: times, memory, when a file was written."""
IGNORED = re.compile(
    r"/(tensorboard|\.lock|\.dawn|checkpoints|seen|logs)(/|$)|(report|index)\.html$|training\.pt$"
)
TIMES = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+\d\d:\d\d|Z)?")


def make(tree: Path, work: Path, footage: Path) -> None:
    """All of it, by the commands of a source tree, in `work`."""
    shutil.copytree(footage, work / "footage")
    (work / "ingest.yaml").write_text("use_weights: false\nfilters: {min_face_px: 40}\n")
    environment = {**os.environ, "PYTHONPATH": str(tree), "DAWN_WEIGHTS": "/nonexistent"}
    for line in COMMANDS.splitlines():
        if line.startswith("generate"):
            for stage in ("lfg", "pbnet", "a2v"):
                shutil.copytree(work / f"runs/{stage}/model/{stage}", work / f"model/{stage}")
        answer = subprocess.run(
            ["/bin/bash", "-c", f"{sys.executable} -m pipeline.cli {line}"],
            cwd=work, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode not in (0, 1):
            raise RuntimeError(f"dawn {line}\n{answer.stdout}\n{answer.stderr}")


def contents(work: Path) -> dict[str, Any]:
    """Of each file what must be the same."""
    names = sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())
    return {name: content(work / name) for name in names if not IGNORED.search(f"/{name}")}


def content(path: Path) -> Any:
    if path.suffix == ".parquet":
        return [plain(row) for row in pq.read_table(path).to_pylist()]
    if path.suffix == ".json":
        return plain(json.loads(path.read_text()))
    return TIMES.sub(b"", path.read_bytes())


def plain(value: Any) -> Any:
    """Without what differs from run to run."""
    if isinstance(value, dict):
        own = value.get("name") in VOLATILE or value.get("metric") in VOLATILE
        return {k: plain(v) for k, v in value.items() if k not in VOLATILE and not own}
    return [plain(item) for item in value] if isinstance(value, list) else value


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """The files that are not the same."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after or name not in before:
            yield f"{name}: only {'before' if name in before else 'after'}"
        elif repr(before[name]) != repr(after[name]):  # NaN is no other number than NaN
            yield f"{name}: differs"


def compare(commit: str) -> list[str]:
    """What this tree makes otherwise than a commit."""
    with tempfile.TemporaryDirectory() as scratch:
        old, footage = Path(scratch, "old"), Path(scratch, "footage")
        subprocess.run(
            [GIT, "worktree", "add", "--detach", old, commit], cwd=ROOT, check=True,
            capture_output=True,
        )  # fmt: skip
        footage.mkdir()
        write_footage(footage, kinds=["plain", "second", "truncated"], seconds=2.4)
        found = []
        try:
            for tree in (old, ROOT):
                work = Path(scratch, "work")  # the same path, which pages name
                work.mkdir()
                make(tree, work, footage)
                found.append(contents(work))
                kept = os.environ.get("DAWN_IDENTITY_KEEP")
                if kept:
                    shutil.copytree(work, Path(kept, tree.name))
                shutil.rmtree(work)
        finally:
            subprocess.run([GIT, "worktree", "remove", "--force", old], cwd=ROOT, check=True)
        return list(differences(*found))


if __name__ == "__main__":
    lines = compare(sys.argv[1])
    sys.stdout.write("\n".join(lines) + "\n" if lines else "the same\n")
    sys.exit(bool(lines))
