# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of what ports take and of certificates, by servers that are made up; real ones: test_tls_client.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.msp.ops.plugins.module_utils.standards import services, tls_client, tls_probes, tls_servers
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import Look, NoTls, Target
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_tls_server import (
    EC,
    RSA,
    certificate,
    der,
    pem,
)

NOW = dt.datetime.now(dt.UTC)
STRONG = ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384")
WEAK = tuple(f"TLS_RSA_WITH_{name}" for name in ("AES_128_CBC_SHA", "AES_256_CBC_SHA", "RC4_128_SHA", "NULL_SHA"))


def look(*ciphers: str, versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3"), chain: tuple[bytes, ...] = ()) -> Look:
    return Look(versions, ciphers or STRONG, (chain,) if chain else ())


# By port and family of keys: a Look, or the error that it ends in.
Answers = Mapping[tuple[int, str], Any]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reader]:
    """A host whose servers take what is said, by port and name; which programs it has, and which names in files."""

    def made(
        answers: Answers,
        kind: str = "nginx",
        names: Mapping[int, list[str]] | None = None,
        problems: Mapping[int, str] | None = None,
        files: tuple[str, ...] = (),
    ) -> Reader:
        targets = [Target("192.0.2.7", port, "tls", name) for port, name in answers]

        def looked(target: Target, _like: Look | None) -> Look:
            found = answers[(target.port, target.name)]
            if isinstance(found, Exception):
                raise found
            assert isinstance(found, Look)
            return found

        monkeypatch.setattr(tls_servers, "targets", lambda _reader, asked: targets if asked == kind else [])
        monkeypatch.setattr(tls_servers, "there", lambda _reader, asked: asked == kind)
        monkeypatch.setattr(tls_servers, "names", lambda _reader, _asked: names or {})
        monkeypatch.setattr(tls_servers, "certificate_files", lambda _reader: list(files))
        monkeypatch.setattr(tls_client, "look", looked)
        monkeypatch.setattr(tls_client, "authorities_there", lambda: True)
        monkeypatch.setattr(tls_client, "problem", lambda target, _known, _kind: (problems or {}).get(target.port, ""))
        monkeypatch.setattr(tls_client, "leaf", lambda _target: der(certificate()))
        return made_reader(tmp_path, {})

    return made


# -- what is taken -------------------------------------------------------------------------------------------------


def test_what_is_outside_the_profile_is_said_by_port_and_of_a_name_only_where_it_differs(
    answering: Callable[..., Reader],
) -> None:
    old = look(*STRONG, *WEAK, versions=("TLSv1", "TLSv1.2"))
    host = answering(
        {(443, ""): old, (443, "a.example.com"): old, (443, "b.example.com"): look(*WEAK), (444, ""): look()}
    )
    found = tls_probes.of_service(host, "nginx", "intermediate")

    assert found["versions_outside"] == ["tcp/443: TLSv1"]
    assert found["ciphers_outside"] == [f"tcp/443: {WEAK[0]}, {WEAK[1]}, +2"]
    assert found["accepted"]["tcp/443"] == {"versions": ["TLSv1", "TLSv1.2"], "ciphers": [*STRONG, *WEAK]}


