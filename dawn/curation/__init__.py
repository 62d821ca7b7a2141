"""From a video to rows of the dataset: extraction, filters, duplicates, splits. No Ray."""
