"""The methods as peft tuners; importing this registers the survey's own three with peft."""

from explorer.methods.llama_adapter import LlamaAdapterConfig

__all__ = ["LlamaAdapterConfig"]
