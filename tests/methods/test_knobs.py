"""Configs hold what was read of a knob, never what was typed."""

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.methods import LlamaAdapterConfig, LlamaAdapterV2Config, LlamaExcitorConfig


@pytest.mark.parametrize(
    ("kind", "name", "typed", "read"),
    [
        (LlamaAdapterConfig, "gate_activation", "TANH", "tanh"),
        (LlamaAdapterConfig, "adapter_len", "3", 3),
        (LlamaAdapterConfig, "adapter_len", 3.0, 3),
        (LlamaAdapterConfig, "adapter_layers", "1", 1),
        (LlamaAdapterConfig, "adapter_layers", None, None),
        (LlamaAdapterV2Config, "variant", "Chat", "chat"),
        (LlamaAdapterV2Config, "variant", "PAPER", "paper"),
        (LlamaAdapterV2Config, "adapter_len", "4", 4),
        (LlamaAdapterV2Config, "r", 2.0, 2),
        (LlamaAdapterV2Config, "visual_tokens", "2", 2),
        (LlamaExcitorConfig, "activation", "Tanh", "tanh"),
        (LlamaExcitorConfig, "rotate", "false", False),
        (LlamaExcitorConfig, "per_head", "No", False),
        (LlamaExcitorConfig, "gate_init", "0.5", 0.5),
        (LlamaExcitorConfig, "r", 4.0, 4),
    ],
)
def test_what_was_typed_is_held_as_what_it_means(kind, name, typed, read):
    held = getattr(kind(**{name: typed}), name)
    assert held == read
    assert type(held) is type(read)


@pytest.mark.parametrize("kind", [LlamaAdapterConfig, LlamaAdapterV2Config, LlamaExcitorConfig])
def test_a_knob_is_not_unset_where_that_means_nothing(kind):
    unset = {"adapter_layers", "modules_to_save"}
    unset |= {"adapter_len"} if kind is LlamaAdapterV2Config else set()
    own = {n for n in kind.__annotations__ if n != "target_modules"}
    assert unset < own
    for name in own:
        if name in unset:
            assert kind(**{name: None}) is not None
        else:
            with pytest.raises(ExplorerError, match=f"{name} = .*: it takes"):
                kind(**{name: None})


def test_v2_takes_the_prompt_length_of_the_variant_that_is_meant():
    assert LlamaAdapterV2Config(variant="Paper").adapter_len == 10
    assert LlamaAdapterV2Config(variant="Chat").adapter_len == 0
    with pytest.raises(ExplorerError, match="variant = chatt: it takes one of chat, paper"):
        LlamaAdapterV2Config(variant="chatt")
