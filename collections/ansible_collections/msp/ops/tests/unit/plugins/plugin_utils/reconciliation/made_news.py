# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Made changes and a made week at a customer, for the tests of the digest and of its pages. Nothing in it exists."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import CHANGES, Change, Effort
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import News, news
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import SLUG, customer

SINCE = dt.datetime(2026, 11, 16, 6, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
LAN = "192.0.2.0/24"
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def change(
    kind: str,
    thing: str = "mac:b8:27:eb:4a:10:9c",
    *,
    key: str = "",
    asset: str | None = None,
    at: dt.datetime = NOW,
    whose: str = SLUG,
    **detail: Any,
) -> Change:
    """A change as the store gives it back: recorded a minute after it was found."""
    key = key or f"{kind} {thing} {asset} {at:%d-%H%M}"
    return Change(key, whose, at, kind, thing, asset, detail, None, at + dt.timedelta(minutes=1))


def iso(at: dt.datetime) -> str:
    return at.isoformat()


def of(*changes: Change, language: str = "en", spent: Spent | None = None, **terms: Any) -> News:
    """The news of these changes, for the customer of the made ones."""
    found = news(whose(language, **terms), changes, SINCE, spent)
    assert found is not None
    return found


def whose(language: str = "en", **terms: Any) -> Customer:
    """The Dutch customer's slug, whatever the language: the made changes are theirs."""
    made = customer(language, **terms)
    return Customer(made.id, SLUG, made.name, made.contract)


def booking(key: str, minutes: float, **values: Any) -> Effort:
    told: dict[str, Any] = {"planned": False, "in_contract": False, "by": "person", **values}
    return Effort(key, SLUG, NOW - DAY, minutes, **told)


def a_week(language: str = "en") -> News:
    """One of everything, and a thing that was new and decided within the week."""
    dutch = language == "nl"
    own = "jansen" if dutch else "harbour"
    rows = (
        booking("ticket:4711:1", 25, ticket="4711", what="till does not print"),
        booking("run:7d1:outside", 0.3, by="automation", what="playbooks/audit.yml"),
    )
    spent = None if dutch else Spent(25, 0.3, rows, {"device:31": 25.0})
    changes = [*_came_and_went(own), *_known_ones(own), *_decided(own, "J. Jansen" if dutch else "Amy Holt")]
    return of(*changes, _unclear(own), language=language, spent=spent)


def _seen(first: int, last: int, **more: Any) -> dict[str, Any]:
    """Detail with first and last seen that many days ago, and who saw it unless it says otherwise."""
    moments = {"first_seen": iso(NOW - first * DAY), "last_seen": iso(NOW - last * DAY)}
    return {"sources": ["nmap", "dhcp:office"], "prefix": LAN, **moments, **more}


def _came_and_went(own: str) -> list[Change]:
    till = _seen(
        *(4, 4),
        name=f"{own}-till02",
        vendor="Raspberry Pi Trading",
        type="workstation",
        os="Raspberry Pi OS 12",
        status="unlisted",
        addresses=["192.0.2.57"],
        macs=["b8:27:eb:4a:10:9c"],
        switch=f"{own}-sw01",
        port="Gi1/0/14",
    )
    printer = _seen(
        *(2, 2),
        name="",
        vendor="Brother Industries",
        type="printer",
        status="unlisted",
        addresses=["192.0.2.80"],
        macs=["3c:2a:f4:77:01:aa"],
        sources=["nmap", "neighbours"],
    )
    nas = _seen(
        *(400, 6),
        name=f"{own}-nas01",
        vendor="Synology",
        model="DS220+",
        type="server",
        serial="2130QWR004",
        addresses=["192.0.2.40"],
        misses={"nmap": 3, "dhcp:office": 3},
    )
    laptop = _seen(
        *(300, 5),
        name=f"{own}-laptop02",
        vendor="Lenovo",
        model="ThinkPad T14",
        type="workstation",
        addresses=["192.0.2.121"],
        gone_since=iso(NOW - 21 * DAY),
    )
    return [
        change("new", "mac:b8:27:eb:4a:10:9c", key="4f1c9e02b7", at=NOW - 4 * DAY, asset="device:31", **till),
        change("new", "mac:3c:2a:f4:77:01:aa", key="81d0aa37c4", at=NOW - 2 * DAY, **printer),
        change("gone", "device:4", key="9b20cd4418", at=NOW - 3 * DAY, asset="device:4", **nas),
        change("back", "device:9", key="2ee86b10aa", at=NOW - 5 * DAY, asset="device:9", **laptop),
    ]


def _known_ones(own: str) -> list[Change]:
    moved = _seen(
        *(200, 1),
        name=f"{own}-ws01",
        vendor="HP",
        model="EliteDesk 800 G6",
        type="workstation",
        addresses=["192.0.2.21"],
        sources=["mac-table", "lldp"],
        before={"switch": f"{own}-sw01", "port": "Gi1/0/3", "prefix": LAN},
        after={"switch": f"{own}-sw02", "port": "Gi1/0/8", "prefix": LAN},
    )
    changed = _seen(
        *(200, 2),
        name=f"{own}-ws02",
        vendor="HP",
        model="EliteDesk 800 G6",
        type="workstation",
        addresses=["192.0.2.22"],
        sources=["audit"],
        changes=[
            {"what": "os", "before": "Debian 11", "after": "Debian 12"},
            {"what": "name", "before": "reception-old", "after": f"{own}-ws02"},
        ],
    )
    return [
        change("moved", "device:2", key="0d773f6e21", at=NOW - DAY, asset="device:2", **moved),
        change("changed", "device:3", key="a6b1f0e973", at=NOW - 2 * DAY, asset="device:3", **changed),
    ]


def _unclear(own: str) -> Change:
    one = [
        {"kind": "serial", "value": "CZJ1520KD7", "source": "audit", "at": iso(NOW - DAY)},
        {"kind": "name", "value": f"{own}-ws03", "source": "directory", "at": iso(NOW - 2 * DAY)},
    ]
    other = [{"kind": "mac", "value": "00:00:5e:00:53:17", "source": "dhcp", "at": iso(NOW - DAY)}]
    detail = _seen(
        *(30, 1),
        name=f"{own}-ws07",
        type="workstation",
        serial="CZJ1520KD7",
        addresses=["192.0.2.27"],
        sources=["audit", "directory"],
        why="shared",
        sides=[
            {"asset": "device:12", "name": f"{own}-ws03", "reasons": one},
            {"asset": "device:13", "name": f"{own}-ws07", "reasons": other},
        ],
    )
    return change("conflict", "serial:CZJ1520KD7", key="c07e55d1f9", at=NOW - DAY, **detail)


def _decided(own: str, who: str) -> list[Change]:
    """New on one day, decided on another."""
    mac, name = "f0:9f:c2:00:00:01", f"{own}-ap01"
    new = _seen(6, 6, name=name, vendor="Ubiquiti", type="network", addresses=["192.0.2.5"], macs=[mac])
    settled = _seen(6, 3, name=name, vendor="Ubiquiti", type="network", how=f"decided: tracked by {who}")
    return [
        change("new", f"mac:{mac}", key="5512cc8e0b", at=NOW - 6 * DAY, **new, status="unlisted"),
        change("settled", f"mac:{mac}", key="e1904bb7d6", at=NOW - 3 * DAY, asset="device:32", **settled),
    ]


# What is hostile in any of the places where it is shown, and what is plain.
TEXT = st.text(st.sampled_from("ab9 .:{}%<>&\"'\\\n\x00\x1b\u202e\ud800漢é"), max_size=20)
ONE = st.none() | st.booleans() | st.integers() | TEXT
ANYTHING = ONE | st.lists(ONE, max_size=3) | st.dictionaries(TEXT, ONE | st.lists(ONE, max_size=2), max_size=3)
WORDS = ("name", "first_seen", "last_seen", "sources", "addresses", "macs", "vendor", "model", "os", "type", "serial")
MORE = (
    "switch",
    "port",
    "prefix",
    "status",
    "misses",
    "gone_since",
    "before",
    "after",
    "changes",
    "why",
    "sides",
    "how",
)


# Made once: hypothesis looks through every strategy that is new to it, which takes longer than to draw from it.
_CHANGE = st.tuples(
    st.sampled_from([True, False]),
    st.integers(-3, 5),
    st.sampled_from(CHANGES),
    st.sampled_from(["mac:a", "mac:b", "device:1"]),
    st.sampled_from([None, "device:1", "device:2"]),
    st.dictionaries(st.sampled_from((*WORDS, *MORE)), ANYTHING, max_size=4),
    st.sampled_from([None, 0, 1]),
)
_SOME = st.lists(_CHANGE, max_size=12)


@st.composite
def some_changes(draw: st.DrawFn) -> list[Change]:
    """Changes of two customers, with shared things and assets, and whatever detail; in any order."""
    made = []
    for number, (ours, hours, kind, thing, asset, detail, days) in enumerate(draw(_SOME)):
        at = SINCE + hours * HOUR
        recorded = None if days is None else at + days * DAY
        slug = whose().slug if ours else "harbour-dental"
        made.append(Change(f"k{number}", slug, at, kind, thing, asset, detail, None, recorded))
    return made
