"""The stages of training: one file each, which declares `STAGE`."""

import functools
from typing import Any

from dawn.training.stage import Stage
from manifests.errors import InputError
from manifests.plugins import modules

AnyStage = Stage[Any, Any]


@functools.cache
def stages() -> dict[str, AnyStage]:
    """All stages by name, in the order in which they are trained. Raises InputError."""
    found: list[AnyStage] = []
    for module in modules(__name__, "dawn.stages"):
        stage = getattr(module, "STAGE", None)
        if not isinstance(stage, Stage):
            raise InputError(f"{module.__name__}.STAGE: must be a Stage, is {stage!r:.200}")
        found.append(stage)
    by_name = {stage.name: stage for stage in sorted(found, key=lambda stage: stage.place)}
    if len(by_name) < len(found):
        names = [stage.name for stage in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two stages are named {twice!r}")
    return by_name


def stage_named(name: str) -> AnyStage:
    """The stage of that name. Raises InputError where there is none."""
    if name not in stages():
        raise InputError(f"{name}: give one of {', '.join(stages())}")
    return stages()[name]
