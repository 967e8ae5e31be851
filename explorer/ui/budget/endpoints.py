"""What the calculator answers over HTTP, MCP and from Python, under names of their own."""

from dataclasses import asdict
from typing import Any

from explorer.budget import inverse
from explorer.budget.advice import suggestions
from explorer.budget.explain import explain
from explorer.budget.export import MOST_SIDE_BY_SIDE
from explorer.budget.forecast import Budget, forecast
from explorer.budget.measured import compare_all
from explorer.budget.params import count_parameters
from explorer.budget.resolve import architecture_of
from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.ui.budget import files, matrix, sensitivity
from explorer.ui.budget.reading import read_plan, sites_knob
from explorer.ui.errors import told

PUBLIC = (
    "count",
    "budget",
    "budget_matrix",
    "budget_formulas",
    "budget_changes",
    "budget_limits",
    "budget_curve",
    "budget_file",
    "budget_measured",
)
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
                autocast, loss_positions, loss_chunk, loss_float32, tokens; prompt, kv_dtype;
                hardware (id), devices, sharding, interconnect (GB/s), efficiency, price_per_hour,
                grid_intensity. What a method's recipe asks for holds unless it is given.

        Returns:
            plan, params, trainable, memory (bytes by term, total), kv, flops, time, runs and
            obstacles (why not), fits and verdict (of memory), device, notes.
        """
        return self._forecast(plan).to_dict()

    @told
    def budget_matrix(self, plan: dict[str, Any], rows: str = "methods") -> list[dict[str, Any]]:
        """Whether a plan fits each device: for every method, or for every model.

        Args:
            plan: as for `budget`.
            rows: "methods" (all methods on the plan's model) or "models" (all models with the
                plan's method).

        Returns:
            For each row model, method, trainable, bytes at the peak on a GPU, a verdict for each
            device ("fits", "tight", "does not fit"), or the reason why there is
            no such plan or it cannot be run.
        """
        if rows not in matrix.ROWS:
            raise unknown("kind of rows", rows, matrix.ROWS)
        found = matrix.rows_of(checked(plan), self.catalogue, rows)
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

    @told
    def budget_formulas(self, plan: dict[str, Any]) -> list[dict[str, Any]]:
        """How each term of a plan's memory comes about, with its numbers filled in.

        Args:
            plan: as for `budget`.

        Returns:
            For each term its name, meaning, formula, the formula with numbers, and bytes.
        """
        return [asdict(step) for step in explain(self._forecast(plan))]

    @told
    def budget_changes(self, plan: dict[str, Any]) -> list[dict[str, Any]]:
        """The cheapest changes that make a plan fit its device; none where it fits already.

        Args:
            plan: as for `budget`.

        Returns:
            Up to three: what to do, what it costs, the settings to change, bytes at the peak, and
            the time as a multiple of the plan's own.
        """
        found = suggestions(read_plan(self.catalogue, checked(plan)), self.catalogue)
        return [
            {
                "what": [change.what for change in way.changes],
                "cost": [change.cost for change in way.changes],
                "settings": {k: v for change in way.changes for k, v in change.values.items()},
                "bytes": way.total,
                "times_as_long": way.slower,
            }
            for way in found
        ]

    @told
    def budget_limits(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The largest batch, length, rank and model that fit, and the smallest device.

        Args:
            plan: as for `budget`; each answer changes one thing of it.

        Returns:
            batch, length, rank (null for a method without one; 0 where not even 1 fits), device and
            model (ids; null where none of the catalogue does).
        """
        read = read_plan(self.catalogue, checked(plan))
        return {
            "batch": inverse.largest_batch(read, self.catalogue),
            "length": inverse.longest_sequence(read, self.catalogue),
            "rank": inverse.largest_rank(read, self.catalogue),
            "device": inverse.smallest_device(read, self.catalogue),
            "model": inverse.largest_model(read, self.catalogue),
        }

    @told
    def budget_curve(self, plan: dict[str, Any], against: str = "length") -> list[dict[str, Any]]:
        """Peak memory by part and trained parameters against one number of a plan.

        Args:
            plan: as for `budget`.
            against: "length", "batch" or "r".

        Returns:
            For each value of it: the value, bytes by part, trained parameters.
        """
        swept = sensitivity.sweep(self._forecast(plan), self.catalogue, against)
        return [
            {against: point.x, "bytes": dict(point.memory), "trainable": point.trainable}
            for point in swept.points
        ]

    @told
    def budget_file(self, plans: list[dict[str, Any]], format: str = "md") -> str:
        """Up to four plans side by side as a file, or the program that runs the first of them.

        Args:
            plans: each as for `budget`.
            format: "md" (Markdown), "csv", "json", or "py" (a program of transformers and peft).
        """
        if not 1 <= len(plans) <= MOST_SIDE_BY_SIDE:
            raise ExplorerError(f"{len(plans)} plans: it takes 1 to {MOST_SIDE_BY_SIDE}.")
        return files.written([self._forecast(plan) for plan in plans], self.catalogue, format)

    @told
    def budget_measured(self) -> list[dict[str, Any]]:
        """Published runs beside their forecasts: bytes, and errors as shares of what was measured.

        `explained_error` counts what the run's own code is known to hold besides.
        """
        return [
            {
                "document": found.document,
                "run": found.run.name,
                "measured": found.run.bytes,
                "forecast": found.forecast,
                "error": found.error,
                "explained_error": found.explained_error,
                "speed_error": found.speed_error,
            }
            for found in compare_all(self.catalogue)
        ]

    def _forecast(self, plan: Any) -> Budget:
        return forecast(read_plan(self.catalogue, checked(plan)), self.catalogue)


def checked(plan: Any) -> dict[str, Any]:
    """The plan of a caller, if it is an object of values that can be read."""
    if not isinstance(plan, dict):
        raise ExplorerError('A plan is an object, such as {"model": "llama-3.1-8b", "r": 16}.')
    if sum(len(value) for value in plan.values() if isinstance(value, str)) > LONGEST_PLAN:
        raise ExplorerError(f"The texts of this plan are longer than {LONGEST_PLAN:,} characters.")
    return {str(name): value for name, value in plan.items()}
