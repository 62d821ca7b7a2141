"""Videos to numbers to verdicts: evaluation, leaderboards, the gate."""
