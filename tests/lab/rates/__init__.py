"""Recipes of the built-in tasks."""
