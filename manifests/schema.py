"""The tables of a dataset: every column with type, shape, unit and meaning.

The one source: parts are written with these schemas, `dataset validate` checks against them and
`docs/dataset.md` is printed from them (`manifests.document`).
"""

from dataclasses import dataclass

import pyarrow as pa

FORMAT_VERSION = 1
"""Raised when a table changes in a way that older readers would misread."""

LANDMARKS = 478
AUDIO_LOG_MEL = 320
TABLES = ("videos", "clips", "frames", "audio", "decisions")


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `unit` and `meaning` are for people."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False

    def field(self) -> pa.Field:
        """As a PyArrow field that carries unit and meaning along."""
        metadata = {"meaning": self.meaning} | ({"unit": self.unit} if self.unit else {})
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata)


def floats(length: int) -> pa.DataType:
    """A fixed-size list of float32."""
    return pa.list_(pa.field("item", pa.float32(), nullable=False), length)


_TEXT, _INT, _F32, _F64, _BOOL = pa.string(), pa.int32(), pa.float32(), pa.float64(), pa.bool_()
_SPANS = pa.list_(pa.struct([pa.field("start", _INT), pa.field("stop", _INT)]))

EXTRA = pa.list_(pa.struct([pa.field(name, _TEXT) for name in ("name", "type", "value")]))
"""Further columns of a source list: DuckDB's type, and the value as text."""
LABEL = pa.struct(
    [
        pa.field("start", _INT),
        pa.field("stop", _INT),
        *(pa.field(name, _TEXT) for name in ("speaker", "licence", "split")),
        pa.field("extra", EXTRA),
    ]
)

STEP_SECONDS = pa.list_(pa.struct([pa.field("step", _TEXT), pa.field("seconds", _F64)]))
MEASURED_ANEW = ("step_seconds",)
"""Columns of `videos` that differ from run to run; everything else is fixed by bytes and recipe."""

_VIDEO_ID = Column("video_id", _TEXT, "first 24 hex digits of the SHA-256 of the file's bytes")
_CLIP_ID = Column("clip_id", _TEXT, "video_id, first frame and track number, joined by dashes")
_FRAME = Column("frame", _INT, "frame of the clip, from 0", "1/25 s")

VIDEOS = (
    _VIDEO_ID,
    Column("sources", pa.list_(_TEXT), "paths that held these bytes, sorted; labels, not keys"),
    Column("status", _TEXT, "ok, rejected (read, no clip passed) or quarantined (not readable)"),
    Column("reason", _TEXT, "why it is not ok: one of the codes listed below", nullable=True),
    Column("detail", _TEXT, "the same for people", nullable=True),
    Column("bytes", pa.int64(), "size of the file", "byte", nullable=True),
    Column("container", _TEXT, "FFmpeg's name of the file format", nullable=True),
    Column("codec", _TEXT, "FFmpeg's name of the picture codec", nullable=True),
    Column("width", _INT, "upright, square pixels", "px", nullable=True),
    Column("height", _INT, "upright, square pixels", "px", nullable=True),
    Column("rotation", _INT, "anticlockwise turn that was applied", "degree", nullable=True),
    Column("mirrored", _BOOL, "mirrored, before the turn, by a flag of the file", nullable=True),
    Column("transfer", _TEXT, "transfer characteristics (smpte2084: PQ)", nullable=True),
    Column("interlaced", _BOOL, "interlaced: made whole pictures of", nullable=True),
    Column("clock_restarts", _INT, "times that the file's clock starts again", nullable=True),
    Column("frames_damaged", _INT, "source frames left out as corrupt", nullable=True),
    Column("frame_rate", _F64, "of the source, from the median frame step", "1/s", nullable=True),
    Column("variable_frame_rate", _BOOL, "frame steps differ by over half a step", nullable=True),
    Column("duration_s", _F64, "from the frames' timestamps", "s", nullable=True),
    Column("audio_codec", _TEXT, "null: no sound", nullable=True),
    Column("sample_rate", _INT, "of the source's sound", "Hz", nullable=True),
    Column("labels", pa.list_(LABEL), "what source lists say about it, by range of frames"),
    Column("cuts", pa.list_(_INT), "first frames of new shots, at 25 fps", nullable=True),
    Column("tracks_ignored", _INT, "faces seen too briefly to make a clip", nullable=True),
    Column("clips_total", _INT, "clips made from it"),
    Column("clips_accepted", _INT, "clips that passed every filter"),
    Column("step_seconds", STEP_SECONDS, "one core's time for each step", "s", nullable=True),
    Column("extract_key", _TEXT, "hash of what `clips`, `frames` and media were made with"),
    Column("audio_key", _TEXT, "hash of what `audio` was made with", nullable=True),
    Column("judge_key", _TEXT, "hash of the filters, labels and split rule", nullable=True),
    Column("split_key", _TEXT, "hash of the split rule alone", nullable=True),
    Column("clips_part", _TEXT, "file of clips/ that holds its rows", nullable=True),
    Column("frames_part", _TEXT, "file of frames/ that holds its rows", nullable=True),
    Column("audio_part", _TEXT, "file of audio/ that holds its rows", nullable=True),
    Column("decisions_part", _TEXT, "file of decisions/ that holds its rows", nullable=True),
)