def test_what_one_address_takes_more_than_another_counts(
    answering: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = answering({(443, ""): look()})
    both = [(Target("a", 443, "tls"), look()), (Target("b", 443, "tls"), look(versions=("TLSv1.1",)))]
    monkeypatch.setattr(tls_servers, "targets", lambda _reader, _kind: [target for target, _look in both])
    monkeypatch.setattr(tls_client, "look", lambda target, _like: dict(both)[target])

    assert tls_probes.of_service(host, "nginx", "intermediate")["versions_outside"] == ["tcp/443: TLSv1.1"]


def test_modern_lets_in_less(answering: Callable[..., Reader]) -> None:
    host = answering({(443, ""): look()})
    assert tls_probes.of_service(host, "nginx", "modern")["versions_outside"] == ["tcp/443: TLSv1.2"]


def test_a_port_that_speaks_no_tls_is_none_of_web_servers_and_told_of_mail(answering: Callable[..., Reader]) -> None:
    answers = {(80, ""): NoTls("no"), (443, ""): look()}
    assert list(tls_probes.of_service(answering(answers), "nginx", "intermediate")["accepted"]) == ["tcp/443"]
    mail = {(25, ""): NoTls("no", True), (587, ""): look()._replace(auth=True), (465, ""): look()}
    found = tls_probes.of_service(answering(mail, "postfix"), "postfix", "intermediate")
    assert (found["plain"], found["auth_in_clear"]) == (["tcp/25"], ["tcp/25", "tcp/587"])


def test_without_tls_a_server_has_nothing_to_be_held_to_but_mail_has(answering: Callable[..., Reader]) -> None:
    with pytest.raises(Absent, match="offers no TLS"):
        tls_probes.of_service(answering({(80, ""): NoTls("no")}), "nginx", "intermediate")
    with pytest.raises(Absent, match="not on this host"):
        tls_probes.of_service(answering({}), "apache", "intermediate")
    found = tls_probes.of_service(answering({(25, ""): NoTls("no")}, "postfix"), "postfix", "intermediate")
    assert found["plain"] == ["tcp/25"]


def test_a_port_that_could_not_be_measured_leaves_the_whole_server_unmeasured(answering: Callable[..., Reader]) -> None:
    host = answering({(443, ""): look(), (444, ""): Unmeasurable("tcp/444 gives no answer")})
    with pytest.raises(Unmeasurable, match="tcp/444"):
        tls_probes.of_service(host, "nginx", "intermediate")


def test_a_port_that_answers_only_to_names_that_nobody_knows_was_not_measured(answering: Callable[..., Reader]) -> None:
    """HAProxy with strict-sni, or a server whose names are regular expressions."""
    host = answering({(8443, ""): Look((), (), (), unnamed=True)}, kind="others")
    with pytest.raises(Unmeasurable, match=r"tcp/8443.*tls-ports"):
        tls_probes.of_service(host, "others", "intermediate")
    with pytest.raises(Unmeasurable, match="tcp/8443"):
        tls_probes.of_certificates(host)

    known = answering({(443, ""): Look((), (), (), unnamed=True), (443, "www.example.com"): look()})
    assert tls_probes.of_service(known, "nginx", "intermediate")["versions_outside"] == []


# -- certificates --------------------------------------------------------------------------------------------------


def ending(days: float, **more: object) -> x509.Certificate:
    return certificate(**{"ends": NOW + dt.timedelta(days=days), **more})  # type: ignore[arg-type]


def day(days: float) -> str:
    return (NOW + dt.timedelta(days=days)).strftime("%Y-%m-%d")


@pytest.mark.parametrize(("days", "told"), [(-3.5, True), (6.9, True), (7.1, False), (400, False)])
def test_a_certificate_that_ends_too_soon_is_told_with_its_day_and_who_signed_it(
    days: float, told: bool, answering: Callable[..., Reader]
) -> None:
    made = ending(days, subject="www.example.com", issuer="An Authority", signing=EC)
    found = tls_probes.of_certificates(answering({(443, ""): look(chain=(der(made),))}), days="7")

    line = f"tcp/443: {day(days)} (www.example.com < An Authority)"
    assert found["expiring"] == ([line] if told else [])
    # Nobody asked who believes it.
    assert "self_signed" not in found


def test_what_it_sends_along_may_end_too_and_is_said_once(answering: Callable[..., Reader]) -> None:
    chain = (
        der(ending(90, subject="www", issuer="between", signing=EC)),
        der(ending(2, subject="between", issuer="root")),
    )
    host = answering({(443, ""): look(chain=chain), (443, "a.example.com"): look(chain=chain)})

    assert tls_probes.of_certificates(host, days="7")["expiring"] == [f"tcp/443: {day(2)} (between < root)"]


@pytest.mark.parametrize("why", tls_client.PROBLEMS)
def test_whom_nobody_believes_is_told_but_where_that_was_agreed(why: str, answering: Callable[..., Reader]) -> None:
    own = (der(certificate("www")),)
    host = answering({(443, ""): look(chain=own), (25, ""): look(chain=own)}, problems={443: why, 25: why})
    found = tls_probes.of_certificates(host, authorities=(), unverified="tcp/25")

    assert {name: found[name] for name in tls_client.PROBLEMS if found[name]} == {why: ["tcp/443: www < www"]}


def test_without_a_list_of_authorities_nobody_can_be_believed(
    answering: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = answering({(443, ""): look(chain=(der(certificate()),))})
    monkeypatch.setattr(tls_client, "authorities_there", lambda: False)

    with pytest.raises(Unmeasurable, match="ca-certificates"):
        tls_probes.of_certificates(host, authorities=())
    assert tls_probes.of_certificates(host)["expiring"] == []


def test_a_name_of_the_files_needs_a_certificate_and_one_that_a_star_stands_for_does_not(
    answering: Callable[..., Reader],
) -> None:
    chain = (der(certificate("x", names=[x509.DNSName("a.example.com")])),)
    names = {443: ["a.example.com", "b.example.com", "*.c.example.com"]}
    every = ("", "a.example.com", "b.example.com", "www.c.example.com")
    host = answering({(443, name): look(chain=chain) for name in every}, names=names)

    assert tls_probes.of_certificates(host)["other_names"] == ["tcp/443 b.example.com: a.example.com"]


def test_a_name_that_was_agreed_is_asked_for_besides(answering: Callable[..., Reader]) -> None:
    chain = (der(certificate("x", names=[x509.DNSName("a.example.com")])),)
    agreed = ("443 a.example.com", "tcp/443 d.example.com", "443 e.example.com", "444 a.example.com")
    answers = {
        (443, ""): look(chain=chain),
        (443, "a.example.com"): look(chain=chain),
        (443, "d.example.com"): look(chain=chain),
        (443, "e.example.com"): Look((), (), (), True),
    }
    found = tls_probes.of_certificates(answering(answers, names={}), names=agreed)

    assert found["other_names"] == [
        "tcp/443 d.example.com: a.example.com",
        "tcp/443 e.example.com: -",
        "tcp/444 a.example.com: -",
    ]


def test_a_file_that_no_port_shows_is_read_and_one_that_is_shown_is_not_told_twice(
    answering: Callable[..., Reader], tmp_path: Path
) -> None:
    shown, hidden = ending(3, subject="shown"), ending(4, subject="hidden", key=EC)
    host = answering(
        {(443, ""): look(chain=(der(shown),))}, files=("/etc/ssl/a.pem", "/etc/ssl/b.pem", "/etc/ssl/c.key")
    )
    (tmp_path / "etc/ssl").mkdir(parents=True)
    for name, text in {"a.pem": pem(shown), "b.pem": pem(hidden), "c.key": "-----BEGIN PRIVATE KEY-----"}.items():
        (tmp_path / "etc/ssl" / name).write_text(text)

    found = tls_probes.of_certificates(host, days="7")

    assert found["expiring"] == [f"tcp/443: {day(3)} (shown < shown)", f"/etc/ssl/b.pem: {day(4)} (hidden < hidden)"]


@pytest.mark.parametrize(
    "text", [None, "nothing of the kind", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"]
)
def test_a_file_that_cannot_be_read_is_not_measured(
    text: str | None, answering: Callable[..., Reader], tmp_path: Path
) -> None:
    host = answering({}, files=("/etc/ssl/a.pem",))
    if text is not None:
        (tmp_path / "etc/ssl").mkdir(parents=True)
        (tmp_path / "etc/ssl/a.pem").write_text(text)
    with pytest.raises(Unmeasurable, match=r"/etc/ssl/a\.pem"):
        tls_probes.of_certificates(host)


def test_where_nothing_has_a_certificate_there_is_nothing_to_be_told(answering: Callable[..., Reader]) -> None:
    with pytest.raises(Absent):
        tls_probes.of_certificates(answering({}))


# -- what was agreed -----------------------------------------------------------------------------------------------


def test_ports_that_were_agreed_are_there_and_well_or_it_is_said(
    answering: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = (der(certificate("x", names=[x509.DNSName("a.example.com")])),)
    answers: Answers = {
        (636, ""): look(*WEAK, versions=("TLSv1",), chain=chain),
        (636, "a.example.com"): look(chain=chain),
        (636, "b.example.com"): look(chain=chain),
        (143, ""): NoTls("no"),
    }
    host = answering(answers, problems={636: tls_client.SELF_SIGNED})
    rows = [("127.0.0.1", port, "docker-proxy") for port in (636, 143)]
    monkeypatch.setattr(services, "waiting", lambda _reader: rows)
    ports = ("636 tls a.example.com B.example.com", "tcp/143 imap", "25 smtp")
    found = tls_probes.of_ports(host, ports, "intermediate", "21")

    assert (found["closed"], found["plain"]) == (["tcp/25"], ["tcp/143"])
    assert found["versions_outside"] == ["tcp/636: TLSv1"]
    assert found["other_names"] == ["tcp/636 b.example.com: a.example.com"]
    assert found["self_signed"] == ["tcp/636: x < x"]


def test_a_port_of_another_machine_is_asked_there(answering: Callable[..., Reader]) -> None:
    host = answering({(443, ""): look(chain=(der(certificate(key=RSA)),))})
    found = tls_probes.of_ports(host, "443 tls", "intermediate", "21", address="198.51.100.4")
    assert (found["closed"], list(found["accepted"])) == ([], ["tcp/443"])


@pytest.mark.parametrize("text", ["636", "636 ssh", "0 tls", "99999 tls", "636 tls ;x", "tls 636"])
def test_what_is_no_port_with_its_protocol_is_refused(text: str, answering: Callable[..., Reader]) -> None:
    with pytest.raises(Unmeasurable, match="no port with its protocol"):
        tls_probes.of_ports(answering({}), text, "intermediate", "21")


def test_without_any_there_is_nothing_to_be_told(answering: Callable[..., Reader]) -> None:
    with pytest.raises(Absent):
        tls_probes.of_ports(answering({}), (), "intermediate", "21")
