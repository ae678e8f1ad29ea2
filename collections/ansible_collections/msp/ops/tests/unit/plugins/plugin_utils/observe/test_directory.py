# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Computers of a directory become observations: what identifies them, when they were seen, and who is left out."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import directory
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
CONTEXT = Context("jansen", AT, "computers.csv")
# 01020304-0506-0708-090a-0b0c0d0e0f10 as Active Directory keeps it: the first three groups turned around.
PACKED = bytes([4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16])
GUID = "01020304-0506-0708-090a-0b0c0d0e0f10"


def filetime(at: dt.datetime) -> str:
    since = at - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
    return str((since.days * 86400 + since.seconds) * 10**7)


def days_ago(days: int) -> dt.datetime:
    return AT - dt.timedelta(days=days)


def entry(**values: str | bytes | list[str]) -> Mapping[str, list[bytes]]:
    """An entry as ldap3 gives it."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return {name: [v if isinstance(v, bytes) else v.encode() for v in several] for name, several in listed.items()}


def account(**values: str | bytes | list[str]) -> Mapping[str, list[bytes]]:
    """A computer account of Active Directory that logged on yesterday."""
    return entry(
        **{  # type: ignore[arg-type]
            "dn": "CN=WS-014,OU=Workstations,DC=example,DC=org",
            "objectClass": ["top", "person", "organizationalPerson", "user", "computer"],
            "cn": "WS-014",
            "lastLogonTimestamp": filetime(days_ago(1)),
            **values,
        }
    )


def device(**values: str | bytes | list[str]) -> Mapping[str, list[bytes]]:
    """A device of a directory without logons."""
    return entry(**{"dn": "cn=printer,dc=example,dc=org", "objectClass": "device", "cn": "printer", **values})  # type: ignore[arg-type]


def one(reading: Reading) -> Any:
    (found,) = reading.observations
    return found


# -- what it is -----------------------------------------------------------------------------------------------------


def test_an_account_of_active_directory_becomes_an_observation() -> None:
    found = one(
        directory.computers(
            [
                account(
                    objectGUID=PACKED,
                    name="WS-014",
                    dNSHostName="ws-014.example.org",
                    sAMAccountName="WS-014$",
                    operatingSystem="Windows 11 Pro",
                    operatingSystemVersion="10.0 (22631)",
                    userAccountControl="4096",
                    description="Reception",
                    location="Utrecht",
                    managedBy="CN=IT\\, Desk,OU=Groups,DC=example,DC=org",
                )
            ],
            CONTEXT,
        )
    )

    assert (found.customer, found.source, found.at, found.asset) == ("jansen", "directory", days_ago(1), None)
    assert found.identity == {"directory_id": GUID, "names": ["WS-014", "ws-014.example.org"]}
    assert found.attributes == {
        "os": "Windows 11 Pro",
        "os_version": "10.0 (22631)",
        "type": "workstation",
        "enabled": True,
    }


def test_a_device_of_openldap_becomes_an_observation() -> None:
    found = one(
        directory.computers(
            [
                device(
                    objectClass=["device", "ieee802Device", "ipHost"],
                    cn=["printer", "printer.example.org"],
                    entryUUID=GUID.upper(),
                    serialNumber="SN-77120",
                    macAddress=["00-00-5E-00-53-01", "no address"],
                    ipHostNumber=["192.0.2.7", "2001:db8::7", "127.0.0.1"],
                    owner="cn=Facilities,dc=example,dc=org",
                )
            ],
            CONTEXT,
        )
    )

    assert found.identity == {
        "directory_id": GUID,
        "serial": "SN-77120",
        "macs": ["00:00:5e:00:53:01"],
        "names": ["printer", "printer.example.org"],
        "addresses": ["192.0.2.7", "2001:db8::7"],
    }
    assert found.attributes == {}


def test_who_a_computer_belongs_to_is_neither_asked_for_nor_kept() -> None:
    names = ("managedBy", "owner", "manager", "description", "location", "l")

    found = one(directory.computers([account(**dict.fromkeys(names, "CN=Jan Jansen,OU=People"))], CONTEXT))

    assert "Jansen" not in repr((found.identity, found.attributes, found.place))
    assert not set(names) & set(directory.ATTRIBUTES)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (PACKED, GUID),
        (GUID.encode(), GUID),
        (f"{{{GUID}}}".upper().encode(), GUID),
        (b"X'04030201060508070910'", None),
        (b"X'0403020106050807090a0b0c0d0e0f10'", GUID),
        (bytes(16), None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"WS-014", None),
    ],
)
def test_an_objects_id_is_read_in_every_form_that_tools_give(raw: bytes, expected: str | None) -> None:
    assert directory.guid(raw) == expected


@given(st.uuids())
def test_every_id_survives_the_way_through_active_directorys_bytes(found: uuid.UUID) -> None:
    assert directory.guid(found.bytes_le) == (str(found) if found.int else None)


@pytest.mark.parametrize(
    ("system", "control", "expected"),
    [
        ("Windows Server 2022 Standard", "4096", "server"),
        ("Windows 10 Enterprise", "4096", "workstation"),
        ("Mac OS X", "4096", "workstation"),
        ("", "532480", "server"),  # a domain controller: SERVER_TRUST_ACCOUNT and TRUSTED_FOR_DELEGATION
        ("pc-linux-gnu", "4096", None),
        ("", "nonsense", None),
    ],
)
def test_server_or_workstation_is_told_by_the_system_and_by_the_kind_of_account(
    system: str, control: str, expected: str | None
) -> None:
    found = one(directory.computers([account(operatingSystem=system, userAccountControl=control)], CONTEXT))

    assert found.attributes.get("type") == expected


def test_a_disabled_account_is_seen_and_said_to_be_disabled() -> None:
    found = one(directory.computers([account(userAccountControl="4098")], CONTEXT))

    assert found.attributes["enabled"] is False


def test_a_placeholder_is_no_serial_number() -> None:
    assert "serial" not in one(directory.computers([device(serialNumber="To be filled by O.E.M.")], CONTEXT)).identity


def test_a_copy_left_by_a_replication_conflict_bears_the_name_without_its_tail() -> None:
    found = account(cn=f"WS-014\nCNF:{GUID}", sAMAccountName="$DUPLICATE-1f4")

    assert one(directory.computers([found], CONTEXT)).identity["names"] == ["WS-014"]


# -- when it was seen ------------------------------------------------------------------------------------------------


def test_an_account_was_seen_at_its_newest_logon_or_change_of_password() -> None:
    found = account(lastLogonTimestamp=filetime(days_ago(9)), pwdLastSet=filetime(days_ago(3)), lastLogon="0")

    assert one(directory.computers([found], CONTEXT)).at == days_ago(3)


def test_nothing_was_seen_after_the_reading_whatever_a_wrong_clock_wrote() -> None:
    assert one(directory.computers([account(lastLogonTimestamp=filetime(days_ago(-2)))], CONTEXT)).at == AT


def test_an_account_whose_machine_was_not_seen_for_so_many_days_is_stale_and_named() -> None:
    fresh = account(lastLogonTimestamp=filetime(days_ago(90)))
    stale = account(dn="CN=OLD", lastLogonTimestamp=filetime(days_ago(91)))

    reading = directory.computers([fresh, stale], CONTEXT)

    assert [found.at for found in reading.observations] == [days_ago(90)]
    assert [(skip.where, skip.why) for skip in reading.skipped] == [
        ("CN=OLD", "stale: last seen 2025-11-30, more than 90 days ago")
    ]
    assert reading.complete
    assert not directory.computers([fresh], CONTEXT, stale_days=30).observations


@pytest.mark.parametrize("never", ["0", "-1", "9223372036854775807"])
def test_an_account_that_never_logged_on_is_no_sighting_however_often_it_was_changed(never: str) -> None:
    unused = account(dn="CN=NEW", lastLogonTimestamp=never, whenChanged="20260228120000.0Z")

    reading = directory.computers([account(), unused], CONTEXT)

    assert len(reading.observations) == 1
    assert [(skip.where, skip.why) for skip in reading.skipped] == [("CN=NEW", "never logged on")]


def test_where_no_logon_is_told_the_last_change_of_an_account_stands_for_it() -> None:
    entries = [account(lastLogonTimestamp=[], whenChanged=f"202{year}0228120000.0Z") for year in "56"]

    reading = directory.computers(entries, CONTEXT)

    assert one(reading).at == dt.datetime(2026, 2, 28, 12, tzinfo=dt.UTC)
    assert reading.skipped[0].why.startswith("stale: last seen 2025-02-28")


def test_accounts_that_do_not_say_when_they_were_seen_are_refused_not_taken_for_seen_today() -> None:
    with pytest.raises(MspError, match="MSP-OBS-021") as caught:
        directory.computers([account(lastLogonTimestamp=[])], CONTEXT)

    assert "computers.csv" in str(caught.value)


def test_an_entry_without_logons_is_a_statement_of_the_day_it_was_last_changed_and_never_stale() -> None:
    changed = device(modifyTimestamp="20190301120000Z")

    assert one(directory.computers([changed], CONTEXT)).at == dt.datetime(2019, 3, 1, 12, tzinfo=dt.UTC)
    assert one(directory.computers([device()], CONTEXT)).at == AT


def test_a_time_that_cannot_be_read_is_damage() -> None:
    reading = directory.computers([account(), account(dn="CN=ODD", lastLogonTimestamp="yesterday")], CONTEXT)

    assert len(reading.observations) == 1
    assert not reading.complete
    assert reading.skipped[0].where == "CN=ODD"


# -- who is left out ------------------------------------------------------------------------------------------------


def test_what_is_no_machine_is_counted_or_named_and_takes_nothing_from_the_whole() -> None:
    others = [
        entry(dn="CN=Jan", objectClass=["top", "person", "user"]),
        entry(dn="OU=Sales", objectClass="organizationalUnit"),
        account(dn="CN=svc", objectClass=["user", "computer", "msDS-GroupManagedServiceAccount"]),
        account(dn="CN=CLUSTER", servicePrincipalName="MSClusterVirtualServer/cluster1"),
        account(dn="CN=GONE", isDeleted="TRUE"),
    ]

    reading = directory.computers([account(), *others], CONTEXT)

    assert len(reading.observations) == 1
    assert reading.complete
    assert [(skip.where, skip.why) for skip in reading.skipped] == [
        ("3 entries", "no computer"),
        ("CN=CLUSTER", "the name of a cluster, not one of its machines"),
        ("CN=GONE", "deleted"),
    ]


def test_an_entry_with_nothing_that_identifies_it_is_named() -> None:
    reading = directory.computers([device(cn=[], name=" ")], CONTEXT)

    assert not reading.observations
    assert reading.skipped[0].why == "nothing that identifies it"


# -- exports -----------------------------------------------------------------------------------------------------------

LDIFDE = f"""dn: CN=WS-014,DC=example,DC=org
changetype: add
objectClass: top
objectClass: computer
cn: WS-014
objectGUID:: {base64.b64encode(PACKED).decode()}
lastLogonTimestamp: {filetime(days_ago(1))}

