# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who made a thing, by its hardware address: a hint for a person, never a fact to decide on.

The registry of makers comes from the library netaddr; without it, or for an address that is made up by software,
there is no hint.
"""

from __future__ import annotations

import functools

try:
    from netaddr import EUI
    from netaddr.core import NotRegisteredError
except ImportError:
    EUI = None


# The block of the internet's registry: for protocols and documentation, so its owner made no thing.
IANA = "00:00:5e:"


@functools.cache
def vendor_of(mac: str) -> str:
    """The registered maker's name, or "": also for a local address, which a virtual machine or a phone chose itself."""
    if EUI is None or len(mac) != 17 or int(mac[:2], 16) & 2 or mac.lower().startswith(IANA):
        return ""
    try:
        return str(EUI(mac).oui.registration().org)
    except NotRegisteredError:
        return ""
