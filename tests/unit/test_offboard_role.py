"""What is withdrawn at the end is what the role msp_local_admin wrote at the beginning: names, files, first lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.msp.ops.plugins.module_utils.offboarding import withdrawing

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_local_admin"
TEXT = (ROLE / "tasks" / "local_admin.yml").read_text(encoding="utf-8")


def tasks(of: Any) -> list[dict[str, Any]]:
    return [each for task in of for each in (tasks(task["block"]) if "block" in task else [task])]


def test_the_files_of_sudo_and_of_sshd_are_those_that_the_role_writes_and_no_other_of_its_own() -> None:
    written = {path for path in TEXT.replace("'", " ").replace('"', " ").split() if path.startswith("/etc/")}
    ours = {path for path in written if "msp-" in path and path.startswith(("/etc/sudoers.d/", "/etc/ssh/"))}
    # The line that has sshd read such files first is left: those of other roles count on it.
    assert {path for path in ours if "*" not in path} == {*withdrawing.SUDO, *withdrawing.SSHD}


def test_a_file_begins_as_the_role_begins_it() -> None:
    assert (ROLE / "templates" / "sshd.conf.j2").read_text(encoding="utf-8").startswith(withdrawing.HEAD)
    assert f'__msp_local_admin_head: "{withdrawing.HEAD}' in TEXT


def test_the_accounts_are_told_by_the_comment_that_the_role_gives_them() -> None:
    (task,) = [one for one in tasks(yaml.safe_load(TEXT)) if one["name"] == "Have the accounts"]
    names = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))

    assert task["ansible.builtin.user"]["comment"] == withdrawing.COMMENT
    assert names["__msp_local_admin_technician"] in withdrawing.ACCOUNTS
    assert "default('msp-breakglass')" in TEXT and "msp-breakglass" in withdrawing.ACCOUNTS
