# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What webhooks bring becomes events: the same one however often and by whatever way it is told, or a clear refusal."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import receiving
from ansible_collections.msp.ops.plugins.plugin_utils.events import alertmanager, arrival, duties, netbox, zabbix
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import Event, event_of, incoming

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
REQUEST = "5b1a0f0e-7c1b-4d0c-9a53-0d1f9a1b2c3d"
BEFORE = {"name": "till", "last_updated": "x", "custom_fields": {"msp_contract_status": "tracked", "other": 1}}
AFTER = {"name": "till", "last_updated": "y", "custom_fields": {"msp_contract_status": "contracted", "other": 1}}


def body(**more: Any) -> dict[str, Any]:
    """As NetBox 4.7 sends it."""
    return {
        "event": "updated",
        "timestamp": NOW.isoformat(),
        "object_type": "dcim.device",
        "request": {"id": REQUEST, "method": "PATCH", "user": "anna"},
        "data": {"id": 12, "name": "till"},
        "snapshots": {"prechange": BEFORE, "postchange": AFTER},
        **more,
    }


def test_the_webhook_of_netbox_4_7_says_who_changed_what() -> None:
    event = netbox.of_webhook(body())
    assert (event.kind, event.object, event.action, event.user, event.at) == (
        *("dcim.device", "12", "updated", "anna"),
        NOW,
    )
    assert event.changed == ("custom_fields.msp_contract_status",)
    assert event.subject == "netbox dcim.device 12"


def test_made_bodies_of_netbox_4_5_and_4_6_make_the_same_event() -> None:
    old = {**body(), "username": "anna", "request_id": REQUEST, "model": "device"}
    del old["request"]
    assert netbox.of_webhook(old) == netbox.of_webhook(body())


def test_the_change_log_tells_of_the_same_event_as_the_webhook() -> None:
    row = {
        "time": "2026-11-02T10:00:00.123456+01:00",
        "user_name": "anna",
        "request_id": REQUEST,
        "action": {"value": "update", "label": "Updated"},
        "changed_object_type": "dcim.device",
        "changed_object_id": 12,
        "prechange_data": BEFORE,
        "postchange_data": AFTER,
    }
    told = netbox.of_change(row)
    assert told.id == netbox.of_webhook(body()).id
    assert told.changed == netbox.of_webhook(body()).changed
    assert told.id != netbox.of_change({**row, "changed_object_id": 13}).id
    with pytest.raises(MspError, match="MSP-EVT-001: expected one of create, update, delete"):
        netbox.of_change({**row, "action": {"value": "updated"}})


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"event": "vanished"}, "one of created, updated, deleted"),
        ({"event": None}, "str as event"),
        ({"data": []}, "dict as data"),
        ({"data": {"id": "12"}}, "int as id"),
        ({"data": {"id": True}}, "int as id"),
        ({"request": None}, "the id of the request"),
        ({"timestamp": "yesterday"}, "a time with its zone"),
        ({"timestamp": "2026-11-02T09:00:00"}, "a time with its zone"),
        ({"object_type": "device"}, "an object type such as dcim.device"),
    ],
)
def test_a_body_of_another_form_is_refused_and_says_what_was_expected(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(MspError, match="MSP-EVT-001") as caught:
        netbox.of_webhook(body(**wrong))
    assert expected in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        *("event", "data", "request", "timestamp", "object_type", "snapshots", "version", "alerts"),
        *("event_value", "event_id", "event_time", "host", "tags", "name"),
    ]
)


@pytest.mark.thorough
@given(sender=st.sampled_from(["netbox", "alertmanager", "zabbix"]), given_=JSON | st.dictionaries(NAMES, JSON))
def test_whatever_comes_in_is_read_or_refused_and_never_breaks(sender: str, given_: Any) -> None:
    try:
        events = receiving.read(sender, given_)
    except MspError as error:
        assert error.code == "MSP-EVT-001"
    else:
        assert all(event_of(incoming(event)) == event for event in events)


@pytest.mark.thorough
@given(
    before=st.dictionaries(st.sampled_from(["name", "tags", "last_updated", "status"]), st.integers(0, 2)),
    after=st.dictionaries(st.sampled_from(["name", "tags", "last_updated", "status"]), st.integers(0, 2)),
)
def test_what_changed_is_what_differs(before: dict[str, int], after: dict[str, int]) -> None:
    event = netbox.of_webhook(body(snapshots={"prechange": before, "postchange": after}))
    expected = {key for key in before | after if before.get(key) != after.get(key)} - {"last_updated"}
    assert set(event.changed or ()) == expected


def test_without_both_states_nobody_knows_what_changed() -> None:
    assert netbox.of_webhook(body(snapshots={"prechange": None, "postchange": AFTER})).changed is None
    assert netbox.of_webhook(body(snapshots=None)).changed is None


def alert(**more: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "ServiceDown", "instance": "till.example.com:9100", "msp_runbook": "service_down"},
        "annotations": {"summary": "down"},
        "startsAt": "2026-11-02T08:59:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "c0ffee",
        **more,
    }


def call(*alerts: Any, **more: Any) -> dict[str, Any]:
    return {"version": "4", "status": "firing", "alerts": list(alerts), **more}


