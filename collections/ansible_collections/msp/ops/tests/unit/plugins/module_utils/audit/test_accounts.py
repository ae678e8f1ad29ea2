# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can become root."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

USERS = """root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
anna:x:1000:1000::/home/anna:/bin/bash
bert:x:1001:27::/home/bert:/bin/bash
carl:x:1002:1002::/home/carl:/bin/bash
dora:x:1003:1003::/home/dora:/bin/bash
broken line
"""
GROUP = "root:x:0:\nsudo:x:27:anna\nops:x:200:carl,ghost\nanna:x:1000:\n"


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ("root ALL=(ALL:ALL) ALL", ["root"]),
        ("%sudo\tALL=(ALL:ALL) NOUSERS: ALL", ["%sudo"]),
        ("anna, bert ALL = (root) NOUSERS:SETENV: ALL", ["anna", "bert"]),
        ("carl web1, web2 = ALL", ["carl"]),
        ("dora ALL=(ALL) /usr/bin/apt, ALL", ["dora"]),
        ("dora ALL=(postgres, root) ALL", ["dora"]),
        ("dora ALL=(postgres) ALL", []),
        ("dora ALL=(root) /usr/bin/systemctl restart nginx", []),
        ("dora ALL=/bin/ALL", []),
        (r"%domain\ admins ALL=(ALL) ALL", ["%domain admins"]),
        ('"%domain admins" ALL=(ALL) ALL', ["%domain admins"]),
        ("#1000 ALL=(ALL) ALL", ["#1000"]),
        ("dora ALL=(postgres) ALL : db1=(root) ALL", ["dora"]),
        ("dora ALL=(ALL) TIMEOUT=5 NOUSERS: ALL", ["dora"]),
        ("DESK ALL=(ALL) EVERYTHING", ["anna", "dora"]),
    ],
)
def test_a_rule_makes_an_administrator_only_when_it_allows_everything_as_root(rule: str, who: list[str]) -> None:
    aliases = {"User_Alias": {"DESK": ["anna", "dora"]}, "Cmnd_Alias": {"EVERYTHING": ["/bin/ls", "ALL"]}}

    assert accounts.grants(rule, aliases) == who


def made_host(root: Path, files: dict[str, str]) -> Host:
    (root / "etc/sudoers.d").mkdir(parents=True)
    for name, text in {"etc/passwd": USERS, "etc/group": GROUP, **files}.items():
        (root / name).write_text(text)
    return Host(str(root))


def test_every_way_to_become_root_is_named(tmp_path: Path) -> None:
    host = made_host(
        tmp_path,
        {
            "etc/sudoers": "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL # staff\n"
            "User_Alias DESK = carl, \\\n  dora\n@includedir /etc/sudoers.d\n",
            "etc/sudoers.d/desk": "DESK ALL=(ALL) NOUSERS: ALL\n",
            "etc/sudoers.d/ops": "%ops ALL=(ALL) ALL\n%domain\\ admins ALL=(ALL) ALL\n",
            "etc/sudoers.d/README.txt": "dora ALL=(ALL) ALL\n",
            "etc/sudoers.d/backup~": "dora ALL=(ALL) ALL\n",
        },
    )

    found = {row["name"]: row["via"] for row in accounts.collect(host)}

    assert found == {
        "root": ["/etc/sudoers: root", "user id 0"],
        "toor": ["user id 0"],
        "anna": ["/etc/sudoers: %sudo", "group sudo"],
        "bert": ["/etc/sudoers: %sudo", "group sudo"],
        "carl": ["/etc/sudoers.d/desk: carl", "/etc/sudoers.d/ops: %ops"],
        "dora": ["/etc/sudoers.d/desk: dora"],
        "ghost": ["/etc/sudoers.d/ops: %ops"],
        "%domain admins": ["/etc/sudoers.d/ops: %domain admins"],
    }


def test_rules_that_may_not_be_read_are_unknown_and_not_absent(tmp_path: Path) -> None:
    host = made_host(tmp_path, {"etc/sudoers": "root ALL=(ALL) ALL\n"})
    (tmp_path / "etc/sudoers").unlink()
    (tmp_path / "etc/sudoers").mkdir()  # opening it fails for everybody, root too

    found = accounts.collect(host)

    assert [row["name"] for row in found] == ["anna", "bert", "root", "toor"]
    assert ("administrators", "/etc/sudoers can be read by root only") in host.notes


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    host = made_host(tmp_path, {"etc/sudoers": "#include /etc/sudoers\n#include sudoers.local\n#includedir sudoers.d\n",
                                "etc/sudoers.local": "#include /etc/sudoers\nanna ALL=(ALL) ALL\n",
                                "etc/sudoers.d/x": "#1002 ALL=(ALL) ALL\n"})  # fmt: skip

    found = {row["name"]: row["via"] for row in accounts.collect(host)}

    assert found["anna"] == ["/etc/sudoers.local: anna", "group sudo"]
    assert found["carl"] == ["/etc/sudoers.d/x: #1002"]


def test_a_rule_for_all_users_names_all_of_them() -> None:
    users = accounts.parse_passwd(USERS)

    found = accounts.administrators(users, {}, [("ALL", "/etc/sudoers")])

    assert [row["name"] for row in found] == ["anna", "bert", "carl", "dora", "root", "toor"]
