"""Which of several workers runs what: modules stay whole, so that their fixtures are made once.

Modules that use the shared Ray go to one of two workers, which start one each: a single one would
still be at it when all others have ended. What lasts longest begins first, so that the workers end
together.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
RAY, OTHER_RAY = "ray", "other ray"
OF_THE_OTHER = ("tests/benchmarks/", "tests/pipeline/train/")
"""About half of the work with Ray."""
LONGEST = (
    "tests/test_documents.py", RAY, OTHER_RAY, "tests/pipeline/ingest/test_kill.py",
    "tests/test_demo.py", "tests/test_extending.py", "tests/test_cluster.py",
)  # fmt: skip
"""Minutes each."""


class ByModule(LoadScopeScheduling):
    """Gives out modules, in the order that `begin_with_the_longest` left them in."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What a test goes with: its module, or those that use the same Ray."""
    module = nodeid.partition("::")[0]
    if not _uses_ray(module):
        return module
    return OTHER_RAY if module.startswith(OF_THE_OTHER) else RAY


@cache
def _uses_ray(module: str) -> bool:
    return "ray_session" in (ROOT / module).read_text()


def begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Sort tests: the longest units, then modules that have slow tests, then the others."""
    slow = {unit(item.nodeid) for item in items if item.get_closest_marker("slow")}

    def turn(item: pytest.Item) -> tuple[int, bool]:
        own = unit(item.nodeid)
        return LONGEST.index(own) if own in LONGEST else len(LONGEST), own not in slow

    items.sort(key=turn)
