"""Rendered talking heads with known truth: the demo's input and the feature tests' yardstick."""
