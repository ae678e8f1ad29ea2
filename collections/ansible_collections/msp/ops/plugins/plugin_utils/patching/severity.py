# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How bad a hole is, who says so, and which of several words counts. Pure: no I/O.

The worst word counts, whoever says it, so that one more word never makes less of a hole. Of equal words the more
trusted speaker is kept: what is known to be exploited, the vendor, CVSS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import RULES, SEVERITIES

CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN = SEVERITIES
KNOWN_EXPLOITED, VENDOR, CVSS, NOBODY = RULES

# What vendors print, in lower case. Words that say that nobody has judged yet ("not yet assigned") are not here.
_WORDS = {
    "critical": CRITICAL,
    "important": HIGH,
    "high": HIGH,
    "moderate": MEDIUM,
    "medium": MEDIUM,
    "low": LOW,
    "minor": LOW,
    "negligible": LOW,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One word about one hole. source names who said it, when, and of what ("OSV 2026-11-20: CVE-2026-1234 9.8")."""

    severity: str
    rule: str
    source: str
    cvss: float | None = None


def of_word(word: str) -> str:
    """A vendor's word as one of ours; "unknown" for one that is none."""
    return _WORDS.get(word.strip().lower(), UNKNOWN)


def of_score(score: float) -> str:
    """By the bands of CVSS 3. A score of 0 is "low": somebody found it worth a name."""
    if score >= 9.0:
        return CRITICAL
    if score >= 7.0:
        return HIGH
    return MEDIUM if score >= 4.0 else LOW


def worst(claims: Iterable[Claim]) -> Claim | None:
    """The claim that counts; None where nobody rated anything. The order of the claims means nothing."""
    rated = [claim for claim in claims if claim.severity != UNKNOWN]
    return min(rated, key=_rank, default=None)


def _rank(claim: Claim) -> tuple[int, int, float, str]:
    return (SEVERITIES.index(claim.severity), RULES.index(claim.rule), -(claim.cvss or 0.0), claim.source)
