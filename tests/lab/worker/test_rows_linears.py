"""What a group of linears does in one pass: weights side by side, low-rank stacks, memory held."""

import sys

import pytest
import torch
from torch import nn

from explorer.lab.worker import bench_compare
from explorer.lab.worker.rows import Request, Sampling
from explorer.lab.worker.rows.form import LinearForm
from explorer.lab.worker.rows.joined import joined, lay_side_by_side
from explorer.lab.worker.rows.linears import RowLinears
from explorer.lab.worker.rows.low_rank import stack_low_rank
from tests.lab.worker.rows_models import tiny_base

WIDTHS, INPUTS = (24, 8, 8), 16


def matrices(rank, out, seed):
    generator = torch.Generator().manual_seed(seed)
    down, up = (torch.randn(shape, generator=generator) for shape in ((rank, INPUTS), (out, rank)))
    return LinearForm(down=down, up=up, scale=0.5)


def dense(form):
    return form.scale * form.up @ form.down


def test_weights_lie_side_by_side_and_are_the_same_numbers():
    base = tiny_base()
    attention = base.model.layers[0].self_attn
    linears = [attention.q_proj, attention.k_proj, attention.v_proj]
    for linear in linears:
        linear.weight.data = linear.weight.data.clone()
    before = [linear.weight.clone() for linear in linears]
    assert joined(linears) is None
    lay_side_by_side(base)
    whole = joined(linears)
    assert whole.data_ptr() == attention.q_proj.weight.data_ptr()  # no copy
    assert torch.equal(whole, torch.cat(before))
    assert joined(linears[::-1]) is None


def test_linears_with_a_bias_stay_where_they_are():
    base = tiny_base("wide")
    attention = base.model.layers[0].self_attn
    assert joined([attention.q_proj, attention.k_proj, attention.v_proj]) is None


@pytest.mark.parametrize("length", [1, 5])
def test_low_rank_rows_add_what_their_products_are(length):
    forms = [
        [None, matrices(4, 24, 1), matrices(3, 24, 2), None],
        [None, None, matrices(4, 8, 3), None],
        [None, matrices(2, 8, 4), None, None],
    ]
    torch.manual_seed(0)
    x, y = torch.randn(4, length, INPUTS), torch.randn(4, length, sum(WIDTHS))
    expected = y.clone()
    for linear_forms, part in zip(forms, expected.split(WIDTHS, dim=-1), strict=True):
        for row, form in enumerate(linear_forms):
            if form is not None:
                part[row] += x[row] @ dense(form).T
    (stack,) = stack_low_rank(forms, WIDTHS)
    stack.add_to(y, x)
    torch.testing.assert_close(y, expected)


def test_ranks_that_are_far_apart_and_rows_that_add_nothing_are_not_filled_up():
    ranks = [0, 2, 4, 16, 0, 16]
    forms = [[matrices(rank, 24, rank) if rank else None for rank in ranks]]
    stacks = stack_low_rank(forms, WIDTHS[:1])
    assert [(stack.start, stack.stop, stack.rank) for stack in stacks] == [
        (1, 3, 4),
        (3, 4, 16),
        (5, 6, 16),
    ]


def test_inputs_that_a_row_scales_differently_for_each_linear():
    torch.manual_seed(0)
    linears = [nn.Linear(INPUTS, out, bias=False).requires_grad_(False) for out in WIDTHS]
    holder = nn.Module()
    holder.q_proj, holder.k_proj, holder.v_proj = linears
    lay_side_by_side(holder)
    scale = [torch.randn(INPUTS) for _ in linears]
    forms = [[None, LinearForm(pre=own), None] for own in scale]
    rows = RowLinears(linears, forms)
    assert rows.weight is not None
    for length in (1, 5):
        x = torch.randn(3, length, INPUTS)
        scaled = [x * torch.stack([torch.ones(INPUTS), own, torch.ones(INPUTS)])[:, None]
                  for own in scale]  # fmt: skip
        expected = torch.cat(
            [linear(own) for linear, own in zip(linears, scaled, strict=True)], dim=-1
        )
        torch.testing.assert_close(rows(x), expected)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
def test_six_columns_hold_the_base_the_adapters_and_six_caches():
    base = tiny_base(hidden_size=128, intermediate_size=384, num_hidden_layers=4, head_dim=32)
    one = bench_compare.Column("base", base)
    elsewhere = bench_compare.alive()  # what other tests left behind, kept until the end
    columns = [*(bench_compare._column(title, base) for title in bench_compare.ADAPTERS), one]
    request = Request(list(range(3, 27)), Sampling(max_new_tokens=64))
    found = bench_compare.memory(columns, request, elsewhere)
    held = found["held"]
    assert held >= found["caches"] + found["stacks"]  # or it would not have looked
    # beside them the prompts' keys and values, scores folded together, logits: 1.8 MB on the
    # embedded base, whose adapters and caches have 31; a second copy of the adapters is much more
    workspace = 160_000
    assert workspace < found["adapters"] // 3
    assert held <= found["adapters"] + found["caches"] + workspace
