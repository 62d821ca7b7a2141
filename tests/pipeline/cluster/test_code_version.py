"""A node with other code than the command's, or none, is named before any work."""

import subprocess
import sys

import pytest
from ray import cloudpickle

from manifests.errors import InputError
from pipeline.cluster import shared

WITHOUT_OUR_CODE = """
import pickle, sys
sys.modules["pipeline"] = None
print(pickle.load(sys.stdin.buffer)()[1:])
"""


def test_a_node_without_the_code_can_be_asked_for_it() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", WITHOUT_OUR_CODE], input=cloudpickle.dumps(shared._code_probe()),
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert b"No module named 'pipeline.cluster'" in asked.stdout, asked.stderr


@pytest.mark.ray
def test_a_node_with_another_version_is_named(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.check_nodes(())
    monkeypatch.setattr(shared, "code_version", lambda: "another")
    with pytest.raises(InputError, match=r"node .* has another version of dawn-pipeline"):
        shared.check_nodes(())
