"""`dawn train`: the three stages on Ray Train."""
