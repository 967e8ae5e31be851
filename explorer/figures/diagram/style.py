"""The style sheet inside every diagram: CSS custom properties that follow the page's theme."""

from typing import Literal

from explorer.figures import theme as look
from explorer.figures.diagram.text import TEXT_STYLES

Mode = Literal["auto", "light", "dark"]

TOKENS: dict[str, look.Colour] = {
    "ink": look.INK,
    "muted": look.MUTED,
    "line": look.LINE,
    "edge": look.EDGE,
    "face": look.FACE,
    "page": look.PAGE,
    "hot": look.TRAINED,
    "hot-face": look.TRAINED_FACE,
    "query": look.QUERY,
    "key": look.KEY,
    "value": look.VALUE,
    "expert": look.EXPERT,
    "image": look.IMAGE,
}

_RULES = """
.xd{font-family:SANS;font-variant-numeric:tabular-nums;display:block;height:auto}
.xd text{fill:var(--xd-ink)}
.xd .mono{font-family:MONO}
.xd .lead,.xd .shape,.xd .edge,.xd .note,.xd .small,.xd .count{fill:var(--xd-muted)}
.xd .lane{fill:var(--xd-muted);letter-spacing:.09em}
.xd .box.frozen>.frame{fill:var(--xd-face)}
.xd .box>.frame{stroke:var(--xd-edge);stroke-width:1.2}
.xd .box.op>.frame{fill:var(--background-fill-primary,var(--xd-page));stroke:var(--xd-line)}
.xd .box.bare>.frame{fill:transparent;stroke:none}
.xd .box.ghost>.frame{fill:none;stroke:var(--xd-line);stroke-dasharray:1.5 3}
.xd .box.trained>.frame{stroke:var(--xd-hot);stroke-width:1.8;stroke-dasharray:6 3}
.xd .trained text,.xd .hot-text{fill:var(--xd-hot)}
.xd .box[tabindex]{cursor:pointer}
.xd .box[tabindex]:hover>.frame{stroke:var(--xd-ink)}
.xd .box:focus{outline:none}
.xd .box:focus-visible>.frame,.xd .box.selected>.frame{stroke:var(--xd-ink);stroke-width:2.6}
.xd .wire{fill:none;stroke:var(--xd-line);stroke-width:1.5}
.xd .wire.spine{stroke:var(--xd-ink);stroke-width:3}
.xd .wire.hot{stroke:var(--xd-hot);stroke-dasharray:6 3}
.xd .wire.thin{stroke-width:1;stroke-dasharray:2 3}
.xd .wire.image{stroke:var(--xd-image)}
.xd .wire.expert{stroke:var(--xd-expert)}
.xd .head{fill:var(--xd-line)} .xd .head.spine{fill:var(--xd-ink)} .xd .head.hot{fill:var(--xd-hot)}
.xd .head.image{fill:var(--xd-image)} .xd .head.expert{fill:var(--xd-expert)}
.xd .node{fill:var(--background-fill-primary,var(--xd-page));stroke:var(--xd-line);stroke-width:1.5}
.xd .node.spine{stroke:var(--xd-ink);stroke-width:2.2} .xd .node.hot{stroke:var(--xd-hot)}
.xd .pill{fill:var(--xd-line);fill-opacity:.13} .xd .rule{stroke:var(--xd-edge);stroke-width:1}
.xd .pick{fill:transparent;cursor:pointer} .xd .pick:hover{stroke:var(--xd-ink)}
.xd .flake{stroke:var(--xd-muted);stroke-width:1.1;fill:none;stroke-linecap:round}
.xd .flame{fill:var(--xd-hot)} .xd .hatch{stroke:var(--xd-hot);stroke-width:1;stroke-opacity:.28}
.xd .hot-face{fill:var(--xd-hot-face)} .xd .panel{fill:var(--xd-face);stroke:var(--xd-edge)}
.xd .fill-hot{fill:var(--xd-hot)} .xd .fill-query{fill:var(--xd-query)}
.xd .fill-key{fill:var(--xd-key)} .xd .fill-value{fill:var(--xd-value)}
.xd .fill-expert{fill:var(--xd-expert)} .xd .fill-image{fill:var(--xd-image)}
.xd .fill-line{fill:var(--xd-line)} .xd .fill-ink{fill:var(--xd-ink)}
.xd .fill-edge{fill:var(--xd-edge)}
.xd .open-query{fill:none;stroke:var(--xd-query);stroke-width:1.4}
.xd .open-line{fill:none;stroke:var(--xd-line);stroke-width:1}
.xd .open-ink{fill:none;stroke:var(--xd-ink);stroke-width:1.8}
.xd .open-hot{fill:none;stroke:var(--xd-hot);stroke-width:1.6;stroke-dasharray:4 2}
.xd .text-query{fill:var(--xd-query)} .xd .text-key{fill:var(--xd-key)}
.xd .text-value{fill:var(--xd-value)} .xd .text-image{fill:var(--xd-image)}
.xd .text-expert{fill:var(--xd-expert)} .xd .text-ink{fill:var(--xd-ink)}
@media (prefers-reduced-motion:no-preference){.xd .box>.frame{transition:stroke .15s}}
"""


def _tokens(dark: bool) -> str:
    theme: look.Theme = "dark" if dark else "light"
    return ";".join(f"--xd-{name}:{colour.on(theme)}" for name, colour in TOKENS.items())


def _text_rules() -> str:
    rules = []
    for name, (size, weight, mono) in TEXT_STYLES.items():
        face = ";font-family:MONO" if mono else ""
        rules.append(f".xd .{name}{{font-size:{size:g}px;font-weight:{weight}{face}}}")
    return "\n".join(rules)


def style_sheet(mode: Mode = "auto") -> str:
    """The rules of a diagram.

    "auto" follows the class `dark` of the page around an inline SVG, and the system's preference
    where the SVG is a document of its own (`:root` is then the SVG); "light" and "dark" are fixed.
    """
    if mode == "auto":
        themes = (
            f".xd{{{_tokens(False)}}}\n.dark .xd{{{_tokens(True)}}}\n"
            f"@media (prefers-color-scheme:dark){{svg.xd:root{{{_tokens(True)}}}}}"
        )
    else:
        themes = f".xd{{{_tokens(mode == 'dark')}}}"
    rules = f"{themes}{_RULES}{_text_rules()}"
    return rules.replace("SANS", look.SANS).replace("MONO", look.MONO)
