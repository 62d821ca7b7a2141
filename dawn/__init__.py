"""What DAWN is: the features it consumes, its three models, losses, sampling, checkpoints. No Ray."""
