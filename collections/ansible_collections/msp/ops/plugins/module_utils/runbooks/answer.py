# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook answers, whichever it is. Pure.

Success is claimed in one place only (acted), of what was measured again after the last change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The check did not find the symptom; it was found, and is gone by a measurement; what would be done; a person has to look.
NOTHING_TO_DO, MENDED, WOULD_MEND, GAVE_UP = OUTCOMES = ("nothing_to_do", "mended", "would_mend", "gave_up")
REBOOT = "reboot"


class Answer:
    """found, did and would are sentences; before and after have the same keys, with the unit in each name.

    needs is what the controller has to do before the runbook can go on: REBOOT, or "".
    """

    def __init__(
        self,
        outcome: str,
        found: Iterable[str],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        did: Iterable[str] = (),
        would: Iterable[str] = (),
        reason: str = "",
        needs: str = "",
    ) -> None:
        self.outcome = outcome
        self.found = list(found)
        self.before = dict(before)
        self.after = dict(after)
        self.did = list(did)
        self.would = list(would)
        self.reason = reason
        self.needs = needs

    @property
    def changed(self) -> bool:
        return bool(self.did) or self.outcome == WOULD_MEND or bool(self.needs)

    def as_dict(self) -> dict[str, Any]:
        """The module's result."""
        found: dict[str, Any] = {
            "outcome": self.outcome,
            "changed": self.changed,
            "found": self.found,
            "did": self.did,
            "would": self.would,
            "reason": self.reason,
            "before": self.before,
            "after": self.after,
        }
        if self.needs:
            found["needs"] = self.needs
        if self.changed:
            then: Mapping[str, Any] = {"would": self.would} if self.outcome == WOULD_MEND else self.after
            found["diff"] = {"before": self.before, "after": then}
        return found


def nothing_to_do(found: Iterable[str], before: Mapping[str, Any]) -> Answer:
    return Answer(NOTHING_TO_DO, found, before, before)


def would_mend(found: Iterable[str], before: Mapping[str, Any], would: Iterable[str]) -> Answer:
    return Answer(WOULD_MEND, found, before, before, would=would)


def gave_up(found: Iterable[str], before: Mapping[str, Any], reason: str, needs: str = "") -> Answer:
    """Without having changed anything."""
    return Answer(GAVE_UP, found, before, before, reason=reason, needs=needs)


def acted(
    found: Iterable[str],
    did: Iterable[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    left: str,
) -> Answer:
    """After the last change. left is what the measurement after it still finds wrong, and "" where that is nothing."""
    return Answer(GAVE_UP if left else MENDED, found, before, after, did, reason=left)
