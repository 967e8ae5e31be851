"""Explore LLaMA models and parameter-efficient fine-tuning: browse, budget, train, compare."""
