"""The worker: the only place with torch."""
