"""Instructions about a list of words whose answers can be checked to the letter."""

import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 19, 400, 40

WORDS = words("""apple river stone cloud tiger piano lemon cabin ocean maple robin candle desert
engine forest garden hammer island jacket kitten ladder mirror needle orange pencil rabbit saddle
turtle valley window""")
ORDERS = (
    ("reverse", lambda given: list(reversed(given))),
    ("sort", sorted),
    ("shout", lambda given: [word.upper() for word in given]),
    ("first and last", lambda given: [given[0], given[-1]]),
    ("drop the middle one", lambda given: [given[0], *given[2:]]),
    ("initials", lambda given: [word[0].upper() for word in given]),
    ("double", lambda given: [word for word in given for _ in range(2)]),
    ("number them", lambda given: [f"{n} {word}" for n, word in enumerate(given, start=1)]),
)


def rows(random: random.Random, held_out: bool) -> Rows:
    """Three words and what to do with them; answers are joined by slashes."""
    while True:
        given = random.sample(WORDS, 3)
        name, carry_out = random.choice(ORDERS)
        yield f"{name}: {', '.join(given)}", " / ".join(carry_out(given))
