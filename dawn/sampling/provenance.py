"""What decides a video beside its inputs, as runs and videos record it."""

from dataclasses import replace
from typing import Any

from dawn.sampling.model import ModelFolder
from dawn.sampling.settings import GenerateConfig
from manifests.config import as_dict


def settings_of(
    config: GenerateConfig, folder: ModelFolder | None, max_seconds: float | None
) -> dict[str, Any]:
    """What decides a video beside seed and inputs, with the window that is really used."""
    settings = as_dict(config) | {"max_seconds": max_seconds}
    if folder is not None:
        settings["window"] = config.window or folder.window
    return settings


def with_window(config: GenerateConfig, folder: ModelFolder) -> GenerateConfig:
    """The settings with the window that is really used, so that rows can name it."""
    return replace(config, window=config.window or folder.window)
