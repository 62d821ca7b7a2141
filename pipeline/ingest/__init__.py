"""`dawn ingest`: from videos to committed rows."""