# What extraction measures of a clip; filters and cross-video stages only read these.
MEASURES = (
    Column("landmarks_found", _F32, "share of frames in which the mesh found the face"),
    Column("face_px", _F32, "mean width of the face box in the source", "px"),
    Column("other_faces", _F32, "share of frames with another face inside the crop"),
    Column(
        "same_face",
        _F32,
        "likeness of the face before and after where it differs most; null: no MobileFaceNet",
        "cosine",
        nullable=True,
    ),
    Column("cut_off", _F32, "share of frames in which the picture's edge cuts the face"),
    Column("sharpness", _F32, "median Laplacian variance of the face at 128 x 128"),
    Column("brightness", _F32, "median grey level of the face", "0..255"),
    Column("yaw_p95", _F32, "95th percentile of the absolute yaw", "degree"),
    Column("pitch_p95", _F32, "95th percentile of the absolute pitch", "degree"),
    Column("voiced", _F32, "share of frames with speech; null: no sound track", nullable=True),
    Column("agreement", _F32, "audio-visual agreement by `agreement_by`", nullable=True),
    Column("agreement_by", _TEXT, "syncnet, lr_asd (a proxy) or null: not judged", nullable=True),
    Column(
        "agreement_offset", _INT, "frames the sound lags; null: unsure", "1/25 s", nullable=True
    ),
    Column("speaking", _F32, "mean logit of LR-ASD where speech is heard", nullable=True),
    Column("speaking_seconds", pa.list_(_F32), "the same of each second", nullable=True),
    Column("speech_signal", _F32, "DNSMOS of the speech itself", "1..5", nullable=True),
    Column("speech_background", _F32, "DNSMOS of what else is heard", "1..5", nullable=True),
    Column("speech_overall", _F32, "DNSMOS of both together", "1..5", nullable=True),
    Column("still_seconds", _F32, "longest time for which the crop shows one picture", "s"),
    Column("repeated", _F32, "share of frames that show the picture before them"),
    Column("mouth_moves", _F32, "standard deviation of the mouth's opening"),
    Column("head_movement", _F32, "mean way of the face a frame, over its size", "1/1000"),
    Column("head_rotation", _F32, "mean change of yaw, pitch and roll a frame", "degree"),
    Column("hand", _F32, "share of looks, one a second, that a hand covers", nullable=True),
    Column("jump", _F32, "largest change that no movement explains, over those near it: a cut"),
    Column("text", _F32, "share of the crop that shows text; null: no `ppocr_det`", nullable=True),
    Column("brisque", _F32, "median BRISQUE, 0 is best; null: no `brisque`", nullable=True),
    Column("hyperiqa", _F32, "median hyperIQA, 100 is best; null: no `hyperiqa_koniq`", "", True),
    Column("dover", _F32, "DOVER's overall rating, 1 is best; null: no `dover`", "0..1", True),
)

FINGERPRINTS = (
    Column(
        "picture_hashes", pa.list_(pa.uint64()), "difference hashes of every tenth frame's face"
    ),
    Column("mirror_hashes", pa.list_(pa.uint64()), "the same of the mirrored face"),
    Column(
        "motion_curves",
        pa.list_(pa.uint8()),
        "mouth, pitch, yaw, eyes of every second frame, in turn; null: of an older version",
        "1/200; degree/2 + 128",
        nullable=True,
    ),
    Column("embedding", pa.list_(_F32), "face identity (MobileFaceNet)", nullable=True),
    Column("voice", pa.list_(_F32), "whose voice (GE2E); null: silent, or no file", nullable=True),
)

