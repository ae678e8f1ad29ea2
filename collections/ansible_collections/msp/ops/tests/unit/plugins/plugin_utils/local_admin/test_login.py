# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login with a password; what stands in for ssh shows what it was given. Real ones: tests/test_local_admin.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import login
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin.login import Door

PASSWORD = "kWmZ4pQx9vT7"  # noqa: S105
ACCOUNT = "msp-breakglass"


def stand_in(tmp_path: Path, does: str) -> Door:
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/arguments\nenv >{tmp_path}/environment\n{does}\n')
    program.chmod(0o755)
    return Door("192.0.2.7", 2222, str(program), "-F /etc/options -o ProxyJump=gate")


ASKS = f'got=$("$SSH_ASKPASS"); read -r line; [ "$got" = {PASSWORD} ] && [ "$line" = {PASSWORD} ] && echo 0'


def test_the_password_comes_by_a_pipe_and_is_in_no_argument_environment_or_file(tmp_path: Path) -> None:
    login.try_login(stand_in(tmp_path, ASKS), ACCOUNT, PASSWORD, "app01")

    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert PASSWORD not in (tmp_path / "arguments").read_text() + (tmp_path / "environment").read_text()
    assert arguments[-5:-1] == ["-l", ACCOUNT, "--", "192.0.2.7"]
    assert {"PubkeyAuthentication=no", "ControlPath=none", "StrictHostKeyChecking=yes", "ProxyJump=gate"} <= set(
        arguments
    )
    assert arguments[arguments.index("-p") + 1] == "2222"


@pytest.mark.parametrize(
    ("does", "found"),
    [
        ("echo 'Permission denied (password).' >&2; exit 255", "Permission denied (password)."),
        # It lets in, and does not become root.
        ("cat >/dev/null; echo 1001", "'1001' from id -u"),
        ("cat >/dev/null; echo 'anna is not in the sudoers file' >&2; exit 1", "anna is not in the sudoers file"),
        ("exec sleep 60", "no answer within 1 seconds"),
        # A program that prints what it was given is not passed on.
        (f"echo 'wrong: {PASSWORD}' >&2; exit 1", "wrong: ..."),
    ],
)
def test_what_does_not_work_is_said_without_the_password(tmp_path: Path, does: str, found: str) -> None:
    with pytest.raises(MspError) as caught:
        login.try_login(stand_in(tmp_path, does), ACCOUNT, PASSWORD, "app01", seconds=1)

    assert (caught.value.code, caught.value.found) == ("MSP-ADM-012", found)


def test_a_host_that_asks_twice_is_not_waited_for_longer_than_its_time(tmp_path: Path) -> None:
    with pytest.raises(MspError):
        login.try_login(stand_in(tmp_path, '"$SSH_ASKPASS"; "$SSH_ASKPASS"'), ACCOUNT, PASSWORD, "app01", seconds=1)


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MspError) as caught:
        login.try_login(Door("192.0.2.7", program=str(tmp_path / "none")), ACCOUNT, PASSWORD, "app01")
    assert "No such file" in caught.value.found


def test_keys_of_hosts_are_checked_as_ansible_was_told() -> None:
    assert "StrictHostKeyChecking=no" in Door("192.0.2.7", check_host_key=False).command(ACCOUNT)
