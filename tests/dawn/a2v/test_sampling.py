"""The three samplers, on a network that knows the answer."""

from types import SimpleNamespace

import pytest
import torch

from dawn.a2v.config import A2V_TINY
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.sampling import SamplerConfig, sample

TARGET = torch.rand(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9


class Oracle(GaussianDiffusion):
    """Predicts exactly the noise that leads to TARGET, and records what it was asked."""

    def __init__(self):
        super().__init__(A2V_TINY)
        self.times, self.kinds = [], []
        del self.denoise_fn
        self.denoise_fn = SimpleNamespace(
            prepare=lambda features, cond, window: cond, denoise=self.denoise
        )

    def denoise(self, z, cond, times):
        self.times.append(int(times[0]))
        self.kinds.append(["cond" if clip.any() else "null" for clip in cond])
        signal = self.alphas_cumprod[times].view(-1, 1, 1, 1, 1)
        return (z - signal.sqrt() * TARGET.repeat(len(z) // 2, 1, 1, 1, 1)) / (1 - signal).sqrt()


def run(oracle, seed=0, **settings):
    features = torch.zeros(2, 48, 8, 8)
    cond = torch.ones(2, 4, A2V_TINY.unet.cond_dim)
    generator = torch.Generator().manual_seed(seed)
    config = SamplerConfig(**settings)
    return sample(oracle, features, cond, config, window=8, generator=generator)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "ddim-official"},
        {"method": "ddim-official", "steps": 3, "eta": 0.0},
        {"method": "ddim", "steps": 7, "eta": 0.0},
        {"method": "ddim", "steps": 7, "eta": 1.0},
        {"method": "ancestral"},
    ],
)
def test_every_sampler_arrives_where_the_network_points(settings):
    assert torch.allclose(run(Oracle(), **settings), TARGET, atol=2e-3)


def test_official_steps_start_at_952_and_end_above_0():
    oracle = Oracle()
    run(oracle)
    assert oracle.times[:3] == [952, 904, 857]
    assert oracle.times[-1] == 47
    assert len(oracle.times) == 20


def test_published_ddim_starts_at_the_last_training_step():
    oracle = Oracle()
    run(oracle, method="ddim", steps=20)
    assert oracle.times[0] == 999
    assert len(oracle.times) == 20
    assert oracle.times == sorted(oracle.times, reverse=True)


def test_ancestral_takes_every_step():
    oracle = Oracle()
    run(oracle, method="ancestral")
    assert oracle.times == list(range(999, -1, -1))


def test_guidance_asks_with_and_without_conditions_at_once():
    oracle = Oracle()
    run(oracle, steps=2, guidance=1.5)
    assert oracle.kinds == [["cond", "cond", "null", "null"]] * 2
    oracle = Oracle()
    run(oracle, steps=2)
    assert oracle.kinds == [["cond", "cond"]] * 2


def test_published_ddim_recomputes_noise_after_clamping():
    """One step to a middle level must leave z with exactly the noise consistent with z_0."""

    class Loud(Oracle):
        def denoise(self, z, cond, times):
            return super().denoise(z, cond, times) - 3.0

    ends = {m: run(Loud(), method=m, steps=4, eta=0.0) for m in ("ddim", "ddim-official")}
    assert all(end.abs().max() <= 1 for end in ends.values())  # the last step is the clamped z_0
    assert not torch.allclose(ends["ddim"], ends["ddim-official"], atol=1e-3)


@pytest.mark.parametrize("method", ["ddim-official", "ddim", "ancestral"])
def test_the_seed_decides(method):
    class Blind(Oracle):
        def denoise(self, z, cond, times):
            return 0.5 * z

    first, again, other = (run(Blind(), seed, method=method) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-2)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"eta": 1.5}, {"method": "ancestral", "steps": 5}],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"steps|eta"):
        SamplerConfig(**wrong)
