"""Macros over runs: what users ask of results, with what must not be compared kept apart.

Numbers of a metric are comparable under one hash of its conditions, one dataset and one way of
pairing; ranks and changes also need one list of clips. A name that is nothing given is an error,
not an empty answer.
"""

# What the macros stand on; not for users.
HELPERS = {
    # Less is better, whatever the direction: null where there is no number to compare.
    "_cost(direction, value, reference)": """
        CASE direction
            WHEN 'higher' THEN -value
            WHEN 'lower' THEN value
            WHEN 'closer' THEN abs(value - reference)
        END
    """,
    # Results that a name is of: a folder's name goes before a system's.
    "_named(given)": """
        TABLE SELECT * FROM results WHERE if(
            given IN (SELECT results FROM results UNION ALL SELECT folder FROM results),
            given IN (results.results, results.folder), results.system = given
        )
    """,
}

_LEADERBOARD = """
WITH under AS (
    SELECT protocol_hash FROM results WHERE if(
        of_protocol IN (SELECT protocol FROM results),
        protocol = of_protocol, starts_with(protocol_hash, of_protocol)
    )
), known AS MATERIALIZED (
    SELECT if(
        EXISTS (FROM under), true,
        error('no results are of the protocol ' || of_protocol || '; SELECT protocol, '
            || 'protocol_hash FROM results has those that there are')
    ) AS yes
), numbers AS (
    SELECT _set_metrics.*, results.protocol_hash, results.dataset_hash, results.clip_list_hash,
           results.same_take, results.baseline, definitions.direction, definitions.place,
           _cost(definitions.direction, _set_metrics.value, _set_metrics.reference) AS cost
    FROM _set_metrics JOIN results USING (results)
    LEFT JOIN definitions USING (metric)
    WHERE results.protocol_hash IN (FROM under)
)
SELECT metric,
       CASE WHEN cost IS NOT NULL AND baseline IS NULL THEN rank() OVER (
           PARTITION BY metric, conditions_hash, dataset_hash, clip_list_hash, same_take,
                        baseline IS NULL
           ORDER BY cost NULLS LAST
       ) END AS rank,
       system, baseline, value, reference, direction, n, n_total, status, reason,
       results, protocol_hash, conditions_hash, dataset_hash, clip_list_hash
FROM numbers CROSS JOIN known WHERE known.yes
ORDER BY protocol_hash, place, metric, rank NULLS LAST, system, results
"""

_COMPARE = """
WITH before AS (FROM _named(a)), after AS (FROM _named(b)), pairs AS (
    SELECT before.results AS results_a, after.results AS results_b
    FROM before JOIN after ON before.dataset_hash IS NOT DISTINCT FROM after.dataset_hash
        AND before.same_take IS NOT DISTINCT FROM after.same_take
), alike AS (
    SELECT DISTINCT results_a, results_b, one.metric, one.conditions_hash
    FROM pairs JOIN conditions AS one ON one.results = results_a
    JOIN conditions AS other ON other.results = results_b AND other.metric = one.metric
        AND other.conditions_hash = one.conditions_hash
), known AS MATERIALIZED (
    SELECT CASE
        WHEN NOT EXISTS (FROM before) THEN error('no system and no results are named ' || a)
        WHEN NOT EXISTS (FROM after) THEN error('no system and no results are named ' || b)
        WHEN NOT EXISTS (FROM pairs) THEN error(
            a || ' and ' || b || ' cannot be compared: they do not share a dataset_hash and '
            || 'same_take; FROM results shows them')
        WHEN NOT EXISTS (FROM alike) THEN error(
            a || ' and ' || b || ' cannot be compared: no metric was made under the same '
            || 'conditions; FROM differences(a, b) says what differs')
        ELSE true
    END AS yes
), numbers AS MATERIALIZED (
    SELECT metrics.*, definitions.direction, definitions.place,
           _cost(definitions.direction, metrics.value, metrics.reference) AS cost
    FROM metrics JOIN definitions USING (metric)
    WHERE metrics.clip_id IS NOT NULL AND NOT definitions.set_metric
        AND metrics.results IN (SELECT unnest([results_a, results_b]) FROM pairs)
)
SELECT one.metric, count(*) AS clips, avg(one.value) AS mean_a, avg(other.value) AS mean_b,
       avg(one.cost - other.cost) AS gain,
       count(*) FILTER (other.cost < one.cost) AS b_wins,
       count(*) FILTER (other.cost > one.cost) AS a_wins,
       any_value(one.direction) AS direction, results_a, results_b, alike.conditions_hash
FROM alike
JOIN numbers AS one ON one.results = results_a AND one.metric = alike.metric
    AND one.conditions_hash = alike.conditions_hash
JOIN numbers AS other ON other.results = results_b AND other.metric = alike.metric
    AND other.clip_id = one.clip_id AND other.conditions_hash = alike.conditions_hash
CROSS JOIN known
WHERE known.yes AND one.cost IS NOT NULL AND other.cost IS NOT NULL
GROUP BY one.metric, alike.conditions_hash, results_a, results_b
ORDER BY results_a, results_b, any_value(one.place)
"""

