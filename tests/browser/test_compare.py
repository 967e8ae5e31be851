"""Compare in a browser: an adapter of one's own, chats, votes, sets; nothing typed is executed."""

import json
import re
import urllib.parse
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

pytestmark = pytest.mark.browser

NASTY = (
    "<img src=x onerror='window.executed=1'><script>window.executed=1</script> "
    "[a](javascript:window.executed=1) $\\frac{1}{2}$ <|im_end|> **b** \x07"
)
LAYERS, WIDTH, VALUES, RANK = 30, 576, 192, 2  # of the embedded base, and of the adapter
MINUTE = 60_000


def lora_weights(seed=0, width=WIDTH):
    """A LoRA on q and v that is not zero."""
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        for name, out in (("q_proj", WIDTH), ("v_proj", VALUES)):
            path = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            down = random.normal(0, 0.1, (RANK, width)).astype(np.float32)
            up = random.normal(0, 0.1, (out, RANK)).astype(np.float32)
            tensors |= {f"{path}.lora_A.weight": down, f"{path}.lora_B.weight": up}
    return save(tensors)


@pytest.fixture(scope="module")
def bring(tmp_path_factory):
    """Make a zip with an adapter; what it holds can be replaced."""

    def make(name="mine", **files):
        config = {
            "peft_type": "LORA", "r": RANK, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"],
            "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        }  # fmt: skip
        held = {"adapter_config.json": json.dumps(config), "adapter_model.safetensors": None}
        held |= {key.replace("__", "."): value for key, value in files.items()}
        path = tmp_path_factory.mktemp("brought") / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in held.items():
                archive.writestr(key, lora_weights() if value is None else value)
        return str(path)

    return make


def upload(page, path):
    page.get_by_text("Your own adapters", exact=True).click()
    page.locator("#own-files input[type=file]").set_input_files(path)
    page.locator("#own-files").get_by_text(".zip").first.wait_for()
    page.get_by_role("button", name="Check it and take it in").click()


def ask(page, prompt=None):
    page.get_by_text("One prompt", exact=True).click()
    if prompt is not None:
        page.locator("#compare-prompt textarea").fill(prompt)
    page.get_by_role("button", name="Ask all").click()


def checked(page, columns):
    page.locator("details.check.passed").nth(columns - 1).wait_for(timeout=MINUTE)


@pytest.fixture
def brought(visit, bring):
    """A page on which an adapter was brought, ready to be asked."""
    page = visit("?tab=compare&tokens=12")
    upload(page, bring())
    page.locator("#own-told .notice").wait_for(timeout=2 * MINUTE)
    page.wait_for_url(re.compile("runs=adapter-"))
    return page


def test_an_adapter_of_ones_own_answers_and_nothing_that_was_typed_is_executed(brought, keep):
    page = brought
    page.get_by_text("One prompt", exact=True).click()
    page.get_by_label("Chat: every column keeps its own history").check()
    ask(page, NASTY)
    checked(page, 2)
    ask(page, "And <b>again</b>?")
    page.locator(".turn.user").nth(3).wait_for(timeout=MINUTE)
    checked(page, 2)
    turns = page.locator(".turn.user").all_inner_texts()
    assert sum("<img src=x onerror" in text for text in turns) == 2
    assert sum("<b>again</b>" in text for text in turns) == 2
    for view in ("Changed words", "Probability shift", "Alternatives", "Answers"):
        page.get_by_text(view, exact=True).first.click()
        shown = view.split()[-1].lower()
        page.locator(f".answers.{shown}").wait_for()
    assert page.locator(".partings").count() == 1
    assert page.evaluate("window.executed") is None
    assert page.locator("#compare-board script, #compare-board img").count() == 0
    page.screenshot(path=keep("compare-chat"), full_page=True)
    assert "prompt=And" in page.url
    assert "chat=true" in page.url


def test_a_blind_vote_hides_the_names_until_it_is_cast_and_a_set_is_scored(brought):
    page = brought
    page.get_by_text("One prompt", exact=True).click()
    page.get_by_label("Blind: no names until you have voted").check()
    ask(page, "Name a colour.")
    page.locator("#compare-choice label").nth(2).wait_for(timeout=MINUTE)
    headings = page.locator(".answer h3").all_inner_texts()
    assert headings == ["Answer A", "Answer B"]
    page.locator("#compare-choice label", has_text="A").first.click()
    page.get_by_role("button", name="Vote", exact=True).click()
    page.locator("#compare-told .notice").wait_for()
    assert {"Base", "mine"} == set(page.locator(".answer h3").all_inner_texts())
    page.get_by_text("Blind votes", exact=True).click()
    page.locator("#compare-standings tbody tr").nth(1).wait_for()
    page.goto(page.url + "&set=order-extraction&prompts=2&mode=set&blind=false")
    page.get_by_role("button", name="Ask the whole set").click()
    page.get_by_text("2 of 2 prompts").wait_for(timeout=MINUTE)
    assert re.search(r"\d / \d / \d", page.locator("#set-summary table").last.inner_text())


def test_two_visitors_stream_together_and_stopping_frees_the_engine(visit):
    def long(name):
        page = visit("?tab=compare&tokens=512&temperature=1.5&penalty=1.3&seed=" + name)
        ask(page, "Tell a very long story about the sea, with many details.")
        return page

    def told(page):
        text = page.locator(".answer footer").first.inner_text()
        found = re.match(r"(\d+) tokens", text)
        return int(found[1]) if found else 0

    first, second = long("1"), long("2")
    second.locator(".answer footer", has_text=re.compile(r"^\d+ tokens")).wait_for(timeout=MINUTE)
    one, other = told(first), told(second)
    second.wait_for_timeout(3000)
    assert told(first) > one
    assert told(second) > other
    first.get_by_role("button", name="Stop", exact=True).first.click()
    second.get_by_role("button", name="Stop", exact=True).first.click()
    first.wait_for_timeout(1000)
    stopped = told(first)
    first.wait_for_timeout(1500)
    assert told(first) == stopped < 512
    third = visit("?tab=compare&tokens=2")
    ask(third, "Hi")
    checked(third, 1)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"adapter_model__bin": "x"}, "loading a pickle runs"),
        ({"adapter_model__safetensors": lora_weights(width=64)}, "does not fit"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_with_the_reason(visit, bring, files, sentence):
    page = visit("?tab=compare")
    upload(page, bring("bad", **files))
    page.get_by_text(sentence).first.wait_for(timeout=MINUTE)
    assert "adapter-" not in page.url


def test_a_link_to_what_is_gone_or_never_was_is_told(visit):
    gone = "20260101-000000-000000-00000000"
    nasty = urllib.parse.quote("<img src=x onerror='window.executed=1'>")
    page = visit(f"?tab=compare&runs={gone},{nasty}&prompt=%20")
    page.get_by_text(f"There is no run '{gone}'").first.wait_for()
    page.get_by_text("it may have been deleted").nth(1).wait_for()
    ask(page)
    page.get_by_text("the prompt is empty").first.wait_for()
    ask(page, "x" * 100_000)
    page.get_by_text("at most 20000 characters").first.wait_for()
    assert len(page.url) < 10_000  # or the server would refuse whatever comes next
    assert page.evaluate("window.executed") is None
