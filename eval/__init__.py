"""Metrics, statistics, leaderboards and the regression gate. No Ray."""
