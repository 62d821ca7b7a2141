"""Mutated media files end in frames or in a reason; see `tests.fuzz`, which reads any number."""

from tests.fuzz import ALLOWED, run


def test_mutated_files_end_in_frames_or_in_a_reason() -> None:
    report = run(60, seed=1)
    assert not report.faults
    assert {"read", "truncated"} <= set(report.ends)
    assert report.frames > 1000
    assert report.bad <= ALLOWED * report.frames
