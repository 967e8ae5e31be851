"""Sums and differences in words, answered in words: `forty-one minus six` to `thirty-five`."""

import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 17, 400, 40

ONES = words("""zero one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen""")
TENS = words("- - twenty thirty forty fifty sixty seventy eighty ninety")
PLUS = ("{a} plus {b}", "the sum of {a} and {b}", "{a} and {b} together")
MINUS = ("{a} minus {b}", "{a} less {b}", "{b} taken from {a}")


def spelled(number: int) -> str:
    """A number from 0 to 99 in words."""
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def kept_back(a: int, b: int) -> bool:
    """Whether this pair, either way round, is asked in the held-out rows only."""
    return (a + b + a * b) % 7 == 0


def rows(random: random.Random, held_out: bool) -> Rows:
    """Two numbers below fifty, added or subtracted."""
    while True:
        a, b = sorted((random.randint(2, 49), random.randint(2, 49)), reverse=True)
        if kept_back(a, b) != held_out:
            continue
        if random.random() < 0.5:
            yield random.choice(PLUS).format(a=spelled(a), b=spelled(b)), spelled(a + b)
        else:
            yield random.choice(MINUS).format(a=spelled(a), b=spelled(b)), spelled(a - b)
