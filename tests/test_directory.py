"""Computers read live from a real OpenLDAP over TLS, and every way in which that goes wrong.

The server also has Microsoft's classes and attributes (msuser.schema), so the accounts are as Active Directory has
them; it is still OpenLDAP that answers.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import directory, referral
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import ldap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live.ldap import Answer, Directory
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading
from lab import ldap as lab_ldap
from lab import packages, processes
from lab.ldap import Slapd
from lab.progress import step

pytestmark = pytest.mark.lab

BASE = "dc=example,dc=org"
PASSWORD = "correct horse: bättery"  # noqa: S105 - made for this test
READER, NARROW = f"cn=reader,{BASE}", f"cn=narrow,{BASE}"
DEVICES = 2 * ldap.PAGE + 3
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
CONTEXT = Context("jansen", NOW + dt.timedelta(minutes=5), "ldap")
GUID = uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")


def entry(dn: str, *lines: str) -> str:
    return "\n".join((f"dn: {dn}", *lines, "", ""))


def encoded(value: str | bytes) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def filetime(at: dt.datetime) -> int:
    since = at - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86400 + since.seconds) * 10**7


def person(dn: str) -> str:
    name = dn.split(",", maxsplit=1)[0].removeprefix("cn=")
    return entry(dn, "objectClass: person", f"cn: {name}", f"sn: {name}", f"userPassword:: {encoded(PASSWORD)}")


def device(number: int) -> str:
    return entry(
        f"cn=printer {number},ou=Devices,{BASE}",
        "objectClass: device",
        "objectClass: ieee802Device",
        "objectClass: ipHost",
        f"cn: printer {number}",
        f"serialNumber: SN-7712-{number}",
        f"macAddress: 00:00:5e:00:{number // 256:02x}:{number % 256:02x}",
        "ipHostNumber: 192.0.2.7",
    )


def account(name: str, days: int, guid: uuid.UUID) -> str:
    return entry(
        f"cn={name},ou=Computers,{BASE}",
        "objectClass: computer",
        "objectClass: extensibleObject",
        f"cn: {name}",
        f"sn: {name}",
        "instanceType: 4",
        f"nTSecurityDescriptor:: {encoded(b'none')}",
        "objectCategory: cn=Computer,cn=Schema",
        f"objectGUID:: {encoded(guid.bytes_le)}",
        f"sAMAccountName: {name}$",
        f"dNSHostName: {name.lower()}.example.org",
        "operatingSystem: Windows 11 Pro",
        "userAccountControl: 4098",
        f"lastLogonTimestamp: {filetime(NOW - dt.timedelta(days=days))}",
    )


DATA = "".join(
    [
        entry(BASE, "objectClass: dcObject", "objectClass: organization", "o: Example", "dc: example"),
        person(READER),
        person(NARROW),
        entry(f"ou=Devices,{BASE}", "objectClass: organizationalUnit", "ou: Devices"),
        *map(device, range(DEVICES)),
        entry(f"ou=Computers,{BASE}", "objectClass: organizationalUnit", "ou: Computers"),
        account("WS-014", 2, GUID),
        account("WS-OLD", 200, uuid.UUID(int=7)),
        entry(
            f"ou=Elsewhere,ou=Computers,{BASE}",
            "objectClass: referral",
            "objectClass: extensibleObject",
            "ou: Elsewhere",
            "ref: ldap://192.0.2.1/ou=Elsewhere,dc=example,dc=org",
        ),
    ]
)
LIMITS = [
    f'limits dn.exact="{READER}" size=unlimited',
    f'limits dn.exact="{NARROW}" size.soft=700 size.hard=700 size.prtotal=700',
]


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    packages.ensure(step, lab_ldap.missing())
    if missing := lab_ldap.missing():
        pytest.skip(f"not installed: {missing[0].name}")
    with lab_ldap.slapd(BASE, DATA, limits=LIMITS) as running:
        yield running


@pytest.fixture
def devices(server: Slapd) -> Directory:
    return Directory(server.ldaps, READER, BASE, ldap.OPENLDAP, str(server.ca), timeout=60)


@pytest.fixture
def accounts(devices: Directory) -> Directory:
    return dataclasses.replace(devices, filter="(objectClass=computer)")


def refusal(where: Directory, password: str = PASSWORD) -> str:
    """What the error says, code first."""
    with pytest.raises(MspError) as caught:
        ldap.read(where, password)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def of(answer: Answer) -> Reading:
    return answer.missing + directory.computers(answer.entries, CONTEXT)


def test_more_devices_than_two_pages_hold_are_all_read(devices: Directory) -> None:
    """The base is theirs: above it, the server also tells of the referral, which leaves something out."""
    reading = of(ldap.read(dataclasses.replace(devices, base=f"ou=Devices,{BASE}"), PASSWORD))

    assert reading.complete
    assert len({found.identity["serial"] for found in reading.observations}) == DEVICES
    first = next(found for found in reading.observations if found.identity["serial"] == "SN-7712-258")
    assert first.identity["macs"] == ["00:00:5e:00:01:02"]
    assert first.identity["names"] == ["printer 258"]
    assert first.identity["addresses"] == ["192.0.2.7"]
    assert uuid.UUID(first.identity["directory_id"])
    # slapadd stamped the entries when the test's data was loaded.
    assert NOW - dt.timedelta(hours=1) < first.at <= CONTEXT.at


def test_accounts_of_active_directory_are_read_with_their_binary_id(accounts: Directory) -> None:
    reading = of(ldap.read(accounts, PASSWORD))

    (found,) = reading.observations
    assert found.identity == {"directory_id": str(GUID), "names": ["WS-014", "ws-014.example.org"]}
    assert found.attributes == {"os": "Windows 11 Pro", "type": "workstation", "enabled": False}
    assert found.at == NOW - dt.timedelta(days=2)
    assert [skip.where for skip in reading.skipped if skip.why.startswith("stale")] == [
        f"cn=WS-OLD,ou=Computers,{BASE}"
    ]


def test_a_referral_is_named_and_not_followed_and_what_is_behind_it_is_not_called_absent(accounts: Directory) -> None:
    """It leads to a documentation address: following it would end in a timeout."""
    reading = of(ldap.read(accounts, PASSWORD))

    (skip,) = [skip for skip in reading.skipped if "192.0.2.1" in skip.where]
    assert skip.why.startswith(referral.WHY)
    assert reading.observations
    assert not reading.complete
    assert refusal(dataclasses.replace(accounts, base=f"ou=Elsewhere,ou=Computers,{BASE}")).startswith("MSP-OBS-025")


def test_an_answer_without_any_entry_proves_no_absence(accounts: Directory) -> None:
    """Active Directory's filter, which is the default, fits nothing in another directory."""
    found = ldap.read(Directory(accounts.url, READER, BASE, ca_file=accounts.ca_file), PASSWORD)

    assert (found.entries, found.missing.complete) == ((), False)
    assert ldap.ACTIVE_DIRECTORY in found.missing.skipped[-1].why


