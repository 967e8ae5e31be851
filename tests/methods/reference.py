"""LLaMA and the three adapters from their equations, in float64, one head at a time.

Nothing here comes from the tuners: the weights are read from the base model by name, and the
adapters' tensors are given as plain dictionaries, {module: {kind: tensor}}.
"""

import math

import torch


class Llama:
    """A LLaMA forward pass over a base model's weights; subclasses add a method's equations."""

    def __init__(self, base):
        self.weights = {
            name: tensor.detach().double() for name, tensor in base.state_dict().items()
        }
        self.config = base.config
        self.h = base.config.head_dim
        self.H = base.config.num_attention_heads
        self.G = base.config.num_key_value_heads

    def logits(self, ids):
        x = self.weights["model.embed_tokens.weight"][ids]
        for layer in range(self.config.num_hidden_layers):
            name = f"model.layers.{layer}"
            x = x + self.attention(layer, self.norm(f"{name}.input_layernorm", x))
            x = x + self.mlp(layer, self.norm(f"{name}.post_attention_layernorm", x))
        return self.norm("model.norm", x) @ self.weights["lm_head.weight"].T

    def norm(self, name, x):
        scale = torch.rsqrt((x**2).mean(-1, keepdim=True) + self.config.rms_norm_eps)
        return self.norm_weight(name) * x * scale

    def norm_weight(self, name):
        return self.weights[f"{name}.weight"]

    def linear(self, layer, name, x):
        name = f"model.layers.{layer}.{name}"
        y = x @ self.weights[f"{name}.weight"].T
        return y + self.weights[f"{name}.bias"] if f"{name}.bias" in self.weights else y

    def mlp(self, layer, x):
        gate = self.linear(layer, "mlp.gate_proj", x)
        up = self.linear(layer, "mlp.up_proj", x)
        return self.linear(layer, "mlp.down_proj", gate * torch.sigmoid(gate) * up)

    def rotate(self, states):
        """Coordinates j and j + h/2 of position m turn by the angle m · theta^(-2j/h)."""
        half = self.h // 2
        theta = self.config.rope_parameters["rope_theta"]
        turned = states.clone()
        for j in range(half):
            angle = torch.arange(states.shape[-2], dtype=torch.float64) * theta ** (-2 * j / self.h)
            a, b = states[..., j], states[..., j + half]
            turned[..., j] = a * angle.cos() - b * angle.sin()
            turned[..., j + half] = b * angle.cos() + a * angle.sin()
        return turned

    def head(self, states, index):
        return states[..., index * self.h : (index + 1) * self.h]

    def attention(self, layer, x):
        q, k, v = (self.linear(layer, f"self_attn.{name}_proj", x) for name in "qkv")
        length = x.shape[-2]
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        heads = []
        for index in range(self.H):
            group = index // (self.H // self.G)
            q_h = self.rotate(self.head(q, index))
            k_h = self.rotate(self.head(k, group))
            scores = self.scores(layer, x, q_h, k_h, index).masked_fill(ahead, -math.inf)
            o = torch.softmax(scores, -1) @ self.head(v, group)
            heads.append(o + self.beside(layer, q_h, index, group))
        return self.linear(layer, "self_attn.o_proj", torch.cat(heads, -1))

    def scores(self, layer, x, q_h, k_h, index):
        return q_h @ k_h.mT / math.sqrt(self.h)

    def beside(self, layer, q_h, index, group):
        return torch.zeros_like(q_h)

    def prompted(self, layer, q_h, group, prompt):
        """softmax(q pkᵀ/√h) pv for one head."""
        pk = self.head(self.linear(layer, "self_attn.k_proj", prompt), group)
        pv = self.head(self.linear(layer, "self_attn.v_proj", prompt), group)
        return torch.softmax(q_h @ pk.mT / math.sqrt(self.h), -1) @ pv


class LlamaAdapter(Llama):
    """V1: tensors["layers.3.self_attn"] holds prompt [K, d] and gate [H]."""

    def __init__(self, base, tensors, squash=torch.tanh):
        super().__init__(base)
        self.tensors, self.squash = tensors, squash

    def beside(self, layer, q_h, index, group):
        mine = self.tensors.get(f"layers.{layer}.self_attn")
        if mine is None:
            return torch.zeros_like(q_h)
        gate = self.squash(mine["gate"][index])
        return gate * self.prompted(layer, q_h, group, mine["prompt"])


class LlamaAdapterV2(Llama):
    """V2: scale, bias, lora_A and lora_B of every linear, the norms, prompts and visual gates."""

    def __init__(self, base, tensors, variant, visual=None):
        super().__init__(base)
        self.tensors, self.variant, self.visual = tensors, variant, visual

    def norm_weight(self, name):
        return self.tensors[name.removeprefix("model.")]["norm"]

    def linear(self, layer, name, x, low_rank=True):
        mine = self.tensors[f"layers.{layer}.{name}"]
        if self.variant == "chat":
            y = super().linear(layer, name, mine["scale"] * x) + mine["bias"]
        else:
            y = mine["scale"] * (super().linear(layer, name, x) + mine["bias"])
        if low_rank and "lora_A" in mine:
            y = y + x @ mine["lora_A"].T @ mine["lora_B"].T
        return y

    def prompted(self, layer, q_h, group, prompt):
        pk = self.head(self.linear(layer, "self_attn.k_proj", prompt, low_rank=False), group)
        pv = self.head(self.linear(layer, "self_attn.v_proj", prompt, low_rank=False), group)
        return torch.softmax(q_h @ pk.mT / math.sqrt(self.h), -1) @ pv

    def beside(self, layer, q_h, index, group):
        mine = self.tensors.get(f"layers.{layer}.self_attn", {})
        added = torch.zeros_like(q_h)
        if "prompt" in mine:
            gate = torch.tanh(mine["gate"][index])
            added = added + gate * self.prompted(layer, q_h, group, mine["prompt"])
        if "visual_gate" in mine and self.visual is not None:
            gate = torch.tanh(mine["visual_gate"][index])
            added = added + gate * self.prompted(layer, q_h, group, self.visual.double())
        return added


class LlamaExcitor(Llama):
    """Excitor: prompt P, down D, up U and gate; scores q kᵀ + g q eᵀ, as two products."""

    def __init__(self, base, tensors, per_head=True, rotate=False, squash=lambda gate: gate):
        super().__init__(base)
        self.tensors, self.per_head, self.turned, self.squash = tensors, per_head, rotate, squash

    def scores(self, layer, x, q_h, k_h, index):
        scores = super().scores(layer, x, q_h, k_h, index)
        mine = self.tensors.get(f"layers.{layer}.self_attn")
        if mine is None:
            return scores
        prompt, e_q = mine["prompt"], x @ mine["down"].T @ mine["up"].T
        if self.per_head:
            prompt, e_q = self.head(prompt, index), self.head(e_q, index)
        e = torch.softmax(e_q @ prompt.T / math.sqrt(prompt.shape[-1]), -1) @ prompt
        if not self.per_head:
            e = self.head(e, index)
        if self.turned:
            e = self.rotate(e)
        gate = self.squash(mine["gate"][index if len(mine["gate"]) > 1 else 0])
        return scores + gate * (q_h @ e.mT) / math.sqrt(self.h)
