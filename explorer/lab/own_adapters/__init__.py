"""Adapters that visitors bring: unpacked with care, checked, kept beside the runs."""
