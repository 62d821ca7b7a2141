"""The pose and blink network: from audio and a first state to head pose and eye openness."""
