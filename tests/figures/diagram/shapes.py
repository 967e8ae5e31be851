"""Models to draw: every one of the catalogue, and odd ones that nobody released."""

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import load_catalogue

SMOLLM = Architecture(
    hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, head_dim=64, vocab_size=49152, tie_word_embeddings=True,
    max_position_embeddings=8192, rope_theta=100_000,
)  # fmt: skip
ONE_HEAD = Architecture(
    hidden_size=48, intermediate_size=100, num_hidden_layers=1, num_attention_heads=1,
    num_key_value_heads=1, head_dim=96, vocab_size=97,
)  # fmt: skip
DEEP = Architecture(
    hidden_size=16384, intermediate_size=53248, num_hidden_layers=128, num_attention_heads=128,
    num_key_value_heads=128, head_dim=128, vocab_size=128_256, attention_bias=True, mlp_bias=True,
)  # fmt: skip
ENORMOUS = Architecture(
    hidden_size=1_000_000, intermediate_size=10_000_000, num_hidden_layers=2_000,
    num_attention_heads=1_000, num_key_value_heads=1, head_dim=1_000, vocab_size=9_999_999,
    rope_scaling={"rope_type": "<script>" * 40, "factor": float("inf")},
)  # fmt: skip
MANY_EXPERTS = Architecture(
    model_type="llama4", hidden_size=64, intermediate_size=32, num_hidden_layers=5,
    num_attention_heads=6, num_key_value_heads=2, head_dim=16, vocab_size=300,
    num_local_experts=1_000, num_experts_per_tok=37, moe_layers=(1, 2, 4), intermediate_size_mlp=80,
    no_rope_layers=(3,), attention_chunk_size=8192, use_qk_norm=True,
)  # fmt: skip

ODD = {
    "smollm2-135m": SMOLLM, "one-head": ONE_HEAD, "deep": DEEP, "enormous": ENORMOUS,
    "many-experts": MANY_EXPERTS,
}  # fmt: skip


def released() -> dict[str, Architecture]:
    """The catalogue's models whose shape is known."""
    models = load_catalogue().models.values()
    return {model.id: model.architecture for model in models if model.architecture}


def everything() -> dict[str, Architecture]:
    """All of them."""
    return released() | ODD
