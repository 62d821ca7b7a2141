"""All that knows Ray: tasks, actors, and workers without a terminal."""
