# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes that NetBox need not be told of: each is told once, however often the same is seen."""

from __future__ import annotations

import dataclasses

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, Decision
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Candidate
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import news
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier, earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import Finding
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import (
    HOUR,
    NOW,
    SLUG,
    asset,
    found,
    seen,
)


def on(switch: str, port: str, hours: float) -> object:
    return seen(1, "mac-table", hours=hours, place={"switch": switch, "port": port})


def moves(*states: object) -> list[Change]:
    newest, *_unused = states
    result = found([asset(1)], [newest])  # type: ignore[list-item]
    histories = {(newest.source, newest.thing): list(states)}  # type: ignore[attr-defined]
    return list(news.moved(result, histories, NOW))  # type: ignore[arg-type]


def test_a_thing_on_another_port_has_moved_and_is_told_of_once() -> None:
    (first,) = moves(on("sw1", "Gi2", 2), on("sw1", "Gi1", 9))
    (again,) = moves(on("sw1", "Gi2", 1), on("sw1", "Gi1", 9))
    assert (first.detail["before"], first.detail["after"]) == (
        {"switch": "sw1", "port": "Gi1"},
        {"switch": "sw1", "port": "Gi2"},
    )
    assert first.key == again.key and first.asset == "device:1"


def test_back_where_it_was_is_another_move() -> None:
    (there,) = moves(on("sw1", "Gi2", 5), on("sw1", "Gi1", 9))
    (back,) = moves(on("sw1", "Gi1", 1), on("sw1", "Gi2", 4))
    (there_again,) = moves(on("sw1", "Gi2", 1), on("sw1", "Gi1", 4))
    assert len({there.key, back.key, there_again.key}) == 3


def test_the_same_port_is_no_move() -> None:
    assert moves(on("sw1", "Gi1", 1)) == []
    assert moves(on("sw1", "Gi1", 1), on("sw1", "Gi1", 4)) == []
    assert moves(on("sw1", "Gi1", 1), seen(1, "mac-table", hours=4)) == []


DISPUTED = Finding("conflict", SLUG, "serial:x", why="shared")


def test_a_conflict_of_things_that_are_no_assets_is_told_when_it_comes_and_when_it_goes() -> None:
    (came,) = news.conflicts(SLUG, [DISPUTED], Earlier(), {}, NOW)
    known = earlier([came])
    assert list(news.conflicts(SLUG, [DISPUTED], known, {}, NOW)) == []
    (gone,) = news.conflicts(SLUG, [], known, {}, NOW + HOUR)
    assert (came.kind, gone.kind, gone.thing) == ("conflict", "settled", came.thing)
    after = earlier([came, gone])
    (again,) = news.conflicts(SLUG, [DISPUTED], after, {}, NOW)
    assert again.key != came.key
    assert list(news.conflicts(SLUG, [], after, {}, NOW)) == []


def test_a_conflict_whose_sides_became_devices_is_the_same_conflict_still() -> None:
    (came,) = news.conflicts(SLUG, [DISPUTED], Earlier(), {}, NOW)
    known = earlier([came])
    about_a_device = dataclasses.replace(DISPUTED, sides=(Candidate("device:9", True, 4, ()),))
    assert list(news.conflicts(SLUG, [about_a_device], known, {}, NOW)) == []
    (gone,) = news.conflicts(SLUG, [], known, {}, NOW)
    assert gone.kind == "settled"


def test_a_decision_about_what_was_in_no_contract_settles_it() -> None:
    one = Decision(SLUG, "device:7", "unlisted", "tracked", "J. Jansen", NOW, "netbox")
    (settled,) = news.decided([one], {"device:7": "till"}, NOW)
    assert (settled.kind, settled.detail["how"]) == ("settled", "decided: tracked by J. Jansen")
    assert settled.detail["name"] == "till"
    assert list(news.decided([dataclasses.replace(one, before="contracted")], {}, NOW)) == []


def change(kind: str, **more: object) -> Change:
    return Change(f"{kind}{more}", SLUG, NOW, kind, "device:1", "device:1", more)


def test_what_was_gone_is_remembered_until_it_is_back() -> None:
    gone = change("gone", last_seen=(NOW - HOUR).isoformat())
    assert earlier([gone]).gone == {"device:1": NOW - HOUR}
    assert earlier([gone]).gone_since == {"device:1": NOW}
    assert earlier([gone, change("back")]).gone == {}


def test_what_identified_a_thing_is_remembered_for_the_device_made_of_it() -> None:
    made, confirmed = change("new", identity={"serial": ["S"]}), change("settled", identity={"macs": ["M"]})
    assert earlier([made, confirmed]).remembered == {"device:1": ({"serial": ["S"]}, {"macs": ["M"]})}
    assert earlier([change("new")]).remembered == {}
