"""Floor 1: the data files as records. Importing this costs no torch and no network."""
