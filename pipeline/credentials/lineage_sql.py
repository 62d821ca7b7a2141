"""The query of `dawn lineage`, and its tables beside the views of `dawn query --runs`."""

import pyarrow as pa

_TEXT, _INT, _BOOL = pa.string(), pa.int64(), pa.bool_()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


TABLES = {
    # clips that datasets hold now
    "known_clips": _schema(
        dataset=_TEXT, clip_id=_TEXT, speaker=_TEXT, licence=_TEXT, consent=_TEXT
    ),
    # frames [start, stop) of videos that were forgotten
    "forgotten": _schema(dataset=_TEXT, video_id=_TEXT, start=_INT, stop=_INT),
    # networks of a checkpoint, by the digest of their weights
    "checkpoints": _schema(checkpoint=_TEXT, network=_TEXT, sha256=_TEXT),
    # the run of training that a network is of, and whether its clips are known
    "trained": _schema(sha256=_TEXT, run=_TEXT, dataset=_TEXT, listed=_BOOL),
    # what a network was begun from or learnt through
    "bases": _schema(sha256=_TEXT, base=_TEXT),
    # clips that a run of training was given
    "learnt": _schema(run=_TEXT, clip_id=_TEXT),
    # a video that no row of a run names
    "loose": _schema(folder=_TEXT, video=_TEXT, clip_id=_TEXT, checkpoint=_TEXT),
}

