"""What fine-tuning a LLaMA with some method gave: published figures, and peft's own runs."""

from pydantic import Field

from explorer.catalogue.record import Record


class PublishedResult(Record):
    """What a document reports of fine-tuning a LLaMA with some method."""

    method: str = Field(description="id of the method; empty for a baseline of another kind")
    label: str = Field(description="the method as the document names it")
    model: str = Field(description="id of the base model; empty where the catalogue has none")
    base_model: str = Field(description="the base model as the document names it")
    trainable_params: int | None = None
    trainable_note: str = ""
    task: str
    metric: str
    value: float | None = Field(default=None, description="left out for a range")
    unit: str = ""
    printed: str = Field(description="the figure as the document prints it")
    source: tuple[str, ...] = Field(min_length=1)
    note: str = ""
    not_plotted: str = Field(default="", description="why the figure stays out of plots")

    @property
    def plot(self) -> bool:
        """Whether the figure may stand in a plot among others."""
        return not self.not_plotted

    @property
    def document(self) -> str:
        """Key of the document that prints the figure."""
        return self.source[0].partition(":")[0]

    @property
    def comparable_with(self) -> tuple[str, str, str, str, str]:
        """Two figures may share an axis only where this is equal for both."""
        return (self.task, self.metric, self.unit, self.base_model, self.document)


class MethodRun(Record):
    """One run of huggingface/peft's method comparison: 5,000 steps on MetaMathQA, then GSM8K.

    Memory and file sizes in bytes, accuracy and forgetting as fractions, time in seconds.
    """

    method: str
    experiment: str
    peft_type: str
    model: str
    base_model: str
    rank: int | None = None
    target_modules: str = ""
    learning_rate: float
    batch_size: int
    max_seq_length: int
    steps: int
    dtype: str
    trainable_params: int
    total_params: int
    gsm8k_test_accuracy: float = Field(ge=0, le=1)
    train_loss: float
    forgetting: float
    train_seconds: float = Field(gt=0)
    train_tokens: int
    mem_allocated_avg_bytes: float
    mem_reserved_avg_bytes: int
    mem_reserved_p99_bytes: int
    mem_max_bytes: int
    checkpoint_bytes: int
    accelerator: str
    torch: str
    transformers: str
    peft: str
    status: str
    source: tuple[str, ...] = Field(min_length=1)
