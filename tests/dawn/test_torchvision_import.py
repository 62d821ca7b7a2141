import subprocess
import sys

CODE = """
from dawn.torchvision_import import prepare_torchvision
prepare_torchvision()
prepare_torchvision()
import torch, torchvision
network = torchvision.models.squeezenet1_1(weights=None).eval()
assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
"""


def test_torchvision_imports_and_its_models_run() -> None:
    # In a process of its own: here, another test may have imported torchvision already.
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True)
