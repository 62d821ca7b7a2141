"""Content credentials (C2PA) of generated videos: made, found, read."""
