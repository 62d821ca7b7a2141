"""`dawn dataset …`: what a dataset holds, whether it is whole, exports."""
