"""`dawn train`: settings from a preset, changes from the command line, one stage or all."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from dawn.training.config import RunSettings, Training, field_names
from dawn.training.stage import DURATIONS, TIMED
from dawn.training.stages import stage_named, stages
from dawn.training.state import Checkpoints
from dawn.training.task import plan
from manifests.config import as_dict, load, merged, read_mapping, stable_hash
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.info_names import TRAINING as INFO
from pipeline.progress import console
from pipeline.run_log import logged
from pipeline.train.report import REPORT, Report, ReportPart
from pipeline.train.run import Resources, hand_over, train


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """The command line of `dawn train`."""

    stage: str
    dataset: str
    out: str
    preset: str = "tiny"
    source: str = "code"
    config: Path | None = None
    """YAML of changes of the preset; of `all`, under each stage's name."""
    changes: tuple[str, ...] = ()
    lfg: str | None = None
    init: str | None = None
    curriculum: str | None = None
    """A part of LFG's or A2V's, or auto for both; None: what the preset has."""
    resources: Resources = Resources(workers=1)
    resume: bool = False
    minutes: float | None = None
    """How long all of it is to take, by the preset's plan."""
    pace: float = 1.0
    """Share of the preset's steps; follows from `minutes`."""


def run_train(options: TrainOptions) -> None:
    """Train one stage, or all in turn. Raises InputError for what cannot be."""
    if options.stage not in (*stages(), "all"):
        raise InputError(f"{options.stage}: give {', '.join(stages())} or all")
    firsts = [stage.parts[0] for stage in stages().values() if stage.parts]
    if options.stage == "all" and options.curriculum not in (None, "auto", *firsts):
        raise InputError(f"--curriculum {options.curriculum}: for all stages give auto, or none")
    if options.minutes is not None:
        options = replace(options, pace=pace_of(options, options.minutes))
    if said := how_long(options):
        console.print(said, markup=False)
    parts = [as_dict(part.config) for part in _parts_of(options)]
    with logged("train", options.out, address=options.resources.address, config=stable_hash(parts)):
        _run_train(options)


def _parts_of(options: TrainOptions) -> list["Part"]:
    """All that a command trains, in turn."""
    if options.stage != "all":
        return runs_of(options.stage, options)
    return [part for name in stages() for part in runs_of(name, _of_all(options, name))]


def _run_train(options: TrainOptions) -> None:
    if options.stage == "all":
        train_all(options)
        return
    stage = options.stage
    folder = train_stage(stage, options)
    console.print(f"next: look at {options.out}/{REPORT}", markup=False)
    if stage == "lfg":
        console.print(
            f"      dawn train a2v --dataset {options.dataset} --lfg {folder} --out A2V_RUN",
            markup=False,
        )


def train_all(options: TrainOptions) -> str:
    """The three stages, each handed the ones before; returns the model's folder."""
    model = RunFolder(options.out, INFO)
    lfg: str | None = None
    report = _report(options, list(stages()))
    for stage in stages():
        own = replace(_of_all(options, stage), lfg=lfg)
        train_stage(stage, own, report)
        folder = hand_over(RunFolder(own.out, INFO), stage, model)
        lfg = folder if stage == "lfg" else lfg
    console.print(f"the model is in {model.uri}/model", markup=False)
    console.print(
        f"next: dawn generate --checkpoint {model.uri}/model --image FACE.jpg --audio VOICE.wav "
        "--out VIDEO.mp4",
        markup=False,
    )
    return f"{model.uri}/model"


def _of_all(options: TrainOptions, stage: str) -> TrainOptions:
    """What `all` means for one stage."""
    own = replace(options, stage=stage, out=f"{options.out}/{stage}")
    own = replace(own, changes=_changes_for(stage, options.changes))
    if options.curriculum not in ("auto", *(stages()[stage].parts or ())):
        own = replace(own, curriculum=None)
    return own


def shorthand(
    changes: tuple[str, ...], *, steps: int | None, seed: int | None, minutes: float | None
) -> tuple[str, ...]:
    """The changes with what `--steps` and `--seed` stand for, for every stage.

    Raises InputError where the same is also given in another way.
    """
    if steps is not None and minutes is not None:
        raise InputError("--steps and --minutes: both say how many steps; give one of them")
    found = list(changes)
    for name, value in (("steps", steps), ("seed", seed)):
        twice = [change for change in changes if re.match(rf"(\w+\.)?run\.{name}=", change)]
        if value is not None and twice:
            raise InputError(f"--{name} and --set {twice[0]}: both say it; give one of them")
        found += [] if value is None else [f"run.{name}={value}"]
    return tuple(found)


def how_long(options: TrainOptions) -> str | None:
    """One line on how long the preset takes, and which share of its steps this run has; None for
    presets and stages of which that is not known.
    """
    if options.preset not in DURATIONS or options.stage not in (*TIMED, "all"):
        return None
    plain = TrainOptions(
        stage="all", dataset="", out="", preset=options.preset, source=options.source
    )
    whole = sum(_steps(name, _of_all(plain, name)) for name in TIMED)
    if options.stage == "all":
        own = sum(_steps(name, _of_all(options, name)) for name in TIMED)
    else:
        own = _steps(options.stage, options)
    said = f"the preset {options.preset} takes {DURATIONS[options.preset]} for all stages"
    share = own / whole
    return (
        said if abs(share - 1) < 0.005 else f"{said}; this run has {_percent(share)} of its steps"
    )


