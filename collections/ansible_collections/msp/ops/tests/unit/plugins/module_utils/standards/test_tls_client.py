# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a port takes, asked of real servers of Python's library on loopback, and of some that answer in bad ways."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_client, tls_profiles
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import Look, NoTls, Target
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_tls_server import (
    EC,
    RSA,
    Key,
    certificate,
    context,
    der,
    handshake,
    pem,
    serving,
)

Answer = Callable[[socket.socket, int], None]
PROFILE = tls_profiles.PROFILES[tls_profiles.INTERMEDIATE]
EVERY = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def at(port: int, protocol: str = "tls", name: str = "") -> Target:
    return Target("127.0.0.1", port, protocol, name)


def ours(made: ssl.SSLContext) -> set[int]:
    return {one["id"] & 0xFFFF for one in made.get_ciphers()}


def test_all_that_a_server_takes_is_found_whatever_this_machine_itself_would_offer(tmp_path: Path) -> None:
    made = context(tmp_path)
    with serving(handshake(made)) as port:
        found = tls_client.look(at(port, name="www.example.com"))

    assert found.versions == EVERY
    assert {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"} <= set(found.ciphers)
    # Nothing of which it has no key, and nothing that it was not set up for.
    assert not any("ECDSA" in name for name in found.ciphers)
    assert len(found.ciphers) == len(set(found.ciphers)) <= len(ours(made))
    assert len(found.chains) == 1


def test_of_a_server_within_the_profile_nothing_else_is_found(tmp_path: Path) -> None:
    made = context(tmp_path, PROFILE.openssl)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    with serving(handshake(made)) as port:
        found = tls_client.look(at(port))

    assert found.versions == PROFILE.versions
    assert set(found.ciphers) == {name for name in PROFILE.allowed if "ECDSA" not in name}


def test_of_two_certificates_both_chains_are_found(tmp_path: Path) -> None:
    two: list[tuple[x509.Certificate, Key]] = [(certificate(), RSA), (certificate("of a curve", key=EC), EC)]
    with serving(handshake(context(tmp_path, of=two))) as port:
        found = tls_client.look(at(port))

    assert {chain[0] for chain in found.chains} == {der(one) for one, _key in two}


def test_a_server_of_nothing_but_tls_1_3_shows_its_certificate_in_a_whole_handshake(tmp_path: Path) -> None:
    own = certificate()
    made = context(tmp_path, of=[(own, RSA)])
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    with serving(handshake(made)) as port:
        found = tls_client.look(at(port))
        leaf = tls_client.leaf(at(port))

    assert (found.versions, found.chains, leaf) == (("TLSv1.3",), (), der(own))


# -- under another name or address ---------------------------------------------------------------------------------


def test_where_nothing_more_is_taken_than_elsewhere_a_few_handshakes_say_so(tmp_path: Path) -> None:
    made, number = context(tmp_path), 0

    def counted(connection: socket.socket, place: int) -> None:
        nonlocal number
        number = place + 1
        handshake(made)(connection, place)

    with serving(counted) as port:
        first = tls_client.look(at(port))
        one_by_one = number
        second = tls_client.look(at(port, name="b.example.com"), first)

    assert set(second.ciphers) == set(first.ciphers) and second.versions == first.versions and second.chains
    assert number - one_by_one <= 12 < one_by_one


@pytest.mark.parametrize("like", [Look(("TLSv1.3",), ("TLS_AES_256_GCM_SHA384",), ()), Look((), (), (), True)])
def test_where_more_is_taken_than_elsewhere_all_of_it_is_found(like: Look, tmp_path: Path) -> None:
    with serving(handshake(context(tmp_path))) as port:
        found = tls_client.look(at(port), like)

    assert found.versions == EVERY and "TLS_RSA_WITH_AES_128_CBC_SHA" in found.ciphers


def test_where_less_is_taken_than_elsewhere_no_more_is_told(tmp_path: Path) -> None:
    strict = context(tmp_path, PROFILE.openssl)
    strict.minimum_version = ssl.TLSVersion.TLSv1_2
    with serving(handshake(context(tmp_path))) as port:
        like = tls_client.look(at(port))
    with serving(handshake(strict)) as port:
        found = tls_client.look(at(port), like)

    assert found.versions == PROFILE.versions and set(found.ciphers) <= PROFILE.allowed


# -- servers that answer in bad ways -------------------------------------------------------------------------------


def alert(number: int) -> Answer:
    def answer(connection: socket.socket, _place: int) -> None:
        connection.recv(4096)
        connection.sendall(struct.pack("!BHHBB", 21, 0x0303, 2, 2, number))

    return answer


@pytest.mark.parametrize("number", [40, 70, 80])
def test_a_server_that_refuses_everything_was_not_measured(number: int) -> None:
    with serving(alert(number)) as port, pytest.raises(Unmeasurable, match=f"takes no handshake .*alert {number}"):
        tls_client.look(at(port))


def test_a_server_that_hangs_up_on_everything_was_not_measured() -> None:
    with serving(lambda _connection, _place: None) as port, pytest.raises(Unmeasurable, match="it says nothing"):
        tls_client.look(at(port))


def test_a_server_that_knows_no_such_name_has_nothing_to_be_told() -> None:
    with serving(alert(112)) as port:
        assert tls_client.look(at(port, name="other.example.com")) == Look((), (), (), True, False)


def test_what_a_server_refuses_counts_only_while_it_still_takes_something(tmp_path: Path) -> None:
    """One that has had enough of somebody who asks and asks refuses everything from then on."""
    made = handshake(context(tmp_path, PROFILE.openssl))

    def tired(connection: socket.socket, place: int) -> None:
        (made if place < 3 else alert(40))(connection, place)

    with serving(tired) as port, pytest.raises(Unmeasurable, match="no longer takes what it took before"):
        tls_client.look(at(port))


def test_a_server_that_does_not_answer_in_time_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_client, "SECONDS", 0.2)

    def silent(connection: socket.socket, _place: int) -> None:
        while connection.recv(4096):
            pass

    with serving(silent) as port, pytest.raises(Unmeasurable, match="no answer within"):
        tls_client.look(at(port))


