# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intune's devices become observations without a person in them; registrations become counts."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import canonical_json
from ansible_collections.msp.ops.plugins.plugin_utils.observe import mdm
from ansible_collections.msp.ops.plugins.plugin_utils.observe.mdm import Registration
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
CONTEXT = Context("jansen", AT, "devices.json")
MDM_ID = "3f0b1c2d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
ENTRA_ID = "8a7b6c5d-4e3f-4a1b-9c8d-7e6f5a4b3c2d"


def device(**values: Any) -> dict[str, Any]:
    """A device as Graph gives it, with the people that are in such an answer."""
    return {
        "id": MDM_ID,
        "userId": "11111111-2222-4333-8444-555555555555",
        "deviceName": "WS-014",
        "managedDeviceName": "zoe.jansen_Windows_2/14/2026",
        "managedDeviceOwnerType": "company",
        "enrolledDateTime": "2025-01-01T08:00:00Z",
        "lastSyncDateTime": "2026-02-28T12:00:00.1234567Z",
        "operatingSystem": "Windows",
        "osVersion": "10.0.22631.3007",
        "complianceState": "compliant",
        "managementAgent": "mdm",
        "emailAddress": "zoe.jansen@example.org",
        "userPrincipalName": "zoe.jansen@example.org",
        "userDisplayName": "Zoë Jansen",
        "phoneNumber": "+31201234567",
        "azureADDeviceId": ENTRA_ID,
        "isEncrypted": True,
        "manufacturer": "Examplar",
        "model": "Book 9",
        "serialNumber": "SN-77120",
        "wiFiMacAddress": "00005E005301",
        "ethernetMacAddress": None,
        **values,
    }


def one(reading: Reading) -> Any:
    (found,) = reading.observations
    return found


def parse(value: Any) -> Reading:
    return mdm.parse(json.dumps(value).encode(), CONTEXT)


# -- devices -------------------------------------------------------------------------------------------------------


def test_a_managed_device_becomes_an_observation() -> None:
    found = one(parse({"value": [device()]}))

    assert (found.customer, found.source) == ("jansen", "mdm")
    assert found.at == dt.datetime(2026, 2, 28, 12, 0, 0, 123456, tzinfo=dt.UTC)
    assert found.identity == {
        "mdm_id": MDM_ID,
        "directory_id": ENTRA_ID,
        "serial": "SN-77120",
        "macs": ["00:00:5e:00:53:01"],
        "names": ["WS-014"],
    }
    assert found.attributes == {
        "vendor": "Examplar",
        "model": "Book 9",
        "os": "Windows",
        "os_version": "10.0.22631.3007",
        "type": "workstation",
        "compliant": True,
        "encrypted": True,
        "managed": True,
    }


def test_nothing_of_a_person_is_kept_or_named() -> None:
    stale = device(lastSyncDateTime="2020-01-01T00:00:00Z")
    reading = parse({"value": [device(), stale, device(deviceName="zoe.jansen@example.org")]})

    kept = canonical_json([dataclasses.asdict(found) for found in reading.observations]) + repr(reading.skipped)
    assert len(reading.observations) == 2
    assert not [word for word in ("zoe", "Zo", "+3120", "11111111-2222") if word in kept]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operatingSystem": "iOS"}, "phone"),
        ({"operatingSystem": "iPadOS"}, "phone"),
        ({"operatingSystem": "Android"}, "phone"),
        ({"operatingSystem": "AndroidForWork"}, "phone"),
        ({"operatingSystem": "macOS"}, "workstation"),
        ({"operatingSystem": "Linux (ubuntu)"}, "workstation"),
        ({"operatingSystem": "ChromeOS"}, "workstation"),
        ({"operatingSystem": "Windows Server"}, "server"),
        ({"operatingSystem": "", "deviceType": "iPhone"}, "phone"),
        ({"operatingSystem": "", "deviceType": "desktop"}, "workstation"),
        ({"operatingSystem": "", "chassisType": "tablet"}, "phone"),
        ({"model": "VMware Virtual Platform"}, "virtual_machine"),
        ({"model": "Virtual Machine", "manufacturer": "Microsoft Corporation"}, "virtual_machine"),
        ({"deviceType": "cloudPC"}, "virtual_machine"),
        ({"operatingSystem": "Toaster"}, None),
    ],
)
def test_phone_workstation_server_or_virtual_machine(changes: dict[str, Any], expected: str | None) -> None:
    assert one(parse({"value": [device(**changes)]})).attributes.get("type") == expected


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"complianceState": "noncompliant"}, "compliant", False),
        ({"complianceState": "inGracePeriod"}, "compliant", False),
        ({"complianceState": "unknown"}, "compliant", None),
        ({"complianceState": "error"}, "compliant", None),
        ({"isEncrypted": False}, "encrypted", False),
        ({"isEncrypted": None}, "encrypted", None),
        ({"managementAgent": "eas"}, "managed", False),
        ({"managementAgent": "configurationManagerClientMdm"}, "managed", True),
        ({"managementAgent": None}, "managed", None),
        ({"managedDeviceOwnerType": "personal"}, "owner", "personal"),
        ({"managedDeviceOwnerType": "company"}, "owner", None),
    ],
)
def test_what_nobody_says_is_not_said(changes: dict[str, Any], name: str, expected: object) -> None:
    assert one(parse({"value": [device(**changes)]})).attributes.get(name) == expected


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"azureADDeviceId": "00000000-0000-0000-0000-000000000000"}, "directory_id"),
        ({"azureADDeviceId": None}, "directory_id"),
        ({"serialNumber": "Defaultstring"}, "serial"),
        ({"serialNumber": "0"}, "serial"),
        ({"wiFiMacAddress": "000000000000"}, "macs"),
        ({"wiFiMacAddress": ""}, "macs"),
    ],
)
def test_a_placeholder_identifies_nothing(changes: dict[str, Any], key: str) -> None:
    assert key not in one(parse({"value": [device(**changes)]})).identity


