"""Floor 4: the page."""
