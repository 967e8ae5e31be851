"""What can be done in the lab, from plain values to plain values: for page, HTTP API and MCP."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.lab.bases import checkpoint, find_base
from explorer.lab.engine import Engine
from explorer.lab.eta import waits
from explorer.lab.inside import read_inside
from explorer.lab.job import TrainJob
from explorer.lab.race import duration_settings, make_race, over_seeds, race_record, seeds_from
from explorer.lab.request import QuantizationRequest
from explorer.lab.runs import delete_runs, find_run, list_runs
from explorer.lab.sweep import make_sweep, read_axes
from explorer.lab.words import check
from explorer.ui.errors import told


class LabActions:
    """The lab's actions over one catalogue and one engine."""

    def __init__(self, catalogue: Catalogue, engine: Engine) -> None:
        self.catalogue = catalogue
        self.engine = engine

    @told
    def start_race(  # noqa: PLR0913  # an endpoint's parameters are the fields of its form
        self,
        task: str,
        methods: list[str],
        base: str = "smollm2-135m-instruct",
        steps: int = 0,
        batch_size: int = 0,
        learning_rate: float = 0.0,
        seed: int = 0,
        knobs: str = "",
        duration: str = "steps",
        seeds: int = 1,
        quantization: str = "",
    ) -> list[str]:
        """Fine-tune a base model on a task with several methods, one after the other.

        Args:
            task: id of the task to learn.
            methods: ids of the methods, such as lora or llama-adapter-v1.
            base: id of the base model that is fine-tuned.
            steps: optimizer steps; 0 takes the task's own number.
            batch_size: rows a step; 0 takes the task's own.
            learning_rate: for all methods; 0 takes the one known to work for each.
            seed: of the data order, the adapter's first values and dropout.
            knobs: settings of methods, such as "lora.r=16; ia3.learning_rate=0.01".
            duration: steps, minute, five-minutes or plateau (until it stops improving).
            seeds: runs of each method, with seeds from `seed` on.
            quantization: none, int8 or nf4 for all; empty takes each method's own.

        Returns:
            The ids of the runs, in the order in which they will go.
        """
        checkpoint(base)  # a visitor names no folder of this machine
        jobs = self.plan(
            task, methods, knobs, seeds_from(seed, seeds), duration,
            base=base, steps=steps or None, batch_size=batch_size or None,
            learning_rate=learning_rate or None, quantization=quantization or None,
        )  # fmt: skip
        return [self.engine.submit(job) for job in jobs]

    @told
    def start_sweep(  # noqa: PLR0913  # an endpoint's parameters are the fields of its form
        self,
        task: str,
        method: str,
        values: str,
        base: str = "smollm2-135m-instruct",
        steps: int = 0,
        batch_size: int = 0,
        seed: int = 0,
        prune: bool = True,
    ) -> list[str]:
        """Fine-tune with one method over a grid of settings.

        Args:
            task: id of the task to learn.
            method: id of the method.
            values: one or two settings or knobs, such as "r=2|8|32; learning_rate=0.001|0.002".
            base: id of the base model that is fine-tuned.
            steps: optimizer steps; 0 takes the task's own number.
            batch_size: rows a step; 0 takes the task's own.
            seed: of the data order, the adapter's first values and dropout.
            prune: give up runs that fall behind the median of the others.

        Returns:
            The ids of the runs, in the order in which they will go.
        """
        checkpoint(base)
        given = {"base": base, "steps": steps, "batch_size": batch_size, "seed": seed}
        settings = {name: value for name, value in given.items() if value}
        jobs = make_sweep(self.catalogue, task, method, read_axes(values), prune, **settings)
        return [self.engine.submit(job) for job in jobs]

    def plan(
        self,
        task: str,
        methods: list[str],
        knobs: str,
        seeds: Sequence[int] = (0,),
        duration: str = "steps",
        **given: Any,
    ) -> list[TrainJob]:
        """The race's jobs, all of them checked before the first one starts.

        Raises ExplorerError with the sentence for the first value that is not allowed.
        """
        if not methods:
            raise ExplorerError("Choose at least one method for the race.")
        # A number of steps that was asked for stands as the most, whatever the duration.
        asked = {name: value for name, value in given.items() if value is not None}
        settings = duration_settings(duration) | asked
        own = read_settings(knobs, methods)
        return make_race(self.catalogue, task, methods, seeds, own, **settings)

    @told
    def run_state(self, run: str) -> dict[str, Any]:
        """The state of a run: its job, how far it is, its last step, evaluations and result.

        Args:
            run: id of the run.

        Returns:
            Keys id, state, reason, job, last_step, evaluations, result.
        """
        found = find_run(run)
        state = found.state()
        events = found.events()
        steps = [event for event in events if event["kind"] == "step"]
        result = found.result
        return {
            "id": found.id,
            "state": state.name,
            "reason": state.reason,
            "job": found.job.model_dump(mode="json"),
            "last_step": steps[-1] if steps else None,
            "evaluations": [event for event in events if event["kind"] == "eval"],
            "result": result.model_dump(mode="json") if result else None,
        }

    @told
    def run_inside(self, run: str) -> dict[str, Any]:
        """What a finished run's adapter learned: weight changes, layers moved, prompts' attention.

        Args:
            run: id of the run.

        Returns:
            Keys changes (norm, relative, singular by layer and site), moved, prompted, tokens.
        """
        return read_inside(find_run(run)).model_dump(mode="json")

    @told
    def race_table(self, runs: list[str]) -> dict[str, Any]:
        """Runs as lines of the race's table, forecast beside measurement, and means over seeds.

        Args:
            runs: ids of the runs.

        Returns:
            Keys runs (one record a run) and methods (mean and 95 % interval over the seeds).
        """
        records = [race_record(find_run(run)) for run in runs]
        return {"runs": records, "methods": over_seeds(records)}

    @told
    def queue(self) -> list[dict[str, Any]]:
        """The runs that are not over, in the order in which they go.

        Returns:
            Of each: run, before (how many go first), seconds (until it is done; null if unknown).
        """
        return [asdict(wait) for wait in waits()]

    @told
    def quantization_bench(
        self, base: str = "smollm2-135m-instruct", layer: int = 0, site: str = "q_proj"
    ) -> dict[str, Any]:
        """Measure what NF4, FP4, int4 and int8 do to a linear, to perplexity and to size.

        Args:
            base: id of the base model.
            layer: number of the layer, from 0.
            site: name of the linear, such as q_proj or down_proj.

        Returns:
            Keys shape, histogram, levels, errors (by kind, block, double) and whole (by form).
        """
        *_, report = self.quantization_steps(base, layer, site)
        return report

    def quantization_steps(
        self, base: str, layer: int, site: str
    ) -> Iterator[str | dict[str, Any]]:
        """What is being measured, in words, and at last the report; raises ExplorerError."""
        find_base(base)
        request = check(QuantizationRequest, {"base": base, "layer": layer, "site": site})
        for event in self.engine.generate(request):
            if event.kind == "error":
                raise ExplorerError(event.reason)
            yield event.values if event.kind == "report" else event.what

    @told
    def list_runs(self) -> list[dict[str, str]]:
        """All runs, the newest first: id, state, base, task and method of each."""
        return [
            {
                "id": run.id,
                "state": run.state().name,
                "base": run.job.base,
                "task": run.job.task,
                "method": run.job.method,
            }
            for run in list_runs()
        ]

    @told
    def stop_runs(self, runs: list[str]) -> list[str]:
        """Stop runs within one step; returns the ids of those that were still going.

        Args:
            runs: ids of the runs.
        """
        going = [run for run in map(find_run, runs) if not run.state().over]
        for run in going:
            self.engine.stop(run.id)
        return [run.id for run in going]

    @told
    def delete_runs(self, runs: list[str]) -> list[str]:
        """Remove finished runs from disk for good, all or none; returns their ids.

        Args:
            runs: ids of the runs.
        """
        delete_runs(runs)
        return runs


def read_settings(text: str, methods: list[str]) -> dict[str, dict[str, str]]:
    """`lora.r=16; lora.target_modules=q_proj,v_proj` as knobs by method.

    Raises ExplorerError for a part that is not `method.knob=value` or names a method that is not
    in the race.
    """
    settings: dict[str, dict[str, str]] = {}
    for part in filter(None, (part.strip() for part in text.replace("\n", ";").split(";"))):
        left, equals, value = part.partition("=")
        method, dot, knob = left.strip().rpartition(".")
        if not (equals and dot and method and knob):
            raise ExplorerError(f"{part!r:.80} is not of the form method.knob=value.")
        if method not in methods:
            raise unknown("method in this race called", method, methods)
        settings.setdefault(method, {})[knob] = value.strip()
    return settings
