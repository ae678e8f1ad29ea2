# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deadlines of published schemes, by class of updates. Pure: constants only.

A plan that names a preset gets its deadlines; it may set stricter ones, never laxer ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import EMERGENCY, SECURITY


@dataclass(frozen=True, slots=True)
class Bound:
    """The longest deadline that a scheme leaves a class, and the scheme's rule in words."""

    deadline: dt.timedelta
    rule: str


CYBER_ESSENTIALS = "cyber-essentials"
ESSENTIAL_EIGHT = "essential-eight"

_CE = "Cyber Essentials: 14 days where the vendor says critical or high, CVSS is 7 or more, or no severity is given"
_E8_FAST = (
    "Essential Eight: 48 hours where the vendor says critical, or it is exploited, and the system faces the Internet"
)
_E8 = "Essential Eight: two weeks where 48 hours are not asked for"

# A class is as urgent as its most urgent update, so the class "security" has the deadline of a high severity. Neither
# scheme says anything of updates that close no hole.
PRESETS: Mapping[str, Mapping[str, Bound]] = {
    CYBER_ESSENTIALS: {
        EMERGENCY: Bound(dt.timedelta(days=14), _CE),
        SECURITY: Bound(dt.timedelta(days=14), _CE),
    },
    ESSENTIAL_EIGHT: {
        EMERGENCY: Bound(dt.timedelta(hours=48), _E8_FAST),
        SECURITY: Bound(dt.timedelta(days=14), _E8),
    },
}


def bound_of(preset: str | None, patch_class: str) -> Bound | None:
    """What a preset asks for a class; None without a preset, or where it asks nothing."""
    return PRESETS.get(preset or "", {}).get(patch_class)
