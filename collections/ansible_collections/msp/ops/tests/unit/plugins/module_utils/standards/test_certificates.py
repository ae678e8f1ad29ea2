# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates as they are read here, against the library cryptography, which reads them in another way."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import certificates
from ansible_collections.msp.ops.plugins.module_utils.standards.certificates import NoCertificate
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_tls_server import (
    EC,
    RSA,
    Key,
    certificate,
    der,
    pem,
)

SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is to be found
LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
NAMES = st.lists(st.lists(LABEL, min_size=1, max_size=4).map(".".join), max_size=6)


@pytest.mark.parametrize(
    ("key", "kind", "bits", "weak"),
    [
        (RSA, "RSA", 2048, []),
        (SHORT, "RSA", 1024, ["RSA 1024"]),
        (EC, "EC", 256, []),
        (ec.generate_private_key(ec.SECP384R1()), "EC", 384, []),
        (ec.generate_private_key(ec.SECP192R1()), "EC", 192, ["EC 192"]),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA", 256, []),
    ],
)
def test_its_key_is_told_by_kind_and_size(key: Key, kind: str, bits: int, weak: list[str]) -> None:
    found = certificates.read(der(certificate(key=key, signing=RSA)))

    assert (found.key, found.bits, certificates.weaknesses(found)) == (kind, bits, weak)


@pytest.mark.thorough
def test_a_key_of_dsa_is_weak_whatever_its_size() -> None:
    key = dsa.generate_private_key(2048)
    found = certificates.read(der(certificate(key=key, signing=RSA)))  # type: ignore[arg-type]

    assert certificates.weaknesses(found) == ["DSA 2048"]


@pytest.mark.thorough
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(min_size=1, max_size=16),
    st.text(min_size=1, max_size=16),
    NAMES,
    st.datetimes(dt.datetime(2021, 1, 1), dt.datetime(2120, 1, 1)),  # noqa: DTZ001 - hypothesis wants them so
)
def test_what_cryptography_wrote_is_read_as_it_meant_it(
    subject: str, issuer: str, names: list[str], ends: dt.datetime
) -> None:
    made = certificate(
        subject,
        issuer,
        key=EC,
        names=[*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))],
        ends=ends.replace(tzinfo=dt.UTC),
    )

    found = certificates.read(der(made))

    assert found.names == tuple(names) and found.addresses == ("192.0.2.1",)
    assert found.own is (subject == issuer)
    assert found.not_after == int(made.not_valid_after_utc.timestamp())
    assert found.not_before == int(made.not_valid_before_utc.timestamp())
    assert found.fingerprint == made.fingerprint(hashes.SHA256()).hex()
    assert found.subject.isprintable() and 0 < len(found.subject) <= certificates.LONGEST_NAME


def test_a_day_is_told_in_utc() -> None:
    assert certificates.day(1795780800) == "2026-11-27"


@pytest.mark.parametrize(("hash_", "said"), [("sha1", ["SHA-1"]), ("sha256", [])])
def test_an_old_signature_is_found_but_not_where_it_signs_itself(hash_: str, said: list[str], tmp_path: Path) -> None:
    """OpenSSL still makes them, cryptography no more."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    common = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", f"-{hash_}"]
    root = [*common, "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem"]
    leaf = [*common, "-subj", "/CN=leaf", "-CA", "root.pem", "-CAkey", "root.key", "-keyout", "leaf.key"]
    for command in (root, [*leaf, "-out", "leaf.pem"]):
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    of_leaf, of_root = (
        certificates.read(certificates.of_pem((tmp_path / name).read_text())[0]) for name in ("leaf.pem", "root.pem")
    )

    assert certificates.weaknesses(of_leaf) == said
    assert certificates.weaknesses(of_root) == [] and of_root.own and not of_leaf.own


def test_a_signature_of_pss_counts_by_the_hash_that_it_names() -> None:
    builder = x509.CertificateBuilder().subject_name(certificate().subject).issuer_name(certificate("other").subject)
    builder = builder.public_key(RSA.public_key()).serial_number(1)
    builder = builder.not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    form = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

    found = certificates.read(der(builder.sign(RSA, hashes.SHA256(), rsa_padding=form)))

    assert found.weak_hash == ""


@pytest.mark.thorough
@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_bytes_that_are_none_are_refused_and_do_nothing_else(data: bytes) -> None:
    with pytest.raises(NoCertificate):
        certificates.read(data)


REAL = der(certificate(key=EC, signing=RSA))


@pytest.mark.thorough
@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_one_that_was_tampered_with_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(REAL)
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(NoCertificate):
        certificates.read(bytes(data))


def test_the_certificates_of_a_file_come_in_their_order_and_keys_are_passed_over() -> None:
    two = [certificate("a"), certificate("b")]
    text = "Subject: a\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + "".join(map(pem, two))

    assert certificates.of_pem(text) == [der(one) for one in two]
    assert certificates.of_pem("nothing") == []
    with pytest.raises(NoCertificate):
        certificates.of_pem("-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("www.example.com", True),
        ("WWW.Example.COM.", True),
        ("a.shop.example.com", True),
        ("a.b.shop.example.com", False),
        ("shop.example.com", False),
        ("example.com", False),
        ("com", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("*.shop.example.com", True),
    ],
)
def test_a_star_stands_for_one_label(name: str, fits: bool) -> None:
    names = [x509.DNSName("www.example.com"), x509.DNSName("*.shop.example.com"), x509.DNSName("*.com.")]
    made = certificate(names=[*names, x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])

    assert certificates.is_for(certificates.read(der(made)), name) is fits


def test_the_common_name_is_no_name_that_it_is_for() -> None:
    assert not certificates.is_for(certificates.read(der(certificate(names=[]))), "www.example.com")
