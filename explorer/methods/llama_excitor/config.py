"""The knobs of LLaMA-Excitor, with the choices that the paper leaves open."""

from dataclasses import dataclass, field
from typing import ClassVar

from peft import PeftConfig

from explorer.methods.knobs import choice, number, switch, whole
from explorer.methods.peft_types import add_peft_type

LLAMA_EXCITOR = add_peft_type("LLAMA_EXCITOR")


@dataclass
class LlamaExcitorConfig(PeftConfig):
    """Configuration of LLaMA-Excitor (arXiv:2404.00913).

    No official code exists. `per_head`, `rotate`, `gate_per_head`, `gate_init`, `activation` and
    the initial values are choices of this implementation. With one gate a layer, 7,618,590
    parameters of LLaMA-7B train. Raises ExplorerError for a knob out of its range.
    """

    target_modules: ClassVar[None] = None  # the attention modules, always

    adapter_len: int = field(
        default=30, metadata={"help": "Prompt vectors in every adapted layer (K)."}
    )
    adapter_layers: int | None = field(
        default=None,
        metadata={"help": "Adapted layers, from the top; unset is all but the first two."},
    )
    r: int = field(
        default=16, metadata={"help": "Rank of the map from hidden states to e's query."}
    )
    per_head: bool = field(
        default=True,
        metadata={"help": "Attend to the prompts head by head, or once over the full width."},
    )
    rotate: bool = field(
        default=False, metadata={"help": "Rotate e by its position, as keys are, or not."}
    )
    gate_per_head: bool = field(default=True, metadata={"help": "One gate a head, or one a layer."})
    gate_init: float = field(default=0.0, metadata={"help": "The gates' initial value."})
    activation: str = field(default="none", metadata={"help": "none or tanh, on the gates."})
    modules_to_save: list[str] | None = field(
        default=None,
        metadata={"help": "Further modules to train and save whole, such as a classifier head."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = LLAMA_EXCITOR
        whole(self, "adapter_len", 1, 4096)
        if self.adapter_layers is not None:
            whole(self, "adapter_layers", 1, 1024)
        whole(self, "r", 1, 1024)
        for name in ("per_head", "rotate", "gate_per_head"):
            switch(self, name)
        number(self, "gate_init", -10, 10)
        choice(self, "activation", ("none", "tanh"))
