# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nmap wrote, as observations."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import nmap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "scan.xml")
START = int(dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC).timestamp())
END = START + 600

SERVER = f"""<host starttime="{START}" endtime="{START + 60}"><status state="up" reason="arp-response"/>
<address addr="192.0.2.10" addrtype="ipv4"/>
<address addr="00:00:5E:00:53:01" addrtype="mac" vendor="Example Cards"/>
<hostnames><hostname name="intranet.example.com" type="user"/>
<hostname name="srv01.example.com" type="PTR"/></hostnames>
<ports><extraports state="closed" count="98"/>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/><service name="ssh" method="probed"/></port>
<port protocol="tcp" portid="25"><state state="filtered" reason="no-response"/><service name="smtp"/></port>
<port protocol="tcp" portid="443"><state state="open"/><service name="http" tunnel="ssl" method="probed"/></port>
<port protocol="udp" portid="161"><state state="open|filtered"/><service name="snmp"/></port>
<port protocol="tcp" portid="31641"><state state="open"/></port></ports>
<os><osmatch name="Microsoft Windows Server 2019" accuracy="98">
<osclass type="general purpose" vendor="Microsoft" accuracy="98"/></osmatch>
<osmatch name="Example Printer" accuracy="91"><osclass type="printer" vendor="Example" accuracy="91"/></osmatch></os>
</host>"""
PHONE = """<host><status state="up" reason="echo-reply"/><address addr="192.0.2.11" addrtype="ipv4"/></host>"""
DOWN = """<host><status state="down" reason="no-response"/><address addr="192.0.2.12" addrtype="ipv4"/></host>"""


def xml(
    *hosts: str, args: str = "nmap -sS 192.0.2.0/28", end: str = "success", total: int = 16, more: str = ""
) -> bytes:
    finished = f'<finished time="{END}" elapsed="600.00" exit="{end}"/>' if end else ""
    up = sum('state="up"' in host for host in hosts)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE nmaprun>\n<!-- Nmap 7.94 scan -->\n'
        f'<nmaprun scanner="nmap" args="{args}" start="{START}" version="7.94">\n<scaninfo type="syn"/>{more}\n'
        + "\n".join(hosts)
        + f'\n<runstats>{finished}<hosts up="{up}" down="{total - up}" total="{total}"/></runstats>\n</nmaprun>\n'
    ).encode()


def read(content: bytes) -> Reading:
    return nmap.parse(content, CONTEXT)


def test_a_host_that_is_up_is_an_observation() -> None:
    found = read(xml(SERVER, PHONE, DOWN))

    server, phone = found.observations
    assert (server.customer, server.source, server.at.timestamp()) == ("example", "nmap", START + 60)
    assert server.identity == {
        "macs": ["00:00:5e:00:53:01"],
        "names": ["intranet.example.com", "srv01.example.com"],
        "addresses": ["192.0.2.10"],
    }
    assert server.attributes == {
        "vendor": "Example Cards",
        "os": "Microsoft Windows Server 2019",
        "type": "server",
        "services": ["tcp/22 ssh", "tcp/443 ssl/http", "tcp/31641"],
    }
    assert (phone.identity, phone.attributes) == ({"addresses": ["192.0.2.11"]}, {})
    assert (found.complete, found.covered, found.skipped) == (True, ("192.0.2.0/28",), ())


def test_a_host_without_a_time_of_its_own_has_that_of_the_scans_end_else_of_its_start() -> None:
    assert [one.at.timestamp() for one in read(xml(PHONE)).observations] == [END]
    assert [one.at.timestamp() for one in read(xml(PHONE, end="")).observations] == [START]


def test_a_scanner_whose_clock_is_ahead_sees_nothing_later_than_the_reading() -> None:
    ahead = SERVER.replace(f'endtime="{START + 60}"', 'endtime="4000000000"')

    assert [one.at for one in read(xml(ahead)).observations] == [AT]


@pytest.mark.parametrize("end", ["error", ""])
def test_a_scan_that_did_not_end_well_gives_its_hosts_and_proves_nothing(end: str) -> None:
    found = read(xml(SERVER, end=end))

    assert len(found.observations) == 1
    assert (found.complete, found.covered) == (False, ())
    assert "came to its end" in found.skipped[0].why


def test_a_host_that_was_only_called_up_was_not_seen() -> None:
    silent = PHONE.replace("echo-reply", "user-set")
    filtered = silent.replace("</host>", '<ports><extraports state="filtered" count="100"/></ports></host>')
    closed = silent.replace("</host>", '<ports><extraports state="closed" count="100"/></ports></host>')

    found = read(xml(silent, filtered, closed, args="nmap -Pn 192.0.2.0/28"))

    assert len(found.observations) == 1
    assert (found.skipped[0].where, found.covered, found.complete) == ("2 host(s)", (), False)


def system(matches: str) -> dict[str, object]:
    (found,) = read(xml(PHONE.replace("</host>", f"{matches}</host>"))).observations
    return dict(found.attributes)


