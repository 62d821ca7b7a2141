"""Macros over a dataset: what users ask of it, each with what it says and its SQL."""

MACROS = {
    "funnel()": (
        "how many sources and clips are left after each step",
        """
        WITH failed AS (
            SELECT clip_id, filter, verdict,
                   min(filter) FILTER (verdict = 'fail') OVER (PARTITION BY clip_id) AS first_fail
            FROM decisions
        )
        SELECT step, count FROM (
            SELECT 0 AS place, 'sources read' AS step, count(*) AS count FROM videos
            UNION ALL SELECT 1, 'quarantined', count(*) FROM videos WHERE status = 'quarantined'
            UNION ALL SELECT 2, 'without a face', count(*) FROM videos WHERE reason = 'no_face'
            UNION ALL
            SELECT 2, 'outside the video', count(*) FROM videos WHERE reason = 'outside_video'
            UNION ALL SELECT 3, 'clips', count(*) FROM clips
            UNION ALL
            SELECT 4, 'fail ' || filter, count(*) FILTER (verdict = 'fail')
            FROM failed GROUP BY filter
            UNION ALL SELECT 5, 'accepted clips', count(*) FROM clips WHERE accepted
        ) ORDER BY place, step
        """,
    ),
    "blinks_per_second()": (
        "pooled blinks over pooled seconds of the accepted clips of each split",
        """
        SELECT split, sum(len(blinks))::BIGINT AS blinks, sum(duration_s) AS seconds,
               sum(len(blinks)) / sum(duration_s) AS blinks_per_second
        FROM clips WHERE accepted GROUP BY split ORDER BY split
        """,
    ),
    "what_if(filter_name, new_threshold)": (
        "the clips whose acceptance would change with another threshold of one filter",
        """
        WITH changed AS (
            SELECT clip_id, filter, score, rule, verdict,
                   CASE WHEN filter <> filter_name OR verdict = 'not_judged' THEN verdict
                        WHEN rule = 'min' THEN if(score >= new_threshold, 'pass', 'fail')
                        ELSE if(score <= new_threshold, 'pass', 'fail') END AS then_verdict
            FROM decisions
        )
        SELECT clip_id, max(score) FILTER (filter = filter_name) AS score,
               bool_and(verdict <> 'fail') AS accepted_now,
               bool_and(then_verdict <> 'fail') AS accepted_then
        FROM changed GROUP BY clip_id
        HAVING accepted_now <> accepted_then ORDER BY clip_id
        """,
    ),
    "same_voice(least)": (
        "pairs of identities whose longest clips sound alike: cosine of `voice` of `least` or more",
        """
        WITH heard AS (
            SELECT identity, min(split) AS split, arg_max(clip_id, duration_s) AS clip_id,
                   arg_max(voice, duration_s) AS voice
            FROM clips WHERE voice IS NOT NULL GROUP BY identity
        )
        SELECT a.identity, b.identity AS other, a.split, b.split AS other_split, a.clip_id,
               b.clip_id AS other_clip_id, list_cosine_similarity(a.voice, b.voice) AS similarity
        FROM heard a JOIN heard b ON a.identity < b.identity
        WHERE similarity >= least ORDER BY similarity DESC, a.identity, other
        """,
    ),
}
