"""Names of the files by which runs are known: here, so that readers load no networks."""

GENERATIONS = "run.json"
TRAINING = "config.json"
CLIPS = "clips.parquet"
"""In a run of training: the clips that it was given."""
