# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lockout_guard may be asked: one meaning for each path, names in full, something to bring back."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import TOP, parse

ARMED = {
    "state": "armed",
    "name": "ssh",
    "files": ["/etc/ssh/sshd_config"],
    "units": ["ssh.service"],
    "sysctls": ["net.ipv4.conf.all.rp_filter"],
    "tables": ["inet msp"],
    "validate": [["sshd", "-t"]],
    "seconds": 120,
    "because": None,
    "run": None,
    "lost_after": 420,
}


def test_what_is_asked_is_taken_as_it_is_and_each_thing_once() -> None:
    wanted = parse({**ARMED, "files": ["/etc/a", "/etc/b", "/etc/a"]})

    assert wanted.files == ("/etc/a", "/etc/b")
    assert wanted.validate == (("sshd", "-t"),)
    assert (wanted.units, wanted.tables, wanted.because) == (("ssh.service",), ("inet msp",), "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Ssh"},
        {"files": ["etc/ssh"]},
        {"files": ["/"]},
        {"files": ["/etc/../root"]},
        {"files": ["/etc//ssh"]},
        {"files": ["//etc/ssh"]},
        {"files": ["/etc/ssh/"]},
        {"files": ["/etc/a\nb"]},
        {"files": [TOP]},
        {"files": [TOP + "/current/plan.json"]},
        {"files": ["/var/lib"]},
        {"units": ["ssh"]},
        {"units": ["--force.service"]},
        {"sysctls": ["kernel"]},
        {"sysctls": ["net/../../etc/passwd"]},
        {"tables": ["msp"]},
        {"tables": ["inet msp; flush ruleset"]},
        {"tables": ["all", "inet msp"]},
        {"validate": [[]]},
        {"seconds": 9},
        {"seconds": 3601},
        {"files": [], "units": [], "sysctls": [], "tables": []},
    ],
    ids=str,
)
def test_what_has_no_one_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MspError) as caught:
        parse({**ARMED, **wrong})

    assert caught.value.code == "MSP-STD-080"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(MspErrors) as caught:
        parse({**ARMED, "name": "", "units": ["ssh"], "seconds": 0})

    assert len(caught.value.errors) == 3


def test_a_proof_needs_nothing_to_bring_back() -> None:
    assert parse({**ARMED, "state": "proven", "files": [], "units": [], "sysctls": [], "tables": []}).name == "ssh"


@settings(max_examples=150)
@given(st.text(alphabet="/.ab \n", max_size=12))
def test_a_path_that_is_taken_is_the_only_way_to_write_it(path: str) -> None:
    try:
        (taken,) = parse({**ARMED, "files": [path]}).files
    except MspError:
        return
    assert taken == os.path.normpath(os.path.join("/", taken)) != "/"
    assert "\n" not in taken
