"""Damage that decoders do not tell: none of it is shown, and whole films lose nothing."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from dawn.features.video.decode import read_pictures
from dawn.features.video.probe import probe
from dawn.features.video.syntax import Syntax
from tests.fuzz import FRAMES, KINDS, read, write_film


def packets(path: Path) -> list[tuple[int, int, bool]]:
    """Place and size in the file of each picture's packet, and whether it is a key frame."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]


def without_header(data: bytearray, at: int, size: int) -> None:
    """The chunk's name and size are gone, so that the packet is lost."""
    data[at - 8 : at] = bytes(8)


def with_zeros(data: bytearray, at: int, size: int) -> None:
    """A quarter of the packet is gone."""
    data[at + size // 2 : at + size // 2 + size // 4] = bytes(size // 4)


@pytest.mark.parametrize(
    ("suffix", "damage"), [("avi", without_header), ("avi", with_zeros), ("mp4", with_zeros)]
)
def test_what_the_decoder_passes_over_is_left_out(
    tmp_path: Path, suffix: str, damage: Callable[[bytearray, int, int], None]
) -> None:
    film = write_film(tmp_path / f"film.{suffix}", KINDS[suffix])
    data, places = bytearray(film.read_bytes()), packets(film)
    key = next(k for k in range(50, FRAMES) if places[k][2])
    damage(data, *places[key - 12][:2])
    film.write_bytes(data)
    seen = read(film)
    assert seen.ended == "read"
    assert seen.frames >= 41  # those before
    assert (seen.damaged, seen.worst) == (0, 0)


@pytest.mark.parametrize("suffix", ["mkv", "flv", "mp4", "ts"])
def test_what_follows_a_missing_reference_is_left_out(tmp_path: Path, suffix: str) -> None:
    film = write_film(tmp_path / f"film.{suffix}", KINDS[suffix])
    shorter = tmp_path / f"shorter.{suffix}"
    with av.open(str(film)) as source, av.open(str(shorter), "w") as target:
        old = source.streams.video[0]
        new = target.add_stream_from_template(old)
        references = 0
        for packet in source.demux(old):
            if packet.dts is None:
                continue
            references += packet.size > 1800 and packet.pts * old.time_base > 1.8
            if references != 1:
                packet.stream = new
                target.mux(packet)
            else:
                references += 1
    damaged: list[float] = []
    list(read_pictures(shorter, probe(shorter), damaged=damaged))
    assert damaged
    assert (read(shorter).damaged, read(shorter).worst) == (0, 0)


@pytest.mark.parametrize("suffix", KINDS)
def test_whole_films_lose_nothing(tmp_path: Path, suffix: str) -> None:
    film = write_film(tmp_path / f"film.{suffix}", KINDS[suffix])
    damaged: list[float] = []
    pictures = list(read_pictures(film, probe(film), damaged=damaged))
    assert damaged == []
    assert len(pictures) in (FRAMES, FRAMES + 1)


def test_frames_that_an_encoder_left_out_are_no_damage(tmp_path: Path) -> None:
    """AVI holds empty chunks in their places."""
    film, thinner = write_film(tmp_path / "film.avi", "mpeg4"), tmp_path / "thinner.avi"
    with av.open(str(film)) as source, av.open(str(thinner), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 96
        for k, frame in enumerate(source.decode(video=0)):
            if k % 10 != 5:
                frame.pts = k
                target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    damaged: list[float] = []
    list(read_pictures(thinner, probe(thinner), damaged=damaged))
    assert damaged == []


def test_parameters_that_make_no_sense_are_damage() -> None:
    syntax = Syntax("h264", b"")
    assert syntax.broken(b"\0\0\1\x67\x64", key=True)
    assert not Syntax("vp8", b"").broken(bytes(100), key=False)


@pytest.mark.shared
def test_real_footage_is_whole(shared: Path) -> None:
    for path in sorted((shared / "clips").glob("[cd]*.m*")):
        if "TRUNCATED" not in path.name:
            damaged: list[float] = []
            info = probe(path)
            assert len(list(read_pictures(path, info, max_side=64, damaged=damaged))) > 70
            assert damaged == [], path.name