def test_start_tls_reads_the_same(server: Slapd, devices: Directory) -> None:
    reading = of(ldap.read(dataclasses.replace(devices, url=server.ldap), PASSWORD))

    assert len(reading.observations) == DEVICES


def test_an_answer_that_the_servers_size_limit_cuts_short_is_used_and_not_complete(devices: Directory) -> None:
    reading = of(ldap.read(dataclasses.replace(devices, user=NARROW), PASSWORD))

    assert 0 < len(reading.observations) < DEVICES
    assert not reading.complete
    assert "stopped after" in reading.skipped[0].why


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_and_none_at_all_are_refused(devices: Directory, password: str) -> None:
    """Without a password a bind is anonymous, and the server would let it in (RFC 4513, 5.1.2)."""
    assert refusal(devices, password).startswith("MSP-OBS-024")


def test_a_user_that_does_not_exist_is_refused(devices: Directory) -> None:
    assert refusal(dataclasses.replace(devices, user=f"cn=nobody,{BASE}")).startswith("MSP-OBS-024")
    assert refusal(dataclasses.replace(devices, user="")).startswith("MSP-OBS-024")


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    server: Slapd, devices: Directory, tmp_path: Path, start_tls: bool
) -> None:
    lab_ldap.write_certificates(tmp_path, "somebody else", ["127.0.0.1"])
    url = server.ldap if start_tls else server.ldaps

    assert refusal(dataclasses.replace(devices, url=url, ca_file=str(tmp_path / "ca.pem"))).startswith("MSP-OBS-023")
    assert refusal(dataclasses.replace(devices, url=url, ca_file=None)).startswith("MSP-OBS-023")


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_certificate_for_another_name_is_not_trusted(server: Slapd, devices: Directory, start_tls: bool) -> None:
    url = (server.ldap if start_tls else server.ldaps).replace("127.0.0.1", "localhost")

    found = refusal(dataclasses.replace(devices, url=url))

    assert found.startswith("MSP-OBS-023")
    assert "localhost" in found


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_named(devices: Directory, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "authority.pem"
    if content:
        path.write_text(content)

    found = refusal(dataclasses.replace(devices, ca_file=str(path)))

    assert found.startswith("MSP-OBS-023")
    assert "authority.pem" in found


@pytest.mark.parametrize("base", ["dc=nowhere,dc=org", f"ou=Nothing,{BASE}", "no name"])
def test_a_base_that_is_not_there_is_an_error_and_not_an_empty_answer(devices: Directory, base: str) -> None:
    found = refusal(dataclasses.replace(devices, base=base))

    assert found.startswith("MSP-OBS-025")
    assert base in found


def test_a_filter_that_is_none_is_an_error(devices: Directory) -> None:
    assert refusal(dataclasses.replace(devices, filter="((broken")).startswith("MSP-OBS-026")


@pytest.mark.parametrize("url", ["ldap.example.org", "http://ldap.example.org", "ldaps://", "ldaps://[", "ldaps://h:x"])
def test_an_address_that_is_none_of_a_directory_is_refused(devices: Directory, url: str) -> None:
    assert refusal(dataclasses.replace(devices, url=url)).startswith("MSP-OBS-022")


def test_a_port_without_tls_gets_no_password(server: Slapd, devices: Directory) -> None:
    assert refusal(dataclasses.replace(devices, url=server.ldap.replace("ldap:", "ldaps:"))).startswith("MSP-OBS-022")


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(devices: Directory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme, code in (("ldaps", "MSP-OBS-022"), ("ldap", "MSP-OBS-022")):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
            assert refusal(dataclasses.replace(devices, url=url, timeout=1)).startswith(code)


def test_a_server_that_is_down_is_an_error(devices: Directory) -> None:
    with lab_ldap.slapd(BASE, DATA[: DATA.index(f"dn: {NARROW}")]) as other:
        where = dataclasses.replace(devices, url=other.ldaps, ca_file=str(other.ca))
        assert ldap.read(where, PASSWORD).entries == ()
        other.stop()
        assert refusal(where).startswith("MSP-OBS-022")
    assert not processes.alive(other.process)
    assert not other.ca.exists()
