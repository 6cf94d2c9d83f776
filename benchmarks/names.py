"""Names of made-up customers: a few are common, most are rare, and some are there to be searched for."""

import random
from collections.abc import Sequence

FIRST = (
    "Mary", "James", "Maria", "José", "Anna", "Mohamed", "Wei", "Olga", "Fatima", "Carlos", "Emma", "Liam",
    "Chloé", "Søren", "Zoë", "Łukasz", "Aiko", "Ivan", "Priya", "Kwame", "Ingrid", "Matteo", "Giulia",
    "Pedro", "Lucía", "Hans", "Greta", "Yusuf", "Leila", "Noah", "Ava", "Elif", "Mateusz", "Katarzyna",
    "Björn", "Astrid", "Nikolai", "Svetlana", "Hiroshi", "Yuki", "Min-jun", "Seo-yeon", "Arjun", "Lakshmi",
    "Chidi", "Amara", "Thabo", "Naledi", "Diego", "Camila", "Rafael", "Beatriz", "Pierre", "Amélie",
    "Jürgen", "Heike", "Dimitris", "Eleni", "Tomáš", "Veronika", "Gábor", "Zsófia", "Andrei", "Ioana",
    "Viktor", "Milena", "Patrick", "Siobhán", "Angus", "Fiona", "Rhys", "Cerys", "Joost", "Femke", "Matti",
    "Aino", "Sigurður", "Guðrún", "Tendai", "Zanele",
)  # fmt: skip
_STEMS = (
    "Ander", "Berg", "Carl", "Dahl", "Eriks", "Fried", "Grün", "Holm", "Iva", "Jan", "Kowal", "Lind", "Mül",
    "Nov", "Ost", "Peter", "Quint", "Rosen", "Stein", "Thor", "Ulrich", "Vander", "Wilk", "Xavier", "York",
    "Zimmer",
)  # fmt: skip
_ENDINGS = (
    "son", "mann", "ski", "sen", "berg", "quist", "ova", "ley", "ford", "wood", "ton", "ez", "ini", "eau",
)  # fmt: skip
LAST = ("Johnson", "García", "Nguyễn", "Kim", "Patel", "Müller", *(s + e for e in _ENDINGS for s in _STEMS))

# Terms to search for, and what part of all customers has each. No other name contains one of them.
COMMON, COMMON_EVERY = "Smith", 50
RARE, RARE_EVERY = "Featherstonehaugh", 50_000
ABSENT = "Quetzalcoatl"

PLACES = (
    ("Berlin", "", "DE"),
    ("Madrid", "", "ES"),
    ("London", "", "GB"),
    ("Paris", "", "FR"),
    ("Austin", "TX", "US"),
    ("New York", "NY", "US"),
    ("Osaka", "", "JP"),
    ("São Paulo", "SP", "BR"),
    ("Kraków", "", "PL"),
    ("Nairobi", "", "KE"),
)
STREETS = (
    "High Street",
    "Main Street",
    "Church Road",
    "Mill Lane",
    "Park Avenue",
    "Station Road",
    "Oak Drive",
)
DOMAINS = ("example.com", "example.org", "example.net")

_SPREAD = 4096


def spread(names: Sequence[str], rng: random.Random) -> list[str]:
    """Return a long list to pick from evenly, in which each name is there as often as it is in the world.

    As with real names, the second is half as common as the first, the third a third, and so on.
    """
    weights = [1 / (rank + 3) for rank in range(len(names))]
    return rng.choices(names, weights, k=_SPREAD)
