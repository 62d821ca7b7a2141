"""`dawn config`: templates that load as the defaults, schemas that accept them."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from manifests.config import as_dict, load
from pipeline.settings import defaults, schema_of, template_of
from pipeline.train.command import TrainOptions, runs_of
from tests.conftest import Dawn

COMMANDS = ["ingest", "train.lfg", "train.pbnet", "train.a2v", "evaluate", "regress"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_template_is_the_defaults_and_keeps_to_its_schema(command: str) -> None:
    values = yaml.safe_load(template_of(command, "tiny"))
    config = defaults(command)
    assert load(type(config), values) == config
    jsonschema.validate(values, schema_of(command))
    assert set(values) == set(as_dict(config))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_template_explains_itself(command: str) -> None:
    described = [
        " ".join(entry["description"].split())
        for entry in schema_of(command)["properties"].values()
        if "description" in entry and "$ref" not in entry
    ]
    text = " ".join(line.strip(" #") for line in template_of(command, "tiny").splitlines())
    assert all(said in text for said in described)


def test_a_schema_and_the_loader_refuse_the_same() -> None:
    wrong: list[dict[str, Any]] = [
        {"filter": {}}, {"filters": {"min_face_px": "big"}}, {"splits": {"convention": "lrs"}},
        {"use_weights": 1}, {"extract": {"crop": {"siz": 64}}},
    ]  # fmt: skip
    for values in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values, schema_of("ingest"))
        with pytest.raises(ValueError, match="configuration"):
            load(type(defaults("ingest")), values)


def test_the_commands(dawn: Dawn, tmp_path: Path) -> None:
    template = dawn("config", "template", "ingest")
    (tmp_path / "settings.yaml").write_text(template.stdout)
    answer = dawn("config", "validate", "ingest", tmp_path / "settings.yaml")
    assert answer.returncode == 0
    assert "valid" in answer.stdout
    (tmp_path / "settings.yaml").write_text(template.stdout.replace("size:", "siez:"))
    answer = dawn("config", "validate", "ingest", tmp_path / "settings.yaml")
    assert answer.returncode == 2
    assert "unknown key 'siez'" in answer.stderr
    assert answer.stderr.count("\n") == 1
    answer = dawn("config", "schema", "generate")
    assert answer.returncode == 2
    assert "give one of ingest, evaluate" in answer.stderr


def test_a_landmark_backend_that_does_not_exist_is_refused_before_any_work(
    dawn: Dawn, footage: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("extract: {landmarks: mediapip}\n")
    out = tmp_path / "data"
    for words in (
        ("config", "validate", "ingest", tmp_path / "c.yaml"),
        ("ingest", footage, "--dataset", out, "--config", tmp_path / "c.yaml"),
    ):
        answer = dawn(*words)
        assert answer.returncode == 2
        assert "extract.landmarks: mediapip: there is no such backend" in answer.stderr
        assert not out.exists()


def test_training_takes_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("run: {steps: 7}\nmouth_weight: 3.0\n")
    (tmp_path / "all.yaml").write_text("lfg: {run: {steps: 9}}\npbnet: {frames: 50}\n")
    options: dict[str, Any] = {"dataset": "d", "out": "o", "curriculum": "faces"}
    for file, steps, weight in (("one.yaml", 7, 3.0), ("all.yaml", 9, 20.0)):
        given = TrainOptions(stage="lfg", config=tmp_path / file, **options)
        (part,) = runs_of("lfg", given)
        assert (part.config.run.steps, part.config.mouth_weight) == (steps, weight)  # type: ignore[attr-defined]
        assert part.config.run.batch == 8
    changed = TrainOptions(
        stage="lfg", config=tmp_path / "one.yaml", changes=("run.steps=5",), **options
    )
    assert runs_of("lfg", changed)[0].config.run.steps == 5


def test_the_version_is_the_package_s(dawn: Dawn) -> None:
    answer = dawn("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("dawn 0.")
