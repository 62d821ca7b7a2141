"""`dawn plan`: what a run will take, from what a trial of some clips took."""