def test_an_alert_is_the_same_one_as_long_as_it_began_at_the_same_time() -> None:
    (first,) = alertmanager.of_webhook(call(alert()))
    (again,) = alertmanager.of_webhook(call(alert(annotations={})))
    (later,) = alertmanager.of_webhook(call(alert(startsAt="2026-11-02T09:30:00Z")))
    (over,) = alertmanager.of_webhook(call(alert(status="resolved", endsAt="2026-11-02T09:10:00Z")))

    assert first.object == "till.example.com"
    assert first.at == dt.datetime(2026, 11, 2, 8, 59, 0, 123456, tzinfo=dt.UTC)
    assert first.id == again.id
    assert len({first.id, later.id, over.id}) == 3
    assert first.subject == over.subject
    assert over.at == dt.datetime(2026, 11, 2, 9, 10, tzinfo=dt.UTC)


def test_the_monitoring_of_one_customer_can_speak_of_no_other() -> None:
    foreign = alert(labels={"msp_customer": "dentist", "msp_host": "till"})
    (event,) = receiving.read("alertmanager", call(foreign), "bakery")
    assert event.labels["msp_customer"] == "bakery"
    (free,) = receiving.read("alertmanager", call(foreign))
    assert free.labels["msp_customer"] == "dentist"


@pytest.mark.parametrize(
    ("labels", "host"),
    [
        ({"msp_host": "till", "instance": "10.0.0.1:9100"}, "till"),
        ({"instance": "till:9100"}, "till"),
        ({"instance": "till"}, "till"),
        ({"instance": "2001:db8::1"}, "2001:db8::1"),
        ({}, ""),
    ],
)
def test_the_host_is_named_by_our_label_or_by_that_of_prometheus(labels: dict[str, str], host: str) -> None:
    assert alertmanager.host_of(labels) == host


@pytest.mark.parametrize(
    "wrong",
    [{"version": "5"}, {"alerts": {}}, {"alerts": ["x"]}, {"alerts": [{}]}, {"alerts": [{}] * 1001}],
)
def test_a_call_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MspError, match="MSP-EVT-001"):
        alertmanager.of_webhook(call(alert()) | wrong)


def problem(**more: Any) -> dict[str, Any]:
    return {
        "event_id": "4711",
        "event_value": "1",
        "event_time": str(int(NOW.timestamp())),
        "host": "till",
        "name": "Service nginx is down",
        "tags": [{"tag": "msp_runbook", "value": "service_down"}],
        **more,
    }


def test_a_problem_of_zabbix_and_its_end_are_two_events_and_a_comment_is_none() -> None:
    (first,) = zabbix.of_webhook(problem())
    (over,) = zabbix.of_webhook(problem(event_value="0"))
    assert (first.action, over.action, first.object) == ("firing", "resolved", "till")
    assert first.labels == {"msp_runbook": "service_down", "alertname": "Service nginx is down"}
    assert first.id != over.id
    assert zabbix.of_webhook(problem(event_value="2")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_value": "{EVENT.VALUE}"},
        {"event_id": "{EVENT.ID}"},
        {"event_time": "{EVENT.TIMESTAMP}"},
        {"event_time": "9" * 40},
        {"tags": "{EVENT.TAGSJSON}"},
        {"tags": [{"tag": "x"}]},
        {"host": None},
    ],
)
def test_a_macro_that_zabbix_did_not_fill_in_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MspError, match="MSP-EVT-001"):
        zabbix.of_webhook(problem(**wrong))


@given(st.integers(-60 * 26, 60))
def test_what_is_old_or_of_a_time_to_come_is_left_and_says_why(minutes: int) -> None:
    event = netbox.of_webhook(body(timestamp=(NOW + dt.timedelta(minutes=minutes)).isoformat()))
    why = arrival.ignored(event, NOW)
    assert (why is None) == (-24 * 60 <= minutes <= 5)
    assert why is None or why.startswith("it is of ")


def test_an_alert_that_has_been_firing_for_a_week_is_what_is_so_now() -> None:
    (event,) = alertmanager.of_webhook(call(alert(startsAt="2026-10-26T09:00:00Z")))
    assert arrival.ignored(event, NOW) is None
    (ended,) = alertmanager.of_webhook(call(alert(status="resolved", endsAt="2026-10-31T09:00:00Z")))
    assert arrival.ignored(ended, NOW) is not None


@pytest.mark.parametrize(
    ("kind", "action", "changed", "interest"),
    [
        ("dcim.device", "updated", ("custom_fields.msp_contract_status",), True),
        ("dcim.device", "updated", ("tags", "name"), True),
        ("virtualization.virtualmachine", "updated", ("local_context_data",), True),
        ("dcim.device", "updated", ("custom_fields.msp_patching",), False),
        ("dcim.device", "updated", None, True),
        ("dcim.device", "created", (), True),
        ("dcim.site", "updated", None, False),
        ("extras.configcontext", "deleted", (), True),
    ],
)
def test_only_what_something_can_follow_from_is_kept(
    kind: str, action: str, changed: tuple[str, ...] | None, interest: bool
) -> None:
    event = Event("netbox", kind, "1", action, NOW, ("r",), changed=changed)
    assert duties.of_interest(event) is interest


def test_a_stored_event_is_the_event_again() -> None:
    (event,) = alertmanager.of_webhook(call(alert()))
    stored = incoming(event)
    json.dumps(stored.body)
    assert event_of(stored) == event
    assert (stored.id, stored.subject, len(stored.id)) == (event.id, event.subject, 40)