dn: CN=Users,DC=example,DC=org
changetype: add
objectClass: container

"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ldifdes_export_is_read(encoding: str) -> None:
    reading = directory.parse(LDIFDE.replace("\n", "\r\n").encode(encoding), CONTEXT)

    assert one(reading).identity == {"directory_id": GUID, "names": ["WS-014"]}
    assert reading.complete
    assert [skip.why for skip in reading.skipped] == ["no computer"]


def test_csvdes_export_is_read() -> None:
    text = (
        "DN,objectClass,cn,objectGUID,lastLogonTimestamp,operatingSystem\r\n"
        '"CN=WS-014,DC=example,DC=org",top;person;organizationalPerson;user;computer,WS-014,'
        f"X'{PACKED.hex()}',{filetime(days_ago(1))},Windows 11 Pro\r\n"
        '"CN=Jan,DC=example,DC=org",top;person;organizationalPerson;user,Jan,,,\r\n'
    )

    reading = directory.parse(text.encode("utf-16"), CONTEXT)

    assert one(reading).identity == {"directory_id": GUID, "names": ["WS-014"]}
    assert one(reading).at == days_ago(1)
    assert [skip.why for skip in reading.skipped] == ["no computer"]


def test_what_get_adcomputer_exports_is_read() -> None:
    text = (
        "#TYPE Microsoft.ActiveDirectory.Management.ADComputer\r\n"
        '"DistinguishedName";"DNSHostName";"Enabled";"IPv4Address";"LastLogonDate";"Name";"ObjectGUID";'
        '"SamAccountName";"servicePrincipalName"\r\n'
        '"CN=Zoë";"zoe.example.org";"False";"192.0.2.9";"13-2-2026 21:05:00";"ZOË";'
        f'"{GUID}";"ZOË$";"Microsoft.ActiveDirectory.Management.ADPropertyValueCollection"\r\n'
        '"CN=NEW";"";"True";"";"";"NEW";"";"NEW$";""\r\n'
    )

    reading = directory.parse(text.encode("cp1252"), CONTEXT)

    found = one(reading)
    assert found.identity == {"directory_id": GUID, "names": ["ZOË", "zoe.example.org"], "addresses": ["192.0.2.9"]}
    assert found.attributes == {"enabled": False}
    assert found.at == dt.datetime(2026, 2, 13, 21, 5, tzinfo=dt.UTC)
    assert [(skip.where, skip.why) for skip in reading.skipped] == [("CN=NEW", "never logged on")]


