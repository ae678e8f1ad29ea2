# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers every probe of one request, each on its own and bounded in time. Decides nothing and changes nothing.

A probe that fails or hangs is "error" with the reason, and ends no other. What it asks of is not on the host: "absent".
Neither is ever an empty value, which would read as nothing wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import operating_system
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.probing import SECONDS_A_PROBE, probe
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    access,
    accounts,
    directory,
    directory_accounts,
    encryption,
    files,
    firewall,
    installed,
    kernel,
    local_admins,
    password_hashes,
    repositories,
    second_factor,
    services,
    software_probes,
    ssh_server,
    sudo,
    tls_probes,
    umask,
    units,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.request import Probe

OK, ABSENT, ERROR = "ok", "absent", "error"
# All probes together; a run gives a host up later than that.
SECONDS_IN_ALL = 240
LONGEST_REASON = 300


class Kind(NamedTuple):
    """How one kind is measured, and which slow programs of it can start before."""

    measure: Callable[..., dict]
    prepare: Callable[[Reader], None] | None = None


MEASURES: dict[str, Kind] = {
    "sshd": Kind(ssh_server.measure, ssh_server.prepare),
    "sysctl": Kind(kernel.setting),
    "unit": Kind(units.unit),
    "package": Kind(installed.package, installed.prepare),
    "packages": Kind(installed.all_packages, installed.prepare),
    "file": Kind(files.file),
    "file_rights": Kind(files.file_rights),
    "file_lines": Kind(files.file_lines),
    "systemd_config": Kind(units.setting),
    "mount": Kind(kernel.mount),
    "nftables": Kind(firewall.measure, firewall.prepare),
    "listening": Kind(services.listening),
    "firewall_unlisted": Kind(firewall.unlisted, firewall.prepare),
    "accounts": Kind(accounts.measure),
    "homes": Kind(accounts.homes),
    "sudo": Kind(sudo.measure, sudo.prepare),
    "login_defs": Kind(accounts.login_defs),
    "umask": Kind(umask.measure, ssh_server.prepare),
    "password_hashes": Kind(password_hashes.measure),
    "repositories": Kind(repositories.measure),
    "apt_config": Kind(repositories.apt_config, repositories.prepare_apt),
    "time": Kind(services.clock),
    "audit_rules": Kind(services.audit_rules),
    "kernel_module": Kind(kernel.module),
    "software_required": Kind(software_probes.required_packages, installed.prepare),
    "software_forbidden": Kind(software_probes.forbidden_packages, installed.prepare),
    "software_unknown": Kind(software_probes.unknown_packages, installed.prepare_origins),
    "software_held": Kind(software_probes.held_packages, installed.prepare),
    "repositories_foreign": Kind(software_probes.foreign_repositories),
    "repositories_unsigned": Kind(software_probes.unsigned_repositories, repositories.prepare_apt),
    "repositories_wanted": Kind(software_probes.wanted_repositories),
    "second_factor": Kind(second_factor.enrolment, ssh_server.prepare),
    "second_factor_ssh": Kind(second_factor.by_ssh, ssh_server.prepare),
    "second_factor_pam": Kind(second_factor.by_pam),
    "ssh_sources": Kind(second_factor.by_source, ssh_server.prepare),
    "access": Kind(access.measure, access.prepare),
    "automatic_updates": Kind(software_probes.automatic, repositories.prepare_apt),
    "encrypted_volumes": Kind(encryption.volumes),
    "encryption": Kind(encryption.whole),
    "local_admin": Kind(local_admins.account, sudo.prepare),
    "password_uses": Kind(local_admins.noticed),
    "emergency_login": Kind(local_admins.emergency_login, ssh_server.prepare),
    "one_time_login": Kind(local_admins.once, sudo.prepare),
    "tls_service": Kind(tls_probes.of_service),
    "tls_ports": Kind(tls_probes.of_ports),
    "tls_certificates": Kind(tls_probes.of_certificates),
    "tls_changes": Kind(tls_probes.changes),
    "postfix": Kind(tls_probes.postfix_setting),
    "directory_joined": Kind(directory.joined, directory.prepare),
    "directory": Kind(directory.measure, directory.prepare),
    "directory_online": Kind(directory.online, directory.prepare),
    "directory_names": Kind(directory.names),
    "directory_sudo": Kind(directory.sudo_rules, directory.prepare),
    "directory_accounts": Kind(directory_accounts.measure),
}


def timed(host: Host, probes: tuple[Probe, ...]) -> dict:
    """The whole result: the answers by the probes' ids, what system it is, and how long it took."""
    started = time.monotonic()
    try:
        answers = measure(host, probes, time.time())
        platform = probe(host, "platform", operating_system.platform, "")
    finally:
        host.close()
    return {"answers": answers, "platform": platform, "seconds": round(time.monotonic() - started, 3)}


def measure(host: Host, probes: tuple[Probe, ...], now: float) -> dict[str, dict]:
    """The answers by the probes' ids. now is in seconds since 1970."""
    return _answers(Reader(host, int(now // 86400)), probes)


def _answers(reader: Reader, probes: tuple[Probe, ...]) -> dict[str, dict]:
    names = tuple(dict(one.arguments)["name"] for one in probes if one.kind == "unit")
    unit_names = tuple(dict.fromkeys(names))
    _prepare(reader, {one.kind for one in probes}, unit_names)
    end = time.monotonic() + SECONDS_IN_ALL
    answers: dict[str, dict] = {}
    for one in probes:
        left = end - time.monotonic()
        if left <= 0:
            answers[one.id] = _error("the %d seconds for all probes together were over" % SECONDS_IN_ALL)
            continue
        more = {"names": unit_names} if one.kind == "unit" else {}
        answers[one.id] = _answer(reader, one, more, min(left, SECONDS_A_PROBE))
    return answers


def _prepare(reader: Reader, kinds: set[str], unit_names: tuple[str, ...]) -> None:
    """The slow programs start first and work while files are read. One that can't be says so when it is asked."""
    for kind in sorted(kinds):
        begin = MEASURES[kind].prepare
        if begin is not None:
            probe(reader.host, "prepare " + kind, _begun, None, begin, reader)
    if unit_names:
        units.prepare(reader, unit_names)


def _begun(_host: Host, begin: Callable[[Reader], None], reader: Reader) -> None:
    begin(reader)


def _answer(reader: Reader, asked: Probe, more: dict[str, Any], seconds: float) -> dict:
    host = reader.host
    before, host.notes = host.notes, set()
    try:
        found = probe(host, asked.id, _measured, None, reader, asked, more, seconds=seconds)
        why = [reason for what, reason in host.notes if what == asked.id]
    finally:
        host.notes = before
    return found if found is not None else _error("; ".join(why))


def _measured(_host: Host, reader: Reader, asked: Probe, more: dict[str, Any]) -> dict:
    try:
        return {"state": OK, "value": MEASURES[asked.kind].measure(reader, **dict(asked.arguments), **more)}
    except Absent as nothing:
        return {"state": ABSENT, "reason": str(nothing)[:LONGEST_REASON]}
    except Unmeasurable as why:
        return _error(str(why))


def _error(reason: str) -> dict:
    return {"state": ERROR, "reason": reason[:LONGEST_REASON]}