def test_what_speaks_something_else_offers_no_tls() -> None:
    def plain(connection: socket.socket, _place: int) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(plain) as port, pytest.raises(NoTls, match="speaks no TLS: 'HTTP/'"):
        tls_client.look(at(port))


def test_what_answers_without_form_was_not_measured() -> None:
    def garbage(connection: socket.socket, _place: int) -> None:
        connection.recv(4096)
        connection.sendall(b"\x16\x03\x03\xff\xff")

    with serving(garbage) as port, pytest.raises(Unmeasurable, match="a record of 65535 bytes"):
        tls_client.look(at(port))


def test_a_port_on_which_nobody_waits_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with pytest.raises(Unmeasurable, match="cannot be reached"):
        tls_client.look(at(port))


def test_a_cipher_that_nobody_offered_is_no_answer() -> None:
    hello = b"\x03\x03" + bytes(32) + b"\0" + b"\xfa\xfa" + b"\0"
    message = b"\x02" + struct.pack("!I", len(hello))[1:] + hello + b"\x0e\0\0\0"

    def odd(connection: socket.socket, _place: int) -> None:
        connection.recv(4096)
        connection.sendall(struct.pack("!BHH", 22, 0x0303, len(message)) + message)

    with serving(odd) as port, pytest.raises(Unmeasurable, match="not offered"):
        tls_client.look(at(port))


# -- mail ----------------------------------------------------------------------------------------------------------


def talking(*steps: tuple[str, str], then: Answer | None = None) -> Answer:
    """A server that greets with the first text, and answers each line that begins so with another."""

    def answer(connection: socket.socket, place: int) -> None:
        connection.sendall(steps[0][1].encode())
        for wanted, text in steps[1:]:
            said = b""
            while not said.endswith(b"\n"):
                more = connection.recv(1)
                if not more:
                    return
                said += more
            assert said.decode().startswith(wanted), said
            connection.sendall(text.encode())
        if then is not None:
            then(connection, place)

    return answer


SMTP = (("", "220-mail\r\n220 ESMTP\r\n"), ("EHLO", "250-mail\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"))
IMAP = (("", "* OK ready\r\n"), ("a CAPABILITY", "* CAPABILITY IMAP4 STARTTLS LOGINDISABLED\r\na OK done\r\n"))
POP3 = (("", "+OK ready\r\n"), ("CAPA", "+OK\r\nUSER\r\nSTLS\r\n.\r\n"))
BEGUN = {
    "smtp": (*SMTP, ("STARTTLS", "220 go\r\n")),
    "imap": (*IMAP, ("b STARTTLS", "b OK go\r\n")),
    "pop3": (*POP3, ("STLS", "+OK go\r\n")),
}