def _percent(share: float) -> str:
    return f"about {share:.0%}".replace("%", " %") if share >= 0.01 else "less than 1 %"


def _steps(stage: str, options: TrainOptions) -> int:
    return sum(part.config.run.steps for part in runs_of(stage, options))


def pace_of(options: TrainOptions, minutes: float) -> float:
    """The share of the preset's steps that its plan gives so many minutes.

    Raises InputError where a part has no plan.
    """
    planned = [part.config.run.planned_s for part in _parts_of(options)]
    if not all(planned):
        raise InputError(
            f"--minutes {minutes:g}: the preset {options.preset} has no plan of time; "
            "give --preset small, or --set run.steps"
        )
    return minutes * 60 / sum(planned)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of a stage."""

    config: Training
    out: str


def runs_of(stage: str, options: TrainOptions) -> list[Part]:
    """The runs that train a stage, each from the network of the one before.

    Raises InputError for a part that the stage does not have.
    """
    how = stage_named(stage)
    config = how.preset(options.preset, options.source)
    if options.config is not None:
        config = merged(config, _from_file(options.config, stage), str(options.config))
    config = changed(config, options.changes)
    if how.parts is None:
        return [Part(_at_pace(config, options.pace), options.out)]
    first, second = how.parts
    parts = {
        first: [Part(config, options.out)],
        second: [Part(how.second_part(config, options.preset), options.out)],
    }
    parts["auto"] = [replace(part, out=f"{options.out}/{name}") for name, (part,) in parts.items()]
    chosen = options.curriculum or how.default_part(options.preset)
    if chosen not in parts:
        raise InputError(f"--curriculum {chosen}: give {', '.join(parts)}")
    if chosen == second and options.init is None:
        raise InputError(
            f"--curriculum {second}: begins from the part {first}; give --init RUN/model/{stage}"
        )
    return [replace(part, config=_at_pace(part.config, options.pace)) for part in parts[chosen]]


def _at_pace(config: Any, pace: float) -> Training:  # noqa: ANN401 - any stage's dataclass
    run: RunSettings = config.run
    steps, planned = max(1, round(run.steps * pace)), run.planned_s * pace
    result: Training = replace(config, run=replace(run, steps=steps, planned_s=planned))
    return result


def _report(options: TrainOptions, of: Sequence[str]) -> Report:
    """The one page of all that a command trains, in the folder that was asked for."""
    parts = [
        ReportPart(stage, RunFolder(part.out, INFO), part.config.run.steps)
        for stage in of
        for part in runs_of(stage, _of_all(options, stage) if len(of) > 1 else options)
    ]
    return Report(RunFolder(options.out, INFO), parts)


def train_stage(stage: str, options: TrainOptions, report: Report | None = None) -> str:
    """One stage, with the parts of its curriculum; returns the network's folder."""
    init = options.init
    runs = runs_of(stage, options)
    report = report or _report(options, [stage])
    for part in runs:
        init = _train(stage, part.config, options, part.out, init, report)
    if len(runs) == 1:
        return str(init)
    return hand_over(RunFolder(runs[-1].out, INFO), stage, RunFolder(options.out, INFO))


def _train(
    stage: str, config: Training, options: TrainOptions, out: str, init: str | None, report: Report
) -> str:
    task = plan(stage, config, options.dataset, out, options.lfg, init)
    step = (Checkpoints(RunFolder(out, INFO)).steps() or [0])[-1]
    begun = f" from step {step}" if step else ""
    console.print(
        f"training {stage}-{task.hash[:8]}{begun} to step {config.run.steps} in {out}", markup=False
    )
    run = train(task, options.resources, resume=options.resume, report=report)
    folder = f"{run.uri}/model/{stage}"
    console.print(f"done: the best network is in {folder}", markup=False)
    return folder


def _changes_for(stage: str, changes: tuple[str, ...]) -> tuple[str, ...]:
    """`--set lfg.run.steps=10` is for one stage, `--set run.seed=1` for each."""
    chosen = []
    for change in changes:
        head, _, rest = change.partition(".")
        if head in stages():
            chosen += [rest] if head == stage else []
        else:
            chosen.append(change)
    return tuple(chosen)


def changed(config: Training, changes: tuple[str, ...]) -> Training:
    """The configuration with `key=value` changes. Raises InputError for unknown keys."""
    values = as_dict(config)
    names = field_names(config)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or key not in names:
            raise InputError(f"--set {change}: give KEY=VALUE with one of {', '.join(names)}")
        *path, last = key.split(".")
        place: dict[str, Any] = values
        for name in path:
            place = place[name]
        place[last] = _value(text)
    result: Training = load(type(config), values, "--set")
    return result


def _from_file(path: Path, stage: str) -> Mapping[str, Any]:
    """The settings of a stage: the whole file's, or those under the stage's name."""
    values = read_mapping(path)
    if not values or not set(values) <= set(stages()):
        return values
    own = values.get(stage) or {}
    if not isinstance(own, Mapping):
        raise InputError(f"{path}: {stage}: expected `key: value` settings, got {own!r}")
    return own


def _value(text: str) -> Any:  # noqa: ANN401 - any YAML scalar
    """A number, a truth value or text; unlike in YAML, 1e-4 is a number."""
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return text
