"""What a method does in a forward pass, as far as memory and arithmetic are concerned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from explorer.budget.recorded import RECORDERS
from explorer.budget.sites import Site
from explorer.budget.trainable import Selection, TrainableCount, selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.method import Method

SiteKind = Literal[
    "low rank",
    "affine input",
    "affine output",
    "scaled input",
    "scaled output",
    "own weight",
    "recorded",
]


@dataclass(frozen=True)
class SiteAct:
    """What is added at one linear. `rank` numbers a token go through its low-rank part.

    What is "recorded" runs as the recorder of its `method` says, with its `knobs`.
    """

    kind: SiteKind
    rank: int = 0
    dropout: bool = False
    dora: bool = False
    method: str = ""
    knobs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Prompts:
    """Prompt vectors that a layer's attention sees beside its own keys."""

    kind: Literal["prompt attention", "extra keys", "cached keys"]
    length: int
    rank: int = 0
    per_head: bool = True
    own_queries: bool = False  # projected a second time for the prompts


@dataclass(frozen=True)
class LayerAct:
    """What a method does in one decoder layer. `sites` are (path inside the layer, act)."""

    sites: tuple[tuple[str, SiteAct], ...] = ()
    prompts: Prompts | None = None
    norms: bool = False
    everything: bool = False  # every weight of the layer trains

    @property
    def is_idle(self) -> bool:
        """Whether nothing of the method is in the layer."""
        return self == IDLE


IDLE = LayerAct()


@dataclass(frozen=True, eq=False)  # each is made once, and is its own key in caches
class Activity:
    """A method on a model: by layer, and at the ends.

    `virtual_tokens` are prepended to every sequence, made by an `encoder` of that inner width where
    there is one; `virtual_keys` are cached keys and values that every layer attends to. `own_loss`
    says that the method computes a loss of its own from the logits, `copies_table` that every
    forward looks tokens up in a changed copy of the embedding table. `reaches_input` says that
    something below the first layer trains beside these. `derived` is false where the method's own
    tensors were not derived and LoRA's of the same linears stand in for them.
    """

    layers: tuple[LayerAct, ...]
    embeddings: bool = False
    final_norm: bool = False
    head: SiteAct | None = None
    virtual_tokens: int = 0
    virtual_keys: int = 0
    encoder: int = 0
    own_loss: bool = False
    copies_table: bool = False
    reaches_input: bool = False
    derived: bool = True

    @property
    def embeds(self) -> bool:
        """Whether the input of the first layer needs a gradient."""
        return self.embeddings or self.virtual_tokens > 0 or self.reaches_input

    @property
    def lowest_layer(self) -> int | None:
        """The first layer that the backward pass has to reach; None when only the ends train."""
        if self.embeds:
            return 0
        return next((i for i, act in enumerate(self.layers) if not act.is_idle), None)


def activity(
    arch: Architecture, method: Method, knobs: Mapping[str, Any], count: TrainableCount
) -> Activity:
    """What `method` does on `arch` with these (read) knobs."""
    layers = arch.num_hidden_layers
    if method.id == "full":
        everything = LayerAct(norms=True, everything=True)
        own = SiteAct("own weight")
        return Activity((everything,) * layers, True, True, own)
    if method.id in {"norms-and-biases", "ln-tuning"}:
        return Activity((LayerAct(norms=True),) * layers, final_norm=True)
    if method.id in PROMPTS:
        act = LayerAct(prompts=PROMPTS[method.id](knobs))
        return Activity(tuple(act if i in set(count.layers) else IDLE for i in range(layers)))
    if method.id in VIRTUAL:
        return VIRTUAL[method.id](arch, knobs)
    return _at_sites(arch, method, knobs, count)


def _prompt_attention(knobs: Mapping[str, Any]) -> Prompts:
    return Prompts("prompt attention", int(knobs.get("adapter_len") or 10))


def _prompt_attention_of_peft(knobs: Mapping[str, Any]) -> Prompts:
    return replace(_prompt_attention(knobs), own_queries=True, per_head=False)  # one gate


def _extra_keys(knobs: Mapping[str, Any]) -> Prompts:
    return Prompts(
        "extra keys",
        int(knobs.get("adapter_len") or 30),
        int(knobs.get("r") or 16),
        bool(knobs.get("per_head", True)),
    )


PROMPTS = {
    "llama-adapter-v1": _prompt_attention,
    "adaption-prompt": _prompt_attention_of_peft,
    "llama-excitor": _extra_keys,
}


def _virtual_tokens(arch: Architecture, knobs: Mapping[str, Any]) -> Activity:
    idle = (IDLE,) * arch.num_hidden_layers
    return Activity(idle, virtual_tokens=int(knobs.get("num_virtual_tokens") or 0))


def _encoded_tokens(arch: Architecture, knobs: Mapping[str, Any]) -> Activity:
    width = int(knobs.get("encoder_hidden_size") or arch.hidden_size)
    derived = knobs.get("encoder_reparameterization_type") != "LSTM"
    return replace(_virtual_tokens(arch, knobs), encoder=width, derived=derived)


def _context_tokens(arch: Architecture, knobs: Mapping[str, Any]) -> Activity:
    idle = (IDLE,) * arch.num_hidden_layers
    return Activity(idle, virtual_tokens=len(knobs["cpt_token_ids"]), own_loss=True)


