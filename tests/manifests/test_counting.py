"""Numbers of things in words."""

import re
from pathlib import Path

from manifests.counting import count

ROOT = Path(__file__).parents[2]


def test_one_is_singular_and_others_are_plural() -> None:
    assert [count(n, "clip") for n in (0, 1, 2, 1000)] == [
        "0 clips", "1 clip", "2 clips", "1,000 clips",
    ]  # fmt: skip
    assert count(1, "identity", "identities") == "1 identity"
    assert count(3, "identity", "identities") == "3 identities"


def test_messages_of_commands_count_with_it() -> None:
    """No length before a plural that is written out: it would say `1 clips`."""
    said = re.compile(r"\{len\([^{}]*\)\} (?!of )[a-z ]*(clip|video|source|row|file|run)s\b")
    for path in (ROOT / "pipeline").rglob("*.py"):
        assert not said.search(path.read_text()), path
