# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The list of sources as a person writes it: every form is taken, every error is told at once, no secret is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.observe import sources

GOOD: list[dict[str, Any]] = [
    {"source": "nmap"},
    {
        "source": "nmap",
        "label": "office",
        "prefixes": ["192.0.2.0/25"],
        "services": True,
        "os": True,
        "rate": 50,
        "interface": "wg-jansen",
    },
    {"source": "nmap", "label": "theirs", "file": "/srv/scan.xml"},
    {"source": "dhcp", "format": "isc", "file": "/srv/dhcpd.leases"},
    {"source": "dhcp", "label": "branch", "format": "windows", "file": "/srv/l.csv", "timezone": "Europe/Amsterdam"},
    {"source": "directory", "server": "ldaps://dc01.example.com", "user": "u", "password": "p", "base": "dc=example"},
    {"source": "directory", "label": "export", "file": "/srv/computers.ldif", "stale_days": 60},
    {"source": "mdm", "token": "t"},
    {"source": "mdm", "label": "app", "tenant": "example.org", "client_id": "c", "client_secret": "s"},
    {"source": "mdm", "label": "export", "file": "/srv/intune.csv"},
    {
        "source": "network",
        "device": "sw01",
        "platform": "cisco_ios",
        "answers": [{"command": "show mac address-table", "file": "/srv/sw01.txt"}],
    },
]
CLIENT = {"source": "mdm", "tenant": "example.org", "client_id": "c", "client_secret": "s"}


def test_every_form_is_taken_and_told_apart_by_kind_and_label() -> None:
    found = sources.parse("bakery", GOOD)

    assert [one.name for one in found] == [
        *("nmap", "nmap:office", "nmap:theirs", "dhcp", "dhcp:branch", "directory", "directory:export"),
        *("mdm", "mdm:app", "mdm:export", "network"),
    ]
    assert [one.is_live for one in found] == [True, True, *[False] * 3, True, False, True, True, False, False]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nmap", "a mapping that begins with source"),
        ({}, "source to be one of nmap, dhcp"),
        ({"source": "nmapp"}, "'nmapp'"),
        ({"source": ["nmap"]}, "source to be one of"),
        ({"source": "nmap", "ports": "1-100"}, "found ports"),
        ({"source": "nmap", "prefixes": []}, "a usable prefixes"),
        ({"source": "nmap", "prefixes": ["192.0.2.0/24", 7]}, "prefixes.1"),
        ({"source": "nmap", "interface": "-iL/etc/passwd"}, "a usable interface"),
        ({"source": "nmap", "interface": "eth0\n"}, "a usable interface"),
        ({"source": "nmap", "interface": "a" * 16}, "a usable interface"),
        ({"source": "nmap", "interface": ""}, "a usable interface"),
        ({"source": "dhcp", "file": "/srv/x"}, "'format' is a required property"),
        ({"source": "dhcp", "file": "/srv/x", "format": "bind"}, "a usable format"),
        ({"source": "directory"}, "read live"),
        ({"source": "directory", "file": "/srv/x", "server": "ldaps://dc"}, "read from a file"),
        ({"source": "directory", "server": "http://dc", "user": "u", "password": "p", "base": "b"}, "a usable server"),
        ({"source": "mdm"}, "'token' is a required property"),
        ({"source": "mdm", "tenant": "t", "client_id": "c"}, "'client_secret' is a required property"),
        ({**CLIENT, "token": "t"}, "found token"),
        ({"source": "mdm", "token": "t", "login": "https://login.example"}, "found login"),
        ({**CLIENT, "tenant": "../common"}, "a usable tenant"),
        ({**CLIENT, "login": "http://login.example"}, "login as https://host"),
        ({"source": "mdm", "file": "/srv/x", "stale_days": 0}, "a usable stale_days"),
        ({"source": "network", "device": "sw", "platform": "cisco_ios"}, "'answers' is a required property"),
        ({"source": "network", "device": "s", "platform": "p", "answers": [{"command": "x"}]}, "'file' is a required"),
        ({"source": "nmap", "label": "Head office!"}, "a usable label"),
    ],
)
def test_an_unusable_entry_is_named_with_its_place(entry: Any, words: str) -> None:
    with pytest.raises(MspError) as caught:
        sources.parse("bakery", [{"source": "nmap", "label": "fine"}, entry])

    assert caught.value.code == "MSP-OBS-051"
    assert "(source 2 of bakery)" in caught.value.expected
    assert words in str(caught.value)


def test_every_error_is_told_at_once() -> None:
    with pytest.raises(MspErrors) as caught:
        sources.parse("bakery", [{"source": "nmap", "rate": "fast"}, {"source": "dhcp"}, {"source": "x"}])

    assert len(caught.value.errors) >= 3


