"""Many adapters over one base in one batch: columns in, tokens out.

decode(columns, request, tokenizer)    answers, streaming together
score(columns, ids, first)             log-probabilities of a given text
self_check(columns, prompt_ids)        is each column what it says?
"""

from explorer.lab.worker.rows.column import Column, Part
from explorer.lab.worker.rows.decode import Finished, PromptError, Read, Request, Token, decode
from explorer.lab.worker.rows.sampling import Sampling

__all__ = [
    "Column",
    "Finished",
    "Part",
    "PromptError",
    "Read",
    "Request",
    "Sampling",
    "Token",
    "decode",
]