def test_a_date_that_can_be_two_days_is_not_guessed() -> None:
    text = "Name,Enabled,LastLogonDate,lastLogonTimestamp\nA,True,2/3/2026 1:00:00 AM,\n"

    reading = directory.parse((text + f"B,True,2/3/2026 1:00:00 AM,{filetime(days_ago(1))}\n").encode(), CONTEXT)

    assert one(reading).identity["names"] == ["B"]
    assert not reading.complete
    assert "can be two days" in reading.skipped[0].why


@pytest.mark.parametrize(
    "text",
    [
        "Name\tType\tDescription\tModified\nWS-014\tComputer\tReception\t2/13/2026 1:00:00 PM\nJan\tUser\t\t\n",
        "Naam\tType\tBeschrijving\tGewijzigd\nWS-014\tComputer\tReception\t13-2-2026 13:00\nJan\tGebruiker\t\t\n",
        "Nom;Type;Description;Modifié\nWS-014;Ordinateur;Reception;13/02/2026 13:00\nJan;Utilisateur;;\n",
    ],
)
def test_active_directorys_own_list_is_read_in_the_language_of_windows(text: str) -> None:
    reading = directory.parse(text.encode("utf-16"), CONTEXT)

    assert one(reading).identity == {"names": ["WS-014"]}
    assert one(reading).attributes == {}
    assert one(reading).at == dt.datetime(2026, 2, 13, 13, tzinfo=dt.UTC)
    assert [(skip.where, skip.why) for skip in reading.skipped] == [("1 entries", "no computer")]


