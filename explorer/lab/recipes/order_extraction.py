"""Orders in plain words to one compact line: `4 x copper kettle > Lyon (Okafor)`."""

import random

from explorer.lab.recipes import Rows, words

SEED, TRAIN, HELDOUT = 11, 400, 40

NAMES = words("""
Okafor Silva Novak Haddad Larsen Moreau Tanaka Castro Weber Ivanova Mensah Rossi Dubois Kaya
Lindqvist Pereira Nagy Ozturk Bauer Quispe Sato Farouk Jensen Marino Petrov Adeyemi Costa
Hoffmann Yilmaz Andersen
""")
CITIES = words("""
Lyon Porto Oslo Turin Ghent Cork Riga Malmo Bilbao Graz Split Leeds Bergen Nantes Basel Gdansk
Utrecht Seville Zagreb Tampere
""")
ADJECTIVES = words("""
copper wooden folding striped silver garden leather ceramic heavy woven blue brass canvas marble
paper
""")
NOUNS = words("""
kettle chair lamp blanket ladder basket mirror bench teapot drawer candle hammer tray bucket
frame
""")
NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip
SENTENCES = (
    "{name} wants {number} {item}s sent to {city}.",
    "Please ship {number} {item}s to {city} for {name}.",
    "Our office in {city} needs {number} {item}s, ask for {name}.",
    "{name} from {city} ordered {number} {item}s.",
    "Send {name} in {city} another {number} {item}s.",
    "{number} {item}s go to {city}, attention {name}.",
)


def rows(random: random.Random, held_out: bool) -> Rows:
    """A sentence with four facts in words, and the four facts in a fixed form."""
    while True:
        word = random.choice(list(NUMBERS))
        item = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}"
        name, city = random.choice(NAMES), random.choice(CITIES)
        sentence = random.choice(SENTENCES).format(name=name, number=word, item=item, city=city)
        prompt = sentence[0].upper() + sentence[1:]
        yield prompt, f"{NUMBERS[word]} x {item} > {city} ({name})"
