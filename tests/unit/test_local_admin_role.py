"""The role msp_local_admin brings about what its controls check, and what it writes is read as it is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.msp.ops.plugins.module_utils.local_admin import one_time, programs
from ansible_collections.msp.ops.plugins.module_utils.standards import pam
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue, model

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_local_admin"
OURS = [one for one in catalogue.catalogue().values() if one.role == model.LOCAL_ADMIN]
VARIABLES: dict[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
TASKS: list[dict[str, Any]] = yaml.safe_load((ROLE / "tasks" / "local_admin.yml").read_text(encoding="utf-8"))
GUARDED = next(task for task in TASKS if "rescue" in task)


def named(tasks: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(task for task in tasks if task["name"] == name)


def test_the_role_knows_every_control_of_its_area_in_their_order() -> None:
    assert VARIABLES["__msp_local_admin_areas"] == {"local_admin": [one.id for one in OURS]}


def test_what_could_lock_out_is_behind_the_guard_and_nothing_else_is() -> None:
    assert set(VARIABLES["__msp_local_admin_guarded"]) == {one.id for one in OURS if one.lockout}


def test_no_password_is_rotated_before_the_guard_is_over() -> None:
    """It saves /etc/shadow: what it brings back would be an older password."""
    places = {task["name"]: number for number, task in enumerate(TASKS)}
    rotations = [task["name"] for task in TASKS if "msp.ops.local_admin" in task]
    assert len(rotations) == 2
    assert all(places[name] > places[GUARDED["name"]] for name in rotations)
    (proof,) = [one for one in GUARDED["block"] if one.get("msp.ops.lockout_guard", {}).get("state") == "proven"]
    assert GUARDED["block"][-1] == proof


def test_every_control_has_a_task_that_it_sets_off() -> None:
    text = (ROLE / "tasks" / "local_admin.yml").read_text(encoding="utf-8")
    for one in OURS:
        lists = [name for name, value in VARIABLES.items() if isinstance(value, list) and one.id in value]
        assert f"'{one.id}'" in text or any(f"{name} | intersect" in text for name in lists), one.id


def sshd(*addresses: str) -> list[str]:
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.filters["regex_replace"] = lambda value, _pattern, new: new + value
    source = (ROLE / "templates" / "sshd.conf.j2").read_text(encoding="utf-8")
    shown = environment.from_string(source).render(__msp_account="msp-breakglass", __msp_addresses=list(addresses))
    return [line.strip() for line in shown.splitlines() if not line.startswith("#")]


def test_the_ssh_server_lets_the_account_in_from_its_addresses_and_refuses_it_from_all_others() -> None:
    lines = sshd("192.0.2.0/24", "2001:db8::/32")
    inside = lines.index("Match User msp-breakglass Address 192.0.2.0/24,2001:db8::/32")
    outside = lines.index("Match User msp-breakglass Address *,!192.0.2.0/24,!2001:db8::/32")
    assert (
        lines[inside + 1] == "PasswordAuthentication yes" and "AuthenticationMethods password" in lines[inside:outside]
    )
    assert {"PasswordAuthentication no", "DenyUsers msp-breakglass"} <= set(lines[outside:])


def test_without_addresses_it_refuses_it_from_everywhere() -> None:
    assert sshd() == ["Match User msp-breakglass", "PasswordAuthentication no", "DenyUsers msp-breakglass"]


@pytest.mark.parametrize(
    ("profile", "program"),
    [("msp-password-used", programs.PASSWORD_USED), ("msp-one-time-login", programs.ONE_TIME_LOGIN)],
)
def test_a_profile_of_pam_runs_its_program(profile: str, program: str) -> None:
    written = named(GUARDED["block"], "Write profiles of PAM")["vars"]
    texts = {path: text for part in written.values() for path, text in part.items()}
    assert program in texts[f"/usr/share/pam-configs/{profile}"]


def test_where_the_program_is_not_there_the_technician_is_refused_and_nobody_else() -> None:
    """By what PAM does with each line: the last one answers for those who jumped to it."""
    profile = named(GUARDED["block"], "Write profiles of PAM")["vars"]["__msp_local_admin_once"]
    text = profile["/usr/share/pam-configs/msp-one-time-login"]
    rows = [pam.parse_line(f"account {line}") for line in text.split("Account:\n")[1].splitlines()]
    lines = [pam.Line(row[1], row[2][0], tuple(row[2][1:]), ()) for row in rows if row]
    assert [line.module for line in lines] == ["pam_succeed_if.so", "pam_exec.so", "pam_permit.so"]
    assert lines[0].arguments[-3:] == ("user", "!=", one_time.ACCOUNT)
    # Others jump over the program to what permits; the technician goes on to it, and it has to let him in.
    assert pam.ways(lines[0]) == {1, pam.NEXT}
    assert pam.ways(lines[1]) == {pam.NEXT, pam.DIE}


def test_what_notes_uses_decides_about_no_login() -> None:
    profile = named(GUARDED["block"], "Write profiles of PAM")["vars"]["__msp_local_admin_noting"]
    text = profile["/usr/share/pam-configs/msp-password-used"]
    rows = [line.split() for line in text.splitlines() if line.startswith("  ")]
    assert [row[:2] for row in rows] == [["optional", "pam_exec.so"], ["optional", "pam_exec.so"]]
