"""Short ward notes to a triage line: `urgent | cardiology | chest pain`. The notes are invented."""

import random

from explorer.lab.recipes import Rows

SEED, TRAIN, HELDOUT = 12, 400, 40

DEPARTMENTS = {
    "cardiology": {
        "chest pain": ("pressure on the chest", "a tight chest"),
        "palpitations": ("a racing heart", "a heart that skips beats"),
        "swollen ankles": ("ankles that swell by evening", "puffy legs"),
    },
    "neurology": {
        "headache": ("a pounding head", "pain behind the eyes"),
        "weakness": ("an arm that will not lift", "a weak left side"),
        "dizziness": ("a room that spins", "unsteady walking"),
    },
    "gastro": {
        "stomach pain": ("cramps after meals", "a sore belly"),
        "vomiting": ("throwing up since morning", "nothing stays down"),
        "heartburn": ("burning behind the breastbone", "sour burps at night"),
    },
    "respiratory": {
        "cough": ("coughing through the night", "a barking cough"),
        "breathlessness": ("no air on the stairs", "short of breath at rest"),
        "wheezing": ("a whistle with each breath", "a noisy chest"),
    },
    "orthopaedics": {
        "back pain": ("a stiff lower back", "pain when bending"),
        "sprain": ("a twisted ankle", "a swollen wrist after a fall"),
        "knee pain": ("a knee that locks", "a knee that hurts on stairs"),
    },
}
# Urgency follows the pulse: a rule that has to be found in the examples.
PULSES = {"routine": range(58, 90), "soon": range(92, 114), "urgent": range(116, 150)}
SENTENCES = (
    "{who}, {age}, reports {words}. Pulse {pulse}.",
    "Pulse {pulse}. {who} ({age}) comes with {words}.",
    "{age}-year-old {who_small}: {words}, pulse {pulse}.",
    "{who} of {age} complains of {words}; pulse {pulse}.",
)


def rows(random: random.Random, held_out: bool) -> Rows:
    """A note in lay words, and urgency, department and complaint in fixed terms."""
    while True:
        department = random.choice(list(DEPARTMENTS))
        complaint = random.choice(list(DEPARTMENTS[department]))
        urgency = random.choice(list(PULSES))
        who = random.choice(("Man", "Woman"))
        note = random.choice(SENTENCES).format(
            who=who,
            who_small=who.lower(),
            age=random.randint(19, 88),
            words=random.choice(DEPARTMENTS[department][complaint]),
            pulse=random.choice(PULSES[urgency]),
        )
        yield note, f"{urgency} | {department} | {complaint}"
