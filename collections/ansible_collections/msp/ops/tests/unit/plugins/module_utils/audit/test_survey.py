# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole audit: every probe on its own, bounded, and the same host giving the same facts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import boot, network, packages, probing, survey
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.plugin_utils.audit import schema


def test_this_machine_is_audited_in_the_shape_of_the_schema() -> None:
    found = survey.timed(Host())

    jsonschema.Draft202012Validator(schema.SCHEMA).validate(found)
    schema.check(found)


def test_a_host_with_nothing_to_read_gives_a_whole_result_of_unknowns(tmp_path: Path) -> None:
    facts, volatile = survey.audit(Host(str(tmp_path)), 1000.0)

    jsonschema.validate({"facts": facts, "volatile": volatile, "seconds": 0}, schema.SCHEMA)
    named = {entry["what"] for entry in facts["unknown"]}
    assert {"os", "packages", "machine", "administrators", "updates", "patches", "neighbours", "uptime"} <= named
    assert facts["updates"]["known"] is False
    assert facts["reboot"]["needed"] is None


def test_a_probe_that_fails_is_named_and_does_not_end_the_audit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(host: Host) -> Any:
        raise KeyError("the kernel changed its mind")

    monkeypatch.setattr(network, "collect", broken)

    facts, _volatile = survey.audit(Host(str(tmp_path)), 1000.0)

    assert facts["interfaces"] == []
    assert {"what": "interfaces", "why": "KeyError: 'the kernel changed its mind'"} in facts["unknown"]


def test_a_probe_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def endless(host: Host) -> Any:
        time.sleep(60)

    monkeypatch.setattr(packages, "collect", endless)
    monkeypatch.setattr(probing, "SECONDS_A_PROBE", 0.05)
    began = time.monotonic()

    facts, _volatile = survey.audit(Host(str(tmp_path)), 1000.0)

    assert {"what": "packages", "why": "no answer within 0 seconds"} in facts["unknown"]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("name", "hosts", "expected"),
    [
        ("srv01", "127.0.0.1 localhost\n192.0.2.1 srv01.example.com srv01\n", "srv01.example.com"),
        ("srv01", "192.0.2.1 srv01 # srv01.example.com\n", None),
        ("srv01", "192.0.2.1 srv010.example.com srv010\n", None),
        ("srv01.example.com", "", "srv01.example.com"),
    ],
)
def test_the_full_name_comes_from_the_hosts_file_and_no_name_server(
    name: str, hosts: str, expected: str | None
) -> None:
    assert survey.fqdn(name, hosts) == expected


def test_a_container_runs_since_its_first_process_began() -> None:
    first_process = "1 (a (b) c) S " + " ".join(["0"] * 18) + " 500 0"

    assert boot.parse_boot_time("cpu 1\nbtime 1000\n", first_process, 100) == 1005.0
    assert boot.parse_boot_time("cpu 1\n", first_process, 100) is None


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
        "from ansible_collections.msp.ops.plugins.module_utils.audit import host, survey\n"
        "print(len(survey.timed(host.Host())['facts']))"
    )

    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("16", "")
