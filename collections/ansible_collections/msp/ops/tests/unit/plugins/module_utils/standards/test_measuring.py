# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole request: every probe on its own, bounded in time, and never an empty value for what nobody could see."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import probing
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack, unpack
from ansible_collections.msp.ops.plugins.module_utils.standards import measuring, request
from ansible_collections.msp.ops.plugins.module_utils.standards.measuring import Kind
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

NOW = 1_800_000_000.0


def ask(host: Host, *rows: dict[str, Any]) -> dict[str, dict]:
    return measuring.measure(host, request.read(list(rows)), NOW)


def test_every_kind_that_can_be_asked_for_can_be_measured() -> None:
    assert set(measuring.MEASURES) == set(request.KINDS)


def test_three_outcomes_are_three_states(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(_reader: Reader) -> dict:
        raise Absent("nft is not on this host")

    def unmeasurable(_reader: Reader) -> dict:
        raise Unmeasurable("nobody knows")

    def broken(_reader: Reader) -> dict:
        raise KeyError("family")

    for kind, measure in (("nftables", absent), ("sudo", unmeasurable), ("accounts", broken)):
        monkeypatch.setitem(measuring.MEASURES, kind, Kind(measure))
    host = made_reader(tmp_path, {"/proc/sys/kernel/x": "1\n"}).host

    assert ask(
        host,
        {"id": "a", "kind": "nftables"},
        {"id": "b", "kind": "sudo"},
        {"id": "c", "kind": "accounts"},
        {"id": "d", "kind": "sysctl", "name": "kernel.x"},
    ) == {
        "a": {"state": "absent", "reason": "nft is not on this host"},
        "b": {"state": "error", "reason": "nobody knows"},
        "c": {"state": "error", "reason": "KeyError: 'family'"},
        "d": {"state": "ok", "value": {"value": "1"}},
    }


def test_a_probe_that_hangs_is_cut_off_and_the_next_one_like_it_does_not_hang_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def endless(_reader: Reader) -> dict:
        time.sleep(60)
        return {}

    def measure(reader: Reader, name: str) -> dict:
        found: dict = reader.once(endless)
        return {name: found}

    monkeypatch.setitem(measuring.MEASURES, "sshd", Kind(measure))
    monkeypatch.setattr(measuring, "SECONDS_A_PROBE", 0.05)
    began = time.monotonic()

    found = ask(
        made_reader(tmp_path, {}).host,
        *({"id": f"p{number}", "kind": "sshd", "name": "port"} for number in range(20)),
    )

    assert {one["state"] for one in found.values()} == {"error"}
    assert all("no answer within" in one["reason"] for one in found.values())
    assert time.monotonic() - began < 5


def test_when_the_time_for_all_is_over_the_rest_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measuring, "SECONDS_IN_ALL", -1)

    found = ask(made_reader(tmp_path, {}).host, {"id": "a", "kind": "accounts"})

    assert found["a"]["state"] == "error"
    assert "together were over" in found["a"]["reason"]


def test_units_are_asked_for_together_and_slow_programs_once(tmp_path: Path) -> None:
    shown = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n"
    host = made_reader(
        tmp_path,
        {"/run/systemd/system/x": "", "/etc/ssh/sshd_config": ""},
        {"systemctl": printing(shown + "\n" + shown), "sshd": printing("port 22\npermitrootlogin no\n")},
    ).host

    found = ask(
        host,
        {"id": "a", "kind": "unit", "name": "ssh.service"},
        {"id": "b", "kind": "sshd", "name": "port"},
        {"id": "c", "kind": "unit", "name": "cron.service"},
        {"id": "d", "kind": "unit", "name": "ssh.service"},
        {"id": "e", "kind": "sshd", "name": "permitrootlogin"},
    )

    assert {one["state"] for one in found.values()} == {"ok"}
    assert sorted(called(tmp_path)) == [
        "sshd -T",
        "systemctl show --no-pager --property=LoadState,ActiveState,SubState,UnitFileState -- ssh.service cron.service",
    ]


