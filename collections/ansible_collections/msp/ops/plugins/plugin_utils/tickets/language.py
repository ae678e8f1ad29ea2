# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The language that a ticket is written in, Dutch or English; the customer's own where that is not plain. Pure."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.tickets.matching import folded, own_words
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import Asked


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Small words that only one of the two has.
_SIGNS = {
    "nl": _words(
        "de het een ik wij mijn ons onze jullie niet geen kan kunnen wil graag met voor naar maar ook nog weer deze dit"
        " dat er zijn heeft heb hebben wordt werkt doet bij uit aan op van om als hallo goedendag goedemorgen beste"
        " bedankt alvast groet sinds steeds meer moet"
    ),
    "en": _words(
        "the an i my our your not no can't cannot could please with for from but also still again this that there are"
        " have has does doesn't it its and hello dear thanks thank since keeps any must you they get on to at"
    ),
}
ENOUGH = 2


def of(asked: Asked, otherwise: str) -> str:
    """nl or en: the one with clearly more of its small words, else the other one given."""
    said = folded(f"{asked.title}\n{own_words(asked.text)}")
    spoken = [word.strip('.,:;!?()"') for word in said.split()]
    counts = {language: sum(word in signs for word in spoken) for language, signs in _SIGNS.items()}
    first, second = sorted(counts, key=lambda language: -counts[language])
    plain = counts[first] >= ENOUGH and counts[first] >= 2 * counts[second]
    return first if plain else otherwise