def test_a_made_up_mac_is_kept_for_identity_to_judge() -> None:
    found = one(parse({"value": [device(wiFiMacAddress="da:a1:19:00:53:02", ethernetMacAddress="00-00-5E-00-53-01")]}))

    assert found.identity["macs"] == ["00:00:5e:00:53:01", "da:a1:19:00:53:02"]


def test_a_device_that_has_not_synchronised_for_so_many_days_or_ever_is_skipped_and_named() -> None:
    devices = [
        device(deviceName="FRESH", lastSyncDateTime="2026-01-30T09:30:00Z"),
        device(deviceName="STALE", lastSyncDateTime="2026-01-30T09:29:59Z"),
        device(deviceName="NEVER", lastSyncDateTime="0001-01-01T00:00:00Z"),
    ]

    reading = parse({"value": devices})

    assert [found.identity["names"] for found in reading.observations] == [["FRESH"]]
    assert [(skip.where, skip.why) for skip in reading.skipped] == [
        ("row 2 (STALE)", "stale: last seen 2026-01-30, more than 30 days ago"),
        ("row 3 (NEVER)", "never synchronised"),
    ]
    assert reading.complete
    assert len(mdm.devices(devices, CONTEXT, stale_days=31).observations) == 2


def test_nothing_was_seen_after_the_reading() -> None:
    assert one(parse({"value": [device(lastSyncDateTime="2026-03-02T00:00:00Z")]})).at == AT


@pytest.mark.parametrize("odd", [None, 7, "text", [], {"lastSyncDateTime": "2026-02-28T12:00:00Z"}])
def test_a_row_that_is_no_device_is_damage_and_the_rest_is_used(odd: Any) -> None:
    reading = mdm.devices([device(), odd], CONTEXT)

    assert len(reading.observations) == 1
    assert not reading.complete
    assert reading.skipped[0].where == "device 2"


def test_a_time_that_cannot_be_read_is_damage() -> None:
    reading = mdm.devices([device(lastSyncDateTime="soon")], CONTEXT)

    assert not reading.observations
    assert not reading.complete


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"value": [device(), device()]},
        [{"value": [device()], "@odata.nextLink": "https://graph.example/next"}, {"value": [device()]}],
        [device(), device()],
    ],
)
def test_one_answer_several_or_their_rows_are_read(value: Any) -> None:
    reading = parse(value)

    assert len(reading.observations) == 2
    assert reading.complete


def test_a_file_of_which_graph_has_more_pages_is_not_complete() -> None:
    reading = parse({"value": [device()], "@odata.nextLink": "https://graph.example/next"})

    assert len(reading.observations) == 1
    assert not reading.complete


def test_of_a_cut_answer_the_whole_devices_are_used() -> None:
    text = json.dumps({"@odata.context": "x", "value": [device(deviceName=name) for name in "abc"]}, indent=1)

    reading = mdm.parse(text[: text.rindex("deviceName")].encode(), CONTEXT)

    assert [found.identity["names"] for found in reading.observations] == [["a"], ["b"]]
    assert not reading.complete


def test_no_devices_at_all_is_an_answer() -> None:
    assert parse({"value": []}) == Reading(())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b'{"error": {"code": "Forbidden"}}',
        b'{"value": [{"isAdmin": true}]}',
        b"a,b\n1,2\n",
        b"\x89PNG\r\n",
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_name(content: bytes) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-030.*devices\.json"):
        mdm.parse(content, CONTEXT)


def test_a_file_beyond_all_size_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdm, "LARGEST", 10)

    with pytest.raises(MspError, match="MSP-OBS-030"):
        parse({"value": [device()]})


