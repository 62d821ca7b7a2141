"""Pages and tables for people: leaderboards and regression checks."""
