"""A real OpenLDAP for a while, for tests of the directory: slapd with a certificate made for it, on loopback or on an
address of a lab's network, which only the hosts of that lab reach.

Keeps nothing. It runs a copy of the program: where AppArmor is on, its profile of /usr/sbin/slapd lets it read its own
places only.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import packages, paths, processes
from lab.locks import claimed

PROGRAM = Path("/usr/sbin/slapd")
SCHEMAS = Path("/etc/ldap/schema")
# dsee and msuser: Microsoft's own classes and attributes, so that an entry of Active Directory is as it is there.
USED_SCHEMAS = ("core", "cosine", "inetorgperson", "nis", "dsee", "msuser")
MODULES = Path("/usr/lib/ldap")
HOST = "127.0.0.1"

_SETTINGS = """\
{schemas}
modulepath {modules}
moduleload back_mdb
TLSCACertificateFile {place}/ca.pem
TLSCertificateFile {place}/server.pem
TLSCertificateKeyFile {place}/server.key
# A password in the clear is refused before it is looked at.
security simple_bind=128
database mdb
suffix "{base}"
directory {place}/data
maxsize 268435456
{limits}
access to attrs=userPassword by dn.exact="{admin}" write by anonymous auth by * none
access to * by dn.exact="{admin}" write by users read by * none
"""


@dataclass
class Slapd:
    """A running server: its two addresses, and the certificate authority that vouches for it."""

    ldaps: str
    ldap: str
    ca: Path
    process: processes.Process
    mark: Path

    def stop(self) -> None:
        processes.end_all([self.process])

    def start_again(self) -> None:
        """At the same addresses, with what it had: what was changed meanwhile too."""
        self.process = _run(self.ca.parent, self.mark, self.ldaps, self.ldap)


def missing() -> list[packages.Package]:
    """What has to be installed before a server can start."""
    return packages.missing([package for package in packages.PACKAGES if package.name == "slapd"])


@contextmanager
def slapd(
    base: str, ldif: str, *, limits: Sequence[str] = (), host: str = HOST, names: Sequence[str] = (), admin: str = ""
) -> Iterator[Slapd]:
    """A server with these entries below this base; limits as in slapd.conf(5). All of it is gone at the end.

    host is the address of this machine that it listens on, names are more that its certificate is for. admin is who
    may change entries; without it nobody may.
    """
    with claimed("ldap") as name:
        lab = paths.lab_paths(name)
        _remove(lab.base)  # what a killed run left
        place = lab.base / "ldap"
        try:
            paths.make_dir(lab.base, 0o700)
            paths.make_dir(place / "data", 0o700)
            write_certificates(place, "msp.ops lab", [host, *names])
            _configure(place, base, ldif, limits, admin or f"cn=nobody,{base}")
            yield _start(place, lab.base, host)
        finally:
            _remove(lab.base)


def write_certificates(place: Path, authority: str, names: Sequence[str]) -> None:
    """ca.pem, and server.pem with its key for these names and addresses; good for a day."""
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name(authority)
    ca = _unsigned(ca_name, ca_name, ca_key, is_ca=True).sign(ca_key, hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([_general(name) for name in names])
    unsigned = _unsigned(_name("slapd"), ca_name, key, is_ca=False).add_extension(alternative, critical=False)
    server = unsigned.sign(ca_key, hashes.SHA256())
    (place / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (place / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    paths.write_private(place / "server.key", pem)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _configure(place: Path, base: str, ldif: str, limits: Sequence[str], admin: str) -> None:
    """Its settings, and its data loaded while it does not run."""
    shutil.copy(PROGRAM, place / "slapd")
    schemas = "\n".join(f"include {SCHEMAS}/{name}.schema" for name in USED_SCHEMAS)
    settings = _SETTINGS.format(
        schemas=schemas, modules=MODULES, place=place, base=base, limits="\n".join(limits), admin=admin
    )
    (place / "slapd.conf").write_text(settings)
    (place / "data.ldif").write_text(ldif, encoding="utf-8")
    done = subprocess.run(
        [place / "slapd", "-Tadd", "-q", "-f", place / "slapd.conf", "-l", place / "data.ldif"],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise _failed("to load its data", done.stderr[-500:])


def _start(place: Path, mark: Path, host: str) -> Slapd:
    ldaps, ldap = (
        f"{scheme}://{host}:{port}" for scheme, port in zip(("ldaps", "ldap"), _free_ports(host), strict=True)
    )
    return Slapd(ldaps, ldap, place / "ca.pem", _run(place, mark, ldaps, ldap), mark)


def _run(place: Path, mark: Path, ldaps: str, ldap: str) -> processes.Process:
    process = processes.start(
        [place / "slapd", "-d", "none", "-f", place / "slapd.conf", "-h", f"{ldaps} {ldap}"],
        log=place / "log",
        cwd=place,
        mark=mark,
    )
    ends = [url.partition("://")[2].rpartition(":") for url in (ldaps, ldap)]
    if not processes.wait_until(
        lambda: all(listens(host, int(port)) for host, _colon, port in ends) or not processes.alive(process), 60
    ):
        raise _failed("to listen within 60 seconds", "silence")
    if not processes.alive(process):
        raise _failed("to run", (place / "log").read_text(errors="replace")[-500:])
    return process


def _free_ports(host: str) -> tuple[int, int]:
    """Two ports of an address of this machine that nobody has at this moment."""
    with socket.create_server((host, 0)) as one, socket.create_server((host, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def listens(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _remove(base: Path) -> None:
    processes.end_all(processes.of_lab(base, []))
    shutil.rmtree(base, ignore_errors=True)


def _failed(what: str, found: str) -> MspError:
    return MspError("MSP-LAB-020", f"slapd {what}", found.strip() or "(it says nothing)", "look at what it says")
