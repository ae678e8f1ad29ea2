# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hashes of passwords as this host's own libcrypt makes them. Python 3.13 has no module for it any more.

Nothing here is ever printed, and no error has a password or a hash in it.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# What pam_unix calls them, the way to ask libcrypt for a setting of each.
PREFIXES = {"yescrypt": "$y$", "gost_yescrypt": "$gy$", "sha512": "$6$", "blowfish": "$2b$", "sha256": "$5$"}
LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")


def library() -> Any:
    """libcrypt of this host. Raises MspError (MSP-ADM-003)."""
    for name in LIBRARIES:
        try:
            found = ctypes.CDLL(name)
            found.crypt.restype = found.crypt_gensalt.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        found.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        found.crypt_gensalt.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]
        return found
    raise _unhashed("no libcrypt that makes settings (%s)" % ", ".join(LIBRARIES))


def hashed(password: str, method: str) -> str:
    """A new hash with a salt of its own. method is a key of PREFIXES. Raises MspError (MSP-ADM-003)."""
    crypt = library()
    setting = crypt.crypt_gensalt(PREFIXES[method].encode("ascii"), 0, None, 0)
    made = crypt.crypt(password.encode("utf-8"), setting) if setting else None
    # libcrypt says that it failed with a text that begins with a star and fits no password.
    if not made or made.startswith(b"*"):
        raise _unhashed("a libcrypt that does not know %s" % method)
    return str(made.decode("ascii"))


def fits(password: str, kept: str) -> bool:
    """Whether the password is the one of which this hash was made."""
    if not kept.startswith("$"):
        return False
    made = library().crypt(password.encode("utf-8"), kept.encode("utf-8"))
    return bool(made) and hmac.compare_digest(made, kept.encode("utf-8"))


def digest(kept: str) -> str:
    """What tells one hash from another and is of no use to guess a password with."""
    return hashlib.sha256(b"msp.ops local admin\0" + kept.encode("utf-8")).hexdigest()


def _unhashed(found: str) -> MspError:
    return MspError(
        "MSP-ADM-003",
        "a libcrypt on this host that makes the hash of a new password",
        found,
        "install the distribution's libcrypt (libcrypt1 of Debian, libxcrypt of Red Hat's); nothing was changed",
    )
