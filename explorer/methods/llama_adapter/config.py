"""The knobs of LLaMA-Adapter (V1), under the names that peft's adaption_prompt gives them."""

from dataclasses import dataclass, field
from typing import ClassVar

from peft import PeftConfig

from explorer.methods.knobs import choice, whole
from explorer.methods.peft_types import add_peft_type

LLAMA_ADAPTER = add_peft_type("LLAMA_ADAPTER")


@dataclass
class LlamaAdapterConfig(PeftConfig):
    """Configuration of LLaMA-Adapter V1 (arXiv:2303.16199).

    Raises ExplorerError for a knob out of its range. The defaults train 1,229,760 parameters of
    LLaMA-7B: adapter_layers · (adapter_len · hidden_size + num_attention_heads).
    """

    target_modules: ClassVar[None] = None  # the attention modules, always

    adapter_len: int = field(
        default=10, metadata={"help": "Prompt vectors in every adapted layer (K)."}
    )
    adapter_layers: int | None = field(
        default=None,
        metadata={
            "help": "Layers with prompts, counted from the top; all but the first two when unset."
        },
    )
    gate_activation: str = field(
        default="tanh",
        metadata={
            "help": "tanh, as the authors train, or none, as their inference code reads the gate."
        },
    )
    modules_to_save: list[str] | None = field(
        default=None,
        metadata={"help": "Further modules to train and save whole, such as a classifier head."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = LLAMA_ADAPTER
        whole(self, "adapter_len", 1, 4096)
        if self.adapter_layers is not None:
            whole(self, "adapter_layers", 1, 1024)
        choice(self, "gate_activation", ("tanh", "none"))
