# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first message of a handshake as OpenSSL takes it, and whatever may come back."""

from __future__ import annotations

import contextlib
import io
import ssl
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_hello, tls_suites
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_hello import (
    RANDOM,
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    Broken,
    Hello,
    NotTls,
    Refused,
    answer,
    client_hello,
)
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_tls_server

RANDOMS = bytes(range(3 * RANDOM))


def reply(server: ssl.SSLContext, sent: bytes) -> bytes:
    """What OpenSSL answers, without any network."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = server.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(sent)
    with contextlib.suppress(ssl.SSLError):
        connection.do_handshake()
    return outgoing.read()


def read(data: bytes) -> Hello | Refused:
    return answer(io.BytesIO(data).read)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return made_tls_server.context(tmp_path_factory.mktemp("server"))


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12, TLS13])
def test_openssl_takes_every_version_that_is_offered_with_all_its_ciphers(server: ssl.SSLContext, version: int) -> None:
    suites = tls_suites.THIRTEEN if version == TLS13 else tls_suites.EARLIER

    found = read(reply(server, client_hello(version, suites, RANDOMS, "www.example.com")))

    assert isinstance(found, Hello) and found.version == version and found.suite in suites
    # Only before TLS 1.3 it comes in the clear.
    assert bool(found.certificates) is (version < TLS13)


@pytest.mark.parametrize("number", [0xC02F, 0x002F, 0xC013, 0xC018])
def test_a_cipher_that_is_offered_alone_is_the_one_that_is_taken(server: ssl.SSLContext, number: int) -> None:
    found = read(reply(server, client_hello(TLS12, [number], RANDOMS)))

    assert isinstance(found, Hello) and found.suite == number
    # Of the anonymous one (0xC018) none comes.
    assert bool(found.certificates) is (number != 0xC018)


def test_what_a_server_is_not_set_up_for_is_refused_with_its_alert(tmp_path: Path) -> None:
    strict = made_tls_server.context(tmp_path, "ECDHE+AESGCM")
    strict.minimum_version = ssl.TLSVersion.TLSv1_2

    assert read(reply(strict, client_hello(TLS11, tls_suites.EARLIER, RANDOMS))) == Refused(70)
    assert read(reply(strict, client_hello(TLS12, [0x002F], RANDOMS))) == Refused(40)
    assert isinstance(read(reply(strict, client_hello(SSL3, tls_suites.EARLIER, RANDOMS))), Refused)


def test_a_server_that_asks_to_begin_anew_with_another_group_has_chosen_all_the_same(tmp_path: Path) -> None:
    other = made_tls_server.context(tmp_path)
    other.set_ecdh_curve("secp384r1")

    found = read(reply(other, client_hello(TLS13, tls_suites.THIRTEEN, RANDOMS)))

    assert isinstance(found, Hello) and (found.version, found.certificates) == (TLS13, ())


def test_the_whole_chain_comes_in_the_order_in_which_it_was_sent(tmp_path: Path) -> None:
    leaf = made_tls_server.certificate("leaf", "between")
    between = made_tls_server.certificate("between", "root")
    made = made_tls_server.context(tmp_path)
    path = tmp_path / "server0.pem"
    made_key = path.read_text()[path.read_text().index("-----BEGIN PRIVATE") :]
    path.write_text(made_tls_server.pem(leaf) + made_tls_server.pem(between) + made_key)
    made.load_cert_chain(path)

    found = read(reply(made, client_hello(TLS12, tls_suites.EARLIER, RANDOMS)))

    assert isinstance(found, Hello)
    assert found.certificates == (made_tls_server.der(leaf), made_tls_server.der(between))


def test_an_answer_may_come_byte_by_byte(server: ssl.SSLContext) -> None:
    data = io.BytesIO(reply(server, client_hello(TLS12, tls_suites.EARLIER, RANDOMS)))

    found = answer(lambda _most: data.read(1))

    assert isinstance(found, Hello) and found.certificates


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"220 mail.example.com ESMTP\r\n", b"\x16\x09\x00\x00\x01x"]
)
def test_what_speaks_something_else_is_not_tls(data: bytes) -> None:
    with pytest.raises(NotTls):
        read(data)


def test_who_hangs_up_without_a_word_refuses() -> None:
    assert read(b"") == Refused(None)


def record(body: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x03\xff\xff" + bytes(70000),
        record(b"\x02\xff\xff\xff" + bytes(1000)),
        record(b"\x0b\x00\x00\x00"),
        record(b"\x02\x00\x00\x02\x03\x03"),
        b"\x16\x03\x03\x00\x10abc",
        b"\x16\x03",
        b"\x16\x03\x03\x00\x00",
        b"".join(record(b"\x02\x00\xff\xff" if not number else bytes(16000)) for number in range(30)),
    ],
)
def test_an_answer_without_form_or_end_is_broken(data: bytes) -> None:
    with pytest.raises(Broken):
        read(data)


@pytest.mark.thorough
@settings(max_examples=300)
@given(st.binary(max_size=400), st.booleans())
def test_nothing_that_comes_from_outside_does_anything_else(data: bytes, framed: bool) -> None:
    try:
        found = read(record(data[:300] or b"\0") if framed else data)
    except (NotTls, Broken):
        return
    assert isinstance(found, Hello | Refused)


@pytest.mark.thorough
@settings(max_examples=200)
@given(st.data())
def test_a_real_answer_that_was_tampered_with_neither(server: ssl.SSLContext, data: st.DataObject) -> None:
    real = bytearray(reply(server, client_hello(TLS12, tls_suites.EARLIER, RANDOMS)))
    for _time in range(data.draw(st.integers(1, 4))):
        real[data.draw(st.integers(0, len(real) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotTls, Broken):
        read(bytes(real))


def test_no_name_is_sent_where_none_is_asked_for() -> None:
    assert b"www.example.com" in client_hello(TLS12, [0xC02F], RANDOMS, "www.example.com")
    assert struct.pack("!HH", 0, 20) not in client_hello(TLS12, [0xC02F], RANDOMS)[60:]
    # SSL 3 knows no extensions.
    assert b"www.example.com" not in client_hello(SSL3, [0x0005], RANDOMS, "www.example.com")


def test_whatever_the_versions_are_called_they_are_called_so_by_the_servers_settings_too() -> None:
    assert list(tls_hello.VERSIONS.values()) == ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