def test_two_of_a_kind_need_labels() -> None:
    with pytest.raises(MspError, match="a second dhcp"):
        sources.parse("bakery", [GOOD[3], GOOD[3]])


@given(st.text(min_size=4, alphabet="abcdefghijkmnpqrstuvwxyz0123456789"))
def test_no_secret_is_shown_whatever_is_wrong_with_the_list(secret: str) -> None:
    secret = f"s3cr3t{secret}"
    live = {"source": "directory", "server": "x", "user": "u", "password": [secret], "base": 1}
    with pytest.raises(MspErrors) as caught:
        sources.parse(
            "bakery",
            [
                live,
                {"source": "mdm", "token": {"is": secret}},
                {"source": "mdm", "token": secret},
                {**CLIENT, "client_secret": [secret]},
                {"source": "nmap", "client_secret": secret},
            ],
        )

    assert secret not in str(caught.value)
    for wanted in ({"source": "mdm", "token": secret}, {**CLIENT, "client_secret": secret}):
        (good,) = sources.parse("bakery", [wanted])
        assert secret not in repr(good)


DIRECTORY = {"source": "directory", "server": "ldaps://dc", "user": "u", "password": "p", "base": "dc=example"}


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({**DIRECTORY, "server": "ldaps://svc:S3cr3t@dc01"}, "server"),
        ({**DIRECTORY, "server": "https://svc:S3cr3t@dc01"}, "server"),
        ({**DIRECTORY, "server": "svc:S3cr3t@dc01"}, "server"),
        ({**DIRECTORY, "server": "ldaps://svc:S3cr3t/x@dc01"}, "server"),
        ({**DIRECTORY, "server": ["ldaps://svc:S3cr3t@dc01"]}, "server.0"),
        ({**DIRECTORY, "server": ["svc:S3cr3t@dc01"]}, "server.0"),
        ({"source": "mdm", "token": "t", "base": "https://svc:S3cr3t@graph.example"}, "base"),
        ({"source": "mdm", "token": "t", "base": "svc:S3cr3t@graph.example"}, "base"),
        ({**CLIENT, "login": "https://svc:S3cr3t@login.example"}, "login"),
        ({"source": "dhcp", "format": "isc", "file": "https://svc:S3cr3t@files.example/leases"}, "file"),
        ({"source": "nmap", "label": "smb://svc:S3cr3t@files"}, "label"),
        ({"source": "nmap", "prefixes": {"at": "https://svc:S3cr3t@ipam.example"}}, "prefixes.at"),
        ({"source": "smb://svc:S3cr3t@files"}, "source to be one of"),
    ],
)
def test_an_address_with_a_password_in_it_is_refused_and_not_shown(entry: Any, place: str) -> None:
    with pytest.raises(MspError) as caught:
        sources.parse("bakery", [entry])

    assert caught.value.code == "MSP-OBS-051"
    assert caught.value.expected.startswith(place)
    assert "S3cr3t" not in f"{caught.value} {getattr(caught.value, 'errors', '')}"


def test_an_at_sign_elsewhere_is_no_password() -> None:
    entries = [{**DIRECTORY, "user": "reader@example.org", "password": "p://x@y"}, {"source": "mdm", "token": "t://@"}]

    assert len(sources.parse("bakery", entries)) == 2


@pytest.mark.parametrize(
    ("platform", "commands", "codes"),
    [
        ("nonsense", ["show arp", "show lldp neighbors"], ["MSP-OBS-040"]),
        ("cisco_ios", ["show foo", "show mac address-table", "show bar"], ["MSP-OBS-041", "MSP-OBS-041"]),
        ("Cisco_XE ", ["sh mac address-table"], []),
    ],
)
def test_a_platform_or_command_that_is_not_read_is_told_with_the_list(
    platform: str, commands: list[str], codes: list[str]
) -> None:
    answers = [{"command": command, "file": "/srv/sw01.txt"} for command in commands]
    wanted = [{"source": "nmapp"}, {"source": "network", "device": "sw01", "platform": platform, "answers": answers}]

    with pytest.raises(MspError) as caught:
        sources.parse("bakery", wanted)

    found = getattr(caught.value, "errors", [caught.value])
    assert [one.code for one in found] == ["MSP-OBS-051", *codes]
    assert all("(source 2 of bakery)" in one.expected for one in found[1:])


@pytest.mark.parametrize("base", ["http://graph.example", "graph.example", "https://", "https://[x"])
def test_an_address_of_graph_that_would_show_the_token_is_told_with_the_list(base: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-051.*base as https://host \(source 1 of bakery\)"):
        sources.parse("bakery", [{"source": "mdm", "token": "t", "base": base}])


@pytest.mark.parametrize("rate", [0, 5001])
def test_a_rate_that_is_not_polite_is_told_with_the_list(rate: int) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-051.*a usable rate"):
        sources.parse("bakery", [{"source": "nmap", "rate": rate}])
