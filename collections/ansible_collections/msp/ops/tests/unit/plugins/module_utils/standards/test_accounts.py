# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accounts of a host and what is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import accounts
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
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
        "root_password": [],
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
        ("$5$salt$hash", None),
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


def test_root_is_told_of_by_itself_and_never_among_those_whose_passwords_are_taken() -> None:
    for word, fault in (("", ["empty"]), ("$1$salt$hash", ["MD5"]), ("*", []), ("$5$salt$hash", [])):
        shadow = SHADOW.replace("root:$y$j9T$abc$def", f"root:{word}")
        found = accounts.faults(accounts.parse_users(USERS), accounts.parse_secrets(shadow), 1000, 20000)
        assert found["root_password"] == fault
        assert not [one for one in found["empty_password"] + found["weak_hash"] if one.startswith("root")]


def test_a_weak_password_that_must_be_changed_at_the_next_login_is_seen_to() -> None:
    shadow = SHADOW.replace("carl:$1$salt$hash:19000", "carl:$1$salt$hash:0")
    found = accounts.faults(accounts.parse_users(USERS), accounts.parse_secrets(shadow), 1000, 20000)

    assert found["weak_hash"] == ["dora (DES)"]


ME = os.geteuid() or 1500


def made_homes(root: Path, users: Mapping[str, str], modes: Mapping[str, int]) -> Reader:
    """People by the homes of their accounts, all with this user's number; directories with their rights."""
    passwd = "".join(f"{name}:x:{ME}:1::{home}:/bin/sh\n" for name, home in users.items())
    files = {"/etc/passwd": passwd, "/etc/group": "", "/etc/shadow": "", "/home/file": ""}
    reader = made_reader(root, {**files, "/etc/login.defs": f"UID_MIN {min(ME, 1000)}\n"})
    for path, mode in modes.items():
        place = root / path.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(mode)
        if os.geteuid() == 0:
            os.chown(place, ME, -1)
    return reader


def test_homes_are_their_owners_and_closed_to_others(tmp_path: Path) -> None:
    users = {"good": "/home/good", "open": "/home/open/", "file": "/home/file", "gone": "/home/gone"}
    reader = made_homes(tmp_path, users, {"/home/good": 0o750, "/home/open": 0o777})

    assert accounts.homes(reader, "/home") == {
        "wrong": ["open: /home/open 0777 good"],
        "paths": {"open": "/home/open"},
        "left": ["file: /home/file is no directory", "gone: /home/gone is not there"],
    }


@pytest.mark.parametrize(
    ("home", "left"),
    [
        ("/", True),
        ("", True),
        ("//home/../", True),
        ("/home", True),
        ("/home/a/b", True),
        ("/var/www/site", True),
        ("/home/link", True),
        ("/home/shared", True),
        ("/home/around", True),
        ("/home/mine", False),
    ],
)
def test_a_home_that_may_be_more_than_one_persons_home_is_never_set(tmp_path: Path, home: str, left: bool) -> None:
    users = {"app": home, "twin": "/home/shared/", "inner": "/home/around/inner"}
    places = ("/home/a/b", "/home/shared", "/home/around", "/home/mine", "/var/www/site", "/home", "/")
    reader = made_homes(tmp_path, users, dict.fromkeys(places, 0o777))
    (tmp_path / "home/link").symlink_to("mine")

    found = accounts.homes(reader, "/home")

    assert ("app" in found["paths"]) is not left
    assert any(one.startswith("app: ") for one in found["left"]) is left


def test_what_a_web_server_shows_stays_open_to_it(tmp_path: Path) -> None:
    reader = made_homes(tmp_path, {"site": "/var/www/site"}, {"/var/www/site": 0o755})

    assert accounts.homes(reader, "/home") == {"wrong": [], "paths": {}, "left": []}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a directory of root")
def test_a_home_that_sshd_shuts_somebody_in_is_never_given_away(tmp_path: Path) -> None:
    reader = made_homes(tmp_path, {"jailed": "/home/jailed", "loose": "/home/loose"}, {})
    for name, mode in (("jailed", 0o755), ("loose", 0o777)):
        (tmp_path / "home" / name).mkdir()
        (tmp_path / "home" / name).chmod(mode)

    found = accounts.homes(reader, "/home")

    assert found == {"wrong": [], "paths": {}, "left": ["loose: /home/loose 0777 0"]}


@pytest.mark.parametrize(
    ("files", "sign"),
    [
        ({"/srv/tool/.ssh/authorized_keys": "ssh-ed25519 AAAA key\n"}, "authorized keys"),
        ({"/srv/tool/.ssh/authorized_keys": ""}, None),
        ({"/var/spool/cron/crontabs/tool": "0 3 * * * backup\n"}, "a crontab"),
        ({"/var/spool/cron/tool": "0 3 * * * backup\n"}, "a crontab"),
        ({"/proc/77/comm": "bash\n"}, "a running shell"),
        ({"/proc/77/comm": "toold\n"}, None),
        ({"/etc/cron.d/nightly": "0 3 * * * root su - tool -c backup\n"}, "a job in /etc/cron.d/nightly"),
        ({"/etc/cron.d/nightly": "0 3 * * * root su - other -c backup\n"}, None),
        ({}, None),
    ],
)
def test_an_account_of_a_service_that_is_used_keeps_its_shell(
    tmp_path: Path, files: Mapping[str, str], sign: str | None
) -> None:
    passwd = "root:x:0:0::/root:/bin/sh\n" + f"tool:x:{os.geteuid() or 700}:700::/srv/tool:/bin/sh\n"
    base = {"/etc/passwd": passwd, "/etc/shadow": "", "/etc/login.defs": "UID_MIN 70000\n"}
    reader = made_reader(tmp_path, {**base, **files})
    if os.geteuid() == 0 and (tmp_path / "proc").exists():
        os.chown(tmp_path / "proc/77", 700, -1)

    found = accounts.measure(reader)

    assert found["system_with_shell"] == ([] if sign else ["tool"])
    assert found["system_in_use"] == (["tool"] if sign else [])
    assert found["signs"] == ([f"tool: {sign}"] if sign else [])


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