@pytest.mark.parametrize(("protocol", "auth"), [("smtp", True), ("imap", False), ("pop3", True)])
def test_mail_begins_in_the_clear_and_says_whether_a_password_would_do_so_too(
    protocol: str, auth: bool, tmp_path: Path
) -> None:
    made = context(tmp_path, PROFILE.openssl)
    with serving(talking(*BEGUN[protocol], then=handshake(made))) as port:
        found = tls_client.look(at(port, protocol))
        why = tls_client.problem(at(port, protocol))

    assert found.versions == EVERY[2:] and found.auth is auth
    assert why == tls_client.SELF_SIGNED


@pytest.mark.parametrize(
    ("protocol", "steps", "auth"),
    [
        ("smtp", (SMTP[0], ("EHLO", "250-mail\r\n250 AUTH LOGIN\r\n")), True),
        ("smtp", (SMTP[0], ("EHLO", "250 mail\r\n")), False),
        ("imap", (IMAP[0], ("a ", "* CAPABILITY IMAP4\r\na OK\r\n")), True),
        ("pop3", (POP3[0], ("CAPA", "-ERR what\r\n")), False),
    ],
)
def test_mail_that_offers_no_tls_is_told_with_what_it_takes_all_the_same(
    protocol: str, steps: tuple[tuple[str, str], ...], auth: bool
) -> None:
    with serving(talking(*steps)) as port, pytest.raises(NoTls) as caught:
        tls_client.look(at(port, protocol))
    assert caught.value.auth is auth


@pytest.mark.parametrize(
    ("protocol", "steps", "why"),
    [
        ("smtp", (("", "554 go away\r\n"),), "does not greet: 554"),
        ("smtp", (*SMTP, ("STARTTLS", "454 not now\r\n")), "does not begin it: 454"),
        ("smtp", (("", "220-x\r\n" * 200),), "without end"),
        ("smtp", (("", "x" * 5000),), "without end"),
        ("imap", (("", "BYE\r\n"),), "does not greet"),
        ("pop3", (("", "-ERR\r\n"),), "does not greet"),
        ("pop3", (("", ""),), "hangs up"),
    ],
)
def test_mail_that_begins_in_another_way_was_not_measured(
    protocol: str, steps: tuple[tuple[str, str], ...], why: str
) -> None:
    with serving(talking(*steps)) as port, pytest.raises(Unmeasurable, match=why):
        tls_client.look(at(port, protocol))


# -- trust ---------------------------------------------------------------------------------------------------------


ROOT = certificate("root", key=EC)
LEAF = certificate("leaf", "root", signing=EC)


def problem(tmp_path: Path, *chain: object, authorities: tuple[str, ...] = (), kind: str = "") -> str:
    made = context(tmp_path, of=[(chain[0], RSA)])  # type: ignore[list-item]
    path = tmp_path / "server0.pem"
    key = path.read_text()[path.read_text().index("-----BEGIN PRIVATE") :]
    path.write_text("".join(pem(one) for one in chain) + key)  # type: ignore[arg-type]
    made.load_cert_chain(path)
    with serving(handshake(made)) as port:
        return tls_client.problem(at(port), authorities, kind)


def test_what_is_signed_by_a_known_authority_is_believed(tmp_path: Path) -> None:
    assert problem(tmp_path, LEAF, authorities=(pem(ROOT),)) == ""
    assert problem(tmp_path, LEAF, authorities=(pem(ROOT),), kind="RSA") == ""


def test_who_signs_himself_is_believed_only_where_that_was_agreed(tmp_path: Path) -> None:
    own = certificate()
    assert problem(tmp_path, own) == tls_client.SELF_SIGNED
    assert problem(tmp_path, own, authorities=(pem(own),)) == ""


def test_a_chain_that_ends_too_early_or_in_somebody_unknown_is_not_believed(tmp_path: Path) -> None:
    assert problem(tmp_path, LEAF) == tls_client.INCOMPLETE
    assert problem(tmp_path, LEAF, ROOT) == tls_client.UNKNOWN


def test_when_it_ends_is_another_question(tmp_path: Path) -> None:
    ended = certificate("leaf", "root", signing=EC, ends=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    assert problem(tmp_path, ended, authorities=(pem(ROOT),)) == ""


def test_a_server_that_ends_the_whole_handshake_was_not_measured() -> None:
    with serving(alert(40)) as port, pytest.raises(Unmeasurable, match="no whole handshake"):
        tls_client.problem(at(port))
