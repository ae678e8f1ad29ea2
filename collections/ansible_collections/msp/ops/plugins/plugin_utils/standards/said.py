# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a control, as data: a key of the catalogue of words, and values; a page puts it into words. Pure.

A text is either what somebody wrote (a host, a standard, a person), which is the same in every language, or a Phrase of
ours. Records keep texts as text: a phrase as JSON. What is read from there may be anything, and then stands for itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES, WORDS
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

LONGEST = 300  # characters of a text for people
_KEYS = "said."  # all keys of phrases begin with it
# A phrase of two texts that both are there: in each language its own.
_BOTH = "both"
# Phrases of several texts, and what stands between these; between those of ANY it is a word of the language.
ALL, LINES, PAIRS, ANY = ("all", "lines", "pairs", "any")
_BETWEEN: Mapping[str, str] = {ALL: ", ", LINES: "; ", PAIRS: " "}


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of ours: the end of a key of the catalogue, and by name the texts that are put into them.

    One of several texts (ALL, LINES, PAIRS, ANY) has no names for them: they are numbered.
    """

    key: str
    values: tuple[tuple[str, Text], ...] = ()


Text = str | Phrase


def phrase(key: str, **values: Text) -> Phrase:
    """Words of the catalogue. Raises KeyError where it has none of this key: that is a defect."""
    if not known(key):
        raise KeyError(_KEYS + key)
    return Phrase(key, tuple(sorted(values.items())))


def known(key: str) -> bool:
    """Whether the catalogue has words of this key."""
    return _KEYS + key in WORDS


def both(by_language: Mapping[str, str]) -> Phrase:
    """A text that somebody wrote in every language of the catalogue."""
    return Phrase(_BOTH, tuple(sorted((language, by_language[language]) for language in LANGUAGES)))


def several(kind: str, texts: Iterable[Text]) -> Text:
    """Texts one after another, no more of them than can be shown. One alone is itself."""
    kept: list[Text] = []
    room = LONGEST
    for text in texts:
        kept.append(text)
        room -= len(english(text))
        if room < 0:
            break
    if len(kept) < 2:
        return kept[0] if kept else ""
    return Phrase(kind, tuple((str(place), text) for place, text in enumerate(kept)))


def worded(text: Text, words: Words) -> str:
    """A text in a language: at most LONGEST characters, printable ones, on one line."""
    return short(_worded(text, words))


def english(text: Text) -> str:
    """A text for engineers: in results of modules, differences and data."""
    return worded(text, Words("en"))


def _worded(text: Text, words: Words) -> str:
    if isinstance(text, str):
        return text
    values = {name: _worded(value, words) for name, value in text.values}
    if text.key == _BOTH:
        return values[words.language]
    if text.key == ANY:
        return f" {words('said.any')} ".join(values.values())
    if text.key in _BETWEEN:
        return _BETWEEN[text.key].join(values.values())
    return words(_KEYS + text.key, **values)


def short(text: str) -> str:
    """At most LONGEST characters, printable ones, on one line."""
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


# -- as it is kept ------------------------------------------------------------------------------------------------


def kept(text: Text) -> str:
    """A text as a record keeps it."""
    return text if isinstance(text, str) else json.dumps(_data(text), ensure_ascii=False, separators=(",", ":"))


def _data(text: Text) -> Any:
    return text if isinstance(text, str) else [text.key, {name: _data(value) for name, value in text.values}]


def read(text: str) -> Text:
    """A text out of a record. One that is no phrase of ours is what somebody wrote."""
    if not text.startswith('["'):
        return text
    try:
        found = _read(json.loads(text))
        for language in LANGUAGES:
            _worded(found, Words(language))
    except (ValueError, KeyError, RecursionError):
        return text
    return found


def _read(data: Any) -> Text:
    """Raises ValueError for what is none of ours."""
    match data:
        case str():
            return data
        case [str() as key, dict() as values]:
            return Phrase(key, tuple((name, _read(value)) for name, value in values.items()))
        case _:
            raise ValueError("neither a text nor a phrase")
