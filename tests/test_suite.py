"""The suite itself: it says what it did not exercise."""

import pytest

pytest_plugins = ["pytester"]

CONFTEST = "from tests.conftest import pytest_terminal_summary"
TESTS = """
import pytest

@pytest.mark.gpu
def test_one():
    pytest.skip("needs a CUDA device")

@pytest.mark.browser
def test_another():
    pytest.skip("needs chromium")

@pytest.mark.browser
@pytest.mark.parametrize("ran", [{ran}])
def test_a_third(ran):
    if not ran:
        pytest.skip("needs chromium")
"""


@pytest.mark.parametrize(
    ("ran", "closing"),
    [
        (True, "not exercised in this run: GPU (needs a CUDA device)"),
        (False, "not exercised in this run: GPU (needs a CUDA device), browser (needs chromium)"),
    ],
)
def test_what_no_test_exercised_stands_in_one_closing_line(
    ran: bool, closing: str, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers =\n    gpu\n    browser\n")
    pytester.makepyfile(TESTS.format(ran=ran))
    lines = pytester.runpytest_inprocess().outlines
    assert [line for line in lines if "not exercised" in line] == [closing]
    assert lines.index(closing) == len(lines) - 2  # before the counts
