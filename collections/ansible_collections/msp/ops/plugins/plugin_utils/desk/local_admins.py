# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The turn of one account: its rotation by the escrow, the test of a login, and the evidence of what was seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk.escrowing import Escrowed
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import BREAK_GLASS, LOCAL_ADMIN, Place
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation

PURPOSES = (LOCAL_ADMIN, BREAK_GLASS)
USED, TESTED, TEST_FAILED = ("password used", "login tested", "login test failed")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an account is wanted: for what it is, and within how many days it is changed, and a login tested.

    tested_days None: no login is tested on a schedule, and the host need not say that it saw the one that is tried.
    """

    account: str
    purpose: str = LOCAL_ADMIN
    days: int = 30
    tested_days: int | None = None
    force: bool = False

    @property
    def loud(self) -> bool:
        return self.purpose == BREAK_GLASS

    @property
    def policy(self) -> rotation.Policy:
        tested = dt.timedelta(days=self.tested_days) if self.loud and self.tested_days is not None else None
        return rotation.Policy(dt.timedelta(days=self.days), tested, self.force)


class Host(rotation.Host, Protocol):
    """A host that can be logged in to with a password."""

    def ready(self) -> None:
        """Raises MspError where nobody could log in with a password from here."""

    def announce(self) -> None: ...

    def settle(self) -> dict[str, Any]: ...

    def log_in(self, password: str) -> None: ...


def turn(escrow: Escrowed, asset: Subject, asked: Asked, host: Host, now: dt.datetime, *, dry: bool) -> dict[str, Any]:
    """The result of the action. Raises MspError; what was seen before is on record then too."""
    account = rotation.Account(Place(asset.customer, asset.asset, asked.purpose, asked.account), asset.host)

    def seen(looked: rotation.Looked) -> None:
        uses = _new(escrow, account, looked)
        if uses and not dry:
            _record(escrow, _event(escrow, account, USED, asset, {"version": looked.version, "uses": uses}))

    def ready() -> None:
        # One that is for emergencies is tried, so it has to be possible to try it.
        if asked.loud:
            host.ready()

    done = rotation.rotate(escrow, account, host, asked.policy, now, dry=dry, seen=seen, ready=ready)
    tested = None
    if asked.loud and done.fresh is not None:
        tested = _test(escrow, account, asset, host, done.fresh, must_be_seen=asked.tested_days is not None)
    return {
        "changed": done.changed,
        "account": asked.account,
        "version": done.version,
        "steps": list(done.steps),
        "because": list(done.because),
        "uses": list(done.uses),
        "tested": tested,
    }


def _new(escrow: Escrowed, account: rotation.Account, looked: rotation.Looked) -> list[str]:
    """The uses that are not on record, as they are after a run that was ended before it set a new password."""
    if not looked.uses or escrow.store is None:
        return list(looked.uses)
    place = account.place
    told = {
        use
        for event in escrow.store.security_events(place.customer, place.asset, actions=[USED])
        if event.subject == place.name and event.extra.get("version") == looked.version
        for use in event.extra.get("uses") or []
    }
    return [use for use in looked.uses if use not in told]


def _test(
    escrow: Escrowed, account: rotation.Account, asset: Subject, host: Host, password: str, *, must_be_seen: bool
) -> bool:
    """Log in for real, as somebody would who was given it. The host is told before, and asked what it saw.

    must_be_seen: the host has to have noted it. What it noted of others is a failure in any case.
    """
    host.announce()
    try:
        host.log_in(password)
        seen = host.settle()
        others = seen.get("uses") or []
        if not seen["tested"] and (others or must_be_seen):
            raise rotation.unseen(asset.host, account.place.name, others)
    except MspError as error:
        _record(escrow, _event(escrow, account, TEST_FAILED, asset, {"error": str(error)}))
        raise
    _record(escrow, _event(escrow, account, TESTED, asset, {"noted": bool(seen["tested"])}))
    return True


def _event(
    escrow: Escrowed, account: rotation.Account, action: str, asset: Subject, extra: dict[str, Any]
) -> SecurityEvent:
    place = account.place
    return SecurityEvent(
        customer=place.customer,
        asset=place.asset,
        host=asset.host,
        at=escrow.now(),
        action=action,
        subject=place.name,
        who=escrow.who,
        extra={"purpose": place.purpose, **extra},
    )


def _record(escrow: Escrowed, event: SecurityEvent) -> None:
    if escrow.store is None:
        spool.put([event])
    else:
        escrow.store.record_security([event])