EXTRACTED = (
    _CLIP_ID,
    _VIDEO_ID,
    Column("shot", _INT, "number of the shot in the video, from 0"),
    Column("start_frame", _INT, "first frame in the video at 25 fps", "1/25 s"),
    Column("frames", _INT, "number of frames", "1/25 s"),
    Column("start_s", _F64, "start in the video", "s"),
    Column("duration_s", _F64, "frames / 25", "s"),
    Column("crop_x", _INT, "left edge of the square crop in the upright source", "px"),
    Column("crop_y", _INT, "top edge of the square crop in the upright source", "px"),
    Column("crop_side", _INT, "side of the square crop in the source", "px"),
    Column("size", _INT, "side of the written crop", "px"),
    Column("blinks", _SPANS, "detected blinks as [start, stop) frames of the clip", "1/25 s"),
    *MEASURES,
    *FINGERPRINTS,
    Column("video_path", _TEXT, "crop with sound, under ROOT: H.264 and AAC at 25 fps"),
    Column("sound_path", _TEXT, "its sound, under ROOT: FLAC, mono 16 kHz, 640 samples a frame"),
)

JUDGED = (
    Column("speaker", _TEXT, "as labelled in the source list: NFC, trimmed", nullable=True),
    Column("licence", _TEXT, "as labelled in the source list", nullable=True),
    Column("asked_split", _TEXT, "split asked for in the source list", nullable=True),
    Column("extra", EXTRA, "the source list's further columns; `dawn query` has each typed"),
    Column("source_name", _TEXT, "file name without extension; for split conventions"),
    Column("identity", _TEXT, "who is seen: a label, a face cluster or the source video"),
    Column("split", _TEXT, "train, val, test, or excluded (by a convention or by one_split)"),
    Column("duplicate_of", _TEXT, "the most similar clip that was kept, if any", nullable=True),
    Column("duplicate_score", _F32, "similarity to it", "0..1"),
    Column("accepted", _BOOL, "passed every filter"),
    Column("reasons", pa.list_(_TEXT), "filters that it failed"),
)

CLIPS = (*EXTRACTED, *JUDGED)

FRAMES = (
    _CLIP_ID,
    _VIDEO_ID,
    _FRAME,
    Column("time_s", _F64, "(start_frame + frame) / 25: time in the video", "s"),
    Column("found", _BOOL, "the mesh found the face; else the row is interpolated"),
    Column(
        "landmarks",
        floats(LANDMARKS * 3),
        "478 mesh points as x, y, z (z: smaller is nearer), steps of 1/64",
        "crop px",
    ),
    Column("landmarks_68", floats(68 * 2), "the 68-point subset as x, y", "crop px"),
    Column(
        "pose",
        floats(7),
        "yaw, pitch, roll; scale, tx, ty, tz in 3DDFA's 120-px crop",
        "degree; px",
    ),
    Column("head", floats(3), "head origin x, y and size", "crop px; px/cm"),
    Column("eye_left", _F32, "height over width of the eye at 68-point 42-47"),
    Column("eye_right", _F32, "height over width of the eye at 68-point 36-41"),
    Column("blink", _BOOL, "inside a detected blink"),
    Column("mouth", _F32, "gap of the inner lips over the distance of the eyes' outer corners"),
    Column("face_box", floats(4), "x_min, x_max, y_min, y_max of the 68 points", "crop px"),
    Column("speech", _F32, "how likely somebody speaks (Silero)", "0..1", nullable=True),
    Column("speaking", _F32, "how surely this face does: logit of LR-ASD", nullable=True),
)


def audio_columns(width: int) -> tuple[Column, ...]:
    """The `audio` table for features of that many values a row."""
    return (
        _CLIP_ID,
        _VIDEO_ID,
        _FRAME,
        Column("loudness_db", _F32, "root mean square of the frame's 640 samples", "dB full scale"),
        Column("features", floats(width), "log-mel (320) or HuBERT-large (1024), see the recipe"),
    )


AUDIO = audio_columns(AUDIO_LOG_MEL)

DECISIONS = (
    _CLIP_ID,
    _VIDEO_ID,
    Column("filter", _TEXT, "which filter"),
    Column("score", _F32, "what was measured; null: could not be judged", nullable=True),
    Column("threshold", _F32, "the bound it was compared with"),
    Column("rule", _TEXT, "min: the score must reach the bound; max: it must not exceed it"),
    Column("verdict", _TEXT, "pass, fail or not_judged"),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "videos": VIDEOS,
    "clips": CLIPS,
    "frames": FRAMES,
    "audio": AUDIO,
    "decisions": DECISIONS,
}


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The PyArrow schema, with the format's version in its metadata."""
    metadata = {"dawn_format": str(FORMAT_VERSION)}
    return pa.schema([column.field() for column in columns], metadata=metadata)