_DIFFERENCES = """
WITH known AS MATERIALIZED (
    SELECT CASE
        WHEN NOT EXISTS (FROM _named(a)) THEN error('no system and no results are named ' || a)
        WHEN NOT EXISTS (FROM _named(b)) THEN error('no system and no results are named ' || b)
        ELSE true
    END AS yes
), one AS (
    SELECT conditions.* FROM conditions SEMI JOIN (FROM _named(a)) AS named USING (results)
), other AS (
    SELECT conditions.* FROM conditions SEMI JOIN (FROM _named(b)) AS named USING (results)
), pairs AS (
    SELECT DISTINCT metric, one.results AS results_a, other.results AS results_b
    FROM one JOIN other USING (metric) WHERE one.conditions_hash <> other.conditions_hash
), settings AS (
    SELECT metric, results_a, results_b, setting, value AS value_a, NULL AS value_b
    FROM pairs JOIN one USING (metric) WHERE one.results = results_a
    UNION ALL
    SELECT metric, results_a, results_b, setting, NULL, value
    FROM pairs JOIN other USING (metric) WHERE other.results = results_b
)
SELECT metric, setting, max(value_a) AS value_a, max(value_b) AS value_b, results_a, results_b
FROM settings CROSS JOIN known WHERE known.yes
GROUP BY ALL HAVING max(value_a) IS DISTINCT FROM max(value_b)
ORDER BY ALL
"""

_HISTORY = """
WITH known AS MATERIALIZED (
    SELECT if(
        of_metric IN (SELECT metric FROM definitions UNION ALL SELECT metric FROM _set_metrics),
        true,
        error('no metric is named ' || of_metric || '; FROM definitions has their names')
    ) AS yes
), numbers AS (
    SELECT results.created_at, results.checkpoint, results.dataset_hash,
           results.clip_list_hash, results.same_take, _set_metrics.*,
           _cost(definitions.direction, _set_metrics.value, _set_metrics.reference) AS cost
    FROM _set_metrics JOIN results USING (results)
    LEFT JOIN definitions USING (metric)
    WHERE _set_metrics.metric = of_metric
)
SELECT created_at, system, results, checkpoint, conditions_hash, value,
       CASE WHEN created_at IS NOT NULL THEN value - lag(value IGNORE NULLS) OVER before END
           AS change,
       CASE WHEN created_at IS NOT NULL THEN cost < lag(cost IGNORE NULLS) OVER before END
           AS better,
       reference, n, n_total, status
FROM numbers CROSS JOIN known WHERE known.yes
WINDOW before AS (
    PARTITION BY conditions_hash, dataset_hash, clip_list_hash, same_take, created_at IS NULL
    ORDER BY created_at, results
)
ORDER BY created_at NULLS FIRST, results
"""

RUN_MACROS = {
    "leaderboard(of_protocol)": (
        "the set's numbers of every system under a protocol (its name, its hash or how that "
        "begins), ranked within each metric; baselines are not ranked",
        _LEADERBOARD,
    ),
    "compare(a, b)": (
        "two systems or results folders, clip by clip: gain is the mean difference of their "
        "common clips, positive where b is better",
        _COMPARE,
    ),
    "differences(a, b)": (
        "what the numbers of two systems or results folders are made under that differs, metric "
        "by metric",
        _DIFFERENCES,
    ),
    "history(of_metric)": (
        "a metric's set number in the order of evaluation, with the change from the one before",
        _HISTORY,
    ),
}
