"""Pictures as a person would see them: mirrored and turned, HDR, interlaced, of changing size.

After public reports: FFMS/ffms2#317 (mirrors), opencv/opencv#24185 (HDR),
n00mkrad/flowframes#375 (interlaced), bvibber/OGVKit#132 (size changes).
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.video.decode import read_frames, read_pictures
from dawn.features.video.probe import probe

LEVELS = np.array([[230, 120, 90], [60, 140, 200], [128, 128, 128], [200, 30, 40]], np.uint8)
"""Colours of the corners, below the white at which highlights are compressed."""


def corners() -> NDArray[np.uint8]:
    """A picture (96, 128, 3) whose four quarters have the colours of LEVELS."""
    picture = np.zeros((96, 128, 3), np.uint8)
    for k, (row, column) in enumerate(product((0, 1), repeat=2)):
        picture[row * 48 : row * 48 + 48, column * 64 : column * 64 + 64] = LEVELS[k]
    return picture


def write(
    path: Path,
    pictures: list[NDArray[np.uint8]] | list[NDArray[np.uint16]],
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    matrix: tuple[int, ...] | None = None,
    form: str = "rgb24",
    pixels: str = "yuv444p",
    tags: tuple[int, int] = (2, 2),
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {"qp": "0"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.color_trc, stream.codec_context.color_primaries = tags
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format=form)
            frame.pts, frame.time_base = k, Fraction(1, 25)
            frame.color_trc, frame.color_primaries = tags
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def quarters(picture: NDArray[np.uint8]) -> list[list[int]]:
    """Which of LEVELS each quarter of a picture shows."""
    height, width = picture.shape[:2]
    points = [
        [picture[y, x] for x in (width // 4, 3 * width // 4)]
        for y in (height // 4, 3 * height // 4)
    ]
    return [[int(np.abs(LEVELS.astype(int) - p).sum(1).argmin()) for p in row] for row in points]


MATRICES = [(a, 0, 0, d) for a in (-1, 1) for d in (-1, 1)] + [
    (0, b, c, 0) for b in (-1, 1) for c in (-1, 1)
]


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_display_matrix(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """All eight turns and mirrors put each corner where the matrix says."""
    a, b, c, d = matrix
    one = 1 << 16
    path = write(
        tmp_path / "v.mp4", [corners()] * 3,
        matrix=(a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30),
    )  # fmt: skip
    info = probe(path)
    expected = [[0, 0], [0, 0]]
    for k, (y, x) in enumerate(product((-1, 1), repeat=2)):
        column, row = a * x + c * y, b * x + d * y
        expected[(row + 1) // 2][(column + 1) // 2] = k
    _, picture = next(read_frames(path, info))
    assert picture.shape[:2] == (info.height, info.width) == ((96, 128) if a else (128, 96))
    assert quarters(picture) == expected
    assert info.mirrored == (a * d - b * c < 0)


def test_a_change_of_size_is_a_break_and_keeps_shapes(tmp_path: Path) -> None:
    wide = np.pad(corners(), ((0, 0), (64, 64), (0, 0)))
    parts = []
    for name, picture in (("1", corners()), ("2", wide)):
        part = write(tmp_path / f"{name}.ts", [picture] * 12, options={"qp": "0", "bf": "0"})
        parts.append(part)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(parts[0].read_bytes() + later(parts[1], tmp_path / "later.ts").read_bytes())
    found = [
        (i, image.shape[:2], size) for i, image, size, _ in read_pictures(joined, probe(joined))
    ]
    sizes = [size for *_, size in found]
    change = sizes.index((256, 96))
    assert sizes == [(128, 96)] * change + [(256, 96)] * (len(sizes) - change)
    assert all(shape == size[::-1] for _, shape, size in found)
    assert found[change][0] > found[change - 1][0] + 1
    assert len(found) >= 20


def later(path: Path, to: Path) -> Path:
    """The same packets 12 frames later."""
    with av.open(str(path)) as source, av.open(str(to), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.pts += 12 * 3600
                packet.dts += 12 * 3600
                packet.stream = stream
                target.mux(packet)
    return to


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084: light in cd/m² to a signal in 0..1."""
    y = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100: display light in cd/m² at a peak of 1000 to a signal in 0..1."""
    display = light / 1000
    luminance = display @ np.array([0.2627, 0.6780, 0.0593])
    scene = display * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    low = np.sqrt(3 * scene)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, low, high)


@pytest.mark.parametrize(
    ("name", "tag", "encode"), [("smpte2084", 16, pq), ("arib_std_b67", 18, hlg)]
)
def test_hdr_looks_as_it_did_before_it_was_graded_up(
    tmp_path: Path, name: str, tag: int, encode: object
) -> None:
    to_2020 = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )
    light = (corners() / 255.0) ** 2.4 * 203
    signal = encode(light @ to_2020.T)  # type: ignore[operator]
    picture: NDArray[np.uint16] = np.rint(signal * 65535).astype(np.uint16)

    def made(tags: tuple[int, int]) -> Path:
        return write(
            tmp_path / f"{tags}.mkv", [picture] * 3, "ffv1", {"level": "3"}, form="rgb48le",
            pixels="gbrp10le", tags=tags,
        )  # fmt: skip

    path = made((tag, 9))
    info = probe(path)
    assert info.transfer == name
    _, shown = next(read_frames(path, info))
    assert np.abs(shown.astype(int) - corners()).max() <= 6
    _, washed = next(read_frames(made((1, 1)), info))
    assert np.abs(washed.astype(int) - corners()).mean() > 20  # what it was before


def test_interlaced_footage_is_not_combed(tmp_path: Path) -> None:
    """Two moments woven into a frame line by line come apart again."""

    def bar(at: int) -> NDArray[np.uint8]:
        picture = np.full((96, 128, 3), 60, np.uint8)
        picture[:, at : at + 24] = 200
        return picture

    woven = []
    for k in range(20):
        frame = bar(4 + 4 * k)
        frame[1::2] = bar(6 + 4 * k)[1::2]
        woven.append(frame)
    path = write(
        tmp_path / "v.mkv", woven, "mpeg2video", {"flags": "+ilme+ildct", "qmax": "1", "qmin": "1"},
        pixels="yuv422p",
    )  # fmt: skip
    info = probe(path)
    if not info.interlaced:
        pytest.fail("the encoder did not mark its frames")

    def comb(*, interlaced: bool) -> float:
        pictures = [image for _, image in read_frames(path, replace(info, interlaced=interlaced))]
        assert len(pictures) == 20
        return float(np.mean([np.abs(np.diff(p.astype(int), axis=0)).mean() for p in pictures]))

    assert comb(interlaced=True) < 0.35 * comb(interlaced=False)
