"""`dawn train`: settings from a preset, changes from the command line, one stage or all."""

from dataclasses import dataclass, replace
from typing import Any

import yaml

from dawn.training.config import (
    STAGES,
    A2VTraining,
    Stage,
    Training,
    field_names,
    long_clips,
    preset,
)
from dawn.training.state import Checkpoints
from dawn.training.task import plan
from manifests.config import as_dict, load
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.progress import console
from pipeline.train import INFO, Resources, hand_over, train


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """The command line of `dawn train`."""

    stage: str
    dataset: str
    out: str
    preset: str = "tiny"
    source: str = "code"
    changes: tuple[str, ...] = ()
    lfg: str | None = None
    init: str | None = None
    curriculum: str | None = None
    """None: both parts, of `tiny` the short one alone: its second part is too short to help."""
    resources: Resources = Resources(workers=1)
    resume: bool = False

    @property
    def parts(self) -> str:
        """Of A2V's curriculum: short, long, or auto for both."""
        return self.curriculum or ("short" if self.preset == "tiny" else "auto")


def run_train(options: TrainOptions) -> None:
    """Train one stage, or all in turn. Raises InputError for what cannot be."""
    if options.stage == "all":
        train_all(options)
        return
    if options.stage not in STAGES:
        raise InputError(f"{options.stage}: give lfg, pbnet, a2v or all")
    stage: Stage = options.stage
    folder = train_stage(stage, options)
    console.print(f"next: look at {options.out}/report.html", markup=False)
    if stage == "lfg":
        console.print(
            f"      dawn train a2v --dataset {options.dataset} --lfg {folder} --out A2V_RUN",
            markup=False,
        )


def train_all(options: TrainOptions) -> str:
    """The three stages, each handed the ones before; returns the model's folder."""
    model = RunFolder(options.out, INFO)
    lfg: str | None = None
    for stage in STAGES:
        own = replace(options, stage=stage, out=f"{options.out}/{stage}", lfg=lfg)
        own = replace(own, changes=_changes_for(stage, options.changes))
        train_stage(stage, own)
        two_parts = stage == "a2v" and own.parts == "auto"
        source = RunFolder(f"{own.out}/long" if two_parts else own.out, INFO)
        folder = hand_over(source, stage, model)
        lfg = folder if stage == "lfg" else lfg
    console.print(f"the model is in {model.uri}/model", markup=False)
    console.print(
        f"next: dawn generate --checkpoint {model.uri}/model --image FACE.jpg --audio VOICE.wav "
        "--out VIDEO.mp4",
        markup=False,
    )
    return f"{model.uri}/model"


def train_stage(stage: Stage, options: TrainOptions) -> str:
    """One stage, for a2v the parts of its curriculum; returns the network's folder."""
    config = changed(preset(stage, options.preset, options.source), options.changes)
    if not isinstance(config, A2VTraining):
        return _train(stage, config, options, options.out, options.init)
    if options.parts not in ("short", "long", "auto"):
        raise InputError(f"--curriculum {options.parts}: give short, long or auto")
    init = options.init
    if options.parts in ("short", "auto"):
        out = f"{options.out}/short" if options.parts == "auto" else options.out
        init = _train(stage, config, options, out, init)
    if options.parts == "short":
        return str(init)
    if init is None:
        raise InputError("--curriculum long: begins from the short part; give --init RUN/model/a2v")
    out = f"{options.out}/long" if options.parts == "auto" else options.out
    return _train(stage, long_clips(config, options.preset), options, out, init)


def _train(
    stage: Stage, config: Training, options: TrainOptions, out: str, init: str | None
) -> str:
    task = plan(stage, config, options.dataset, out, options.lfg, init)
    step = (Checkpoints(RunFolder(out, INFO)).steps() or [0])[-1]
    begun = f" from step {step}" if step else ""
    console.print(
        f"training {stage}-{task.hash[:8]}{begun} to step {config.run.steps} in {out}", markup=False
    )
    run = train(task, options.resources, resume=options.resume)
    folder = f"{run.uri}/model/{stage}"
    console.print(f"done: the best network is in {folder}", markup=False)
    return folder


def _changes_for(stage: Stage, changes: tuple[str, ...]) -> tuple[str, ...]:
    """`--set lfg.run.steps=10` is for one stage, `--set run.seed=1` for each."""
    chosen = []
    for change in changes:
        head, _, rest = change.partition(".")
        if head in STAGES:
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


def _value(text: str) -> Any:  # noqa: ANN401 - any YAML scalar
    """A number, a truth value or text; unlike in YAML, 1e-4 is a number."""
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return text
