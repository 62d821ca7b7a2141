"""Metrics: one file each, all behind the interface in `eval.metrics.interface`."""
