# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports and names of a host's servers are asked."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import services, tls_servers
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import Target
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

SITE = """# configuration file /etc/nginx/nginx.conf:
http {
    server { listen 443 ssl; server_name www.example.com *.shop.example.com _ localhost; ssl_certificate a.pem; }
    server { listen 8443 ssl; server_name .b.example.com ~^c; }
}
"""
POSTCONF = """case "$1" in
-M) cat <<'END'
smtp       inet  n       -       y       -       -       smtpd
10.0.0.1:submissions inet n - y - - smtpd
2525       inet  n       -       y       -       -       smtpd
qmqp       inet  n       -       y       -       -       qmqpd
pickup     unix  n       -       y       60      1       pickup
END
;;
-P) echo '10.0.0.1:submissions/inet/smtpd_tls_wrappermode = yes' ;;
*) echo 'smtpd_tls_cert_file = /etc/ssl/mail.pem' ;;
esac
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host is known as 192.0.2.7 and 2001:db8::7."""
    known = {socket.AF_INET: "192.0.2.7", socket.AF_INET6: "2001:db8::7"}
    monkeypatch.setattr(tls_servers, "own_address", lambda family: known[family])


def reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, int, str]], **programs: str
) -> Reader:
    monkeypatch.setattr(services, "waiting", lambda _reader: rows)
    return made_reader(tmp_path, {}, programs)


def asked(found: list[Target]) -> list[tuple[str, int, str, str]]:
    return [(one.address, one.port, one.protocol, one.name) for one in found]


@pytest.mark.usefixtures("own")
def test_a_server_is_asked_where_it_waits_without_a_name_and_by_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        ("0.0.0.0", 443, "nginx"),  # noqa: S104 - as a socket says it
        ("127.0.0.1", 9443, "nginx"),
        ("198.51.100.4", 8443, "nginx"),
        ("0.0.0.0", 22, "sshd"),  # noqa: S104
    ]
    found = tls_servers.targets(reader(tmp_path, monkeypatch, rows, nginx=printing(SITE)), "nginx")

    # What only the host itself reaches is left out, and a star is asked for by a name that it stands for.
    assert asked(found) == [
        ("192.0.2.7", 443, "tls", ""),
        ("192.0.2.7", 443, "tls", "www.example.com"),
        ("192.0.2.7", 443, "tls", "www.shop.example.com"),
        ("198.51.100.4", 8443, "tls", ""),
        ("198.51.100.4", 8443, "tls", "b.example.com"),
    ]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("places", "answering", "addresses"),
    [
        ((("0.0.0.0"), "::"), True, ["192.0.2.7", "2001:db8::7"]),  # noqa: S104
        (("::",), True, ["192.0.2.7"]),
        (("::",), False, ["2001:db8::7"]),
        (("198.51.100.4", "2001:db8::9"), True, ["198.51.100.4", "2001:db8::9"]),
    ],
)
def test_a_socket_may_be_for_both_kinds_of_addresses(
    places: tuple[str, ...],
    answering: bool,
    addresses: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tls_servers, "_answers", lambda _address, _port: answering)
    rows = [(place, 9443, "apache2") for place in places]
    shown = "  (*) /etc/apache2/apache2.conf\n*:9443 www.example.com (/etc/x:1)\n"
    (tmp_path / "etc/apache2").mkdir(parents=True)
    (tmp_path / "etc/apache2/apache2.conf").write_text("")
    found = tls_servers.targets(reader(tmp_path, monkeypatch, rows, apache2ctl=printing(shown)), "apache")

    assert [one.address for one in found] == addresses


@pytest.mark.usefixtures("own")
def test_mail_is_asked_as_its_service_begins_and_where_nobody_tells_whose_a_socket_is_its_files_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("0.0.0.0", port, "") for port in (25, 80, 465, 628, 2525)] + [("0.0.0.0", 587, "master")]  # noqa: S104
    found = tls_servers.targets(reader(tmp_path, monkeypatch, rows, postconf=POSTCONF), "postfix")

    assert [(one.port, one.protocol) for one in found] == [(25, "smtp"), (465, "tls"), (587, "smtp"), (2525, "smtp")]


