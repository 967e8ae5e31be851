"""A visitor's own rows."""
