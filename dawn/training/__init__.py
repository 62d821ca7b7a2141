"""Training the three stages: samples from a dataset, losses, and a loop that resumes exactly."""
