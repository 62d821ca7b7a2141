"""Parts that declare themselves: one module each, in a package of ours or an installed one.

Whoever extends the project adds a file to the package, or, without touching it, a distribution
with an entry point: `[project.entry-points."dawn.metrics"]`, `mine = "my_package.my_metric"`.
docs/extending.md shows both.
"""

from collections.abc import Container
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType

from manifests.errors import InputError


def modules(package: str, group: str, *, leave_out: Container[str] = ()) -> list[ModuleType]:
    """The modules of a package, then those that distributions name in an entry-point group.

    Raises InputError, naming it, for an entry point that cannot be imported.
    """
    folder = import_module(package).__path__
    names = [info.name for info in iter_modules(folder) if info.name not in leave_out]
    return [import_module(f"{package}.{name}") for name in names] + plugins(group)


def plugins(group: str) -> list[ModuleType]:
    """The modules that distributions name in an entry-point group, by name. Raises InputError."""
    found = []
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        try:
            found.append(import_module(point.module))
        except Exception as error:
            raise InputError(
                f"the plug-in {point.name!r} ({group}) cannot be imported from {point.module}: "
                f"{type(error).__name__}: {error}"
            ) from error
    return found
