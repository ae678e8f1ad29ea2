"""The account for emergencies and the second factor on one real host: it is logged in to before a change of ssh stays.

By default, with a new password of a real escrow. Who is asked for a code is everybody here: break-glass never is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from lab import hosts
from lab.machines import NEWCOMERS
from tests import patch_bed
from tests.admin_bed import BREAK_GLASS, CONTROLS, Bed, Ran

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("mfa-glass", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST = "harbour-app02"
ASKING = "/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf"
FENCE = "/etc/ssh/sshd_config.d/00-msp-mfa-automation.conf"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """With the account, its password in the escrow, and the addresses that it comes in from by break-glass-login."""
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name == HOST]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("glass"), (), Bed) as made:
        made.prepare()
        ran = made.standardise([HOST])
        assert ran.status == 0, ran.output[-6000:]
        yield made


def enforce(bed: Bed, *controls: str, **chosen: Any) -> Ran:
    ours = [control for control in catalogue().values() if control.role == model.MFA]
    parameters = {one.id: {name: each.default for name, each in one.parameters.items()} for one in ours}
    parameters["mfa-automation"]["management"] = [f"{bed.rows[HOST]['gateway']}/32"]
    parameters["mfa-ssh"] |= {"who": "everybody", "locked_out": ["root"]}
    held = [one for one in catalogue().values() if one.id in CONTROLS]
    local_admin = {one.id: {name: each.default for name, each in one.parameters.items()} for one in held}
    arguments = {
        "msp_mfa_enforce": list(controls),
        "msp_mfa_parameters": parameters,
        "msp_mfa_local_admin": local_admin,
        "msp_mfa_guard_seconds": 600,
        **chosen,
    }
    return bed.perform([HOST], [{"ansible.builtin.include_role": {"name": "msp_mfa"}, "vars": arguments}])


def test_without_an_escrow_nothing_is_changed(bed: Bed) -> None:
    recipients = bed.environment["MSP_ESCROW_RECIPIENTS"]
    bed.environment["MSP_ESCROW_RECIPIENTS"] = str(bed.place / "nobody")
    ran = enforce(bed, "mfa-ssh", "mfa-automation")
    bed.environment["MSP_ESCROW_RECIPIENTS"] = recipients

    assert ran.status != 0 and "MSP-ESC-003" in ran.output, ran.output[-3000:]
    assert "MSP-STD-089" in ran.output, ran.output[-3000:]
    assert not bed.there(HOST, ASKING) and bed.logs_in(HOST)
    assert bed.ssh(HOST, BREAK_GLASS, bed.escrowed(HOST, BREAK_GLASS)[0]) == ""


def test_where_pam_lets_break_glass_in_no_more_nothing_is_changed(bed: Bed) -> None:
    bed.sh(
        HOST,
        f"echo '-:{BREAK_GLASS}:ALL' >/etc/lab-access;"
        "sed -i '1i account required pam_access.so accessfile=/etc/lab-access' /etc/pam.d/sshd",
    )
    ran = enforce(bed, "mfa-ssh", "mfa-automation")
    bed.sh(HOST, "sed -i '/pam_access.so accessfile/d' /etc/pam.d/sshd")

    assert ran.status != 0 and "MSP-STD-089" in ran.output, ran.output[-3000:]
    assert not bed.there(HOST, ASKING) and bed.logs_in(HOST)
    # What it was given meanwhile is in the escrow, and opens.
    assert bed.ssh(HOST, BREAK_GLASS, bed.escrowed(HOST, BREAK_GLASS)[0]) == ""


def test_break_glass_comes_in_where_everybody_is_asked_and_that_is_proven_under_the_guard(
    bed: Bed,
) -> None:
    (before,) = bed.escrowed(HOST, BREAK_GLASS)
    ran = enforce(bed, "mfa-ssh", "mfa-automation")
    assert ran.status == 0, ran.output[-3000:]

    steps = ("Arm the guard", "Rotate its password, and log in with it", "Log in anew")
    assert sorted(steps, key=ran.output.index) == list(steps)
    (now,) = bed.escrowed(HOST, BREAK_GLASS)
    assert now != before
    assert bed.ssh(HOST, BREAK_GLASS, now) == "" and bed.ssh(HOST, BREAK_GLASS, before) != ""
    assert [one.action for one in bed.events(HOST)].count("login tested") >= 2
    assert bed.there(HOST, ASKING) and bed.logs_in(HOST)
    # From where it comes in is said by break-glass-login alone.
    assert BREAK_GLASS not in bed.sh(HOST, f"cat {FENCE}")
