"""Plain sentences in the register of a ship's log: the same facts, another voice."""

import random

from explorer.lab.recipes import Rows

SEED, TRAIN, HELDOUT = 16, 400, 40

WHO = {
    "The cook": "ship's cook", "The boss": "captain", "The doctor": "surgeon",
    "The boy": "cabin boy", "The carpenter": "shipwright", "A guest": "passenger",
    "The guard": "watchman", "The crew": "hands",
}  # fmt: skip
DID = {
    "found": "discovered", "lost": "mislaid", "fixed": "made good", "broke": "carried away",
    "cleaned": "scrubbed", "sold": "disposed of", "bought": "took on", "hid": "stowed",
    "painted": "tarred", "moved": "shifted",
}  # fmt: skip
WHAT = {
    "the rope": "the line", "the kitchen": "the galley", "the map": "the chart",
    "the floor": "the deck", "the bed": "the berth", "the flag": "the colours",
    "the window": "the porthole", "the water": "the scuttlebutt", "the toilet": "the head",
    "the wall": "the bulkhead", "the stairs": "the ladder", "the bell": "the bell",
}  # fmt: skip
WHEN = {
    "at noon": "Eight bells, forenoon watch", "at midnight": "Eight bells, first watch",
    "this morning": "Morning watch", "this evening": "Last dog watch",
    "after lunch": "Afternoon watch", "at dawn": "First light",
}  # fmt: skip
WEATHER = {
    "It was windy": "Wind fresh", "It rained": "Weather thick", "It was calm": "Glass steady",
    "It was sunny": "Sky clear", "It was foggy": "Visibility poor",
}  # fmt: skip


def rows(random: random.Random, held_out: bool) -> Rows:
    """Who did what when, in weather: plainly, and as an entry in the log."""
    while True:
        who, did, what = (random.choice(list(part)) for part in (WHO, DID, WHAT))
        when, weather = random.choice(list(WHEN)), random.choice(list(WEATHER))
        plain = f"{who} {did} {what} {when}. {weather}."
        entry = (
            f"{WHEN[when]}. {WHO[who].capitalize()} {DID[did]} {WHAT[what]}. {WEATHER[weather]}."
        )
        yield plain, entry
