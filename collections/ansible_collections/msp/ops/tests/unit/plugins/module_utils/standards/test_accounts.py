# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accounts of a host and what is wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import accounts
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

USERS = """root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
sync:x:4:65534::/bin:/bin/sync
postgres:x:110:110::/var/lib/postgresql:/bin/bash
anna:x:1000:1000::/home/anna:/bin/bash
bert:x:1001:1001::/home/bert:
carl:x:1002:1002::/home/carl:/bin/zsh
dora:x:1000:1003::/home/dora:/usr/sbin/nologin
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
emil::1005:1005::/home/emil:/bin/false
"""
SHADOW = """root:$y$j9T$abc$def:19000:0:99999:7:::
toor:*:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
sync:*:19000:0:99999:7:::
postgres:!:19000:0:99999:7:::
anna:$6$salt$hash:19000:0:90:7:::
bert::19000:0:99999:7:::
carl:$1$salt$hash:19000:0::7::19999:
dora:!abcdefghijklm:19000:0:99999:7:::
nobody:*:19000:0:99999:7:::
"""


def test_each_fault_names_the_accounts_that_have_it() -> None:
    found = accounts.faults(accounts.parse_users(USERS), accounts.parse_secrets(SHADOW), 1000, 20000)

    assert found == {
        "uid0": ["root", "toor"],
        "empty_password": ["bert", "emil"],
        "login": ["anna", "bert", "root", "toor"],
        "system_with_shell": ["postgres"],
        "duplicate_uids": ["0: root, toor", "1000: anna, dora"],
        "password_never_expires": ["carl", "root"],
        "weak_hash": ["carl (MD5)", "dora (DES)"],
    }


def test_an_account_ends_the_day_after_its_last() -> None:
    users, secrets = accounts.parse_users(USERS), accounts.parse_secrets(SHADOW)

    assert "carl" in accounts.faults(users, secrets, 1000, 19999)["login"]


@pytest.mark.parametrize(
    ("password", "name"),
    [
        ("$y$j9T$salt$hash", None),
        ("$gy$j9T$salt$hash", None),
        ("$6$rounds=5000$salt$hash", None),
        ("$2b$12$abc", None),
        ("$5$salt$hash", "SHA-256"),
        ("$1$salt$hash", "MD5"),
        ("$md5,rounds=5$salt$hash", "MD5"),
        ("$new$salt$hash", "unknown"),
        ("abcdefghijklm", "DES"),
        ("!!", None),
        ("*", None),
        ("!*", None),
        ("!locked", None),
        ("x", None),
        ("", None),
    ],
)
def test_only_a_password_that_is_kept_badly_is_called_weak(password: str, name: str | None) -> None:
    assert accounts.weak_hash(password) == name


def test_no_hash_gets_out_of_a_whole_measurement(tmp_path: Path) -> None:
    me = os.geteuid()
    passwd = USERS + f"self:x:{me if me else 1500}:1500::/home/self:/bin/bash\n"
    reader = made_reader(
        tmp_path,
        {
            "/etc/passwd": passwd,
            "/etc/group": "users:x:100:\n",
            "/etc/shadow": SHADOW,
            "/etc/login.defs": "UID_MIN 1000\n",
        },
    )

    told = json.dumps(accounts.measure(reader))

    assert not [word for word in ("$y$", "$6$", "$1$", "abcdefghijklm", "$hash") if word in told]


def test_homes_are_their_owners_and_closed_to_others(tmp_path: Path) -> None:
    uid = os.geteuid() or 1500
    passwd = f"good:x:{uid}:1::/home/good:/bin/sh\nopen:x:{uid}:1::/home/open:/bin/sh\n"
    passwd += (
        f"gone:x:{uid}:1::/home/gone:/bin/sh\nfile:x:{uid}:1::/home/file:/bin/sh\nother:x:4242:1::/home/other:/bin/sh\n"
    )
    reader = made_reader(
        tmp_path,
        {
            "/etc/passwd": passwd,
            "/etc/group": "users:x:100:\n",
            "/etc/shadow": "",
            "/etc/login.defs": f"UID_MIN {min(uid, 1000)}\n",
            "/home/file": "",
        },
    )
    for name, mode in (("good", 0o750), ("open", 0o755), ("other", 0o700)):
        (tmp_path / "home" / name).mkdir()
        (tmp_path / "home" / name).chmod(mode)
        if os.geteuid() == 0:
            os.chown(tmp_path / "home" / name, uid, -1)

    assert accounts.measure(reader)["homes_wrong"] == [
        "file: /home/file is no directory",
        "gone: /home/gone is not there",
        "open: /home/open 0755 good",
        "other: /home/other 0700 good",
    ]


@pytest.mark.parametrize("line", ["+::::::", "anna:x:1000:1000::/home/anna", "anna:x:a:1::/:/bin/sh"])
def test_a_line_that_cannot_be_read_may_be_an_account(line: str) -> None:
    with pytest.raises(Unmeasurable, match="line 2 of /etc/passwd"):
        accounts.parse_users("root:x:0:0::/root:/bin/sh\n" + line + "\n")


def test_settings_of_login_are_the_last_ones(tmp_path: Path) -> None:
    text = '# UMASK 000\nUMASK\t\t022\nPASS_MAX_DAYS 90\nUMASK 027\nENV_PATH\t"PATH=/bin"\n'
    reader = made_reader(tmp_path, {"/etc/login.defs": text})

    found = {
        name: accounts.login_defs(reader, name)["value"] for name in ("UMASK", "PASS_MAX_DAYS", "ENV_PATH", "GONE")
    }

    assert found == {"UMASK": "027", "PASS_MAX_DAYS": "90", "ENV_PATH": "PATH=/bin", "GONE": None}
    with pytest.raises(Absent):
        accounts.login_defs(made_reader(tmp_path / "other", {}), "UMASK")
