"""`dawn verify` and `dawn lineage`: where a video comes from."""
