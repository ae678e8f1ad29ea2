# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Withdraws our access from a host: looks, has it decided (planning.py), and does it in the order of the plan.

Nothing of the customer's is deleted: homes, what standards configured and every other line of authorized_keys stay. An
account is locked and expired, and its password is kept behind the lock.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import one_time
from ansible_collections.msp.ops.plugins.module_utils.offboarding import key_files, key_lines, planning, sessions
from ansible_collections.msp.ops.plugins.module_utils.offboarding.planning import DropIn, Keys, Ours, Plan, Seen
from ansible_collections.msp.ops.plugins.module_utils.offboarding.remaining import Gone, ways
from ansible_collections.msp.ops.plugins.module_utils.standards import access, accounts
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

# As the role msp_local_admin makes them; an account of another name it tells by this comment.
ACCOUNTS = ("msp-breakglass", one_time.ACCOUNT)
COMMENT = "Written by msp.ops"
SUDO = ("/etc/sudoers.d/zz-msp-break-glass", "/etc/sudoers.d/zz-msp-technician")
SSHD = ("/etc/ssh/sshd_config.d/00-msp-break-glass.conf", "/etc/ssh/sshd_config.d/00-msp-technician.conf")
HEAD = "# %s." % COMMENT
SERVERS = ("ssh.service", "sshd.service")
# The second day of 1970: an account that expired then is closed, and by no clock that is wrong is it open.
LONG_AGO = "1970-01-02"
_SECONDS_TO_END = 20
SPEC: dict[str, dict[str, Any]] = {
    "keys": {"type": "list", "elements": "str", "no_log": False},
    # The action plugin alone reads it.
    "keys_file": {"type": "path", "no_log": False},
    "accounts": {"type": "list", "elements": "str", "default": list(ACCOUNTS)},
    "through": {"type": "str"},
    "last": {"type": "bool", "default": False},
    "leave_closed": {"type": "bool", "default": False},
}
# Runs a program; what it returns is why it could not.
Runner = Callable[[Sequence[str]], str]


class Asked(NamedTuple):
    """keys are the lines of files of public keys, through the account by which we are logged in. last: its own keys go
    too."""

    keys: Sequence[str]
    accounts: Sequence[str]
    through: str
    last: bool = False
    leave_closed: bool = False


