"""What a finished run's adapter learned, as it was measured when the run ended: `inside.json`."""

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.record import Record
from explorer.lab.runs import Run
from explorer.lab.stored import read_stored

INSIDE = "inside.json"


class Change(Record):
    """How far a linear's weight is from the base's: ‖ΔW‖ and ‖ΔW‖ / ‖W‖ (Frobenius).

    `singular` are the singular values of ΔW, the largest first, where ΔW is a product of two thin
    matrices (LoRA's B A times its scale).
    """

    layer: int
    site: str
    norm: float
    relative: float
    singular: tuple[float, ...] = ()


class Moved(Record):
    """How far a layer's output is from the base's: mean over tokens of ‖Δh‖ / ‖h‖."""

    layer: int
    relative: float


class Prompted(Record):
    """What a layer's prompts get of its attention.

    `by_prompt` is the softmax over the prompts, averaged over tokens and heads. `gate` is the mean
    over heads of |tanh(g)|, what that softmax is weighed with beside the text's, which has 1;
    `mass` the mean over heads of |tanh(g)| / (1 + |tanh(g)|), the prompts' share of both.
    """

    layer: int
    gate: float
    mass: float
    by_prompt: tuple[float, ...]


class Inside(Record):
    """One adapter, looked into."""

    changes: tuple[Change, ...] = ()
    moved: tuple[Moved, ...] = ()
    prompted: tuple[Prompted, ...] = ()
    tokens: int = 0  # that `moved` and `prompted` are means over


def read_inside(run: Run) -> Inside:
    """What was found in a run's adapter; raises ExplorerError for a run that has not got there."""
    path = run.folder / INSIDE
    if not path.is_file():
        state = run.state().name
        raise ExplorerError(
            f"The run {run.id} is {state}: an adapter is looked into when its run is done."
        )
    return read_stored(path, Inside)
