"""Validation errors of requests and jobs as one sentence with the value and what is allowed."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from explorer.catalogue.errors import ExplorerError, nearest

R = TypeVar("R", bound=BaseModel)


def check(record: type[R], values: dict[str, Any]) -> R:
    """`values` as a record; raises ExplorerError for the first value that is not allowed."""
    try:
        return record.model_validate(values)
    except ValidationError as error:
        raise ExplorerError(_sentence(record, error.errors()[0])) from error


def _sentence(record: type[BaseModel], detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or record.__name__
    if detail["type"] == "extra_forbidden":
        match = nearest(key, record.model_fields)
        return f"There is no setting {key!r}." + (f" Did you mean {match!r}?" if match else "")
    if detail["type"] == "missing":
        return f"{key} is missing."
    message = detail["msg"].removeprefix("Value error, ")
    allowed = _range(record, str(detail["loc"][0])) if detail["loc"] else ""
    value = f"{detail['input']!r}"
    shown = value if len(value) <= 60 else f"{value[:57]}…"
    return f"{key} = {shown}: {allowed or message[0].lower() + message[1:].removesuffix('.')}."


def _range(record: type[BaseModel], name: str) -> str:
    """The limits that a field declares, in words; "" for a field without any."""
    schema = record.model_json_schema().get("properties", {}).get(name, {})
    for part in [schema, *schema.get("anyOf", [])]:
        if "enum" in part:
            return f"it takes one of {', '.join(part['enum'])}"
        low = part.get("minimum", part.get("exclusiveMinimum"))
        high = part.get("maximum", part.get("exclusiveMaximum"))
        if low is None and high is None:
            continue
        kind = "a whole number" if part.get("type") == "integer" else "a number"
        above = "above" if "exclusiveMinimum" in part else "of at least"
        below = "below" if "exclusiveMaximum" in part else "at most"
        lower = f" {above} {low:.12g}" if low is not None else ""
        upper = f" {below} {high:.12g}" if high is not None else ""
        return f"it takes {kind}{lower}{' and' if lower and upper else ''}{upper}"
    return ""