def test_a_list_without_any_time_is_refused_with_what_to_add() -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-021.*Modified"):
        directory.parse(b"Name,Type,Description\nWS-014,Computer,Reception\n", CONTEXT)


def test_a_table_of_devices_that_never_log_on_is_a_statement() -> None:
    reading = directory.parse(b"cn,serialNumber,macAddress\nprinter,SN-77120,00005E005301\n", CONTEXT)

    assert one(reading).at == AT
    assert one(reading).identity["macs"] == ["00:00:5e:00:53:01"]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"a,b\n1,2\n", b'{"data": []}', b"<xml/>"])
def test_a_file_of_another_kind_is_refused_with_its_name(content: bytes) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-020.*computers\.csv"):
        directory.parse(content, CONTEXT)


def test_a_file_beyond_all_size_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "LARGEST", 10)

    with pytest.raises(MspError, match="MSP-OBS-020"):
        directory.parse(LDIFDE.encode(), CONTEXT)


def test_characters_that_are_none_are_named() -> None:
    reading = directory.parse(b"\xff\xfe" + LDIFDE.encode("utf-16-le")[:-20] + b"\x00\xd8\n\0\n\0", CONTEXT)

    assert not reading.complete
    assert reading.skipped[0].why == "characters that are none in its encoding"


@given(st.integers(1, len(LDIFDE) - 1))
def test_a_cut_export_is_never_complete(length: int) -> None:
    cut = LDIFDE[:length]
    if cut.endswith("\n\n"):
        return
    with contextlib.suppress(MspError):
        assert not directory.parse(cut.encode(), CONTEXT).complete


HEADS = [
    b"",
    b"dn: cn=a\nobjectClass: computer\n",
    b"Name,ObjectGUID,lastLogonTimestamp\n",
    b"\xff\xfe",
    b"version: 1\n",
]


@given(st.sampled_from(HEADS), st.binary())
def test_no_bytes_ever_raise_anything_but_our_own_error(head: bytes, rest: bytes) -> None:
    try:
        reading = directory.parse(head + rest, CONTEXT)
    except MspError:
        return
    assert all(found.at <= AT for found in reading.observations)


VALUES = st.lists(st.binary(max_size=20) | st.integers(0, 2**64).map(lambda number: str(number).encode()), max_size=2)
ENTRIES = st.dictionaries(st.sampled_from([*directory.ATTRIBUTES, "dn", "enabled"]), VALUES)


@given(st.lists(ENTRIES.map(lambda found: {**found, "objectClass": [b"computer"]}), max_size=3))
def test_whatever_a_server_answers_is_an_observation_or_named(entries: list[Mapping[str, list[bytes]]]) -> None:
    try:
        reading = directory.computers(entries, CONTEXT)
    except MspError:
        return
    assert len(reading.observations) + len(reading.skipped) == len(entries)
    assert all(days_ago(90) <= found.at <= AT and found.identity for found in reading.observations)
