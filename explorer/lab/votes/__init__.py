"""Blind votes on answers: ballots that are kept beside the runs, and how the columns stand."""