EVERY_KIND: tuple[dict[str, Any], ...] = (
    {"kind": "sshd", "name": "port"},
    {"kind": "sysctl", "name": "kernel.ostype"},
    {"kind": "unit", "name": "ssh.service"},
    {"kind": "package", "name": "telnet"},
    {"kind": "packages"},
    {"kind": "file", "path": "/etc/passwd"},
    {"kind": "file_rights", "paths": ["/etc/passwd"], "mode": "0644"},
    {"kind": "file_lines", "paths": ["/etc/passwd"], "pattern": "^root:"},
    {"kind": "systemd_config", "file": "systemd/journald.conf", "section": "Journal", "name": "Storage"},
    {"kind": "mount", "path": "/"},
    {"kind": "nftables"},
    {"kind": "listening"},
    {"kind": "access"},
    {"kind": "accounts"},
    {"kind": "homes", "below": "/home"},
    {"kind": "sudo"},
    {"kind": "login_defs", "name": "UMASK"},
    {"kind": "umask"},
    {"kind": "password_hashes"},
    {"kind": "repositories"},
    {"kind": "apt_config", "name": "APT::Architecture"},
    {"kind": "time"},
    {"kind": "audit_rules"},
    {"kind": "kernel_module", "name": "cramfs"},
    {"kind": "software_required", "packages": ["msp-no-such-package"]},
    {"kind": "software_forbidden", "packages": ["telnetd"]},
    {"kind": "software_unknown", "packages": ["*"], "origins": []},
    {"kind": "software_held"},
    {"kind": "firewall_unlisted", "ports": ["tcp/22"], "closed": []},
    {"kind": "repositories_foreign", "allowed": ["*"]},
    {"kind": "repositories_unsigned", "distribution": ["*"]},
    {"kind": "repositories_wanted", "repositories": {}},
    {"kind": "automatic_updates"},
    {"kind": "encrypted_volumes", "volumes": {"data": {"device": "/dev/disk/by-id/no-such-disk", "mount": "/srv"}}},
    {"kind": "encryption"},
    {"kind": "local_admin", "account": "root"},
    {"kind": "password_uses"},
    {"kind": "emergency_login", "account": "msp-breakglass", "addresses": ["192.0.2.0/24"]},
    {"kind": "one_time_login"},
    {"kind": "second_factor", "automation": "msp", "break_glass": "msp-breakglass"},
    {"kind": "second_factor_ssh", "who": "enrolled", "automation": "msp", "break_glass": "msp-breakglass"},
    {"kind": "second_factor_pam", "services": ["sudo"]},
    {"kind": "ssh_sources", "account": "msp", "break_glass": "msp-breakglass", "management": ["192.0.2.0/24"]},
    {"kind": "tls_service", "service": "nginx", "profile": "intermediate"},
    {"kind": "tls_ports", "ports": ["9 tls"], "profile": "intermediate", "days": "21"},
    {"kind": "tls_certificates"},
    {"kind": "tls_changes", "service": "nginx", "versions": "intermediate"},
    {"kind": "postfix", "name": "myhostname"},
    {"kind": "directory_joined", "domain": "example.org", "provider": "ldap"},
    {"kind": "directory"},
    {"kind": "directory_online"},
    {"kind": "directory_names", "person": "nobody-of-this-name"},
    {"kind": "directory_sudo", "rules": []},
    {"kind": "directory_accounts", "names": ["nobody-of-this-name"]},
)


def test_this_machine_answers_every_kind() -> None:
    assert {row["kind"] for row in EVERY_KIND} == set(request.KINDS)
    # Where every package comes from takes apt seconds on a machine with many.
    quick = [row for row in EVERY_KIND if row["kind"] != "software_unknown"]
    rows = [{**row, "id": f"p{number}"} for number, row in enumerate(quick)]

    found = unpack(pack(measuring.timed(Host(), request.read(rows))))

    assert set(found["answers"]) == {row["id"] for row in rows}
    for row in rows:
        answer = found["answers"][row["id"]]
        assert set(answer) == ({"state", "value"} if answer["state"] == "ok" else {"state", "reason"}), row
        # Never a slip of this code, whatever the machine has.
        assert not any(word in answer.get("reason", "") for word in ("KeyError", "TypeError", "AttributeError")), row
    by_kind = {row["kind"]: found["answers"][row["id"]] for row in rows}
    assert by_kind["sysctl"] == {"state": "ok", "value": {"value": "Linux"}}
    assert by_kind["file_lines"]["value"]["count"] == 1
    assert by_kind["mount"]["value"]["mounted"] is True
    assert found["platform"]


def test_the_probes_run_on_python_3_9() -> None:
    found = [str(place) for place in Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python3.9")]
    candidates = [*found, shutil.which("python3.9") or "false"]
    # A pyenv shim is on the PATH even when no version is selected.
    python = next((one for one in candidates if subprocess.run([one, "-c", ""], check=False).returncode == 0), None)
    if python is None:
        pytest.skip("no Python 3.9 on this machine; the lab's Debian 11 host has one")
    root = next(place for place in map(Path, sys.path) if (place / "ansible_collections/msp/ops").is_dir())
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host\n"
        "from ansible_collections.msp.ops.plugins.module_utils.standards import measuring, request\n"
        "rows = [{'id': 'a', 'kind': 'listening'}, {'id': 'b', 'kind': 'mount', 'path': '/'}]\n"
        "print([one['state'] for one in measuring.timed(Host(), request.read(rows))['answers'].values()])"
    )

    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("['ok', 'ok']", "")


def test_a_host_with_nothing_to_read_is_never_found_clean(tmp_path: Path) -> None:
    rows = [{**row, "id": f"p{number}"} for number, row in enumerate(EVERY_KIND)]

    found = measuring.timed(made_reader(tmp_path, {}).host, request.read(rows))

    by_kind = {row["kind"]: found["answers"][row["id"]] for row in rows}
    # What is empty here is so because it is: a file that is not there, no fault of a file that is not there.
    measured = {kind for kind, answer in by_kind.items() if answer["state"] == "ok"}
    assert measured == {"file", "file_rights", "file_lines", "time"}
    assert by_kind["file"]["value"]["exists"] is False
    assert by_kind["file_rights"]["value"]["checked"] == 0
    assert found["platform"] == ""
    json.dumps(found)


def test_one_probe_cannot_use_up_the_time_of_all() -> None:
    assert probing.SECONDS_A_PROBE < measuring.SECONDS_IN_ALL
