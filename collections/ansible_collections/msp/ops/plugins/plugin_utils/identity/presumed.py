# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be taken for an asset until somebody says otherwise, though it proves nothing. Pure: no I/O.

A contract knows printers and gateways by an address or a name and nothing else; what is found there is in conflict, for
it may be a successor. Nothing is merged by this: a report says that something was seen there, and a person confirms it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict, Why


def presumed(resolution: Resolution, on_record: Mapping[str, Profile]) -> dict[str, str]:
    """By thing in conflict, the asset that it is presumed to be: the only one that it can be, whose hardware is not on
    record, which nothing else was seen of and nothing else can be.
    """
    conflicts = resolution.of(Verdict.CONFLICT)
    claimed = Counter(side.key for one in conflicts for side in one.candidates if side.is_asset)
    unseen = frozenset(resolution.unseen)
    found = {}
    for one in conflicts:
        if one.why is Why.SUCCESSOR and len(one.candidates) == 1:
            side = one.candidates[0]
            if side.is_asset and side.score > 0 and claimed[side.key] == 1 and side.key in unseen:
                profile = on_record[side.key]
                if not profile.macs and not profile.weak_macs:
                    found[one.key] = side.key
    return found
