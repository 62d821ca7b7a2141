"""Strict configurations: a misspelt setting is an error that names it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from dawn.curation.tables import Label
from dawn.recipe import IngestConfig, Recipe
from manifests.config import as_dict, diff, load, load_yaml, stable_hash
from manifests.document import tables
from manifests.errors import InputError
from tests.conftest import ROOT

BAD = {
    "filters: {min_face: 3}": "filters: unknown key 'min_face'",
    "filter: {}": "unknown key 'filter'",
    "filters: {min_face_px: big}": "min_face_px: expected float, got 'big'",
    "filters: {min_face_px: true}": "min_face_px: expected float, got True",
    "filters: 3": "filters: expected `key: value` settings",
    "use_weights: 1": "use_weights: expected bool",
    "splits: {convention: lrs}": "'lrs' is not one of 'hash', 'hdtf', 'crema-d'",
    "splits: {val: 0.6, test: 0.6}": "must leave a share for train",
    "extract: {crop: {size: 63}}": "size: 63",
    "extract: {span_seconds: 0}": "span_seconds",
    "- a": "expected `key: value` lines",
    "a: [": "not valid YAML",
    "\x00": "not valid YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_a_fault_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_yaml(IngestConfig, path)
    assert BAD[text] in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        load_yaml(IngestConfig, tmp_path / "none.yaml")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").touch()
    assert load_yaml(IngestConfig, tmp_path / "c.yaml") == IngestConfig()


def test_a_configuration_survives_its_dict() -> None:
    config = load(IngestConfig, {"filters": {"max_duplicate": None, "min_face_px": 96}})
    assert config.filters.max_duplicate is None
    assert config.filters.min_face_px == 96.0
    assert load(IngestConfig, as_dict(config)) == config


def test_hash_and_difference_follow_content_only() -> None:
    @dataclass(frozen=True)
    class Config:
        a: int = 1

    assert as_dict(Config()) == {"a": 1}
    assert stable_hash({"a": 1, "b": 2}) == stable_hash({"b": 2, "a": 1})
    assert stable_hash({"a": 1}) != stable_hash({"a": 2})
    assert diff({"a": {"b": 1}, "c": 1}, {"a": {"b": 2}}) == ["a.b: 1 -> 2", "c: 1 -> (absent)"]


def test_keys_follow_what_a_stage_depends_on() -> None:
    def keys(values: dict[str, object], labels: tuple[Label, ...] = ()) -> tuple[str, str, str]:
        recipe = Recipe(load(IngestConfig, values), {})
        extract = recipe.extract_key(labels)
        return extract, recipe.audio_key(extract), recipe.judge_key(extract, labels)

    extract, audio, judge = keys({})
    for values in ({"filters": {"min_face_px": 9}}, {"splits": {"salt": "x"}}):
        assert keys(values)[:2] == (extract, audio)
        assert keys(values)[2] != judge
    for values in ({"extract": {"crop": {"size": 128}}}, {"extract": {"span_seconds": 30}}):
        assert not set(keys(values)) & {extract, audio, judge}
    speaker, part = (Label(speaker="a"),), (Label(start=25),)
    assert keys({}, speaker)[:1] == keys({}, (Label(),))[:1]
    assert keys({}, speaker)[2] != keys({}, (Label(),))[2]
    assert keys({}, part)[0] != keys({}, (Label(),))[0]


def test_the_document_of_the_tables_is_current() -> None:
    document = (ROOT / "docs" / "dataset.md").read_text()
    assert tables() in document, "run `make docs`"
