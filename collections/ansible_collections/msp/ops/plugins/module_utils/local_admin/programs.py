# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that PAM and systemd run on a host, as the role msp_local_admin writes them: where, and their digests.

A test compares the digests with the role's files.
"""

from __future__ import annotations

DIRECTORY = "/usr/lib/msp-ops"
PASSWORD_USED, ONE_TIME_LOGIN, ONE_TIME_END = PROGRAMS = (
    DIRECTORY + "/password-used",
    DIRECTORY + "/one-time-login",
    DIRECTORY + "/one-time-end",
)
# SHA-256.
DIGESTS = {
    PASSWORD_USED: "b4f940cf26e326e0b9183c6bdca257a511e82af125e821d6786c9a93912cf3c9",
    ONE_TIME_LOGIN: "611d1df69f5eaa6d5d9ae16d9afd1190ad7c68a1e92ef559ac43cb3290d4292b",
    ONE_TIME_END: "1f0645b2799374bbdb4d3aac08ff3234e54cd24b19268800776b504d7256760d",
}
