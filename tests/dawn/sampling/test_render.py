"""Rendering: how many frames at once, and that this changes nothing on a CPU."""

import pytest
import torch

from dawn.checkpoints import build
from dawn.lfg.config import LFG_TINY
from dawn.sampling.render import CPU_FRAMES, GPU_FRAMES, Renderer, ToHost, frames_at_once

GB = 10**9


@pytest.mark.parametrize(
    ("size", "free", "frames"),
    [(128, None, 16), (512, None, 16), (128, 80 * GB, 64), (512, 80 * GB, 64), (128, 5 * GB, 64),
     (128, 4 * GB, 32), (256, 8 * GB, 16), (512, 4 * GB, 2), (512, 10**6, 1), (128, 0, 1)],
)  # fmt: skip
def test_how_many_frames_fit(size, free, frames):
    assert frames_at_once(size, free) == frames


def test_more_memory_never_means_fewer():
    counts = [frames_at_once(256, free * 10**8) for free in range(0, 400, 3)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == GPU_FRAMES


@pytest.fixture(scope="module")
def lfg():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(LFG_TINY).eval()


def test_frames_do_not_depend_on_how_many_are_rendered_at_once(lfg):
    random = torch.Generator().manual_seed(0)
    source = torch.rand(3, 64, 64, generator=random)
    motion = torch.rand(3, 37, 16, 16, generator=random) - 0.5
    shown = []
    for chunk in (1, 7, CPU_FRAMES, 37):
        batches = list(Renderer(lfg, source, chunk).batches(motion))
        assert all(len(batch.pictures) <= chunk for batch in batches)
        assert all(batch.pictures.dtype == torch.uint8 for batch in batches)
        shown.append(torch.cat([torch.from_numpy(ToHost()(batch)) for batch in batches]))
    assert shown[0].shape == (37, 64, 64, 3)
    assert shown[0].float().std() > 5
    assert shown[0][0].ne(shown[0][1]).any()
    assert all(torch.equal(shown[0], other) for other in shown[1:])
    assert Renderer(lfg, source).chunk == CPU_FRAMES


@pytest.mark.gpu
def test_pictures_come_whole_from_a_gpu_that_has_gone_on(lfg):
    """Each fetch waits for its own batch alone; the next copy does not overwrite what was read."""
    device = torch.device("cuda")
    random = torch.Generator().manual_seed(0)
    source = torch.rand(3, 64, 64, generator=random).to(device)
    motion = (torch.rand(3, 64, 16, 16, generator=random) - 0.5).to(device)
    on_gpu = build(LFG_TINY).eval()
    on_gpu.load_state_dict(lfg.state_dict())
    renderer = Renderer(on_gpu.to(device), source, 8)
    batches = list(renderer.batches(motion))
    expected = [batch.pictures.cpu() for batch in batches]
    batches = list(renderer.batches(motion))
    to_host = ToHost()
    for batch, wanted in zip(batches, expected, strict=True):
        assert torch.equal(torch.from_numpy(to_host(batch).copy()), wanted)
