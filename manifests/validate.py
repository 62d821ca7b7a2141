"""Every invariant of a dataset that its tables can show, checked again."""

from collections.abc import Iterator

import pyarrow.parquet as pq

from manifests.catalog import rows, strays
from manifests.commit import DATA_TABLES
from manifests.forgotten import WHOLE, read_forgotten
from manifests.safe_sql import quoted
from manifests.schema import COLUMNS
from manifests.store import FORGOTTEN, SCRATCH, STAGED, Dataset

# What is wrong -> a query that gives the rows for which it is.
CHECKS = {
    "clip ids are unique": """
        SELECT clip_id AS what FROM clips GROUP BY clip_id HAVING count(*) > 1""",
    "clips_total and clips_accepted count the video's clips": """
        SELECT video_id AS what FROM videos LEFT JOIN (
            SELECT video_id, count(*) AS n, count(*) FILTER (accepted) AS a FROM clips
            GROUP BY video_id) USING (video_id)
        WHERE clips_total <> coalesce(n, 0) OR clips_accepted <> coalesce(a, 0)""",
    "status follows from the clips": """
        SELECT video_id AS what FROM videos
        WHERE status NOT IN ('ok', 'rejected', 'quarantined')
           OR (status = 'ok') <> (clips_accepted > 0) OR (status <> 'ok') <> (reason IS NOT NULL)
           OR (status = 'quarantined' AND clips_total > 0)""",
    "a clip has one row for each of its frames, in `frames`": """
        SELECT clip_id AS what FROM clips LEFT JOIN (
            SELECT clip_id, count(*) AS n, min(frame) AS low, max(frame) AS high,
                   count(DISTINCT frame) AS d FROM frames GROUP BY clip_id) USING (clip_id)
        WHERE n IS NULL OR n <> frames OR d <> frames OR low <> 0 OR high <> frames - 1""",
    "a clip has one row for each of its frames, in `audio`": """
        SELECT clip_id AS what FROM clips LEFT JOIN (
            SELECT clip_id, count(*) AS n, min(frame) AS low, max(frame) AS high,
                   count(DISTINCT frame) AS d FROM audio GROUP BY clip_id) USING (clip_id)
        WHERE n IS NULL OR n <> frames OR d <> frames OR low <> 0 OR high <> frames - 1""",
    "frame i lies at (start_frame + i) / 25 s": """
        SELECT DISTINCT clip_id AS what FROM frames JOIN clips USING (clip_id)
        WHERE abs(time_s - (start_frame + frame) / 25) > 1e-6""",
    "landmarks, pose and eye ratios are finite": """
        SELECT DISTINCT clip_id AS what FROM frames
        WHERE NOT isfinite(eye_left) OR NOT isfinite(eye_right) OR NOT isfinite(mouth)
           OR NOT isfinite(list_sum(landmarks)) OR NOT isfinite(list_sum(pose))""",
    "audio features are finite": """
        SELECT DISTINCT clip_id AS what FROM audio WHERE NOT isfinite(list_sum(features))""",
    "rows are of clips that are there": """
        SELECT DISTINCT clip_id AS what FROM (
            SELECT clip_id FROM frames UNION ALL SELECT clip_id FROM audio
            UNION ALL SELECT clip_id FROM decisions) ANTI JOIN clips USING (clip_id)""",
    "each filter judged a clip once": """
        SELECT clip_id || ' ' || filter AS what FROM decisions GROUP BY clip_id, filter
        HAVING count(*) > 1""",
    "a clip is accepted when no filter fails it": """
        SELECT clip_id AS what FROM clips LEFT JOIN (
            SELECT clip_id, bool_or(verdict = 'fail') AS failed FROM decisions GROUP BY clip_id)
            USING (clip_id)
        WHERE failed IS NULL OR accepted = failed OR accepted <> (len(reasons) = 0)""",
    "an identity is in one split": """
        SELECT coalesce('speaker:' || trim(nfc_normalize(speaker)), identity) AS what FROM clips
        WHERE accepted AND split <> 'excluded' GROUP BY ALL HAVING count(DISTINCT split) > 1""",
    "a video with clips names a part of every table": """
        SELECT video_id AS what FROM videos WHERE clips_total > 0 AND (clips_part IS NULL
            OR frames_part IS NULL OR audio_part IS NULL OR decisions_part IS NULL)""",
}

