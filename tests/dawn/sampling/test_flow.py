"""Motion of any length: what overlaps must agree, whatever the stretches."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from dawn.a2v.config import A2V_TINY
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.sampling import sample
from dawn.sampling.flow import sample_motion, stretches, work
from dawn.sampling.noise import BLOCK, WORD, frame_noise, item_seed, philox
from dawn.sampling.settings import GenerateConfig, config_of

CONFIG = GenerateConfig(steps=3, stretch=24, overlap=8)


class Opinion(GaussianDiffusion):
    """A network whose answer depends on the stretch it sees, as group norm's does.

    Each stretch is pulled to its own level; frames of one stretch agree, stretches do not.
    """

    def __init__(self, cond_scale=1.0):
        super().__init__(A2V_TINY)
        self.seen = []
        self.scale = cond_scale
        del self.denoise_fn
        self.denoise_fn = SimpleNamespace(
            prepare=lambda features, cond, window: cond, denoise=self.denoise
        )

    def denoise(self, z, cond, times):
        self.seen.append(z.shape[2])
        target = cond.mean().expand_as(z) * self.scale
        signal = self.alphas_cumprod[times].view(-1, 1, 1, 1, 1)
        return (z - signal.sqrt() * target) / (1 - signal).sqrt()


def motion(diffusion, frames, config=CONFIG, seed=0):
    cond = torch.linspace(-1, 1, frames)[:, None].repeat(1, 4)
    features = torch.zeros(1, 4, 4, 4)
    parts = sample_motion(diffusion, features, cond, config, window=4, seed=seed)
    return torch.cat(list(parts), dim=1)


@pytest.mark.parametrize("frames", [1, 5, 24, 25, 32, 33, 40, 41, 400])
def test_stretches_cover_every_frame_and_overlap_fully(frames):
    plan = stretches(frames, 24, 8)
    assert plan[0][0] == 0
    assert plan[-1][1] == frames
    for (_, stop), (start, after) in pairwise(plan):
        assert stop - start == 8
        assert after > stop
    assert all(stop - start <= 24 for start, stop in plan)


@pytest.mark.parametrize("frames", [1, 24, 25, 41, 90])
def test_every_frame_comes_once(frames):
    done = []
    cond = torch.zeros(frames, 4)
    parts = list(
        sample_motion(
            Opinion(), torch.zeros(1, 4, 4, 4), cond, CONFIG, window=4, seed=0, on_step=done.append
        )
    )
    assert sum(part.shape[1] for part in parts) == frames
    assert sum(done) == work(frames, CONFIG)


def test_a_short_video_is_plain_sampling():
    ours = motion(Opinion(), 20, replace(CONFIG, eta=0.0))
    noise = frame_noise(0, "start", range(1), range(20), (3, 4, 4)).transpose(1, 2)
    cond = torch.linspace(-1, 1, 20)[:, None].repeat(1, 4)[None]
    plain = sample(
        Opinion(),
        torch.zeros(1, 4, 4, 4),
        cond,
        replace(CONFIG, eta=0.0).sampler,
        window=4,
        noise=noise,
    )
    assert torch.equal(ours, plain[0])


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_no_jump_where_stretches_meet(eta):
    config = replace(CONFIG, eta=eta, steps=20)
    made = motion(Opinion(), 88, config).mean(dim=(0, 2, 3))
    levels = [torch.linspace(-1, 1, 88)[a:b].mean() for a, b in stretches(88, 24, 8)]
    between = max((b - a).abs() for a, b in pairwise(levels))
    steps = made.diff().abs()
    assert between > 0.3  # cut and joined, this would be the jump
    assert steps.max() < 0.25 * between


def test_what_comes_first_does_not_depend_on_what_follows():
    class Local(Opinion):
        def denoise(self, z, cond, times):
            signal = self.alphas_cumprod[times].view(-1, 1, 1, 1, 1)
            target = z.mean(dim=(3, 4), keepdim=True) * 0 + 0.3
            return (z - signal.sqrt() * target) / (1 - signal).sqrt()

    long, short = motion(Local(), 80), motion(Local(), 40)
    assert torch.equal(long[:, :32], short[:, :32])


def test_seeds_and_items_differ():
    assert not torch.equal(motion(Opinion(), 30, seed=0)[0], motion(Opinion(), 30, seed=1)[0])
    assert item_seed(0, "a") != item_seed(0, "b") != item_seed(1, "b")
    assert 0 <= item_seed(2**40, "x") < 2**63


@pytest.mark.parametrize("stream", ["philox", "blocks"])
def test_noise_belongs_to_the_frame(stream):
    def drawn(kind, number, frames, seed=3):
        numbers = range(number, number + 1)
        return frame_noise(seed, kind, numbers, frames, (3, 2, 5), stream=stream)[0]

    every = range(5 * BLOCK)
    whole = drawn("start", 0, every)
    for start, stop in ((0, 1), (7, 33), (BLOCK, 2 * BLOCK), (BLOCK - 1, BLOCK + 1)):
        assert torch.equal(drawn("start", 0, range(start, stop)), whole[start:stop])
    steps = frame_noise(3, "step", range(4), every, (3, 2, 5), stream=stream)
    assert torch.equal(steps[2], drawn("step", 2, every))
    others = [drawn("step", 0, every), drawn("step", 1, every), drawn("pbnet", 0, every)]
    others += [drawn("start", 0, every, seed) for seed in (4, 3 + 2**32)]
    for other in others:
        shared = torch.corrcoef(torch.stack((whole.flatten(), other.flatten())))[0, 1]
        assert abs(shared) < 0.1


def test_philox_gives_the_published_words():
    """Known answers of Random123 (philox 4x32, 10 rounds)."""
    known = {
        (0, (0, 0)): [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        (WORD, (WORD, WORD)): [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
    }
    for (word, key), words in known.items():
        counter = tuple(torch.full((1,), word) for _ in range(4))
        assert [int(found) for found in philox(counter, key)] == words
    counter = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    words = philox(tuple(torch.tensor([word]) for word in counter), (0xA4093822, 0x299F31D0))
    assert [int(word) for word in words] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_noise_is_standard_normal():
    drawn = frame_noise(7, "step", range(5, 6), range(200), (3, 32, 32))[0].double()
    assert abs(float(drawn.mean())) < 0.005
    assert abs(float(drawn.std()) - 1) < 0.005
    assert abs(float((drawn**4).mean()) - 3) < 0.05
    places = drawn.flatten(1)
    assert places.mean(0).abs().max() < 5 / 200**0.5  # no place and no frame leans
    assert places.mean(1).abs().max() < 5 / 3072**0.5
    assert abs(float((places[:, :-1] * places[:, 1:]).mean())) < 0.01


@pytest.mark.gpu
def test_a_gpu_draws_the_same_noise():
    here, there = (
        frame_noise(1, "step", range(2, 5), range(30, 90), (3, 32, 32), device=device)
        for device in ("cpu", "cuda")
    )
    assert (here - there.cpu()).abs().max() < 1e-6


@pytest.mark.parametrize(
    "settings",
    [{"steps": 0}, {"steps": 1000}, {"eta": 1.5}, {"guidance": float("nan")}, {"window": 0},
     {"stretch": 10, "overlap": 6}, {"overlap": 0}, {"render_frames": 0}],
)  # fmt: skip
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match="must"):
        GenerateConfig(**settings)


@pytest.mark.parametrize("frames", [1, 20, 60, 61, 100, 101, 139, 141, 500, 3000])
def test_a_short_first_stretch_grows(frames):
    plan = stretches(frames, 240, 40, 60)
    assert plan[0] == (0, min(60, frames))
    assert plan[-1][1] == frames
    lengths = [stop - start for start, stop in plan]
    for (_, stop), (start, after) in pairwise(plan):
        assert stop - start == 40
        assert after > stop
    assert lengths[:-1] == [60, 120, 240, 240, 240, 240, 240][: len(plan) - 1] + [240] * (
        len(plan) - 8
    )
    assert lengths[-1] <= 240


def test_a_plan_without_a_first_stretch_is_as_it_was():
    for frames in (1, 239, 240, 241, 440, 441, 5000):
        starts = range(0, max(1, frames - 40), 200)
        as_before = [(start, min(start + 240, frames)) for start in starts]
        assert stretches(frames, 240, 40) == as_before == stretches(frames, 240, 40, 240)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_no_jump_between_stretches_that_grow(eta):
    config = replace(CONFIG, eta=eta, steps=20, first_stretch=12)
    made = motion(Opinion(), 88, config).mean(dim=(0, 2, 3))
    plan = stretches(88, 24, 8, 12)
    levels = [torch.linspace(-1, 1, 88)[a:b].mean() for a, b in plan]
    between = max((b - a).abs() for a, b in pairwise(levels))
    assert between > 0.3
    assert made.diff().abs().max() < 0.25 * between


def test_settings_that_fit_a_first_stretch():
    assert config_of(first_stretch=60).overlap == 40
    assert config_of(first_stretch=30).overlap == 20
    assert config_of(first_stretch=30, stretch=240, overlap=10).overlap == 10
    assert config_of(stretch=16).overlap == 8
    for settings in ({"first_stretch": 40}, {"first_stretch": 241}, {"first_stretch": 0}):
        with pytest.raises(ValueError, match="first_stretch must"):
            GenerateConfig(**settings)
