"""A clause of a contract to its kind. Held-out clauses are worded as no training clause is."""

import random

from explorer.lab.recipes import Rows

SEED, TRAIN, HELDOUT = 13, 320, 40

PARTIES = ("Supplier", "Licensee", "Contractor", "Tenant", "Vendor", "Agent", "Provider", "Buyer")
DAYS = ("ten", "fifteen", "thirty", "forty-five", "sixty", "ninety")
PLACES = ("Ontario", "Bavaria", "Delaware", "Scotland", "Geneva", "Singapore", "Ireland", "Texas")
# The last three wordings of a kind are kept for the held-out rows.
CLAUSES = {
    "termination": (
        "Either party may end this agreement on {days} days' written notice.",
        "If the {party} goes bankrupt, the other party may walk away at once.",
        "The {party} may cancel after {days} days if a breach is not cured.",
        "This agreement stops when the {party} gives {days} days' notice.",
        "After {days} days without cure, the contract may be brought to an end by the {party}.",
        "The {party} may quit this arrangement with {days} days' warning.",
        "Upon insolvency of the {party} the relationship ceases.",
    ),
    "confidentiality": (
        "The {party} shall keep all disclosed information secret.",
        "Neither party may reveal trade secrets for {days} months.",
        "The {party} must not show the documents to outsiders.",
        "What the {party} learns stays private for {days} months.",
        "No disclosure of data to third persons is allowed to the {party}.",
        "The {party} will protect sensitive materials from other eyes.",
        "Know-how shared with the {party} must not leave the company.",
    ),
    "governing law": (
        "This agreement is read under the laws of {place}.",
        "The courts of {place} decide all disputes.",
        "The law of {place} applies, whatever its conflict rules.",
        "Any lawsuit has to be brought in {place}.",
        "Disputes go before a judge in {place}.",
        "The rules of {place} control how this contract is understood.",
        "The parties accept {place} as the place of jurisdiction.",
    ),
    "payment": (
        "The {party} shall pay each invoice within {days} days.",
        "Late amounts bear interest from day {days} on.",
        "Fees are due {days} days after delivery.",
        "The {party} pays a deposit within {days} days.",
        "Invoices of the {party} fall due in {days} days.",
        "Money owed is to be settled by the {party} before day {days}.",
        "The price is transferred to the {party} within {days} days.",
    ),
    "liability cap": (
        "The {party} is not answerable for more than the fees paid.",
        "Damages are limited to the fees of the last {days} days.",
        "In no case is the {party} liable for lost profit.",
        "The {party}'s total exposure shall not exceed the price.",
        "Claims against the {party} stop at the amount received.",
        "Indirect losses cannot be recovered from the {party}.",
        "The most the {party} may owe in damages is one year's fees.",
    ),
    "assignment": (
        "The {party} may not transfer this agreement without consent.",
        "Rights may be passed on to an affiliate of the {party}.",
        "No party may hand its duties to another without approval.",
        "The {party} cannot make over its rights to a third party.",
        "A successor may take over the contract from the {party} with consent.",
        "Passing this contract to someone else needs the {party}'s approval.",
        "The {party} may hand over its rights to a subsidiary.",
    ),
    "force majeure": (
        "Nobody is at fault for delays caused by flood or war.",
        "The {party} is excused while a strike lasts.",
        "Duties pause during an earthquake or epidemic.",
        "Events beyond control release the {party} for {days} days.",
        "A storm that stops the {party} is no breach.",
        "While a natural disaster lasts, the {party} need not perform.",
        "Acts of God suspend the duties of the {party}.",
    ),
    "warranty": (
        "The {party} promises that the goods are free of defects.",
        "Faulty parts are replaced for {days} days after delivery.",
        "The goods will work as described for {days} days.",
        "The {party} guarantees good workmanship.",
        "The {party} will repair what breaks within {days} days.",
        "The {party} stands behind the quality of the work for {days} days.",
        "Products shall match their description, says the {party}.",
    ),
}
KEPT = 3


def rows(random: random.Random, held_out: bool) -> Rows:
    """Clauses in the training wordings, or in those that were kept back."""
    while True:
        kind = random.choice(list(CLAUSES))
        wordings = CLAUSES[kind][-KEPT:] if held_out else CLAUSES[kind][:-KEPT]
        clause = random.choice(wordings).format(
            party=random.choice(PARTIES), days=random.choice(DAYS), place=random.choice(PLACES)
        )
        yield clause, kind
