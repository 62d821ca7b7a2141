"""Statistics on plain arrays: intervals, tests, Fréchet distances, bootstraps of sets."""
