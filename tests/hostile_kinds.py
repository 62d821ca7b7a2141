"""What is not a proper video, each kind with how it must end. The makers are in `hostile`."""

import io
import struct
import wave
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.hostile import (
    Film,
    boxes,
    edited,
    external,
    faces,
    flipped,
    noise,
    patched,
    plain,
    tone,
)

Make = Callable[[Path], bytes | None]
"""Gives the file's bytes, or writes it itself."""
KINDS: dict[str, tuple[str, Make]] = {}
"""File name -> (how it ends, maker). Several endings are joined by `|`."""


def kind(name: str, ends: str, make: Make) -> None:
    KINDS[name] = (ends, make)


def picture(format_: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    stills = [Image.fromarray(array) for array in noise(5)]
    animated = {"save_all": True, "append_images": stills[1:]} if format_ in ("GIF", "WEBP") else {}
    stills[0].save(file, format_, **animated)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("film.mp4", plain())
    return file.getvalue()


def black(count: int) -> list[np.ndarray]:
    """Pictures of 41 million pixels."""
    return [np.zeros((6400, 6400, 3), np.uint8)] * count


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def holed(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes((tone(1.0, 16000)[0] * 32767).astype("<i2").tobytes())
    return file.getvalue()


def mp3_with_cover() -> bytes:
    cover = b"\0image/png\0\x03\0" + picture("PNG")
    frame = b"APIC" + struct.pack(">IH", len(cover), 0) + cover
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + bare_sound("mp3", "libmp3lame", 44_100)


def bare_sound(container: str, codec: str, rate: int, layout: str = "mono") -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        Film(path, container).sound(1.5, codec, rate, layout).close()
        return path.read_bytes()


def film(container: str = "mp4", **options: object) -> Callable[[Path], None]:
    """A film without a face and without sound."""

    def make(path: Path) -> None:
        arguments = dict(options)
        shot = arguments.pop("shot", noise)()
        Film(path, container).pictures(shot, **arguments).close()

    return make


def talking(container: str = "mp4", **sound: object) -> Callable[[Path], None]:
    """A film of a face with an odd sound."""
    return lambda path: Film(path, container).pictures(faces()).sound(**sound).close()


# --- not a video at all ---------------------------------------------------------------------
RANDOM = np.random.default_rng(5).integers(0, 256, 50_000, np.uint8).tobytes()
kind("bytes-0.mp4", "empty", lambda _: b"")
kind("bytes-1.mp4", "not_a_video", lambda _: b"\0")
kind("text.mp4", "not_a_video", lambda _: b"This is no video.\n" * 40)
kind("random.mp4", "not_a_video|no_picture|corrupt", lambda _: RANDOM)
kind("jpeg.mp4", "not_a_video", lambda _: picture("JPEG"))
kind("png.mp4", "not_a_video", lambda _: picture("PNG"))
kind("zip.mp4", "not_a_video", lambda _: zipped())
kind("gif.mp4", "not_a_video", lambda _: picture("GIF"))
kind("webp.mp4", "not_a_video", lambda _: picture("WEBP"))

# --- files that make FFmpeg open others -----------------------------------------------------
M3U8 = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
DASH = b"""<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">
<BaseURL>good.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"""
kind("hls.mp4", "not_a_video", lambda _: M3U8.format("good.mp4").encode())
kind("hls-passwd.mp4", "not_a_video", lambda _: M3U8.format("/etc/passwd").encode())
kind("hls-remote.ts", "not_a_video", lambda _: M3U8.format("http://127.0.0.1:9/x.ts").encode())
kind(
    "concat.mp4",
    "not_a_video",
    lambda _: b"ffconcat version 1.0\nfile good.mp4\nfile /etc/passwd\n",
)
kind("dash.mp4", "not_a_video", lambda _: DASH)
kind("sdp.mp4", "not_a_video", lambda _: SDP)
kind(
    "external.mp4", "read|corrupt|no_picture|truncated", lambda _: external(plain(), "/etc/passwd")
)
kind("url.mp4", "read|corrupt|no_picture|truncated",
     lambda _: edited(plain(), b"dref", lambda b: b[:8] + struct.pack(">I4sI", 28, b"url ", 0)
            + b"file:///etc/pass"))  # fmt: skip

# --- cut off or damaged ---------------------------------------------------------------------
kind("cut-10.mp4", "truncated", lambda _: plain()[: len(plain()) // 10])
kind("cut-50.mp4", "truncated", lambda _: half(plain()))
kind("cut-99.mp4", "truncated", lambda _: plain()[: len(plain()) * 99 // 100])
kind("faststart-cut-50.mp4", "truncated|corrupt", lambda _: half(plain(movflags="faststart")))
kind(
    "moov-only.mp4",
    "truncated|corrupt|no_picture",
    lambda _: b"".join(boxes(plain())[b] for b in (b"ftyp", b"moov")),
)
kind("cut-50.mkv", "truncated", lambda _: half(plain("matroska")))
kind("hole.ts", "read|corrupt", lambda _: holed(plain("mpegts", "mpeg2video")))
kind("flipped.mp4", "read|corrupt", lambda _: flipped(plain(), 0.2, 0.8, 97))
kind("flipped-often.mp4", "read|corrupt", lambda _: flipped(plain(), 0.05, 0.85, 5))
kind(
    "garbage-inside.mp4",
    "truncated|read|corrupt|no_picture",
    lambda _: patched(plain(), 2000, RANDOM[:40_000]),
)

# --- streams that are missing or too many ---------------------------------------------------
kind("no-audio.mp4", "read", film())
kind("sound-only.m4v", "no_picture", lambda _: bare_sound("mp4", "aac", 44_100))
kind("wav.mp4", "no_picture", lambda _: wav())
kind("cover.mp4", "no_picture", lambda _: mp3_with_cover())
kind("two-videos.mkv", "read",
     lambda p: Film(p).pictures(noise()).pictures(noise(seed=1), "mpeg4").close())  # fmt: skip
kind("subtitles.mkv", "read",
     lambda p: Film(p, "matroska").pictures(noise()).subtitles("<b>%s</b>").close())  # fmt: skip
kind("frames-1.mp4", "read", film(shot=lambda: noise(1)))
kind("frames-2.mp4", "read", film(shot=lambda: noise(2)))

# --- odd pictures ---------------------------------------------------------------------------
kind("wide.mp4", "read", film(codec="mpeg4", shot=lambda: noise(3, 8000, 16)))
kind("wide-20000.mkv", "read", film("matroska", codec="ffv1", shot=lambda: noise(3, 20_000, 16)))
kind("tall-20000.mkv", "read", film("matroska", codec="ffv1", shot=lambda: noise(3, 16, 20_000)))
kind("huge.mkv", "too_large",
     film("matroska", codec="mjpeg", pixels="yuvj420p", shot=lambda: black(1)))  # fmt: skip
kind(
    "size-1x1.mkv",
    "read",
    film("matroska", codec="ffv1", pixels="yuv444p", shot=lambda: noise(25, 1, 1)),
)
kind("size-2x2.mkv", "read", film("matroska", codec="ffv1", shot=lambda: noise(25, 2, 2)))
kind("odd-size.mkv", "read", film("matroska", codec="ffv1", shot=lambda: noise(25, 97, 61)))
kind("ten-bit.mp4", "read", film(pixels="yuv420p10le"))
kind("yuv444.mp4", "read", film(pixels="yuv444p"))
kind("alpha.mov", "read", film("mov", codec="qtrle", pixels="argb"))
kind("grey.mkv", "read", film("matroska", codec="ffv1", pixels="gray"))
kind("interlaced.ts", "read",
     film("mpegts", codec="mpeg2video", options={"flags": "+ildct+ilme", "top": "1"}))  # fmt: skip
kind("very-wide-pixels.mkv", "read|too_large", film("matroska", aspect=Fraction(4000, 1)))
kind("very-tall-pixels.mkv", "read|too_large", film("matroska", aspect=Fraction(1, 4000)))
kind("size-changes.h264.ts", "read", b"")  # made of two below
kind("size-grows.ts", "too_large|corrupt|read", lambda _: b"")

# --- odd times ------------------------------------------------------------------------------
INTRA = {"codec": "mjpeg", "pixels": "yuvj420p"}


def header_times(box: bytes, at: int, value: int) -> bytes:
    return edited(plain(), box, lambda body: patched(body, at, struct.pack(">I", value)))


def steps(step: int) -> bytes:
    """Every picture lasts so many ticks; the sound's table is changed alike."""
    return edited(plain(), b"stts", lambda b: b[:12] + struct.pack(">I", step) + b[16:])


kind("absurd-duration-mvhd.mp4", "read|truncated", lambda _: header_times(b"mvhd", 16, 2**31 - 2))
kind("absurd-duration-mdhd.mp4", "read|truncated", lambda _: header_times(b"mdhd", 16, 2**31 - 2))
kind("timescale-1.mp4", "too_long|no_timestamps", lambda _: header_times(b"mdhd", 12, 1))
kind(
    "timescale-0.mp4", "too_long|no_timestamps|not_a_video", lambda _: header_times(b"mdhd", 12, 0)
)
kind("timescale-max.mp4", "read|truncated", lambda _: header_times(b"mdhd", 12, 2**31 - 1))
kind("same-times.mp4", "read|no_timestamps|corrupt|truncated", lambda _: steps(0))
kind("huge-steps.mp4", "too_long|no_timestamps", lambda _: steps(2**31 - 1))
kind(
    "negative-steps.mp4",
    "read|no_timestamps|corrupt|too_long|truncated",
    lambda _: steps(2**32 - 1),
)
kind("fps-1000.mp4", "read", film(rate=1000, shot=lambda: noise(300)))
kind("fps-tenth.mkv", "read", film("matroska", rate=Fraction(1, 10), shot=lambda: noise(3)))
kind("hole-10-hours.mkv", "read", film("matroska", **INTRA, times=lambda k: k + 900_000 * (k > 12)))
kind(
    "hole-30-hours.mkv",
    "too_long",
    film("matroska", **INTRA, times=lambda k: k + 2_700_000 * (k > 12)),
)
kind("late-start.mkv", "read", film("matroska", **INTRA, times=lambda k: k + 25 * 10**8))
kind("late-start.ts", "read", film("mpegts", codec="mpeg2video", times=lambda k: k + 2_000_000))
kind("late-start-64-bit.nut", "read", film("nut", **INTRA, times=lambda k: k + 2**55))
kind("backwards.mkv", "read", film("matroska", **INTRA, times=lambda k: k + 4 * (-1) ** k + 8))
kind("same-time-twice.mkv", "read", film("matroska", **INTRA, times=lambda k: k // 2))
kind("stream.h264", "no_timestamps", lambda p: Film(p, "h264").pictures(noise()).close())
kind("stream.mp4", "no_timestamps", lambda p: Film(p, "h264").pictures(noise(seed=2)).close())


# --- odd sound, behind a face so that it is read ----------------------------------------------
def two_halves(first: dict[str, object], second: dict[str, object]) -> Callable[[Path], None]:
    """Two transport streams in one file; the second goes on where the first ends."""

    def make(path: Path) -> None:
        whole = b""
        for k, options in enumerate((first, second)):
            part, begin = path.with_suffix(f".{k}"), 30 * k
            film = Film(part, "mpegts").pictures(
                options.get("shot", faces)(), times=lambda n, begin=begin: n + begin,
                options={"bf": "0"},
            )  # fmt: skip
            film.sound(**options.get("sound", {}), late_s=begin / 25).close()
            whole += part.read_bytes()
            part.unlink()
        path.write_bytes(whole)

    return make


kind("audio-8k.mp4", "read", talking(rate=8000))
kind("audio-192k.mkv", "read", talking("matroska", codec="flac", rate=192_000))
kind("audio-7.1.mp4", "read", talking(layout="7.1", rate=48_000))
kind("audio-44101.mkv", "read", talking("matroska", codec="pcm_s16le", rate=44_101))
kind("audio-5s-late.mp4", "read", talking(late_s=5.0))
kind("audio-10x.mp4", "read", talking(seconds=12.0))
kind("audio-changes-rate.ts", "read",
     two_halves({"sound": {"rate": 44_100}}, {"sound": {"rate": 22_050}}))  # fmt: skip
kind("audio-changes-channels.ts", "read",
     two_halves({"sound": {"layout": "mono"}}, {"sound": {"layout": "stereo"}}))  # fmt: skip
kind("size-changes.h264.ts", "read",
     two_halves({}, {"shot": lambda: noise(25)}))  # fmt: skip
kind("size-grows.ts", "too_large|corrupt|read", two_halves({}, {"shot": lambda: black(2)}))


def absurd_rate(path: Path) -> None:
    """A header that promises two thousand million samples a second."""
    Film(path, "matroska").pictures(faces()).sound(codec="pcm_s16le", rate=16_000).close()
    data = path.read_bytes()
    old = b"\xb5\x88" + struct.pack(">d", 16_000)
    assert old in data
    path.write_bytes(data.replace(old, b"\xb5\x88" + struct.pack(">d", 2**31 - 1)))


def absurd_channels(path: Path) -> None:
    Film(path, "avi").pictures(faces()).sound(codec="pcm_s16le", rate=16_000).close()
    data = path.read_bytes()
    at = data.index(b"strf", data.index(b"auds")) + 8
    path.write_bytes(patched(data, at + 2, b"\xff\xff"))


kind("audio-absurd-rate.mkv", "read|unsupported|corrupt|not_a_video", absurd_rate)
kind("audio-absurd-channels.avi", "read|unsupported|corrupt|not_a_video", absurd_channels)

# --- odd names ------------------------------------------------------------------------------
NAMES = (
    "-leading.mp4", "--dataset.mp4", "quote's.mp4", 'double".mp4', "new\nline.mp4", "tab\t.mp4",
    "%s%d.mp4", "{0}.mp4", "[red]x[bold].mp4", "*.mp4", "[a-z].mp4", "🎬 é.mp4", "http:x.mp4",
    "concat:a|b.mp4", "file:x.mp4", "pipe:0.mp4", "$(touch x).mp4", "; DROP TABLE x.mp4", " .mp4",
    "a..mp4", "\\x41.mp4", "a" * 246 + ".mp4", "bell\a\x1b[31m.mp4", "NAME.MP4",
)  # fmt: skip
BAD_NAME = b"latin-\xe9\xff.mp4"
