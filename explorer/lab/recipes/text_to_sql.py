"""A question about a shop's three tables to the SQL that answers it."""

import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 15, 400, 40

TABLES = {
    "orders": ("orders", "total", "city"),
    "staff": ("employees", "salary", "office"),
    "stock": ("products", "price", "shelf"),
}
VALUES = words("Lyon Oslo Turin Porto Riga Cork Graz Basel Ghent Leeds Split Malmo")
NUMBERS = (10, 20, 25, 40, 50, 75, 100, 150, 200, 500, 800, 1000)


def rows(random: random.Random, held_out: bool) -> Rows:
    """One of nine kinds of question, with its query. Table names are not the questions' words."""
    while True:
        table, (thing, number, place) = random.choice(list(TABLES.items()))
        value, limit = random.choice(VALUES), random.choice(NUMBERS)
        yield random.choice(questions(table, thing, number, place, value, limit))


def questions(
    table: str, thing: str, number: str, place: str, value: str, limit: int
) -> list[tuple[str, str]]:  # the names that a question of this shop can be about
    """Every kind of question that can be asked of one table."""
    where = f"WHERE {place} = '{value}'"
    return [
        (f"How many {thing} are in {value}?", f"SELECT COUNT(*) FROM {table} {where};"),
        (f"Show all {thing} in {value}.", f"SELECT * FROM {table} {where};"),
        (
            f"Which {thing} have a {number} above {limit}?",
            f"SELECT * FROM {table} WHERE {number} > {limit};",
        ),
        (
            f"Which {thing} have a {number} below {limit}?",
            f"SELECT * FROM {table} WHERE {number} < {limit};",
        ),
        (
            f"What is the average {number} of {thing} in {value}?",
            f"SELECT AVG({number}) FROM {table} {where};",
        ),
        (
            f"What is the highest {number} of {thing} in {value}?",
            f"SELECT MAX({number}) FROM {table} {where};",
        ),
        (f"Count {thing} by {place}.", f"SELECT {place}, COUNT(*) FROM {table} GROUP BY {place};"),
        (
            f"How many {thing} in {value} have a {number} above {limit}?",
            f"SELECT COUNT(*) FROM {table} {where} AND {number} > {limit};",
        ),
        (
            f"List the {min(limit, 50)} {thing} with the highest {number}.",
            f"SELECT * FROM {table} ORDER BY {number} DESC LIMIT {min(limit, 50)};",
        ),
    ]
