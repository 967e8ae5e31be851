"""The lab: bases, runs, engine."""
