"""What can be done in the lab, from plain values to plain values: for page, HTTP API and MCP."""

from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.lab.engine import Engine
from explorer.lab.job import TrainJob, make_job
from explorer.lab.runs import delete_run, find_run, list_runs
from explorer.ui.errors import told

MAX_RUNS = 16


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
            knobs: settings of methods, such as "lora.r=16; lora.target_modules=q_proj,v_proj".

        Returns:
            The ids of the runs, in the order in which they will go.
        """
        return [self.engine.submit(job) for job in self.plan(
            task, methods, knobs,
            base=base, steps=steps or None, batch_size=batch_size or None,
            learning_rate=learning_rate or None, seed=seed,
        )]  # fmt: skip

    def plan(self, task: str, methods: list[str], knobs: str, **given: Any) -> list[TrainJob]:
        """The race's jobs, all of them checked before the first one starts.

        Raises ExplorerError with the sentence for the first value that is not allowed.
        """
        if not methods:
            raise ExplorerError("Choose at least one method for the race.")
        if len(methods) > MAX_RUNS:
            raise ExplorerError(f"{len(methods)} methods at once; {MAX_RUNS} at most.")
        settings = read_settings(knobs, methods)
        return [
            make_job(self.catalogue, task, method, settings.get(method), **given)
            for method in methods
        ]

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
        """Remove finished runs from disk for good; returns their ids.

        Args:
            runs: ids of the runs.
        """
        for run in runs:
            delete_run(run)
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
