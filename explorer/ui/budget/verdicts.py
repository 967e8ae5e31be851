"""Verdicts as signs with colours: each has a sign of its own, and words for screen readers."""

from markupsafe import Markup

from explorer.budget.fit import Verdict
from explorer.ui.markup import element

SIGNS: dict[Verdict, str] = {"fits": "✓", "tight": "≈", "does not fit": "✕"}
CLASSES: dict[Verdict, str] = {"fits": "fits", "tight": "tight", "does not fit": "no"}


def mark(verdict: Verdict, words: str) -> Markup:
    """The sign of a verdict."""
    return element(
        "span",
        element("span", SIGNS[verdict], aria_hidden="true"),
        element("span", verdict, class_="unseen"),
        class_=f"mark {CLASSES[verdict]}",
        title=words,
    )


def legend() -> Markup:
    """What the signs mean."""
    words = {"fits": "fits", "tight": "tight: over 90 % of what is usable", "does not fit": "no"}
    parts = [element("span", mark(verdict, verdict), f" {told}") for verdict, told in words.items()]
    return element("p", *parts, class_="legend")