PORTAL = (
    '"Device ID","Device name","Last check-in","Azure AD Device ID","OS version","Serial number","Manufacturer",'
    '"Model","Wi-Fi MAC","Primary user UPN","Primary user display name","Compliance","Managed by","Ownership",'
    '"Encrypted","OS","EthernetMAC"\r\n'
    f'"{MDM_ID}","WS-014","2026-02-28 12:00:00.1234567","{ENTRA_ID}","17.3","SN-77120","Examplar","Phone 9",'
    '"00005E005301","zoe.jansen@example.org","Zoë Jansen","Noncompliant","Intune","Personal","True","iOS",""\r\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_portals_export_is_read(encoding: str) -> None:
    reading = mdm.parse(PORTAL.encode(encoding), CONTEXT)

    found = one(reading)
    assert reading.complete
    assert found.identity == one(parse([device()])).identity
    assert found.at == one(parse([device()])).at
    assert found.attributes == {
        "vendor": "Examplar",
        "model": "Phone 9",
        "os": "iOS",
        "os_version": "17.3",
        "type": "phone",
        "compliant": False,
        "encrypted": True,
        "owner": "personal",
    }


def test_what_powershell_exports_is_read_with_the_dates_of_its_country() -> None:
    text = "Id;DeviceName;LastSyncDateTime;AzureAdDeviceId\n" + "".join(
        f"{MDM_ID};WS-014;{date};{ENTRA_ID}\n" for date in ("3-2-2026 13:05:00", "1-1-0001 00:00:00")
    )

    reading = mdm.parse(text.encode(), CONTEXT)

    assert one(reading).at == dt.datetime(2026, 2, 3, 13, 5, tzinfo=dt.UTC)
    assert [skip.why for skip in reading.skipped] == ["never synchronised"]


def test_a_damaged_row_is_named_and_the_rest_is_used() -> None:
    reading = mdm.parse((PORTAL + "cut,off\r\n").encode(), CONTEXT)

    assert len(reading.observations) == 1
    assert not reading.complete
    assert reading.skipped[0].where == "line 3"


JSON = json.dumps({"value": [device(), device()]})


@given(st.sampled_from([JSON, PORTAL]), st.data())
def test_a_cut_file_is_never_complete(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with contextlib.suppress(MspError):
        assert not mdm.parse(cut.encode(), CONTEXT).complete or cut.endswith("\n")


HEADS = [b"", b"[", b'{"value":[', PORTAL.encode(), b"\xff\xfe", b'[{"id":"' + MDM_ID.encode()]


@given(st.sampled_from(HEADS), st.binary())
def test_no_bytes_ever_raise_anything_but_our_own_error(head: bytes, rest: bytes) -> None:
    for reader in (mdm.parse, mdm.parse_registration):
        with contextlib.suppress(MspError):
            reader(head + rest, CONTEXT)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2)
)


@given(st.lists(st.dictionaries(st.sampled_from(list(device())), ANYTHING), max_size=4))
def test_whatever_graph_answers_is_an_observation_or_named(rows: list[dict[str, Any]]) -> None:
    reading = mdm.devices(rows, CONTEXT)

    assert len(reading.observations) + len(reading.skipped) == len(rows)
    assert all(found.identity and found.at <= AT for found in reading.observations)


# -- registration -----------------------------------------------------------------------------------------------------


def user(registered: Any = True, capable: Any = True, admin: Any = False) -> dict[str, Any]:
    return {
        "id": "11111111-2222-4333-8444-555555555555",
        "userPrincipalName": "zoe.jansen@example.org",
        "isMfaRegistered": registered,
        "isMfaCapable": capable,
        "isAdmin": admin,
    }


USERS = [user(), user(capable=False), user(registered=False, capable=False), user(False, False, True), user(admin=True)]
COUNTED = Registration(users=5, registered=3, not_registered=2, capable=2, admins=2, admins_not_registered=1)


def test_registrations_are_counted() -> None:
    assert mdm.registration(USERS) == COUNTED
    assert mdm.parse_registration(json.dumps({"value": USERS}).encode(), CONTEXT) == COUNTED


def test_registrations_in_csv_are_counted() -> None:
    names = list(USERS[0])
    text = ",".join(names) + "\n" + "".join(",".join(str(row[name]) for name in names) + "\n" for row in USERS)

    assert mdm.parse_registration(text.encode(), CONTEXT) == COUNTED


@pytest.mark.parametrize("odd", [user(registered=None), user(capable="perhaps"), {}, None, 7])
def test_a_row_that_does_not_say_is_in_no_count_and_the_whole_is_not_complete(odd: Any) -> None:
    found = mdm.registration([*USERS, odd])

    assert dataclasses.replace(found, skipped=(), complete=True) == COUNTED
    assert not found.complete
    assert [skip.where for skip in found.skipped] == ["user 6"]


def test_registrations_of_which_graph_has_more_pages_are_not_complete() -> None:
    page = {"value": USERS, "@odata.nextLink": "https://graph.example/next"}

    found = mdm.parse_registration(json.dumps(page).encode(), CONTEXT)

    assert (found.users, found.complete) == (5, False)


def test_no_name_is_kept() -> None:
    assert "jansen" not in repr(mdm.registration([*USERS, user(registered=None)]))


def test_a_list_of_devices_is_no_registration() -> None:
    with pytest.raises(MspError, match="MSP-OBS-030"):
        mdm.parse_registration(JSON.encode(), CONTEXT)
