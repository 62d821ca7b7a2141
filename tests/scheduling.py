"""Which of several workers runs what: modules stay whole, so that their fixtures are made once.

All modules that use the shared Ray go to one worker. What lasts longest begins first, so that the
workers end together.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
RAY = "ray"


class ByModule(LoadScopeScheduling):
    """Gives out modules, in the order that `begin_with_the_longest` left them in."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What a test goes with: its module, or all that use the shared Ray."""
    module = nodeid.partition("::")[0]
    return RAY if _uses_ray(module) else module


@cache
def _uses_ray(module: str) -> bool:
    return "ray_session" in (ROOT / module).read_text()


def begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Sort tests: those with Ray, then modules that have slow tests, then the others."""
    slow = {unit(item.nodeid) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (unit(item.nodeid) != RAY, unit(item.nodeid) not in slow))
