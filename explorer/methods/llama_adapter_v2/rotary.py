"""Query and key biases between the two orders in which LLaMA's rotary coordinates are stored."""

from torch import Tensor


def permute_rotary_bias(bias: Tensor, num_heads: int) -> Tensor:
    """A bias of q_proj or k_proj of Meta's layout, [heads · h], in that of transformers.

    Meta's code rotates neighbouring coordinates (2j, 2j + 1) of a head; transformers stores the
    rows of Wq and Wk so that it can rotate (j, j + h/2). What acts on the output rows, a bias or an
    output-side scale, moves with them: pass `num_attention_heads` for q and `num_key_value_heads`
    for k. What acts on the input, such as the chat variant's scale, stays as it is, and so do v's
    and o's tensors.
    """
    return bias.view(num_heads, -1, 2).transpose(1, 2).reshape(-1)
