"""What to race: the inputs of the Lab tab."""

import gradio as gr
from gradio.components import Component

from explorer.lab.bases import checkpoints
from explorer.lab.own_data.store import own_tasks
from explorer.lab.race import DEFAULT_TASK, MOST_SEEDS, default_methods
from explorer.ui.lab.folds import open_if_set
from explorer.ui.tab import Page

DURATIONS = [
    ("The task's own steps", "steps"),
    ("One minute a run", "minute"),
    ("Five minutes a run", "five-minutes"),
    ("Until it stops improving", "plateau"),
]
RACE_INPUTS = (
    "task", "methods", "base", "steps", "batch", "rate", "seed", "knobs", "duration", "seeds",
    "quantization",
)  # fmt: skip
SWEEP_INPUTS = ("task", "methods", "sweep", "base", "steps", "batch", "seed", "prune")


def race_form(page: Page) -> dict[str, Component]:
    """The inputs by name; `about`, `missing` and `rates` say more of what is chosen."""
    catalogue = page.catalogue
    tasks = [(task.name, task.id) for task in (*own_tasks(), *catalogue.tasks.values())]
    runnable = [m for m in catalogue.methods.values() if m.unsupported is None]
    order = sorted(runnable, key=lambda m: (not m.survey, m.family != "reference", m.name))
    form: dict[str, Component] = {
        # Own data that was kept since the page was built is no choice yet when a link names it.
        "task": gr.Dropdown(tasks, value=DEFAULT_TASK, label="Task", allow_custom_value=True),
        "about": gr.HTML(),
        "methods": gr.Dropdown(
            [(method.name, method.id) for method in order],
            value=list(default_methods(catalogue)), multiselect=True, label="Methods in the race",
        ),
        "duration": gr.Dropdown(DURATIONS, value="steps", label="How long"),
    }  # fmt: skip
    with gr.Accordion("More settings", open=False) as more:
        settings = _settings()
    open_if_set(page, more, [part for part in settings.values() if not isinstance(part, gr.HTML)])
    with gr.Accordion("Sweep one method", open=False) as several:
        sweep: dict[str, Component] = {
            "sweep": gr.Textbox(
                "", label="Values to try", placeholder="r=2|8|32; learning_rate=0.0005|0.002",
                info="one or two settings or knobs, values parted by |; the first method is swept",
            ),
            "prune": gr.Checkbox(
                True, label="Give up runs that fall behind",
                info="those whose best loss is worse than the median of the others so far",
            ),
        }  # fmt: skip
    open_if_set(page, several, list(sweep.values()))
    return form | settings | sweep


def _settings() -> dict[str, Component]:
    bases = [(base.name, base.id) for base in checkpoints().values()]
    return {
        "base": gr.Dropdown(bases, value=bases[0][1], label="Base model"),
        "missing": gr.HTML(),
        "quantization": gr.Dropdown(
            [("As each method has it", ""), ("16-bit", "none"), ("int8", "int8"), ("NF4", "nf4")],
            value="", label="Base in",
        ),
        "steps": gr.Slider(
            0, 500, value=0, step=1, label="Steps", info="0 takes the task's own number"
        ),
        "batch": gr.Slider(
            0, 64, value=0, step=1, label="Rows a step", info="0 takes the task's own"
        ),
        "rate": gr.Number(
            0, minimum=0, maximum=1, label="Learning rate",
            info="0 takes each method's own",
        ),
        "rates": gr.HTML(elem_id="learning-rates"),
        "seed": gr.Number(0, minimum=0, maximum=2**31 - 1, precision=0, label="Seed"),
        "seeds": gr.Slider(
            1, MOST_SEEDS, value=1, step=1, label="Seeds",
            info="several runs of each method give an interval over them",
        ),
        "knobs": gr.Textbox(
            "", label="Knobs", placeholder="lora.r=16; lora.target_modules=q_proj,v_proj",
            info="method.knob=value, parted by semicolons; method.learning_rate as well",
        ),
    }  # fmt: skip
