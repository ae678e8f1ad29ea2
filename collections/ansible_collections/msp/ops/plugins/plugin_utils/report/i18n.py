# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks up what is said in the customer's language. Pure.

Values are put into a sentence and never read as one: braces in a host's name stay braces.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES, WORDS


@dataclass(frozen=True, slots=True)
class Words:
    """The catalogue in one language."""

    language: str

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of a key. A key that is missing is a defect, so it raises."""
        return WORDS[key][LANGUAGES.index(self.language)].format(**values)

    def count(self, key: str, number: int, **values: object) -> str:
        """The sentence for one, or for another number: key.one and key.many."""
        return self(f"{key}.one" if number == 1 else f"{key}.many", n=number, **values)

    def name(self, prefix: str, value: object) -> str:
        """The word for one of our own values ("status.ended"), and a value that is not ours as it is."""
        key = f"{prefix}.{value}"
        return self(key) if key in WORDS else str(value)