LINEAGE = """
WITH RECURSIVE
-- every network that a checkpoint stands on
behind AS (
    SELECT DISTINCT checkpoint, sha256 FROM checkpoints
    UNION
    SELECT behind.checkpoint, bases.base FROM behind JOIN bases USING (sha256)
),
-- every clip that is named anywhere: it is there, withdrawn, or unknown
named AS (
    SELECT DISTINCT clip_id,
           regexp_extract(clip_id, '^(.+)-([0-9]+)-([0-9]+)$', 1) AS video_id,
           try_cast(regexp_extract(clip_id, '^(.+)-([0-9]+)-([0-9]+)$', 2) AS BIGINT) AS start
    FROM (
        SELECT clip_id FROM generations UNION ALL SELECT clip_id FROM loose
        UNION ALL SELECT clip_id FROM learnt UNION ALL SELECT clip_id FROM clip_results
    ) WHERE clip_id IS NOT NULL
),
there AS (
    SELECT clip_id, min(dataset) AS dataset, min(speaker) AS speaker, min(licence) AS licence,
           min(consent) AS consent
    FROM known_clips GROUP BY clip_id
),
gone AS (
    SELECT DISTINCT named.clip_id FROM named JOIN forgotten ON forgotten.video_id = named.video_id
        AND forgotten.start <= named.start
        AND (forgotten.stop IS NULL OR named.start < forgotten.stop)
),
clip AS (
    SELECT named.clip_id, there.dataset, there.speaker, there.licence, there.consent,
           CASE WHEN there.clip_id IS NOT NULL THEN 'there'
                WHEN gone.clip_id IS NOT NULL THEN 'withdrawn'
                ELSE 'unknown' END AS state
    FROM named LEFT JOIN there USING (clip_id) LEFT JOIN gone USING (clip_id)
),
-- what a checkpoint learnt from, by way of all networks behind it
lessons AS (
    SELECT DISTINCT behind.checkpoint, learnt.clip_id
    FROM behind JOIN trained USING (sha256) JOIN learnt USING (run)
),
schooling AS (
    SELECT checkpoint, count(*) AS trained_clips,
           count(*) FILTER (state = 'withdrawn') AS trained_withdrawn,
           count(*) FILTER (state = 'unknown') AS trained_unknown,
           list_sort(list(DISTINCT coalesce(licence, 'not recorded'))
               FILTER (state = 'there')) AS trained_licences
    FROM lessons JOIN clip USING (clip_id) GROUP BY checkpoint
),
networks AS (
    SELECT behind.checkpoint,
           list({'network': own.network, 'sha256': behind.sha256, 'run': trained.run,
                 'dataset': trained.dataset} ORDER BY own.network, behind.sha256) AS networks,
           list(DISTINCT trained.run) FILTER (trained.run IS NOT NULL) AS training_runs,
           bool_and(coalesce(trained.listed, false)) AS all_known
    FROM behind LEFT JOIN trained USING (sha256)
    LEFT JOIN (SELECT DISTINCT ON (sha256) sha256, network FROM checkpoints) AS own USING (sha256)
    GROUP BY behind.checkpoint
),
schooled AS (
    SELECT *, CASE WHEN trained_withdrawn > 0 THEN 'withdrawn'
                   WHEN all_known AND coalesce(trained_unknown, 0) = 0 THEN 'there'
                   ELSE 'unknown' END AS checkpoint_state
    FROM networks LEFT JOIN schooling USING (checkpoint)
),
numbers AS (
    SELECT clip_results.video AS place,
           list(DISTINCT clip_results.results ORDER BY clip_results.results) AS results,
           list({'results': clip_results.results, 'metric': metrics.metric,
                 'value': metrics.value} ORDER BY clip_results.results, metrics.metric)
               FILTER (metrics.value IS NOT NULL) AS numbers
    FROM clip_results
    LEFT JOIN metrics ON metrics.results = clip_results.results
        AND metrics.clip_id = clip_results.clip_id
    WHERE clip_results.video IS NOT NULL GROUP BY clip_results.video
),
made AS (
    SELECT folder, video, clip_id, checkpoint, dataset_hash, signed_by, image, audio,
           image_sha256, audio_sha256
    FROM generations WHERE status = 'ok'
    UNION ALL BY NAME SELECT * FROM loose
    -- videos of others, that results alone name
    UNION ALL BY NAME
    SELECT DISTINCT parse_dirpath(video) AS folder, parse_filename(video) AS video, clip_id
    FROM clip_results
    WHERE video IS NOT NULL AND video NOT IN (SELECT folder || '/' || video FROM generations
        WHERE video IS NOT NULL)
),
chain AS (
    SELECT made.* EXCLUDE (checkpoint), schooled.* EXCLUDE (checkpoint),
           coalesce(made.checkpoint, schooled.checkpoint) AS checkpoint,
           clip.* EXCLUDE (clip_id, state), clip.state AS clip_state,
           numbers.results, numbers.numbers
    FROM made FULL JOIN schooled USING (checkpoint)
    LEFT JOIN clip ON clip.clip_id = made.clip_id
    LEFT JOIN numbers ON numbers.place = made.folder || '/' || made.video
)
SELECT clip_id, clip_state, speaker, licence, consent, dataset, dataset_hash, checkpoint,
       CASE WHEN checkpoint IS NOT NULL THEN coalesce(checkpoint_state, 'unknown') END
           AS checkpoint_state,
       networks, trained_clips, trained_withdrawn, trained_licences,
       folder || '/' || video AS video, signed_by, image, audio, image_sha256, audio_sha256,
       results, numbers,
       CASE WHEN 'withdrawn' IN (clip_state, checkpoint_state) THEN 'withdrawn'
            WHEN clip_state = 'there' AND (checkpoint IS NULL OR checkpoint_state = 'there')
                OR video IS NULL AND checkpoint_state = 'there' THEN 'there'
            ELSE 'unknown' END AS state
FROM chain
WHERE CASE $kind
    WHEN 'generations' THEN folder = $folder AND ($video IS NULL OR video = $video)
    WHEN 'results' THEN list_contains(results, $folder)
    ELSE list_contains(training_runs, $folder) END
ORDER BY folder, video, checkpoint
"""
"""One row a video, or a checkpoint without one. `state`: *there*, all that it stands on is there;
*withdrawn*, a clip that it shows or learnt from was forgotten; *unknown*, not all is on record.
"""
