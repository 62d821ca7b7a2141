"""Video files: frames at 25 a second, cuts, fingerprints, encoding."""
