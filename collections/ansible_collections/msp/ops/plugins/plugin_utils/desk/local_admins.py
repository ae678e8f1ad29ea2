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
    """What of an account is wanted: for what it is, and within how many days it is changed, and a login tested."""

    account: str
    purpose: str = LOCAL_ADMIN
    days: int = 30
    tested_days: int = 30
    force: bool = False

    @property
    def loud(self) -> bool:
        return self.purpose == BREAK_GLASS

    @property
    def policy(self) -> rotation.Policy:
        tested = dt.timedelta(days=self.tested_days) if self.loud else None
        return rotation.Policy(dt.timedelta(days=self.days), tested, self.force)


class Host(rotation.Host, Protocol):
    """A host that can be logged in to with a password."""

    def announce(self) -> None: ...

    def settle(self) -> dict[str, Any]: ...

    def log_in(self, password: str) -> None: ...


def turn(escrow: Escrowed, asset: Subject, asked: Asked, host: Host, now: dt.datetime, *, dry: bool) -> dict[str, Any]:
    """The result of the action. Raises MspError; what was seen before is on record then too."""
    account = rotation.Account(Place(asset.customer, asset.asset, asked.purpose, asked.account), asset.host)
    done = rotation.rotate(escrow, account, host, asked.policy, now, dry=dry)
    if done.uses and not dry:
        _record(escrow, _event(escrow, account, USED, asset, {"uses": list(done.uses)}))
    tested = None
    if asked.loud and done.fresh is not None:
        tested = _test(escrow, account, asset, host, done.fresh)
    return {
        "changed": done.changed,
        "account": asked.account,
        "version": done.version,
        "steps": list(done.steps),
        "because": list(done.because),
        "uses": list(done.uses),
        "tested": tested,
    }


def _test(escrow: Escrowed, account: rotation.Account, asset: Subject, host: Host, password: str) -> bool:
    """Log in for real, as somebody would who was given it. The host is told before, and asked what it saw."""
    host.announce()
    try:
        host.log_in(password)
        seen = host.settle()
        if not seen["tested"]:
            raise rotation.unseen(asset.host, account.place.name, seen.get("uses") or [])
    except MspError as error:
        _record(escrow, _event(escrow, account, TEST_FAILED, asset, {"error": str(error)}))
        raise
    _record(escrow, _event(escrow, account, TESTED, asset, {}))
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
