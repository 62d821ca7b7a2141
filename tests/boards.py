"""Results of three systems and two bounds with invented numbers, as leaderboards read them."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.leaderboard.board import Board, BoardSettings, make_board
from eval.leaderboard.groups import grouped
from eval.results.scores import Results, load_results
from tests.results_folders import write_results

CLIPS, FRAMES = 40, 50
HOSTILE = "<script>alert(1)</script> \"a\" 'b' & | $x$ \\ %"
HOSTILE_CLIP = "clip \"0\" 'x' <img src=x onerror=alert(2)>"
SPEAKERS = [f"speaker{i // 4}" for i in range(CLIPS)]


def clip_ids() -> list[str]:
    return [HOSTILE_CLIP, *(f"clip{i:04d}" for i in range(1, CLIPS))]


def clip_columns(seed: int, video: Path | None = None) -> list[dict[str, Any]]:
    """Length, head turn, curves and times of each clip; one clip failed."""
    random = np.random.default_rng(seed)
    facts = np.random.default_rng(7).uniform(2, 5, CLIPS)  # of the real clips: the same for all
    rows: list[dict[str, Any]] = []
    for i, clip in enumerate(clip_ids()):
        mouth = np.abs(np.sin(np.arange(FRAMES) / 3 + i)) * 0.1
        identity = 0.9 - 0.01 * np.arange(10) + random.normal(0, 0.01, 10)
        rows.append(
            {
                "clip_id": clip, "duration_s": float(facts[i]), "yaw_p95": float(facts[i] * 3),
                "video": str(video) if video else f"/gone/{i}.mp4", "reference": None,
                "real_time_factor": float(random.uniform(0.5, 2)),
                "mouth_generated": (mouth * 0.8).tolist(), "mouth_reference": mouth.tolist(),
                "loudness": (-30 + 100 * mouth).tolist(),
                "csim": [None, *identity[1:].tolist()],
            }
        )  # fmt: skip
    rows[3] |= {"status": "failed", "reason": "unreadable"}
    return rows


def write_system(
    folder: Path, name: str, better: float, seed: int, video: Path | None = None, **info: Any
) -> Path:
    """`better` moves all its numbers the good way; differences between clips are shared."""
    random, shared = np.random.default_rng(seed), np.random.default_rng(1)
    base, blinks = shared.normal(25, 2, CLIPS), shared.uniform(0, 0.6, CLIPS)
    psnr: list[float | None] = list(base + better + random.normal(0, 0.2, CLIPS))
    psnr[3] = None
    values = {
        "psnr": psnr,
        "blink_rate": np.clip(blinks + 0.2 - better / 10, 0, None),
        "m_lmd_iod": np.abs(0.05 - better / 100 + random.normal(0, 0.002, CLIPS)),
        "csim_src_mbf128": 0.7 + better / 50 + random.normal(0, 0.05, CLIPS),
        "real_time_factor": random.uniform(0.5, 2, CLIPS),
    }
    features = {
        "inception_pool3": (
            random.normal(2 - better, 1, (CLIPS, 4, 6)),
            shared.normal(0, 1, (CLIPS, 4, 6)),
        )
    }
    write_results(
        folder, values, system=name, references={"blink_rate": blinks}, speakers=SPEAKERS,
        features=features, clips=clip_columns(seed, video),
        set_metrics=["fid_incep2015", "fvd16_i3d400"], **info,
    )  # fmt: skip
    return folder


def write_all(root: Path, video: Path | None = None) -> list[Path]:
    """good > equal (by luck only) > bad with a hostile name; real and static."""
    return [
        write_system(root / "good", "good", 1.0, 1, video, checkpoint="abc"),
        write_system(root / "equal", "equal", 0.99, 2),
        write_system(root / "it's [bad]", HOSTILE, -1.0, 3),
        write_system(root / "real", "real", 2.0, 4, baseline="real"),
        write_system(root / "static", "static", -2.0, 5, baseline="static"),
    ]


def load_all(folders: list[Path]) -> list[Results]:
    return [load_results(str(folder)) for folder in folders]


def board_of(folders: list[Path], **settings: Any) -> Board:
    return make_board(grouped(load_all(folders)), BoardSettings(**settings))
