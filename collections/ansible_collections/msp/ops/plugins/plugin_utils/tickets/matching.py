# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which known problem a ticket fits, if that is certain. Pure.

A wrong answer costs more than none, so all of this must hold: one sentence, or the title with it, has a word of every
group that the problem needs; nothing in the ticket says that it is about something else; the sentence is near enough to
how people say it, by words and by parts of words; and no other problem comes close, or is near enough itself.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import Asked, Match, Problem

# Chosen on the tickets in tests/unit/plugins/plugin_utils/tickets/tuning.yml, and measured on others.
ENOUGH = 0.34
MARGIN = 0.06

# What is looked at of a ticket: what people say first is what it is about.
CHARACTERS = 1500
SENTENCES = 12
# Shorter words must be there as they are; longer ones may go on: "print" is in "printer".
WHOLE = 5
_GRAM = 4

_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
_END = re.compile(r"[.!?\n;]+")
# Where what somebody else wrote begins: an answer's quote, or a signature.
_QUOTED = re.compile(
    r"^(>|-- ?$|_{5,}|-{5,}|(van|from|von):\s|(op|on)\s.{5,80}\s(schreef|wrote)\b.*:?\s*$"
    r"|(met vriendelijke groet|kind regards|best regards|mvg|groeten?|groetjes|regards|cheers)\b)",
    re.IGNORECASE,
)

Vector = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Matcher:
    """Known problems, made ready. vectors has those of every wording, by problem."""

    problems: Mapping[str, Problem]
    rarity: Mapping[str, float]
    vectors: Mapping[str, tuple[Vector, ...]]

    @classmethod
    def of(cls, problems: Mapping[str, Problem]) -> Matcher:
        """Learn from the wordings which parts tell problems apart."""
        said = {
            name: [_parts(text) for texts in one.wordings.values() for text in texts] for name, one in problems.items()
        }
        holding = Counter(part for wordings in said.values() for part in set().union(*wordings))
        rarity = {part: 1 + math.log(len(said) / count) for part, count in holding.items()}
        vectors = {name: tuple(_vector(one, rarity) for one in wordings) for name, wordings in said.items()}
        return cls({name: _plain(one) for name, one in problems.items()}, rarity, vectors)

    def match(self, asked: Asked) -> Match | None:
        """The problem that a ticket fits; None where that is not certain."""
        pieces = [(words(piece), self._vector(piece)) for piece in _pieces(asked)]
        whole = words(f"{asked.title}\n{own_words(asked.text)}")
        ranked = sorted(((self._score(name, pieces), name) for name in self.problems), reverse=True)
        (score, best), second = ranked[0], ranked[1][0] if len(ranked) > 1 else 0.0
        problem = self.problems[best]
        clear = score >= ENOUGH > second and score - second >= MARGIN
        if not clear or any(_has(whole, word) for word in problem.unless):
            return None
        return Match(best, round(score, 3), round(second, 3))

    def _score(self, name: str, pieces: Sequence[tuple[frozenset[str], Vector]]) -> float:
        """How near the nearest sentence is that has what the problem needs; 0 where none has."""
        needs = self.problems[name].needs
        fitting = [vector for said, vector in pieces if all(any(_has(said, word) for word in group) for group in needs)]
        return max((_cosine(vector, known) for vector in fitting for known in self.vectors[name]), default=0.0)

    def _vector(self, text: str) -> Vector:
        return _vector(_parts(text), self.rarity)


@functools.cache
def matcher() -> Matcher:
    """That of the known problems that come with msp.ops."""
    from ansible_collections.msp.ops.plugins.plugin_utils.tickets import catalogue

    return Matcher.of(catalogue.known())


def words(text: str) -> frozenset[str]:
    """The words of a text, without accents and capitals."""
    return frozenset(_WORD.findall(folded(text)))


def folded(text: str) -> str:
    """A text in plain small letters, whatever quotes and accents it was written with."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'").casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def _plain(problem: Problem) -> Problem:
    """A problem with the words that it needs as they are looked for."""
    needs = tuple(tuple(folded(word) for word in group) for group in problem.needs)
    return replace(problem, needs=needs, unless=tuple(folded(word) for word in problem.unless))


def own_words(text: str) -> str:
    """What the requester wrote, up to a quote or a signature."""
    lines: list[str] = []
    for line in text[:CHARACTERS].splitlines():
        if _QUOTED.match(line.strip()):
            break
        lines.append(line)
    return "\n".join(lines)


def _pieces(asked: Asked) -> Iterator[str]:
    title = asked.title[:200].strip()
    yield title
    sentences = [found.strip() for found in _END.split(own_words(asked.text)) if found.strip()]
    for sentence in sentences[:SENTENCES]:
        yield sentence
        yield f"{title} {sentence}"


def _has(said: frozenset[str], word: str) -> bool:
    if len(word) < WHOLE:
        return word in said
    return any(one.startswith(word) for one in said)


def _parts(text: str) -> frozenset[str]:
    """The words of a text, and the parts of its words, so that one that is written otherwise still resembles itself."""
    found: set[str] = set()
    for word in _WORD.findall(folded(text)):
        padded = f" {word} "
        found.add(padded)
        found.update(padded[start : start + _GRAM] for start in range(len(padded) - _GRAM + 1))
    return frozenset(found)


def _vector(parts: frozenset[str], rarity: Mapping[str, float]) -> Vector:
    """Length 1; a part that no wording has counts too, for it says something else."""
    most = max(rarity.values(), default=1.0)
    weights = {part: rarity.get(part, most / 2) * (1.0 if _is_word(part) else 0.5) for part in parts}
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {part: weight / length for part, weight in weights.items()}


def _is_word(part: str) -> bool:
    return part.startswith(" ") and part.endswith(" ")


def _cosine(one: Vector, other: Vector) -> float:
    small, large = (one, other) if len(one) < len(other) else (other, one)
    return sum(weight * large.get(part, 0.0) for part, weight in small.items())
