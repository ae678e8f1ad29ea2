# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host does for the rotation of an account's password: says which version is in force, and takes a new one.

Before a new one is set its version is written down with what tells its hash from another's. So whenever the power goes
or the program is ended, the next one sees by /etc/shadow alone which version the host takes.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, keeping
from ansible_collections.msp.ops.plugins.module_utils.local_admin.keeping import Place, State, Use, Version
from ansible_collections.msp.ops.plugins.module_utils.standards import accounts, password_hashes
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

LOOK, SET, ANNOUNCE, SETTLE = STATES = ("look", "set", "announced", "settled")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
# As long as the controller may take to log in.
SECONDS_ANNOUNCED = 120
SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": list(STATES), "default": LOOK},
    "account": {"type": "str", "required": True},
    "version": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "loud": {"type": "bool", "default": False},
}
# Gives a hash to an account: its arguments are the account, the hash, and an open file that the program that does it
# has to keep open (it is locked until that has ended). What it returns is why it could not.
Setter = Callable[[str, str, int], str]


class Desk:
    """The account of one host. setter is chpasswd, by the module's own way to run programs."""

    def __init__(self, host: Host, setter: Setter, top: str = keeping.TOP, check: bool = False) -> None:
        self.host = host
        self.setter = setter
        self.top = top
        self.check = check

    def act(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The module's result. Raises MspError, and has changed nothing then but for MSP-ADM-006."""
        account = asked["account"]
        if not NAME.fullmatch(account):
            raise MspError("MSP-ADM-001", "the name of a local account", repr(account)[:100], "name the account so")
        place = Place(account, self.top)
        if asked["state"] == LOOK:
            if not place.made():
                return {"changed": False, **self.look(account, place)}
            with place.locked():
                return {"changed": False, **self.look(account, place)}
        if asked["state"] == ANNOUNCE:
            if not self.check:
                place.announce(int(time.time()) + SECONDS_ANNOUNCED)
            return {"changed": False}
        if asked["state"] == SETTLE:
            return {"changed": False, **self.settle(account, place)}
        version, password = asked["version"] or "", asked["password"] or ""
        if not VERSION.fullmatch(version) or not password or "\n" in password or ":" in password:
            raise MspError(
                "MSP-ADM-001",
                "a version and a password of one line for the account %s" % account,
                "version %.100r and %s" % (version, "a password" if password else "no password"),
                "give both, as msp.ops.local_admin does",
            )
        return self.set(account, place, version, password, loud=asked["loud"])

    # -- looking --------------------------------------------------------------------------------------------------

    def look(self, account: str, place: Place) -> dict[str, Any]:
        """version is the one in force; None where the host takes none that is known, as when somebody changed it."""
        kept = self._kept(account)
        state = place.state()
        version = None if kept is None else state.of(crypting.digest(kept))
        uses = used_since(version, place.uses())
        return {
            "exists": kept is not None,
            "usable": kept is not None and accounts.usable(kept),
            "version": None if version is None else version.name,
            "set": None if version is None else version.done or version.begun,
            "tested": state.tested,
            "uses": [one.told() for one in uses],
        }

    def _kept(self, account: str) -> str | None:
        """What /etc/shadow keeps of the account's password; None where there is no such account."""
        reader = Reader(self.host)
        try:
            users = {user.name for user in accounts.parse_users(reader.host.text("/etc/passwd"))}
            found = accounts.parse_secrets(reader.host.text("/etc/shadow")).get(account)
        except (OSError, Unmeasurable) as error:
            raise MspError(
                "MSP-ADM-004",
                "the accounts of this host to be readable (/etc/passwd, /etc/shadow)",
                str(error)[:200],
                "run it with become, and put right what it names",
            ) from error
        return None if account not in users or found is None else found.password

    # -- setting --------------------------------------------------------------------------------------------------

    def set(self, account: str, place: Place, version: str, password: str, *, loud: bool) -> dict[str, Any]:
        """Write it down, set it, see that it is there, and write that down."""
        kept = self._kept(account)
        if kept is None:
            raise MspError(
                "MSP-ADM-005",
                "an account %s on this host, with a line in /etc/shadow" % account,
                "none",
                "bring its controls about first (playbooks/standardise.yml), or name another account",
            )
        if crypting.fits(password, kept):
            raise MspError(
                "MSP-ADM-007",
                "a new password for %s" % account,
                "the one that is in force",
                "give one that was never used; msp.ops.local_admin makes one up",
            )
        if self.check:
            return {"changed": True, "version": version}
        place.make()
        with place.locked() as lock:
            self._set(account, place, version, password, lock)
            place.loud(loud)
        return {"changed": True, "version": version}

    def _set(self, account: str, place: Place, version: str, password: str, lock: int) -> None:
        state = place.state()
        # Of two controllers that rotate at once the one that kept its password later wins, here as in the escrow.
        newest = max((one.name for one in state.versions), default="")
        if version <= newest:
            raise MspError(
                "MSP-ADM-009",
                "a version of the password of %s that is later than all that this host knows" % account,
                "%s, and the host knows %s" % (version, newest),
                "another run rotated it meanwhile: run it again. Where a controller's clock was ahead once, remove %s"
                % os.path.join(place.path, keeping.STATE),
            )
        made = crypting.hashed(password, self._method())
        now = int(time.time())
        begun = Version(version, crypting.digest(made), now, len(place.uses()))
        place.keep(state.with_(begun))
        why = self.setter(account, made, lock)
        found = self._kept(account)
        if found is None or not crypting.fits(password, found):
            raise MspError(
                "MSP-ADM-006",
                "the new password of %s to be in force" % account,
                why or "another one",
                "see what else changes passwords on this host; every version that may be in force is in the escrow",
            )
        place.keep(State(state.versions, None).with_(begun._replace(done=int(time.time()))))

    def _method(self) -> str:
        """As the distribution keeps a new password; where that is weak, the strongest that is everywhere."""
        try:
            found = password_hashes.measure(Reader(self.host))["methods"].get("passwd", "")
        except (Absent, Unmeasurable, OSError):
            found = ""
        return found if found in crypting.PREFIXES else "sha512"

    # -- a login of the management itself -------------------------------------------------------------------------

    def settle(self, account: str, place: Place) -> dict[str, Any]:
        """End what was announced. tested: one login was seen, by the version in force; uses are those of others."""
        kept = self._kept(account)
        state = place.state()
        version = None if kept is None else state.of(crypting.digest(kept))
        uses = used_since(version, place.uses())
        announced = [one for one in uses if one.announced]
        alone = version is not None and len({one.origin for one in announced if one.service == "sshd"}) == 1
        counts = [sum(one.kind == kind for one in announced) for kind in ("auth", "open_session")]
        # One login by ssh, and one time that it became root.
        tested = alone and counts == [2, 1] and len(announced) == len(uses)
        if not self.check:
            place.be_quiet()
            if tested and version is not None:
                after = version._replace(uses=version.uses + len(uses))
                place.keep(State(state.versions, int(time.time())).with_(after))
        return {"tested": tested, "uses": [one.told() for one in uses]}


def used_since(version: Version | None, uses: list[Use]) -> list[Use]:
    """Those of this version; where none is known to be in force, all of them.

    Where lines are gone that were there when it was begun, nobody knows which of the rest are older: all of them count,
    and so does whatever stood there.
    """
    if version is None:
        return uses
    return [keeping.UNKNOWN, *uses] if len(uses) < version.uses else uses[version.uses :]
