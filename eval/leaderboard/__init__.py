"""Tables of systems: what may stand in one column, with what certainty, and what lies behind it."""
