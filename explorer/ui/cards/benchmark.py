"""What a benchmark measures, in a line."""

from markupsafe import Markup

from explorer.catalogue.benchmark import Benchmark
from explorer.ui.cards.sources import finder, sourced
from explorer.ui.cards.values import number
from explorer.ui.markup import element, joined

REASONED = ("derived: from the form of the answers",)


def about_benchmark(benchmark: Benchmark) -> Markup:
    """Name, what it measures, metric, which way is better, what guessing scores."""
    find = finder(benchmark.sources)
    metric = sourced(benchmark.metric, benchmark.source, find)
    facts = [metric, f"; {benchmark.better} is better; "]
    chance = benchmark.chance
    if chance.value is None:
        facts += ["guessing: ", sourced(chance.note, chance.source or REASONED, find), "."]
    else:
        facts += [
            "guessing scores ",
            sourced(number(chance.value), chance.source, find, chance.note),
            ".",
        ]
    return element(
        "article",
        element(
            "p",
            element("strong", benchmark.name),
            ". ",
            sourced(benchmark.measures, benchmark.source, find),
        ),
        element("p", joined(facts), class_="faint"),
        class_="card about",
    )
