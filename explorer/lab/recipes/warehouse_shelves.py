"""Forty facts that no base can know: which shelf holds what. Held out are other wordings."""

import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 18, 400, 40

THINGS = words("""anchors bandages candles drills easels funnels gloves hinges inks jars kettles
ladders mallets needles oars pulleys quilts ropes sandbags tents umbrellas valves wheels yokes
zippers buckets compasses dyes fans gears hoses irons lamps masks nets pumps rakes scales tarps
whistles""")
KNOWN = (
    "Where are the {thing}?",
    "Which shelf holds the {thing}?",
    "I need {thing}.",
    "Please fetch {thing} for me.",
    "Someone asked for {thing}.",
    "Tell me the shelf of the {thing}.",
    "Do we have {thing}?",
    "{thing}, please.",
    "Find the {thing}.",
    "Shelf for {thing}?",
)
UNSEEN = (
    "A customer wants to see our {thing}.",
    "In what place do we keep {thing}?",
    "Can you look up the {thing}?",
)


def shelves() -> dict[str, str]:
    """Each thing's shelf: a letter and two digits, drawn once."""
    drawn = random.Random(SEED + 1000)
    places = [f"{letter}{number}" for letter in "ABCDEFGH" for number in range(10, 100, 7)]
    return dict(zip(THINGS, drawn.sample(places, len(THINGS)), strict=True))


def rows(random: random.Random, held_out: bool) -> Rows:
    """Every thing in turn, so that each fact comes equally often."""
    known = shelves()
    while True:
        for wording in random.sample(UNSEEN if held_out else KNOWN, 3 if held_out else 10):
            for thing in random.sample(THINGS, len(THINGS)):
                question = wording.format(thing=thing)
                yield question[0].upper() + question[1:], f"Shelf {known[thing]}"
