# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a program's authentication by PAM asks a person for: a password, a code, both or nothing. Pure.

The ways through a stack are access_pam's. Here is what a module may answer somebody of whom no more is known than the
name, the groups and whether a secret is there: every person is taken to have a password. What cannot be told counts as
not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import access_pam, pam
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import (
    ANY,
    IGNORE,
    REFUSED,
    SUCCESS,
    Account,
    Answer,
    secret_file,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import CODE, PASSWORD

# Modules that ask for what a person has, and those that ask for what a person knows.
SECOND = ("pam_google_authenticator.so", "pam_oath.so", "pam_u2f.so", "pam_duo.so", "pam_yubico.so")
_PASSWORD = ("pam_unix.so", "pam_sss.so", "pam_ldap.so", "pam_krb5.so", "pam_winbind.so", "pam_userdb.so")
_FIXED = {"pam_permit.so": SUCCESS, "pam_deny.so": REFUSED}
_NOTHING: frozenset = frozenset()


class Asked(NamedTuple):
    """What was asked for and given on one way through the stack."""

    code: bool = False
    password: bool = False


def asked(steps: tuple[pam.Step, ...], person: Account, there: Callable[[str], bool]) -> frozenset[Asked]:
    """What was asked on each way by which the person is let in, but for what another way does without. there says
    whether a secret's file is on the host. Raises Unmeasurable for what pam.d(5) does not know."""
    found = access_pam.proofs(steps, lambda line: _answers(line, person, there))
    return frozenset(Asked(CODE in proved, PASSWORD in proved) for proved in found)


def _answers(line: pam.Line, person: Account, there: Callable[[str], bool]) -> list[Answer]:
    if line.module in _FIXED:
        return [(_FIXED[line.module], _NOTHING)]
    if line.module in SECOND:
        if _skips(line, person, there):
            # It says that it is none of its business, or lets through.
            return [(IGNORE, _NOTHING), (SUCCESS, _NOTHING)]
        return [(SUCCESS, frozenset((CODE,))), (ANY, _NOTHING)]
    if line.module in _PASSWORD:
        # A module that has asked in vain never says that it is none of its business, unless it was told to.
        told = any(word.startswith("ignore_") for word in line.arguments)
        return [(SUCCESS, frozenset((PASSWORD,))), (ANY, _NOTHING)] + ([(IGNORE, _NOTHING)] if told else [])
    said = access_pam.condition(line, person)
    if said is not None:
        return [(said, _NOTHING)]
    return [(SUCCESS, _NOTHING), (IGNORE, _NOTHING), (ANY, _NOTHING)]


def _skips(line: pam.Line, person: Account, there: Callable[[str], bool]) -> bool:
    """Whether the module lets those through who have no secret, and the person has none, or anybody at all."""
    # pam_u2f: whoever has no key, which is not known here; and whatever the key says.
    if {"nouserok", "alwaysok"} & set(line.arguments):
        return True
    if not any(word == "nullok" or word.startswith("nullok=") for word in line.arguments):
        return False
    return line.module != "pam_google_authenticator.so" or not there(secret_file(line, person))
