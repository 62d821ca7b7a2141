"""A few rounds of bad weather (`tests/storms.py`), one of each kind and some of several."""

import pytest

from tests.storms import KINDS, rounds

ROUNDS, SEED = 5, 11
"""Together they meet every kind."""


@pytest.mark.slow
def test_whatever_the_weather_nothing_is_lost_doubled_or_misreported() -> None:
    met: set[str] = set()
    codes: set[int] = set()
    with rounds() as ground:
        for number in range(ROUNDS):
            kinds, ends = ground.round(number, SEED)
            met.update(kinds)
            codes.update(ends)
    assert met == {*KINDS}
    assert 0 in codes