@pytest.mark.usefixtures("own")
def test_other_servers_are_asked_as_their_ports_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        *[("0.0.0.0", port, "dovecot") for port in (143, 993, 110, 4190)],  # noqa: S104
        *[("0.0.0.0", port, "slapd") for port in (389, 636)],  # noqa: S104
        ("0.0.0.0", 9000, "haproxy"),  # noqa: S104
        ("0.0.0.0", 3306, "mysqld"),  # noqa: S104
        ("0.0.0.0", 7000, ""),  # noqa: S104
    ]
    found = tls_servers.targets(reader(tmp_path, monkeypatch, rows), "others")

    assert [(one.port, one.protocol) for one in found] == [(110, "pop3"), (143, "imap"), (636, "tls"), (993, "tls")]


@pytest.mark.usefixtures("own")
def test_a_port_that_is_told_is_asked_whoever_waits_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = reader(tmp_path, monkeypatch, [("127.0.0.1", 5000, "docker-proxy")])

    assert asked(tls_servers.agreed(host, 5000, "tls", ["a.example.com"])) == [
        ("127.0.0.1", 5000, "tls", ""),
        ("127.0.0.1", 5000, "tls", "a.example.com"),
    ]
    assert tls_servers.agreed(host, 5001, "tls", []) == []


@pytest.mark.usefixtures("own")
def test_more_than_can_be_asked_is_not_measured_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = " ".join(f"n{number}.example.com" for number in range(tls_servers.MOST_TARGETS))
    site = SITE.replace("www.example.com", names)
    rows = [("0.0.0.0", 443, "nginx")]  # noqa: S104
    with pytest.raises(Unmeasurable, match="more than"):
        tls_servers.targets(reader(tmp_path, monkeypatch, rows, nginx=printing(site)), "nginx")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("WWW.Example.com.", "www.example.com"),
        ("*.example.com", "www.example.com"),
        (".example.com", "example.com"),
        ("_", None),
        ("localhost", None),
        ("~^www\\d+\\.example\\.com$", None),
        ("a..example.com", None),
        ("-x.example.com", None),
        ("x" * 64 + ".example.com", None),
        ("{{ 7 * 7 }}.example.com", None),
    ],
)
def test_a_name_is_asked_for_where_it_is_one_of_the_network(written: str, name: str | None) -> None:
    assert tls_servers.asked([written]) == ([] if name is None else [(name, written)])


def test_what_is_not_there_is_absent_and_what_does_not_say_is_not_measured(tmp_path: Path) -> None:
    nothing = made_reader(tmp_path / "a", {})
    for read in (tls_servers.nginx, tls_servers.apache, tls_servers.postfix):
        with pytest.raises(Absent):
            read(nothing)
    broken: dict[str, Any] = {"nginx": "echo 'emerg: unknown directive' >&2; exit 1", "apache2ctl": "true"}
    silent = made_reader(tmp_path / "b", {}, broken)
    with pytest.raises(Unmeasurable, match="unknown directive"):
        tls_servers.nginx(silent)
    with pytest.raises(Unmeasurable, match="shows no files"):
        tls_servers.apache(silent)


def test_the_files_of_certificates_are_those_of_all_servers(tmp_path: Path) -> None:
    site = "<VirtualHost *:443>\nSSLCertificateFile /etc/ssl/b.pem\n</VirtualHost>\n"
    programs = {
        "nginx": printing(SITE),
        "apache2ctl": printing("  (*) /etc/apache2/apache2.conf\n"),
        "postconf": POSTCONF,
    }
    host = made_reader(tmp_path, {"/etc/apache2/apache2.conf": site}, programs)

    assert tls_servers.certificate_files(host) == ["/etc/nginx/a.pem", "/etc/ssl/b.pem", "/etc/ssl/mail.pem"]
