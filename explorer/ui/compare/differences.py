"""How two answers differ: words that came and went, and the token where they part."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

Part = tuple[Literal["same", "new", "gone"], str]
WORDS = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)  # words, runs of space, every sign by itself


def word_diff(reference: str, text: str) -> list[Part]:
    """The text in pieces, with what the reference has instead before what is new."""
    old, new = WORDS.findall(reference), WORDS.findall(text)
    parts: list[Part] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("same", "".join(new[k:m])))
            continue
        if i < j:
            parts.append(("gone", "".join(old[i:j])))
        if k < m:
            parts.append(("new", "".join(new[k:m])))
    return parts


def parting(reference: Sequence[int], tokens: Sequence[int]) -> int | None:
    """The first place where two answers have different tokens; None when they are the same.

    An answer that ends where the other goes on parts there.
    """
    for place, (one, other) in enumerate(zip(reference, tokens, strict=False)):
        if one != other:
            return place
    return None if len(reference) == len(tokens) else min(len(reference), len(tokens))
