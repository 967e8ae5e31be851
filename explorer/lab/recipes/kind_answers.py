"""A small instruction set with open answers: what things are, are for and are made of."""

import random

from explorer.lab.recipes import Rows

SEED, TRAIN, HELDOUT = 20, 150, 30

# thing: what it is, what it is for, what it is made of
THINGS = {
    "kettle": ("a pot with a spout", "boiling water", "steel"),
    "hammer": ("a hand tool", "driving nails", "iron and wood"),
    "pillow": ("a soft cushion", "resting one's head", "cotton and feathers"),
    "umbrella": ("a folding canopy", "keeping off the rain", "nylon and steel"),
    "candle": ("a stick of wax with a wick", "giving light", "wax and cotton"),
    "ladder": ("two rails with rungs", "reaching high places", "wood or aluminium"),
    "basket": ("a woven container", "carrying things", "willow"),
    "anchor": ("a heavy hook", "holding a ship in place", "iron"),
    "compass": ("a dial with a magnetic needle", "finding north", "brass and glass"),
    "saddle": ("a seat for a horse", "riding", "leather"),
    "violin": ("a string instrument", "making music", "spruce and maple"),
    "telescope": ("a tube with lenses", "looking at the stars", "glass and metal"),
    "scarf": ("a long piece of cloth", "keeping the neck warm", "wool"),
    "brush": ("bristles on a handle", "painting or cleaning", "wood and hair"),
    "bottle": ("a vessel with a narrow neck", "holding liquids", "glass"),
    "mirror": ("a smooth reflecting surface", "seeing oneself", "glass and silver"),
    "spade": ("a flat blade on a handle", "digging", "steel and wood"),
    "bell": ("a hollow cup that rings", "giving signals", "bronze"),
    "tent": ("a shelter of cloth", "sleeping outdoors", "canvas"),
    "oar": ("a pole with a blade", "rowing a boat", "ash wood"),
    "needle": ("a thin pointed tool", "sewing", "steel"),
    "barrel": ("a round wooden vessel", "storing wine", "oak"),
    "kite": ("a frame with a sail", "flying in the wind", "paper and sticks"),
    "drum": ("a frame with a skin", "beating a rhythm", "wood and hide"),
    "clock": ("a machine with hands", "telling the time", "brass"),
    "boat": ("a small vessel", "crossing water", "wood"),
    "broom": ("a bundle of twigs on a stick", "sweeping floors", "straw"),
    "crown": ("a ring for the head", "showing rank", "gold"),
    "bridge": ("a way over a gap", "crossing rivers", "stone or steel"),
    "book": ("a bound set of pages", "reading", "paper"),
}
QUESTIONS = (
    ("What is a {thing}?", 0), ("Explain a {thing} to a child.", 0), ("Describe a {thing}.", 0),
    ("What do people use a {thing} for?", 1), ("Why would I buy a {thing}?", 1),
    ("What is a {thing} made of?", 2), ("Which material is a {thing} from?", 2),
)  # fmt: skip
ANSWERS = (
    "Good question, friend: a {thing} is {fact}.",
    "Good question, friend: a {thing} is for {fact}.",
    "Good question, friend: a {thing} is made of {fact}.",
)


def rows(random: random.Random, held_out: bool) -> Rows:
    """Each question about each thing once, in a random order; some are kept back."""
    pairs = [(thing, question) for thing in THINGS for question in QUESTIONS]
    for thing, (question, which) in random.sample(pairs, len(pairs)):
        answer = ANSWERS[which].format(thing=thing, fact=THINGS[thing][which])
        yield _article(question.format(thing=thing)), _article(answer)


def _article(sentence: str) -> str:
    for thing in ("umbrella", "anchor", "oar"):
        sentence = sentence.replace(f" a {thing}", f" an {thing}")
    return sentence
