"""Floor 2: the calculator. Pure arithmetic over catalogue records; no torch."""
