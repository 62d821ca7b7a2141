"""Results: measured, stored, read again, compared."""
