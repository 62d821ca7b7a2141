"""`dawn view`: datasets, training runs, generations and results in the browser of this machine."""
