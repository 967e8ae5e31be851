"""What each part of a LLaMA is, in words and as a formula: the text behind a click on a box."""

# part: (name, formula, explanation)
WORDS: dict[str, tuple[str, str, str]] = {
    "embed_tokens": (
        "Token embedding",
        "h₀ = E[token]",
        "A table with one row a token of the vocabulary. It is looked up, not multiplied, so it "
        "costs memory and next to no arithmetic.",
    ),
    "lm_head": (
        "Output head",
        "logits = W h",
        "Turns the last hidden state into one score for every token of the vocabulary. Where it is "
        "tied it is the embedding table itself and adds no parameters.",
    ),
    "norm": (
        "Final RMSNorm",
        "x / √(mean(x²) + ε) ⊙ g",
        "Scales the residual stream to unit mean square before the head; g is one gain a channel.",
    ),
    "input_layernorm": (
        "RMSNorm before attention",
        "x / √(mean(x²) + ε) ⊙ g",
        "Each sublayer reads a normalised copy of the residual stream (pre-norm). RMSNorm leaves "
        "out LayerNorm's mean and bias.",
    ),
    "post_attention_layernorm": (
        "RMSNorm before the feed-forward",
        "x / √(mean(x²) + ε) ⊙ g",
        "The second norm of a block. Its name in transformers says where it stands: after "
        "attention, in front of the feed-forward.",
    ),
    "attention.q_proj": (
        "Query projection",
        "q = W_q x",
        "Makes the queries of all heads at once: what each token looks for.",
    ),
    "attention.k_proj": (
        "Key projection",
        "k = W_k x",
        "Makes the keys: what each token can be found by. With grouped-query attention there are "
        "fewer key heads than query heads, so this matrix and the cache are smaller.",
    ),
    "attention.v_proj": (
        "Value projection",
        "v = W_v x",
        "Makes the values: what a token hands over when it is attended to.",
    ),
    "attention.o_proj": (
        "Output projection",
        "y = W_o concat(heads)",
        "Mixes the heads and writes the result back to the residual stream.",
    ),
    "attention.rope": (
        "Rotary position embedding (RoPE)",
        "(q, k)ᵢ ↦ R(m θ^(−2i/h)) (q, k)ᵢ",
        "Rotates pairs of channels of queries and keys by an angle that grows with the position m, "
        "so that a score depends on the distance of two tokens. It has no weights.",
    ),
    "attention.qk_norm": (
        "Query-key norm",
        "x / √(mean(x²) + ε)",
        "Brings every query and key to one length after the rotation. It has no weights.",
    ),
    "attention.heads": (
        "Heads",
        "head width h, query heads H, key-value heads G",
        "Query heads are split into groups, and each group shares one key head and one value head. "
        "One group a head is multi-head attention; one group in all is multi-query attention.",
    ),
    "attention.softmax": (
        "Scaled dot-product attention",
        "softmax(q kᵀ / √h + mask) v",
        "Every token takes a weighted mean of the values that the mask lets it see. The cost grows "
        "with the square of the length; there are no weights.",
    ),
    "cross_attention.q_proj": (
        "Query projection (cross-attention)",
        "q = W_q x",
        "Queries come from the text; a norm over each head's width follows.",
    ),
    "cross_attention.k_proj": (
        "Key projection (cross-attention)",
        "k = W_k image",
        "Keys come from the projected image tokens, not from the text.",
    ),
    "cross_attention.v_proj": (
        "Value projection (cross-attention)",
        "v = W_v image",
        "Values come from the projected image tokens.",
    ),
    "cross_attention.o_proj": (
        "Output projection (cross-attention)",
        "y = W_o concat(heads)",
        "Its result is multiplied by the tanh of a gate before it joins the residual stream.",
    ),
    "cross_attention.norms": (
        "Query and key norm",
        "x / √(mean(x²) + ε) ⊙ g",
        "RMSNorm over the width of one head, on queries and on keys.",
    ),
    "cross_attention.gates": (
        "tanh gates",
        "x + tanh(g) f(x)",
        "One number for the attention and one for the feed-forward of the layer. They start at "
        "zero, so that the added layers leave the text model as it was.",
    ),
    "mlp.gate_proj": (
        "Gate projection",
        "g = W_gate x",
        "Half of SwiGLU: after SiLU it decides how much of each hidden unit passes.",
    ),
    "mlp.up_proj": (
        "Up projection",
        "u = W_up x",
        "The other half of SwiGLU: the hidden units that the gate lets through or not.",
    ),
    "mlp.down_proj": (
        "Down projection",
        "y = W_down (SiLU(g) ⊙ u)",
        "Brings the hidden units back to the width of the residual stream.",
    ),
    "mlp.silu": (
        "SiLU",
        "SiLU(g) = g / (1 + e^(−g))",
        "A smooth gate without weights.",
    ),
    "router": (
        "Router",
        "s = σ(top-k(W_r x))",
        "Scores every expert for every token and keeps the best k. Llama 4 multiplies an expert's "
        "input by the sigmoid of its score, where others mix the outputs by a softmax.",
    ),
    "experts": (
        "Routed experts",
        "yₑ = W_down,e (SiLU(W_gate,e sx) ⊙ W_up,e sx)",
        "Independent SwiGLU networks, of which a token visits only the chosen ones. They are "
        "stored as fused three-dimensional tensors, which bitsandbytes does not quantize.",
    ),
    "shared_expert.gate_proj": (
        "Shared expert: gate",
        "g = W_gate x",
        "The shared expert sees every token, beside the routed one.",
    ),
    "shared_expert.up_proj": (
        "Shared expert: up",
        "u = W_up x",
        "The shared expert sees every token, beside the routed one.",
    ),
    "shared_expert.down_proj": (
        "Shared expert: down",
        "y = W_down (SiLU(g) ⊙ u)",
        "Its output and the routed expert's output are added.",
    ),
    "residual": (
        "Residual stream",
        "x ← x + f(norm(x))",
        "Every sublayer reads from it and adds to it; nothing on it is ever overwritten.",
    ),
    "vision.image": (
        "Image",
        "channels × side × side",
        "The image, scaled and cut into square tiles of the encoder's size.",
    ),
    "vision.patch_embedding": (
        "Patch embedding",
        "p = W patch",
        "Cuts the image into square patches and projects each to the encoder's width.",
    ),
    "vision.position_embeddings": (
        "Class token and positions",
        "p + position (+ tile)",
        "Learned vectors for the place of a patch and, in Llama 3.2, for the place of a tile and "
        "the aspect ratio, each behind a gate.",
    ),
    "vision.encoder": (
        "Vision encoder",
        "x ← x + attn(LN(x)); x ← x + MLP(LN(x))",
        "A ViT: full (not causal) attention over patches, two-layer MLP, LayerNorm with bias.",
    ),
    "vision.global_encoder": (
        "Global vision layers",
        "x ← x + tanh(g) attn(LN(x))",
        "Further layers that look across all tiles of an image, each behind gates.",
    ),
    "vision.pixel_shuffle": (
        "Pixel shuffle",
        "r² neighbouring patches → one token",
        "Folds neighbouring patches into channels: fewer, wider tokens. It has no weights.",
    ),
    "vision.adapter": (
        "Vision adapter",
        "GELU(W₂ GELU(W₁ x))",
        "A two-layer MLP that brings the folded patches to the projector's width.",
    ),
    "projector": (
        "Projector",
        "W x",
        "Maps image tokens to the width of the language model.",
    ),
    "image_tokens": (
        "Image tokens",
        "—",
        "What the vision tower hands to the language model: as keys and values of the "
        "cross-attention layers (3.2), or as tokens in the sequence itself (4: early fusion).",
    ),
    "layers": (
        "Decoder layers",
        "x ← x + attention(x); x ← x + feed-forward(x)",
        "The stack of blocks. Click a kind of layer to see it whole.",
    ),
}
