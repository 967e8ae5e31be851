"""A visitor's own rows: read whatever the form, checked line by line, kept as a task."""
