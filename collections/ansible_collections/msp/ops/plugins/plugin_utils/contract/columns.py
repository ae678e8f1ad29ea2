# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Dutch and English people call the columns of an asset list, and the classes of assets in it.

Pure: constants and look-ups. A word that is in no table here means nothing; nothing is guessed from likeness.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Field -> headings. Written as folded() makes them.
_HEADINGS: Mapping[str, str] = {
    "name": "naam|name|apparaatnaam|toestelnaam|computernaam|hostnaam|hostname|host name|device name|computer name"
    "|asset name|apparaat|device|toestel",
    "serial": "serienummer|serienr|serie nr|sn|s n|serial|serial number|serial no|serialnumber|service tag|servicetag",
    "asset_tag": "asset tag|assettag|inventarisnummer|inventarisnr|inventory number|asset number|activanummer|label",
    "asset_class": "soort|type|klasse|categorie|class|asset class|category|kind|soort apparaat|type apparaat"
    "|device class",
    "vendor": "merk|fabrikant|leverancier hardware|vendor|manufacturer|make|brand",
    "model": "model|modelnaam|model name|type nummer|typenummer|product",
    "site": "locatie|vestiging|site|location|office|kantoor|filiaal|branch",
    "platform": "besturingssysteem|os|operating system|platform|system software",
    "role": "rol|functie|role|function",
    "address": "ip adres|ip|ipadres|ip address|ipaddress|adres ip|ipv4|ipv4 address|ipv4 adres",
    "mac": "mac|mac adres|macadres|mac address|macaddress|hardware address|ethernet address",
    "purchase": "aanschafdatum|aankoopdatum|aangeschaft|gekocht op|datum aanschaf|aanschaf|koopdatum|purchase date"
    "|purchased|date of purchase|bought",
    "warranty_end": "garantie tot|garantie t m|garantie einde|einde garantie|einddatum garantie|garantie|garantiedatum"
    "|warranty until|warranty end|warranty expiry|warranty expires|warranty end date|end of warranty|warranty",
    "source": "bron|source|herkomst|origin",
    "virtual": "virtueel|virtual|vm|is vm|virtuele machine|virtual machine",
    "description": "omschrijving|beschrijving|description|toelichting|gebruiker|user",
    "price": "aanschafprijs|prijs|aankoopprijs|aanschafwaarde|purchase price|price|cost|purchase cost",
}

FIELDS: tuple[str, ...] = tuple(_HEADINGS)
DATES = ("purchase", "warranty_end")

# Words for classes, by class. "Virtual" ones say besides that the asset is a virtual machine.
_CLASS_WORDS: Mapping[str, str] = {
    "server": "server|servers|nas|opslag|storage|fysieke server|physical server|domeincontroller|domain controller",
    "workstation": "werkstation|workstation|werkplek|pc|computer|desktop|laptop|notebook|kassa|kassasysteem|till|pos",
    "network": "netwerk|network|netwerkapparaat|network device|router|switch|firewall|gateway|access point|accesspoint",
    "mobile": "mobiel|mobile|telefoon|phone|mobiele telefoon|mobile phone|smartphone|tablet|gsm",
    "printer": "printer|printers|multifunctional|mfp|scanner|labelprinter|label printer",
    "private": "prive|private|prive apparaat|private device|eigen apparaat|personal device|byod",
    "other": "overig|overige|anders|other",
}
_VIRTUAL_WORDS = "virtuele server|virtuele machine|vm|virtual server|virtual machine"


# What people write in a cell that has nothing to say.
_NOTHING = frozenset(("n a", "na", "nvt", "n v t", "onbekend", "unknown", "none", "geen", "niet bekend", "not known"))


def folded(heading: object) -> str:
    """A heading without case, accents, signs and double spaces: "IP-adres:" is "ip adres"."""
    plain = unicodedata.normalize("NFKD", str(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", plain.casefold()).strip()


_FIELD_OF = {folded(word): field for field, words in _HEADINGS.items() for word in words.split("|")} | {
    folded(field): field for field in _HEADINGS
}
_CLASS_OF: Mapping[str, tuple[str, bool]] = {
    **{folded(word): (name, False) for name, words in _CLASS_WORDS.items() for word in words.split("|")},
    **{folded(word): ("server", True) for word in _VIRTUAL_WORDS.split("|")},
}


def field_of(heading: object) -> str | None:
    """The field that a column heading names, or None."""
    return _FIELD_OF.get(folded(heading))


def class_of(word: object) -> tuple[str, bool] | None:
    """The class that a word names, and whether the word says virtual; None when the word is unknown."""
    return _CLASS_OF.get(folded(word))


def class_words() -> list[str]:
    """Every word for a class, for messages."""
    return sorted(_CLASS_OF)


def says_nothing(value: object) -> bool:
    """True for an empty cell and for the words that stand for one ("onbekend", "n.v.t.", "-")."""
    if isinstance(value, str):
        plain = folded(value)
        return plain in _NOTHING or (not plain and not any(character.isalnum() for character in value))
    return value is None


def headings(field: str) -> list[str]:
    """What a column of this field may be called, for messages."""
    return _HEADINGS[field].split("|")
