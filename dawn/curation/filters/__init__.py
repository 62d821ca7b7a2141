"""Filters: each file declares `FILTERS`, and by `PLACE` where they stand in reports."""
