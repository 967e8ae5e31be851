"""What the calculator answers over HTTP, MCP and from Python, under names of their own."""

from typing import Any

from explorer.budget.forecast import forecast
from explorer.budget.params import count_parameters
from explorer.budget.resolve import architecture_of
from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.ui.budget import matrix
from explorer.ui.budget.reading import read_plan, sites_knob
from explorer.ui.errors import told

PUBLIC = ("count", "budget", "budget_matrix")
LONGEST_PLAN = 1_100_000  # characters of a plan's texts: a config.json is at most a million


class Endpoints:
    """The public handlers, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def count(
        self, model: str, method: str, r: int = 0, targets: list[str] | None = None
    ) -> dict[str, Any]:
        """Parameters of a model, and how many of them a method trains.

        Args:
            model: id of a model, such as llama-3.1-8b.
            method: id of a method, such as lora.
            r: rank; 0 takes the method's default.
            targets: linears that the method acts on; none takes the method's default.

        Returns:
            total, active, trainable, percent.
        """
        arch = architecture_of(model, self.catalogue)
        chosen = self.catalogue.method(method)
        knobs: dict[str, Any] = {}
        if r and "r" in chosen.knobs:
            knobs["r"] = r
        sites = sites_knob(chosen)
        if targets and sites:
            knobs[sites] = tuple(targets)
        counted, trained = count_parameters(arch), count_trainable(arch, chosen, knobs)
        return {
            "total": counted.total,
            "active": counted.active,
            "trainable": trained.total,
            "percent": trained.percent,
        }

    @told
    def budget(self, plan: dict[str, Any]) -> dict[str, Any]:
        """What a plan costs: parameters, memory by term, KV cache, arithmetic, time, money, fit.

        Args:
            plan: what to do, all but the model optional. model (id) or config (text of a
                config.json); mode (training, inference); method (id), r, targets, knobs
                ("name=value; name=value" or an object); quantization (none, int8, nf4, fp4,
                gguf-q4_k_m, …), double_quantization, quantization_block, skipped_modules;
                parameter_dtype, compute_dtype, adapter_dtype; optimizer, optimizer_dtype,
                master_weights; batch, length, accumulation, checkpointing, attention, padded,
                loss_positions, loss_chunk, loss_float32, tokens; prompt, kv_dtype; hardware (id),
                devices, sharding, efficiency, price_per_hour, grid_intensity. What a method's
                recipe asks for holds
                unless it is given.

        Returns:
            plan, params, trainable, memory (bytes by term, total), kv, flops, time, fits, verdict,
            device, notes.
        """
        return forecast(read_plan(self.catalogue, checked(plan)), self.catalogue).to_dict()

    @told
    def budget_matrix(self, plan: dict[str, Any], rows: str = "methods") -> list[dict[str, Any]]:
        """Whether a plan fits each device: for every method, or for every model.

        Args:
            plan: as for `budget`.
            rows: "methods" (all methods on the plan's model) or "models" (all models with the
                plan's method).

        Returns:
            For each row model, method, trainable, bytes at the peak on a GPU, a verdict for each
            device ("fits", "tight", "does not fit"), or the reason why there is no such plan.
        """
        if rows not in matrix.ROWS:
            raise unknown("kind of rows", rows, matrix.ROWS)
        given = checked(plan)
        found = matrix.rows_of(
            read_plan(self.catalogue, given), self.catalogue, rows, matrix.follows_recipes(given)
        )
        return [
            {
                "model": row.model,
                "method": row.method,
                "trainable": row.trainable,
                "bytes": row.total,
                "verdicts": dict(row.verdicts),
                "reason": row.reason,
            }
            for row in found
        ]


def checked(plan: Any) -> dict[str, Any]:
    """The plan of a caller, if it is an object of values that can be read."""
    if not isinstance(plan, dict):
        raise ExplorerError('A plan is an object, such as {"model": "llama-3.1-8b", "r": 16}.')
    if sum(len(value) for value in plan.values() if isinstance(value, str)) > LONGEST_PLAN:
        raise ExplorerError(f"The texts of this plan are longer than {LONGEST_PLAN:,} characters.")
    return {str(name): value for name, value in plan.items()}
