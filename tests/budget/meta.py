"""The independent count that the closed forms are held against: transformers' on torch's meta."""

from explorer.lab.worker.meta import build, counted, meta_model

__all__ = ["build", "counted", "meta_model"]