MEND = {
    "an identity is in one split": "any `dawn ingest` into this dataset judges its videos again",
}
"""What to do about some of them."""


def faults(dataset: Dataset) -> Iterator[str]:
    """One line for each broken invariant and thing."""
    checks = " UNION ALL ".join(
        f"(SELECT {quoted(name)} AS name, what FROM ({sql}) ORDER BY what LIMIT 20)"  # noqa: S608
        for name, sql in CHECKS.items()
    )
    for row in rows(dataset, f"SELECT * FROM ({checks}) ORDER BY ALL"):  # noqa: S608
        mend = f"; {MEND[row['name']]}" if row["name"] in MEND else ""
        yield f"{row['name']}: not so for {row['what']}{mend}"
    yield from _schema_faults(dataset)
    yield from _file_faults(dataset)
    yield from _forgotten_faults(dataset)


def _forgotten_faults(dataset: Dataset) -> Iterator[str]:
    """Rows of what was forgotten, or that name it."""
    regions = read_forgotten(dataset)
    if not regions:
        return
    clips = rows(
        dataset,
        "SELECT clip_id, video_id, start_frame, frames, crop_x, crop_y, crop_side, duplicate_of "
        "FROM clips ORDER BY clip_id",
    )
    ids = {clip["clip_id"] for clip in clips}
    left = {row["video_id"] for row in rows(dataset, "SELECT video_id FROM videos")}
    left = {video for video, found in regions.items() if found == WHOLE} & left
    for clip in clips:
        video, other = clip["video_id"], clip["duplicate_of"]
        if any(region.shows(clip) for region in regions.get(video, ())):
            left.add(video)
        if other is not None and other not in ids and other.rsplit("-", 2)[0] in regions:
            yield f"nothing names what was forgotten: {clip['clip_id']} is a copy of {other}"
    for video in sorted(left):
        yield (
            f"what was forgotten is gone: not so for {video}; run the last `dawn dataset forget` "
            f"again, or, if it is to stay, delete {FORGOTTEN}/{video}.json"
        )


def _schema_faults(dataset: Dataset) -> Iterator[str]:
    """Parts with other columns than the schema's."""
    for table, columns in COLUMNS.items():
        expected = [column.name for column in columns]
        for name in dataset.names(table):
            with dataset.open_part(f"{table}/{name}") as file:
                if pq.read_schema(file).names != expected:
                    yield f"columns follow the schema: not so for {table}/{name}"


def _file_faults(dataset: Dataset) -> Iterator[str]:
    """Parts and media that are missing, or that no row names."""
    sql = "SELECT clips_part, frames_part, audio_part, decisions_part FROM videos"
    videos = rows(dataset, sql)
    for table in DATA_TABLES:
        named = {video[f"{table}_part"] for video in videos} - {None}
        there = set(dataset.names(table))
        yield from (f"parts exist: {table}/{name} is missing" for name in sorted(named - there))
        yield from (f"parts are named: {table}/{name} is not" for name in sorted(there - named))
    parts = {video["clips_part"] for video in videos}
    for stray in strays(dataset):
        if stray["part"] in parts:  # one of several videos of a merged part
            yield (
                f"rows have a video: clips/{stray['part']} holds rows of {stray['video_id']}, which"
                " has none in videos/; ingest its source again, or, if it was forgotten on purpose,"
                " drop them with `dawn dataset compact`"
            )
    clips = rows(dataset, "SELECT video_path, sound_path FROM clips")
    named = {str(path) for clip in clips for path in clip.values()}
    there = {
        f"media/{folder}/{name}"
        for folder in dataset.names("media")
        for name in dataset.names(f"media/{folder}")
    }
    yield from (f"media exist: {name} is missing" for name in sorted(named - there))
    yield from (f"media are named: {name} is not" for name in sorted(there - named))
    for folder in (SCRATCH, STAGED):
        if dataset.names(folder):
            yield f"nothing is half done: {folder} is left; run the last `dawn ingest` again"
