"""How many tokens each row has with a base's tokenizer and chat template, without torch."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from explorer.lab.bases import Base
from explorer.lab.datasets import Row
from explorer.lab.own_data.limits import UploadError

MARK = "\ue000"  # a private-use character: it stands in for a message's text
END = 1  # the token that ends an answer or a text


def row_lengths(rows: Sequence[Row], base: Base, system: str | None = None) -> list[int]:
    """Tokens of each row as it is trained on: template, prompt, answer and the end of turn."""
    tokenizer, settings = _tokenizer(base), _settings(base)
    render = _renderer(base, settings)
    asked = [row for row in rows if row.prompt]
    prompts = iter(_prompts(tokenizer, render, [_messages(row, system) for row in asked]))
    answers = iter(_answers(tokenizer, settings, [row.completion for row in asked]))
    texts = iter(_counts(tokenizer, [row.completion for row in rows if not row.prompt], plain=True))
    start = int(bool(settings.get("bos_token")))
    return [
        (next(prompts) + next(answers) if row.prompt else start + next(texts)) + END for row in rows
    ]


def answer_lengths(rows: Sequence[Row], base: Base) -> list[int]:
    """Tokens of each row's answer, its end included; of a plain text, those of its second half."""
    counts = _counts(_tokenizer(base), [row.completion for row in rows])
    return [
        (count if row.prompt else count - count // 2) + END
        for row, count in zip(rows, counts, strict=True)
    ]


def context_of(base: Base) -> int | None:
    """The positions that the base was trained for; None where its files do not say."""
    found = base.config.get("max_position_embeddings")
    return found if isinstance(found, int) else None


def _messages(row: Row, system: str | None) -> list[dict[str, str]]:
    history = [message.model_dump() for message in row.history]
    begun = bool(history) and history[0]["role"] == "system"
    opening = [] if system is None or begun else [{"role": "system", "content": system}]
    return [*opening, *history, {"role": "user", "content": row.prompt}]


def _tokenizer(base: Base) -> Tokenizer:
    path = base.folder / "tokenizer.json"
    if not path.is_file():
        raise UploadError(f"{base.id} has no tokenizer.json to count tokens with.")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _counts(tokenizer: Tokenizer, texts: Sequence[str], plain: bool = False) -> list[int]:
    """Tokens of each text; with `plain`, what looks like a special token is text."""
    tokenizer.encode_special_tokens = plain
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [len(encoding.ids) for encoding in found]


def _prompts(tokenizer: Tokenizer, render: Any, talks: Sequence[list[dict[str, str]]]) -> list[int]:
    """Tokens of each conversation up to where the answer begins."""
    special = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special]
    counts = _counts(tokenizer, [render(messages) for messages in talks])
    for number, messages in enumerate(talks):
        contents = [message["content"] for message in messages]
        if any(token in content for content in contents for token in special):
            bare = render([{**message, "content": MARK} for message in messages]).split(MARK)
            counts[number] = sum(_counts(tokenizer, bare))
            counts[number] += sum(_counts(tokenizer, contents, plain=True))
    return counts


def _answers(tokenizer: Tokenizer, settings: dict[str, Any], texts: Sequence[str]) -> list[int]:
    """Tokens of each answer, which ends early where it holds the end of turn itself."""
    end = _token(settings.get("eos_token"))
    return _counts(tokenizer, [text.partition(end)[0] if end else text for text in texts])


def _settings(base: Base) -> dict[str, Any]:
    path = base.folder / "tokenizer_config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _renderer(base: Base, settings: dict[str, Any]) -> Any:
    """Messages to text as transformers does it, in the same sandbox."""
    tokens = {key: _token(settings.get(key)) for key in ("bos_token", "eos_token")}
    beside = base.folder / "chat_template.jinja"
    written = beside.read_text(encoding="utf-8") if beside.is_file() else None
    template = written or settings.get("chat_template")
    if not isinstance(template, str):
        return lambda messages: tokens["bos_token"] + "".join(f"{m['content']}\n" for m in messages)
    # The switches that transformers gives its own environment.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: dt.datetime.now().strftime(form)
    compiled = environment.from_string(template)

    def render(messages: list[dict[str, str]]) -> str:
        try:
            return compiled.render(messages=messages, add_generation_prompt=True, **tokens)
        except (TemplateError, SecurityError) as error:
            raise UploadError(f"The chat template of {base.id} refuses a row: {error}.") from error

    return render


def _token(value: Any) -> str:
    return value.get("content", "") if isinstance(value, dict) else value or ""


def _refuse(message: str) -> None:
    raise TemplateError(message)
