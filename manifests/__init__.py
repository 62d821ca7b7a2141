"""The tables: schemas, storage and the DuckDB catalogue. Imports nothing else of the project."""
