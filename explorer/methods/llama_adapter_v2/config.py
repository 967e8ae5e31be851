"""The knobs of LLaMA-Adapter V2."""

from dataclasses import dataclass, field
from typing import ClassVar

from peft import PeftConfig

from explorer.methods.knobs import choice, whole
from explorer.methods.peft_types import add_peft_type

LLAMA_ADAPTER_V2 = add_peft_type("LLAMA_ADAPTER_V2")
DEFAULT_PROMPT = {"chat": 0, "paper": 10}  # the authors' text model has no prompts


@dataclass
class LlamaAdapterV2Config(PeftConfig):
    """Configuration of LLaMA-Adapter V2 (arXiv:2304.15010).

    `variant` says where the scale acts: "chat" is the authors' text model, W(s ⊙ x) + b, and
    "paper" the paper's equation, s ⊙ (Wx + b). Both act on all seven linears and train all norms.
    Raises ExplorerError for a knob out of its range.
    """

    target_modules: ClassVar[None] = None  # all seven linears, always

    variant: str = field(
        default="chat",
        metadata={"help": "chat scales the input of every linear, paper scales its output."},
    )
    adapter_len: int | None = field(
        default=None,
        metadata={"help": "Prompt vectors a layer; unset is 0 for chat and 10 for paper."},
    )
    adapter_layers: int | None = field(
        default=None,
        metadata={"help": "Layers with prompts, from the top; unset is all but the first."},
    )
    gate_activation: str = field(
        default="tanh", metadata={"help": "tanh, or none for a gate that acts as it is."}
    )
    r: int = field(
        default=0,
        metadata={"help": "Rank of a LoRA beside every linear, with factor 1; 0 is none."},
    )
    visual_tokens: int = field(
        default=0,
        metadata={"help": "Image tokens that a forward pass may be given; 0 is none."},
    )
    visual_layers: int = field(
        default=1, metadata={"help": "Layers, from the first, that attend to the image tokens."}
    )
    modules_to_save: list[str] | None = field(
        default=None,
        metadata={"help": "Further modules to train and save whole, such as a classifier head."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = LLAMA_ADAPTER_V2
        choice(self, "variant", tuple(DEFAULT_PROMPT))
        if self.adapter_len is None:
            self.adapter_len = DEFAULT_PROMPT[self.variant]
        whole(self, "adapter_len", 0, 4096)
        if self.adapter_layers is not None:
            whole(self, "adapter_layers", 1, 1024)
        choice(self, "gate_activation", ("tanh", "none"))
        whole(self, "r", 0, 1024)
        whole(self, "visual_tokens", 0, 4096)
        whole(self, "visual_layers", 1, 1024)
