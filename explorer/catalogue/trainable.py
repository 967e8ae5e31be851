"""What a method trains, as formulas that anyone can read and the calculator evaluates."""

from pydantic import Field, model_validator

from explorer.catalogue.record import Record


class Trainable(Record):
    """How many parameters train, as formulas over knobs and the numbers of the architecture.

    The total is the sum of
    `per_site`   once for every linear acted on (those of `sites`, or of the knob for them), over
                 `site` (its name), `d_in`, `d_out` and `has_bias`; `by_site.<name>` stands in for
                 it on the linears of that name;
    `per_target` once for every distinct name and shape of a linear, over `site`, `d_in`, `d_out`
                 and `count`, the number of such linears that are acted on: what layers share;
    `per_layer`  once for each of `layers` layers (all of them unless said);
    `per_model`  once, over `sites` (all linears acted on), `total_parameters` (the base model's)
                 and `layers`.
    All of them know every knob, every number of the Architecture, `q_dim`, `kv_dim`,
    `num_cross_attention_layers` and, 0 for a model that sees no images, `vision_hidden_size`,
    `vision_layers` and `vision_biases` (of the encoder and the projector).
    `exact` is false where the count depends on the weights or moves while training: see `note`.
    """

    per_site: str | None = None
    by_site: dict[str, str] = Field(default_factory=dict)
    per_target: str | None = None
    per_layer: str | None = None
    per_model: str | None = None
    layers: str | None = None
    exact: bool = True
    note: str | None = None
    source: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _counts_something(self) -> "Trainable":
        if not any((self.per_site, self.by_site, self.per_target, self.per_layer, self.per_model)):
            raise ValueError("at least one of per_site, per_target, per_layer, per_model is needed")
        if not self.exact and not self.note:
            raise ValueError("a count that is not exact needs a note that says why")
        return self

    @property
    def formula(self) -> str:
        """The whole count in one line, for people."""
        parts = [f"Σ over linears ({self.per_site})"] if self.per_site else []
        parts += [f"Σ over {name} ({text})" for name, text in self.by_site.items()]
        parts += [f"Σ over kinds of linear ({self.per_target})"] if self.per_target else []
        layers = self.layers or "num_hidden_layers"
        parts += [f"({layers}) · ({self.per_layer})"] if self.per_layer else []
        parts += [self.per_model] if self.per_model else []
        return " + ".join(parts)
