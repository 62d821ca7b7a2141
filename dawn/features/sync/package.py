"""Makes parts of `syncnet-python` importable without the whole.

The package's own `__init__` imports its pipeline, that PySceneDetect, and that runs `ffmpeg`, which
stops a process that is in the background of a terminal. The networks need none of it.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

from manifests.errors import InputError

_NAME = "syncnet_python"


@contextlib.contextmanager
def syncnet_parts() -> Iterator[None]:
    """Meanwhile `from syncnet_python.PART import …` imports PART alone. Afterwards the package
    itself can be imported as ever. Raises InputError where it is not installed.
    """
    if _NAME in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(_NAME)
    if spec is None or spec.submodule_search_locations is None:
        raise InputError("the package syncnet-python is not installed: pip install syncnet-python")
    bare = ModuleType(_NAME)
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules[_NAME] = bare
    try:
        yield
    finally:
        del sys.modules[_NAME]
