"""Nothing that is published names a path of the machine that made it."""

import re
from pathlib import Path

import numpy as np
import pytest

from eval.leaderboard.names import folder_names, public_command, speaker_names
from eval.results.scores import load_results
from pipeline.evaluate.leaderboard import LeaderboardOptions, make_leaderboard, run_leaderboard
from tests.films import drift, hum, write_film
from tests.results_folders import write_results

CLIPS = 8


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Results whose every field that may hold a path holds one, on a disk with a telling name."""
    secret = tmp_path / "secret-project"
    video = secret / "videos" / "clip.mkv"
    video.parent.mkdir(parents=True)
    write_film(video, drift(12, 0), hum(12))
    found = []
    for place, name in enumerate(("one", "two")):
        clips = [
            {
                "clip_id": f"c{i}",
                "video": str(video),
                "reference": str(video if i else video.parent),
            }
            for i in range(CLIPS)
        ]
        clips[1] |= {"video": str(secret / "gone.mp4")}
        write_results(
            secret / name, {"psnr": 20 + place + np.arange(CLIPS) / 10}, system=name, clips=clips,
            speakers=[f"video:{i:04x}" for i in range(CLIPS)],
            reference=f"{secret}/dataset:all", checkpoint=str(secret / "model"),
            command=["dawn", "evaluate", "--run", str(secret / "run"), f"--out={secret}/{name}"],
            sources={f"c{i}": f"{secret}/films/film{i}" for i in range(CLIPS)},
            unpaired={"generated": 1, "reference": 0, "generated_names": [f"{secret}/x.mp4"],
                      "reference_names": []},
        )  # fmt: skip
        found.append(str(secret / name))
    return found


@pytest.mark.parametrize("to", ["page", "hf-space", "model-card"])
def test_no_output_names_a_path(tmp_path: Path, folders: list[str], to: str) -> None:
    out = tmp_path / "out"
    command = ("dawn", "leaderboard", *folders, "--out", str(out))
    run_leaderboard(
        LeaderboardOptions(results=tuple(folders), out=out, command=command, to=to)  # type: ignore[arg-type]
    )
    files = [file for file in out.rglob("*") if file.is_file()]
    assert len(files) == {"page": 7, "hf-space": 8, "model-card": 4}[to]
    for file in files:
        content = file.read_bytes()
        for path in (b"secret-project", str(tmp_path).encode(), b"/tmp/", b"/home/", b"\\Users\\"):
            assert path not in content, file


def test_a_page_calls_speakers_and_clips_by_their_sources(
    tmp_path: Path, folders: list[str]
) -> None:
    page = make_leaderboard(folders, tmp_path / "out").read_text()
    assert "film3" in page
    assert not re.search(r">\s*video:0003", page)


def test_labels_stay_and_unnamed_speakers_are_their_sources(tmp_path: Path) -> None:
    write_results(
        tmp_path / "a", {"psnr": [1.0, 2.0, 3.0, 4.0, 5.0]},
        speakers=["anna", "face:0", "face:0", "face:0", "video:9"],
        sources={f"clip000{i}": f"talk{i}" for i in range(4)},
    )  # fmt: skip
    assert speaker_names(load_results(str(tmp_path / "a"))) == {
        "anna": "anna", "face:0": "talk1, talk2 and 1 more", "video:9": "video:9",
    }  # fmt: skip


def test_commands_keep_all_but_folders() -> None:
    words = ["dawn", "evaluate", "--reference=/a/b/data:test", "--out", "s3://bucket/x/", "a b"]
    assert public_command(words) == [
        "dawn", "evaluate", "--reference=data:test", "--out", "x", "a b",
    ]  # fmt: skip
    assert folder_names(["/x/a", "/y/a/", "b", "/z/a"]) == ["a", "a-2", "b", "a-3"]
