"""An announcement of an event to a JSON object with four keys."""

import json
import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 14, 400, 40

EVENTS = words("concert lecture workshop regatta auction reading marathon picnic debate premiere")
TOPICS = words("jazz chess pottery sailing poetry robotics gardening astronomy cooking film")
PLACES = words("harbour library stadium museum castle theatre market garden school bridge")
WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
HOURS = {"nine": 9, "ten": 10, "noon": 12, "two": 14, "four": 16, "six": 18, "eight": 20}
SENTENCES = (
    "The {topic} {event} takes place at the {place} on {day}, {hour}.",
    "Come to the {place} this {day} at {hour} for our {topic} {event}.",
    "{day}, {hour}: {topic} {event}, {place}.",
    "We moved the {topic} {event} to {day} at {hour} in the {place}.",
    "At {hour} on {day} the {place} opens for a {topic} {event}.",
)


def rows(random: random.Random, held_out: bool) -> Rows:
    """A sentence, and its facts as JSON with the hour on a 24-hour clock."""
    while True:
        word = random.choice(list(HOURS))
        facts = {
            "event": random.choice(TOPICS) + " " + random.choice(EVENTS),
            "place": random.choice(PLACES),
            "day": random.choice(WEEKDAYS),
        }
        topic, event = facts["event"].split()
        sentence = random.choice(SENTENCES).format(
            topic=topic, event=event, place=facts["place"], day=facts["day"], hour=word
        )
        answer = {"event": facts["event"], "place": facts["place"], "day": facts["day"][:3]}
        yield sentence, json.dumps(answer | {"hour": HOURS[word]})