class Desk:
    def __init__(self, host: Host, run: Runner, check: bool = False) -> None:
        self.host = host
        self.run = run
        self.check = check

    def act(self, asked: Asked) -> dict[str, Any]:
        """The module's result. Raises MspError."""
        keys = {key.body: key for key in key_lines.parse(asked.keys)}
        seen = self.look(asked, keys)
        made = planning.plan(seen, leave_closed=asked.leave_closed)
        if asked.last and made.rest_told() and not self.check:
            raise _left(made)
        if not self.check:
            if asked.last:
                self._take_keys(made.last, keys)
            else:
                self._withdraw(made, keys)
                self._prove(asked, keys)
        rest, last = made.rest_told(), made.last_told()
        done = last if asked.last else rest
        return {
            "changed": bool(done),
            "withdrawn": done,
            "waiting": [] if asked.last else last,
            "ways_left": [way.told() for way in seen.ways],
        }

    # -- looking --------------------------------------------------------------------------------------------------

    def look(self, asked: Asked, keys: dict[bytes, key_lines.PublicKey]) -> Seen:
        """Raises MspError (MSP-OFF-007) for what cannot be looked at: what nobody saw may be a way in."""
        reader = Reader(self.host, int(time.time() // 86400))
        try:
            users = accounts.parse_users(self.host.text("/etc/passwd"))
            ours = tuple(self._ours(reader, users, self._names(asked)))
            measured = access.measure(reader)
            files = tuple(self._files(reader, keys))
        except (OSError, Unmeasurable) as error:
            raise MspError(
                "MSP-OFF-007",
                "a host that says who can log in to it, and by which files of keys",
                str(error)[:300],
                "put right what it names, run it with become, and run it again; nothing was changed",
            ) from error
        gone = Gone(frozenset(key.fingerprint for key in keys.values()), frozenset(one.name for one in ours))
        left = ways(measured["accounts"], gone, su=bool(self.host.program("su")))
        untold = [*measured["unknown"], *(why for one in measured["accounts"] for why in one["unknown"])]
        return Seen(files, ours, tuple(self._drop_ins()), tuple(left), tuple(dict.fromkeys(untold)), asked.through)

    def _names(self, asked: Asked) -> set[str]:
        """The accounts by name, and every other that has the roles' own comment."""
        text = self.host.text("/etc/passwd")
        rows = [line.split(":") for line in text.splitlines()]
        return set(asked.accounts) | {row[0] for row in rows if len(row) == 7 and row[4] == COMMENT}

    def _ours(self, reader: Reader, users: list[accounts.User], names: set[str]) -> Iterator[Ours]:
        known = accounts.parse_secrets(self.host.text("/etc/shadow"))
        running = sessions.read()
        for user in users:
            if user.name not in names:
                continue
            secret = known.get(user.name)
            over = secret is not None and secret.expires is not None and secret.expires <= reader.today
            locked = secret is not None and secret.password[:1] in ("!", "*")
            shared = user.uid == 0 or sum(one.uid == user.uid for one in users) > 1
            theirs = set() if shared else sessions.of(user.uid, running)
            granted = user.name == one_time.ACCOUNT and self._granted()
            mine = sessions.holds(theirs, running, os.getpid())
            yield Ours(user.name, user.uid, not (over and locked), granted, len(theirs), shared, mine)

    def _granted(self) -> bool:
        return one_time.Place(one_time.ACCOUNT, self.host.path(one_time.TOP)).granted(int(time.time())) is not None

    def _files(self, reader: Reader, keys: dict[bytes, key_lines.PublicKey]) -> Iterator[Keys]:
        try:
            paths = access.key_files(reader)
        except Absent:
            return
        by_place: dict[str, Keys] = {}
        for path, users in sorted(paths.items()):
            file = key_files.read(path)
            if file is None:
                continue
            taken = key_lines.without(file.text, keys).taken
            if taken:
                before = by_place.get(file.place)
                both = sorted({*users, *(before.users if before else ())})
                by_place[file.place] = Keys(path, tuple(both), tuple(taken), key_files.obstacle(file))
        yield from by_place.values()

    def _drop_ins(self) -> Iterator[DropIn]:
        for path in (*SUDO, *SSHD):
            if self.host.exists(path):
                yield DropIn(path, self.host.text(path).startswith(HEAD))

    # -- doing ----------------------------------------------------------------------------------------------------

    def _withdraw(self, made: Plan, keys: dict[bytes, key_lines.PublicKey]) -> None:
        for one in made.accounts:
            self._close(one)
        self._remove([one.path for one in made.files])
        self._take_keys(made.keys, keys)

    def _close(self, one: Ours) -> None:
        """Nobody is let in any more; then whoever is in is out."""
        if one.granted:
            one_time.Place(one_time.ACCOUNT).forget()
        if one.open:
            self._must("close the account %s" % one.name, ["usermod", "--lock", "--expiredate", LONG_AGO, one.name])
        if one.processes:
            _end(one)

    def _remove(self, paths: Sequence[str]) -> None:
        """Files of sudo and of the ssh server; put back where what is left is not valid."""
        for places, proof in ((SUDO, ["visudo", "-c", "-q"]), (SSHD, ["/usr/sbin/sshd", "-t"])):
            texts = {path: (self.host.data(path), os.stat(path)) for path in places if path in paths}
            if not texts:
                continue
            for path in texts:
                os.unlink(path)
            why = self.run(proof)
            if why:
                for path, (text, about) in texts.items():
                    _put_back(path, text, about)
                raise _failed("be valid without %s" % ", ".join(texts), why)
        if any(path in SSHD for path in paths):
            for server in SERVERS:
                if not self.run(["systemctl", "is-active", "--quiet", server]):
                    self._must("have its ssh server read that", ["systemctl", "reload", server])
                    break

    def _take_keys(self, files: Sequence[Keys], keys: dict[bytes, key_lines.PublicKey]) -> None:
        for one in files:
            try:
                found = key_files.read(one.path)
                if found is not None:
                    parted = key_lines.without(found.text, keys)
                    if parted.taken:
                        key_files.replace(found, parted.kept)
            except OSError as error:
                raise _failed("have keys taken out of %s" % one.path, error.strerror or str(error)) from error

    def _prove(self, asked: Asked, keys: dict[bytes, key_lines.PublicKey]) -> None:
        """Look again, as one who knows nothing of what was done: nothing but the last keys is left."""
        again = self.look(asked, keys)
        made = planning.plan(again, leave_closed=True)
        if made.rest_told():
            raise _left(made)

    def _must(self, what: str, command: Sequence[str]) -> None:
        why = self.run(command)
        if why:
            raise _failed(what, why)


def _end(one: Ours) -> None:
    """End every process of the account's logins; some may begin others meanwhile."""
    deadline = time.monotonic() + _SECONDS_TO_END
    while True:
        found = sessions.of(one.uid, sessions.read())
        if not found:
            return
        if time.monotonic() > deadline:
            raise _failed("end the logins of %s" % one.name, "%d processes go on" % len(found))
        for number in found:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _put_back(path: str, text: bytes, about: os.stat_result) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, about.st_mode & 0o777)
    with os.fdopen(number, "wb") as stream:
        stream.write(text)
        os.fchown(number, about.st_uid, about.st_gid)
        os.fchmod(number, about.st_mode & 0o7777)


def _failed(what: str, why: str) -> MspError:
    return MspError(
        "MSP-OFF-008",
        "the host to %s" % what,
        why[:300],
        "put that right on the host and run it again: it goes on from what is left, and we can still log in",
    )


def _left(made: Plan) -> MspError:
    return MspError(
        "MSP-OFF-009",
        "nothing of our access to be left but the key by which this run is logged in",
        "; ".join(made.rest_told()),
        "see what brings it back on the host, and run it again; that key was not taken away",
    )


def asked(given: dict[str, Any], environ: dict[str, str]) -> Asked:
    """What the module's arguments ask for."""
    through = given["through"] or logged_in_as(environ)
    return Asked(given["keys"] or (), given["accounts"], through, given["last"], given["leave_closed"])


def logged_in_as(environ: dict[str, str]) -> str:
    """Who became root to run this; root where nobody did."""
    return environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
