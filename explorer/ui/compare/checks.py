"""A column's self-check as a mark with the numbers behind it."""

from markupsafe import Markup

from explorer.lab.events import SelfCheck
from explorer.lab.request import BASE_COLUMN
from explorer.ui.markup import element, joined

SHORT = 20  # characters of a value that stand beside its name


def check_mark(check: SelfCheck | None) -> Markup:
    """The mark on a column, which opens on the numbers, and why it runs by itself if it does."""
    if check is None:
        return element("p", "not checked yet", class_="check faint")
    base = check.column == BASE_COLUMN
    if base:
        words = "equals the untouched model" if check.passed else "differs from the untouched model"
    elif check.note and not check.passed:
        words = check.note
    else:
        words = check.note or ("differs from the base" if check.passed else "failed its check")
    sign = element("span", "✓" if check.passed else "✗", class_="sign", aria_hidden="true")
    class_ = "check passed" if check.passed else "check failed"
    numbers = [
        element(
            "div",
            element("dt", name),
            element("dd", value),
            class_="words" if len(value) > SHORT else None,
        )
        for name, value in _numbers(check, base)
    ]
    alone = None
    if check.alone:
        words_alone = f"Runs by itself beside the shared batch: {check.alone}"
        alone = element("p", words_alone, class_="badge warn wrap")
    summary = element("summary", sign, f" {words}", _short(check, base))
    return joined([element("details", summary, element("dl", *numbers), class_=class_), alone])


def _short(check: SelfCheck, base: bool) -> Markup | None:
    text = f" (KL {check.kl:.3g})" if not base else f" (Δ {check.max_difference:.2g})"
    return element("span", text, class_="faint")


def _numbers(check: SelfCheck, base: bool) -> list[tuple[str, str]]:
    """What stands behind the mark, name and value."""
    beside = ("side by side against by itself", f"{check.alone_difference:.2g}")
    if base:
        return [
            (
                "largest difference of a logit, to the model as loaded",
                f"{check.max_difference:.2g}",
            ),
            beside,
        ]
    merged = check.merged_note
    if check.merged_difference is not None:
        merged = f"largest difference of a logit {check.merged_difference:.2g}"
    return [
        ("first token, KL to the base", f"{check.kl:.4g} nats"),
        ("‖Δlogits‖", f"{check.norm_difference:.4g}"),
        ("largest difference of a logit", f"{check.max_difference:.4g}"),
        beside,
        ("merged against unmerged", merged),
    ]


def short_check(check: SelfCheck | None) -> str:
    """The mark and its first number in a few words."""
    if check is None:
        return "not checked yet"
    sign = "✓" if check.passed else "✗"
    if check.column == BASE_COLUMN:
        return f"{sign} untouched (Δ {check.max_difference:.2g})"
    return f"{sign} KL {check.kl:.3g}"
