"""What is in deploy/ loads, has the shape that its readers ask for, and names what exists."""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import typer
import yaml
from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

from pipeline.cli.app import app
from pipeline.cluster.metrics import DEFINITIONS
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
KUBERAY = {"RayCluster": "kuberay-cluster.yaml", "RayJob": "kuberay-job.yaml"}


def loaded(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / name).read_text()))


def ray_flags(command: str) -> set[str]:
    """The options that `ray COMMAND` has."""
    from ray.scripts import scripts

    return {flag for param in scripts.cli.commands[command].params for flag in param.opts}


def test_the_cluster_s_file_is_one_of_ray_s() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cluster = loaded("ray-cluster.yaml")
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    started = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    assert sum("RAY_AUTH_MODE=token" in line for line in started) == 2


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.iterdir()))
def test_options_of_ray_and_dawn_exist(name: str) -> None:
    text = re.sub(r"\\\n\s*|>-\n\s*|\n {4}(?=--)", " ", (DEPLOY / name).read_text())
    for command, words in re.findall(r"\bray (start|status|stop)\b([^\n&>;]*)", text):
        given = {word.split("=")[0] for word in words.split() if word.startswith("--")} - {"--"}
        assert given <= ray_flags(command), (command, given)
    known: Any = typer.main.get_command(app)
    for line in re.findall(r"\bdawn (ingest .*)$", text, re.M):
        first, *words = shlex.split(line)
        known.commands[first].make_context(first, words)


@pytest.mark.parametrize("kind", KUBERAY)
def test_objects_for_kubernetes_are_whole(kind: str) -> None:
    made = loaded(KUBERAY[kind])
    assert (made["apiVersion"], made["kind"]) == ("ray.io/v1", kind)
    if kind == "RayJob":
        cluster = loaded(KUBERAY["RayCluster"])["metadata"]["name"]
        assert made["spec"]["clusterSelector"] == {"ray.io/cluster": cluster}
        return
    spec = made["spec"]
    assert spec["rayVersion"] in (ROOT / "constraints.txt").read_text()
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        flags = {f"--{name}" for name in group["rayStartParams"]}
        assert flags <= ray_flags("start")
        (container,) = group["template"]["spec"]["containers"]
        environment = {entry["name"]: entry for entry in container["env"]}
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            volume["name"] for volume in group["template"]["spec"]["volumes"]
        }
    assert groups[0]["rayStartParams"]["num-cpus"] == "0"


def test_the_script_for_slurm_runs_its_command_on_its_cluster(tmp_path: Path) -> None:
    """With Slurm's programs and Ray replaced by ones that say how they were called."""
    said = tmp_path / "said"
    for name, does in {
        "scontrol": "echo node1; echo node2; echo node3",
        "srun": f'case "$*" in *hostname*) echo 10.0.0.1;; *) echo "$*" >> {said};; esac',
        "ray": "exit 0",
        "dawn": f'echo "dawn $* at $RAY_ADDRESS" >> {said}',
        "python": f'exec {sys.executable} "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"JOB_NODELIST": "node[1-3]", "JOB_ID": "7", "CPUS_PER_TASK": "4", "JOB_NUM_NODES": "3"}
    environment = {f"SLURM_{name}": value for name, value in slurm.items()}
    subprocess.run(
        [DEPLOY / "slurm.sh", "dawn", "ingest", "s3://b/footage"], check=True, timeout=60,
        env={**environment, "PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    end = time.monotonic() + 60
    while len(lines := said.read_text().splitlines()) < 3:  # two go on in the background
        assert time.monotonic() < end, lines
        time.sleep(0.1)
    assert any("-w node1" in line and "--head" in line for line in lines)
    assert any("--exclude=node1" in line and "10.0.0.1:20007" in line for line in lines)
    assert "dawn ingest s3://b/footage at 10.0.0.1:20007" in lines


def test_the_dashboard_and_the_documents_show_the_metrics_that_there_are() -> None:
    served = {f"ray_{definition.name}": definition.tags for definition in DEFINITIONS}
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    shown = {}
    for panel in panels:
        for target in panel["targets"]:
            (name,) = re.findall(r"ray_\w+", target["expr"])
            by = re.findall(r"by \(([^)]*)\)", target["expr"])
            used = {*", ".join(by).split(", ")} - {""} | {
                *re.findall(r"{{(\w+)}}", target["legendFormat"])
            }
            shown[name] = used
    assert shown.keys() == served.keys()
    for name, used in shown.items():
        assert used <= {*served[name]}, name
    assert len({panel["id"] for panel in panels}) == len(panels)
    table = re.findall(
        r"^\| `(ray_dawn_\w+)` \| ([^|]+) \|", (ROOT / "docs/cluster.md").read_text(), re.M
    )
    assert {name: tuple(tags.split(", ")) for name, tags in table} == served


def test_prometheus_finds_the_nodes_where_ray_lists_them() -> None:
    (job,) = loaded("prometheus.yaml")["scrape_configs"]
    (found,) = job["file_sd_configs"]
    assert [Path(file).name for file in found["files"]] == [PROMETHEUS_SERVICE_DISCOVERY_FILE]
