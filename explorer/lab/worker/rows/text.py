"""Tokens to text while they come, and where a stop string ends it."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

UNFINISHED = "\ufffd"  # what a tokenizer shows for part of a character


class TextStream:
    """The text of one answer, piece by piece.

    A piece is held back while it may be part of a character or the beginning of a stop string.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids: list[int] = []
        self._start = self._end = 0  # tokens before `_end` are told; `_start` gives them context
        self._known = ""  # the text from `_start` to `_end`
        self._held = ""
        self.text = ""
        self.stopped = False

    def add(self, token_id: int) -> str:
        """One more token; the text that is now certain. `stopped` tells of a stop string."""
        self._ids.append(token_id)
        window = self._decode(self._ids[self._start :])
        if window.endswith(UNFINISHED) or len(window) <= len(self._known):
            return ""
        new = window[len(self._known) :]
        self._start, self._end = self._end, len(self._ids)
        self._known = self._decode(self._ids[self._start :])
        return self._tell(self._held + new)

    def finish(self) -> str:
        """The answer is over: the text that was held back."""
        if self.stopped:
            return ""
        rest = self._decode(self._ids[self._start :])[len(self._known) :]
        self._held, rest = "", self._held + rest
        self.text += rest
        return rest

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _tell(self, pending: str) -> str:
        places = [place for stop in self._stop if (place := pending.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            pending = pending[: min(places)]
        else:
            keep = max((_overlap(pending, stop) for stop in self._stop), default=0)
            self._held = pending[len(pending) - keep :]
            pending = pending[: len(pending) - keep]
        self.text += pending
        return pending


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
