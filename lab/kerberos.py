"""A real MIT Kerberos KDC for a while, for tests of single sign-on: on one address of this machine, with a realm of its
own and principals that are made for it.

Keeps nothing. Its passwords are given to kadmin.local on its input, and stand in no list of processes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import ldap, packages, paths, processes
from lab.locks import claimed

# disable_pac: SSSD takes a ticket with the PAC that MIT's KDC puts into it for a forged one (its issue 8300).
_KDC = """\
[kdcdefaults]
kdc_listen = {end}
kdc_tcp_listen = {end}
[realms]
{realm} = {{
    database_name = {place}/principal
    key_stash_file = {place}/stash
    acl_file = {place}/acl
    max_life = 1h
    default_principal_flags = +preauth
    disable_pac = true
}}
[logging]
kdc = FILE:{place}/kdc.log
admin_server = FILE:{place}/admin.log
"""
# dns_canonicalize_hostname: a lab has no names in any DNS.
CLIENT = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
{realm} = {{
    kdc = {end}
}}
"""


@dataclass
class Kdc:
    """A running KDC. address is HOST:PORT, client a krb5.conf for who asks it."""

    realm: str
    address: str
    place: Path
    process: processes.Process
    mark: Path

    @property
    def client(self) -> Path:
        return self.place / "krb5.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Of a program that is to use this realm. Tickets of this lab only."""
        return {**os.environ, "KRB5_CONFIG": str(self.client), "KRB5CCNAME": f"FILE:{self.place / 'tickets'}"}

    def keytab(self, principal: str) -> Path:
        """A new key of a service, made if it has none, in a file of its own."""
        path = self.place / f"{principal.replace('/', '-')}.keytab"
        path.unlink(missing_ok=True)
        _admin(self.place, [f"addprinc -randkey {principal}", f"ktadd -k {path} {principal}"])
        return path

    def ticket(self, person: str, password: str) -> None:
        """Log somebody in here: kinit, as people do it."""
        done = subprocess.run(
            ["kinit", person], env=self.environment, input=password, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise _failed("kinit to succeed", done.stderr)

    def stop(self) -> None:
        processes.end_all([self.process])

    def start_again(self) -> None:
        self.process = _run(self.place, self.mark, self.address)


def missing() -> list[packages.Package]:
    """What has to be installed before a KDC can start."""
    return packages.missing([package for package in packages.PACKAGES if package.purpose == packages.KERBEROS])


@contextmanager
def kdc(realm: str, people: Mapping[str, str], *, host: str = ldap.HOST) -> Iterator[Kdc]:
    """A KDC on an address of this machine, with these people and their passwords. All of it is gone at the end."""
    with claimed("kdc") as name:
        lab = paths.lab_paths(name)
        _remove(lab.base)  # what a killed run left
        place = lab.base / "kdc"
        try:
            paths.make_dir(lab.base, 0o700)
            paths.make_dir(place, 0o700)
            with socket.create_server((host, 0)) as free:
                end = f"{host}:{free.getsockname()[1]}"
            (place / "kdc.conf").write_text(_KDC.format(end=end, realm=realm, place=place))
            (place / "krb5.conf").write_text(CLIENT.format(end=end, realm=realm))
            (place / "acl").touch()
            master = secrets.token_hex(16)
            _call(place, ["kdb5_util", "create", "-s", "-r", realm], f"{master}\n{master}\n")
            made = [f"addprinc {person}\n{password}\n{password}" for person, password in people.items()]
            _admin(place, made)
            yield Kdc(realm, end, place, _run(place, lab.base, end), lab.base)
        finally:
            _remove(lab.base)


def _run(place: Path, mark: Path, end: str) -> processes.Process:
    process = processes.start(
        ["env", *_settings(place), "krb5kdc", "-n", "-P", str(place / "pid")], log=place / "log", cwd=place, mark=mark
    )
    host, _colon, port = end.rpartition(":")
    if not processes.wait_until(lambda: ldap.listens(host, int(port)) or not processes.alive(process), 60):
        raise _failed("krb5kdc to listen within 60 seconds", "silence")
    if not processes.alive(process):
        raise _failed("krb5kdc to run", (place / "log").read_text(errors="replace")[-500:])
    return process


def _settings(place: Path) -> list[str]:
    return [f"KRB5_CONFIG={place / 'krb5.conf'}", f"KRB5_KDC_PROFILE={place / 'kdc.conf'}"]


def _admin(place: Path, commands: Sequence[str]) -> None:
    """kadmin.local says what went wrong and goes on, so its words are read."""
    said = _call(place, ["kadmin.local"], "".join(f"{command}\n" for command in commands))
    wrong = [line for line in said.splitlines() if " while " in line and "already exists" not in line]
    if wrong:
        raise _failed("kadmin.local to do what it is told", wrong[0])


def _call(place: Path, command: Sequence[str], text: str) -> str:
    done = subprocess.run(
        ["env", *_settings(place), *command], input=text, capture_output=True, text=True, check=False, cwd=place
    )
    if done.returncode:
        raise _failed(f"{command[0]} to succeed", done.stderr[-500:])
    return done.stdout + done.stderr


def _remove(base: Path) -> None:
    processes.end_all(processes.of_lab(base, []))
    shutil.rmtree(base, ignore_errors=True)


def _failed(what: str, found: str) -> MspError:
    return MspError("MSP-LAB-020", what, found.strip() or "(it says nothing)", "look at what it says")
