"""Many adapters over one base in one batch: columns in, tokens out.

decode(columns, request, tokenizer)    answers, streaming together
"""

from explorer.lab.worker.rows.column import Column, Part
from explorer.lab.worker.rows.decode import (
    Finished,
    NoNumberError,
    PromptError,
    Read,
    Request,
    Token,
    decode,
)
from explorer.lab.worker.rows.sampling import Sampling

__all__ = [
    "Column",
    "Finished",
    "NoNumberError",
    "Part",
    "PromptError",
    "Read",
    "Request",
    "Sampling",
    "Token",
    "decode",
]