def _tokens_of_the_table(arch: Architecture, knobs: Mapping[str, Any]) -> Activity:
    tokens = knobs["token_indices"]
    head = SiteAct("recorded", method="trainable-tokens", knobs=(("count", len(tokens)),))
    return Activity(
        (IDLE,) * arch.num_hidden_layers,
        head=head if arch.tie_word_embeddings else None,
        reaches_input=True,
        copies_table=True,
    )


def _virtual_keys(arch: Architecture, knobs: Mapping[str, Any]) -> Activity:
    length = int(knobs.get("num_virtual_tokens") or 0)
    act = LayerAct(prompts=Prompts("cached keys", length))
    return Activity((act,) * arch.num_hidden_layers, virtual_keys=length)


VIRTUAL = {
    "prompt-tuning": _virtual_tokens,
    "p-tuning": _encoded_tokens,
    "multitask-prompt-tuning": _virtual_tokens,
    "cpt": _context_tokens,
    "trainable-tokens": _tokens_of_the_table,
    "prefix-tuning": _virtual_keys,
    "cartridge": _virtual_keys,
}

DERIVED = {"lora", "qlora", "ia3", "llama-adapter-v2", *RECORDERS}

# Those that train a matrix of r rows and one of r columns at each linear.
TWO_FACTORS = {"adalora", "deft", "delora", "gralora", "hira"}

# What was not derived: how many times LoRA's tensors it kept at most, in steps of a small model
# (hidden size 256, from 64 to 600 tokens). Those that are left out kept about as much or less.
KEEPS_MORE = {"shadow": 1.6}


def _at_sites(
    arch: Architecture, method: Method, knobs: Mapping[str, Any], count: TrainableCount
) -> Activity:
    act, derived = _site_act(method, knobs)
    norms = method.id == "llama-adapter-v2"
    names, ends = _names_by_layer(selection(arch, method, knobs))
    prompts, lowest = _prompts_of_v2(arch, method, knobs)
    made: dict[tuple[tuple[str, ...], bool], LayerAct] = {}
    layers = []
    for layer in range(arch.num_hidden_layers):
        key = names.get(layer, ()), layer >= lowest
        if key not in made:
            sites = tuple((name, _turned(method, name, act, knobs)) for name in key[0])
            made[key] = LayerAct(sites, prompts if key[1] else None, norms)
        layers.append(made[key])
    head = _turned(method, "lm_head", act, knobs) if "lm_head" in ends else None
    return Activity(tuple(layers), "embed_tokens" in count.by_site, norms, head, derived=derived)


def _prompts_of_v2(
    arch: Architecture, method: Method, knobs: Mapping[str, Any]
) -> tuple[Prompts | None, int]:
    """LLaMA-Adapter V2's prompts and the first layer that has them."""
    length = knobs.get("adapter_len")
    if length is None:
        length = 10 if knobs.get("variant") == "paper" else 0
    if method.id != "llama-adapter-v2" or not length:
        return None, arch.num_hidden_layers
    top = knobs.get("adapter_layers") or max(arch.num_hidden_layers - 1, 1)
    return Prompts("prompt attention", int(length)), arch.num_hidden_layers - top


@lru_cache(maxsize=512)
def _names_by_layer(selected: Selection) -> tuple[dict[int, tuple[str, ...]], set[str]]:
    """Names of the linears in each layer of the language model, and of those outside of layers."""
    by_layer: dict[int, tuple[str, ...]] = {}
    ends: set[str] = set()
    for site in selected.sites:
        if site.in_vision or site.kind != "linear":
            continue
        if site.layer is None:
            ends.add(site.name)
        else:
            by_layer[site.layer] = (*by_layer.get(site.layer, ()), inner_name(site))
    return by_layer, ends


def inner_name(site: Site) -> str:
    """A linear's name inside its layer: `q_proj`, or `shared_expert.up_proj` among experts."""
    shared = site.component.startswith("shared_expert")
    return f"shared_expert.{site.name}" if shared else site.name


def _site_act(method: Method, knobs: Mapping[str, Any]) -> tuple[SiteAct, bool]:
    """The act of this method at a linear, and whether it was derived."""
    derived = method.id in DERIVED and knobs.get("init_weights") != "bat"
    if method.id == "llama-adapter-v2":
        chat = knobs.get("variant", "chat") == "chat"
        kind: SiteKind = "affine input" if chat else "affine output"
        return SiteAct(kind, rank=int(knobs.get("r") or 0)), derived
    if method.id == "ia3":
        return SiteAct("scaled output"), derived
    rank = int(knobs.get("r") or knobs.get("rank") or knobs.get("init_r") or 8)
    if method.id in RECORDERS:
        rank = rank if method.id in TWO_FACTORS else 0
        told = tuple((k, v) for k, v in knobs.items() if method.knobs[k].type != "sites")
        return SiteAct("recorded", rank, method=method.id, knobs=told), derived
    dropout = float(knobs.get("lora_dropout") or 0) > 0
    return SiteAct("low rank", rank, dropout, bool(knobs.get("use_dora"))), derived


def _turned(method: Method, name: str, act: SiteAct, knobs: Mapping[str, Any]) -> SiteAct:
    """IA3 scales what goes into its feed-forward modules, and what comes out of the others."""
    inputs = knobs.get("feedforward_modules") or ()
    if method.id == "ia3" and name.rsplit(".", 1)[-1] in inputs:
        return SiteAct("scaled input")
    return act
