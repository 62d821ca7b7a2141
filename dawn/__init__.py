"""What DAWN is: the features it consumes, its three models, losses and sampling. No Ray."""