def osmatch(name: str, accuracy: object, kind: str = "general purpose", vendor: str = "Example") -> str:
    return (
        f'<osmatch name="{name}" accuracy="{accuracy}"><osclass type="{kind}" vendor="{vendor}" accuracy="{accuracy}"/>'
        "</osmatch>"
    )


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        (osmatch("Example OS", 100, "printer"), {"os": "Example OS", "type": "printer"}),
        (osmatch("Example OS", 90, "WAP"), {"os": "Example OS", "type": "network"}),
        (osmatch("Example OS", 89, "printer"), {}),
        (osmatch("Example OS", "high", "printer"), {}),
        (osmatch("Linux 5.0 - 6.2", 100, vendor="Linux"), {"os": "Linux 5.0 - 6.2"}),
        (osmatch("Windows 10", 100, vendor="Microsoft"), {"os": "Windows 10", "type": "workstation"}),
        (osmatch("Apple macOS 12", 97, vendor="Apple"), {"os": "Apple macOS 12", "type": "workstation"}),
        (osmatch("A", 91, "printer") + osmatch("B", 97, "switch"), {"os": "B", "type": "network"}),
        (osmatch("A", 97, "printer") + osmatch("B", 97, "switch"), {"os": "A"}),
        (osmatch("A", 97, "printer") + osmatch("B", 97, "media device"), {"os": "A"}),
        ('<osmatch name="A" accuracy="99"/><osclass type="router" accuracy="99"/><osclass type="phone" accuracy="85"/>',
         {"os": "A", "type": "network"}),  # as nmap 5 wrote it
    ],
)  # fmt: skip
def test_the_best_guess_of_the_system_counts_when_it_is_good_and_the_type_when_all_agree(
    matches: str, expected: dict[str, str]
) -> None:
    assert system(f"<os>{matches}</os>") == expected


def test_without_a_guess_of_the_system_its_services_may_say_what_it_is() -> None:
    port = (
        '<port protocol="tcp" portid="{}"><state state="open"/><service name="x" ostype="{}" devicetype="{}"/></port>'
    )

    agreed = system(f"<ports>{port.format(1, 'Linux', 'printer')}{port.format(2, 'Linux', '')}</ports>")
    not_agreed = system(f"<ports>{port.format(1, 'Linux', 'printer')}{port.format(2, 'Windows', 'router')}</ports>")

    assert (agreed["os"], agreed["type"]) == ("Linux", "printer")
    assert set(not_agreed) == {"services"}


def test_a_firewall_that_answers_for_every_port_does_not_fill_the_store() -> None:
    ports = "".join(f'<port protocol="tcp" portid="{n}"><state state="open"/></port>' for n in range(1, 1001))

    assert len(system(f"<ports>{ports}</ports>")["services"]) == nmap.MOST_SERVICES  # type: ignore[arg-type]


def test_a_host_without_an_address_that_can_be_read_is_named() -> None:
    found = read(xml(PHONE.replace("192.0.2.11", "192.0.2.999")))

    assert found.observations == ()
    assert "no address" in found.skipped[0].why


def test_a_target_that_nmap_passed_over_is_not_covered() -> None:
    found = read(xml(PHONE, more='<target specification="x" status="skipped" reason="invalid"/>'))

    assert (found.covered, len(found.observations)) == ((), 1)


def test_a_scan_that_names_fewer_hosts_than_it_found_proves_no_absence() -> None:
    content = xml(SERVER, PHONE, DOWN)

    found = read(content.replace(PHONE.encode(), b""))

    assert (len(found.observations), found.complete, found.covered) == (1, False, ())
    assert "2 host(s) are up, and names 1" in found.skipped[-1].why


def test_a_truncated_file_gives_the_hosts_that_are_whole() -> None:
    content = xml(SERVER, PHONE)

    found = read(content[: content.index(b"192.0.2.11")])

    assert [one.identity["addresses"] for one in found.observations] == [["192.0.2.10"]]
    assert (found.complete, found.covered) == (False, ())
    assert found.skipped[0].where == "after host 1"


def test_a_file_in_another_encoding_than_it_says_is_read() -> None:
    content = xml(PHONE.replace("</host>", '<hostnames><hostname name="café" type="PTR"/></hostnames></host>'))

    for other in (content.decode().encode("cp1252"), content.decode().encode("utf-16")):
        found = read(other)
        assert [one.identity["names"] for one in found.observations] == [["café"]]
        assert found.complete


def test_control_characters_that_no_xml_may_hold_cost_nothing_but_themselves() -> None:
    found = read(xml(SERVER.replace("Example Cards", "Example\x00\x1bCards"), PHONE))

    assert len(found.observations) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"# Nmap done", b"<html></html>", b'{"nmaprun": 1}', b"<?xml version='1.0'?><nmapr", b"\x1f\x8b\x08\x00"],
)
def test_another_kind_of_file_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-010.*scan\.xml"):
        read(content)


def test_a_file_that_expands_entities_is_not_read() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY a "aaaa">]><nmaprun args="&a;"></nmaprun>'
    outside = b'<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY a SYSTEM "file:///etc/passwd">]><nmaprun>&a;</nmaprun>'

    for content in (bomb, outside):
        with pytest.raises(MspError, match=r"MSP-OBS-010.*EntitiesForbidden"):
            read(content)


@given(st.binary() | st.text().map(str.encode) | st.binary().map(lambda b: xml(SERVER)[:200] + b))
def test_no_bytes_are_another_exception(content: bytes) -> None:
    try:
        read(content)
    except MspError as error:
        assert error.code == "MSP-OBS-010"


@pytest.mark.thorough
def test_no_cut_invents_a_host_or_claims_to_be_whole() -> None:
    content = xml(
        SERVER,
        PHONE,
        PHONE.replace("192.0.2.11", "192.0.2.1").replace(
            "</host>", '<hostnames><hostname name="één"/></hostnames></host>'
        ),
    )
    whole = read(content)
    known = [(one.identity, one.attributes) for one in whole.observations]

    for cut in range(len(content.rstrip())):
        try:
            found = read(content[:cut])
        except MspError:
            continue
        assert [(one.identity, one.attributes) for one in found.observations] == known[: len(found.observations)]
        assert all(
            a.at <= b.at
            for a, b in itertools.zip_longest(found.observations, whole.observations[: len(found.observations)])
        )
        assert (found.complete, found.covered) == (False, ())
    assert whole.complete
