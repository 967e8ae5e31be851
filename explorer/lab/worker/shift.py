"""What the base makes of an adapter's answer: the probability of each of its tokens."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.lab.worker.rows.batch import RowBatch
from explorer.lab.worker.rows.form import BASE

CHUNK = 64  # tokens whose logits [CHUNK, V] stand in memory at once


class BaseReader:
    """Reads answers with the base alone; a prompt that comes again is not read again."""

    def __init__(self, base: PreTrainedModel) -> None:
        self.rows = RowBatch(base, [BASE])
        self.prompt: list[int] = []
        self.first: Tensor | None = None  # logits [1, V] after the prompt

    def logprobs(self, prompt: list[int], answer: Sequence[int]) -> Iterator[list[float] | None]:
        """Yield None after each bit of work, at last the log-probability of each answer token."""
        if prompt != self.prompt:
            ids = torch.tensor(prompt, device=self.rows.base.device)
            for logits in self.rows.prefill(ids, len(answer)):
                self.first = logits
                yield None
            self.prompt = prompt
        self.rows.rewind(len(prompt))
        found, before = [], self.first[:, None]
        for start in range(0, len(answer), CHUNK):
            part = torch.tensor([answer[start : start + CHUNK]], device=before.device)
            logits = self._forward(part)
            found += _chosen(torch.cat((before, logits[:, :-1]), dim=1), part)
            before = logits[:, -1:]
            yield None
        yield found

    @torch.inference_mode()
    def _forward(self, ids: Tensor) -> Tensor:
        return self.rows.forward(ids, every=True)


@torch.inference_mode()
def _chosen(logits: Tensor, ids: Tensor) -> list[float]:
    """Log-probabilities of ids [1, M] under logits [1, M, V]."""
    total = logits.float().logsumexp(dim=-1)
    chosen = logits.gather(-1, ids[..., None])[..., 0].float()
    return (chosen - total)[0].tolist()
