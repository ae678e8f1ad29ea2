# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what by sudo, out of what cvtsudoers makes of the rules."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import sudo, sudo_elsewhere, sudo_settings
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

RECORDED = json.loads((Path(__file__).parent / "recorded/sudoers.json").read_text())
# sudo 1.9.13 of Debian 12, with use_pty, a log file and timestamp_timeout in its files and without.
WITH = (Path(__file__).parent / "recorded/sudo_version_with.txt").read_text()
WITHOUT = (Path(__file__).parent / "recorded/sudo_version_without.txt").read_text()
USERS = """root:x:0:0::/root:/bin/bash
anna:x:1000:1000::/home/anna:/bin/bash
bert:x:1001:27::/home/bert:/bin/bash
carl:x:1002:1002::/home/carl:/bin/bash
"""
GROUP = "root:x:0:\nsudo:x:27:anna\nops:x:200:carl\n"


def a_host(root: Path, rules: dict[str, Any] | str, **files: str) -> Reader:
    printed = rules if isinstance(rules, str) else printing(json.dumps(rules))
    return made_reader(
        root,
        {
            "/etc/passwd": USERS,
            "/etc/group": GROUP,
            "/etc/sudoers": "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
            **files,
        },
        {"sudo": printing(WITH), "cvtsudoers": printed},
    )


def test_recorded_rules_are_told_as_they_are(tmp_path: Path) -> None:
    found = sudo.measure(a_host(tmp_path, RECORDED))

    assert found["all"] == ["#1002", "%sudo", "anna", "root"]
    assert found["all_people"] == ["anna", "bert", "carl", "root"]
    assert found["who"] == ["#1002", "%domain admins", "%ops", "%sudo", "anna", "bert", "carl", "root"]
    assert "%domain admins" in found["who_people"]
    assert found["nopasswd"] == [
        "%ops: /usr/bin/systemctl restart nginx, /usr/bin/journalctl",
        "Defaults for bert: !authenticate",
        "anna: ALL",
    ]
    assert found["defaults"] == {"use_pty": True, "logfile": "/var/log/sudo.log", "timestamp_timeout": 5}


def test_who_may_do_everything_because_of_a_group_alone_is_told_with_it(tmp_path: Path) -> None:
    """anna has a rule of her own too; bert's own group it is."""
    found = sudo.measure(a_host(tmp_path, RECORDED))

    assert found["by_group"] == ["bert"]
    assert found["members"] == [{"user": "bert", "group": "sudo", "own": True}]


def test_who_stands_together_in_a_rule_and_what_aliases_stand_for_is_told(tmp_path: Path) -> None:
    rules = {
        "User_Specs": [
            {"User_List": [{"username": "anna"}, {"username": "eve", "negated": True}], "Cmnd_Specs": ALL_COMMANDS},
            {"User_List": [{"username": "bert"}], "Cmnd_Specs": [{"Commands": [{"command": "/bin/a"}]}]},
        ]
    }
    files = {
        "/etc/sudoers": "User_Alias ADMINS = anna, OTHERS\nUser_Alias OTHERS = bert\n@includedir /etc/sudoers.d\n",
        "/etc/sudoers.d/serve": "Cmnd_Alias SERVE = /bin/a, /bin/b\n",
    }

    found = sudo.measure(a_host(tmp_path, rules, **files))

    assert found["lists"] == [["anna"]]
    assert found["aliases"] == {"ADMINS": ["anna", "bert"], "OTHERS": ["bert"]}
    assert found["command_aliases"] == {"SERVE": ["/bin/a", "/bin/b"]}


ALL_COMMANDS: list[dict[str, Any]] = [{"Commands": [{"command": "ALL"}]}]
GROUP_RULE: dict[str, Any] = {
    "User_Specs": [
        {"User_List": [{"usergroup": "sudo"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]},
        {"User_List": [{"usergroup": "ops"}], "Cmnd_Specs": [{"Commands": [{"command": "/usr/bin/apt"}]}]},
    ]
}


def test_a_member_that_was_added_is_found_and_a_group_that_may_do_little_is_none(tmp_path: Path) -> None:
    added = {"/etc/group": "root:x:0:\nsudo:x:27:anna,root,EXAMPLE\\dora\nops:x:200:carl\n"}

    found = sudo.measure(a_host(tmp_path, GROUP_RULE, **added))

    assert found["by_group"] == ["EXAMPLE\\dora", "anna", "bert"]
    assert {(one["user"], one["own"]) for one in found["members"]} == {
        ("EXAMPLE\\dora", False),
        ("anna", False),
        ("bert", True),
    }


def test_a_group_is_known_by_its_number_too(tmp_path: Path) -> None:
    spec = {"User_List": [{"usergid": 200}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}

    assert sudo.measure(a_host(tmp_path, {"User_Specs": [spec]}))["by_group"] == ["carl"]


@pytest.mark.parametrize(
    ("nsswitch", "expected"),
    [
        (None, []),
        ("passwd: files sss\ngroup: files [SUCCESS=merge] systemd # sss\n", []),
        ("group:\tfiles sss\n", ["%admin"]),
        ("group: files\ninitgroups: winbind\n", ["%admin"]),
    ],
)
def test_a_group_that_is_not_on_the_host_is_told_only_where_a_directory_may_have_it(
    tmp_path: Path, nsswitch: str | None, expected: list[str]
) -> None:
    """Ubuntu's own rules name a group admin, which it does not have."""
    spec = {"User_List": [{"usergroup": "admin"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}
    files = {} if nsswitch is None else {"/etc/nsswitch.conf": nsswitch}

    found = sudo.measure(a_host(tmp_path, {"User_Specs": [spec]}, **files))

    assert (found["by_group"], found["members"]) == (expected, [])


def test_without_a_word_in_the_files_what_sudo_was_built_with_holds() -> None:
    assert sudo_settings.parse_version(WITHOUT) == {
        "use_pty": False,
        "timestamp_timeout": 15.0,
        "logfile": None,
    }


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ({}, {"use_pty": True, "timestamp_timeout": 5, "logfile": "/var/log/sudo.log"}),
        ({"use_pty": False}, {"use_pty": False, "timestamp_timeout": 5, "logfile": "/var/log/sudo.log"}),
        ({"timestamp_timeout": "30"}, {"use_pty": True, "timestamp_timeout": 30, "logfile": "/var/log/sudo.log"}),
        ({"timestamp_timeout": "1"}, {"use_pty": True, "timestamp_timeout": 5, "logfile": "/var/log/sudo.log"}),
        ({"timestamp_timeout": "-1"}, {"use_pty": True, "timestamp_timeout": -1, "logfile": "/var/log/sudo.log"}),
        ({"timestamp_timeout": "7.5"}, {"use_pty": True, "timestamp_timeout": 7.5, "logfile": "/var/log/sudo.log"}),
        ({"logfile": False}, {"use_pty": True, "timestamp_timeout": 5, "logfile": None}),
    ],
)
def test_a_setting_that_is_weaker_for_some_is_the_one_that_is_told(
    tmp_path: Path, bound: dict[str, Any], expected: dict[str, Any]
) -> None:
    rules = {"Defaults": [{"Binding": [{"username": "bert"}], "Options": [bound]}]}

    assert sudo.measure(a_host(tmp_path, rules))["defaults"] == expected


# -- what no role reaches -----------------------------------------------------------------------------------------

# All is well in the files that a role changes.
GENERAL: dict[str, Any] = {"Options": [{"use_pty": True}, {"logfile": "/var/log/sudo.log"}, {"timestamp_timeout": "5"}]}


def reach(found: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """By field what is within reach, and where the rest is."""
    mine, where = found.get("within_reach", {}), found.get("out_of_reach", {})
    assert set(mine) == set(where)
    return {name: (mine[name], where[name]) for name in mine}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"use_pty": False}, {"defaults": ({"use_pty": True}, {"use_pty": ["Defaults for bert"]})}),
        (
            {"timestamp_timeout": "-1"},
            {"defaults": ({"timestamp_timeout": 5}, {"timestamp_timeout": ["Defaults for bert"]})},
        ),
        ({"logfile": False}, {"defaults": ({"logfile": "/var/log/sudo.log"}, {"logfile": ["Defaults for bert"]})}),
        ({"timestamp_timeout": "1"}, {}),
        ({"use_pty": True}, {}),
    ],
)
def test_a_setting_that_is_weaker_for_some_only_is_said_to_be_theirs(
    tmp_path: Path, setting: dict[str, Any], expected: dict[str, Any]
) -> None:
    rules = {"Defaults": [GENERAL, {"Binding": [{"username": "bert"}], "Options": [setting]}]}

    assert reach(sudo.measure(a_host(tmp_path, rules))) == expected


def test_what_holds_for_everybody_is_read_from_the_files_where_sudo_tells_what_holds_for_root(tmp_path: Path) -> None:
    """sudo -V, which root runs, has what is set for root and for this host in it."""
    reader = a_host(
        tmp_path, {"Defaults": [GENERAL, {"Binding": [{"username": "root"}], "Options": [{"use_pty": False}]}]}
    )
    (tmp_path / "usr/sbin/sudo").write_text(f"#!/bin/sh\n{printing(WITHOUT)}\n")

    found = sudo.measure(reader)

    assert found["defaults"]["use_pty"] is False
    assert reach(found)["defaults"][0]["use_pty"] is True


def test_a_setting_for_everybody_that_is_weak_is_within_reach(tmp_path: Path) -> None:
    weak = {
        "Defaults": [
            GENERAL,
            {"Options": [{"use_pty": False}]},
            {"Binding": [{"username": "bert"}], "Options": [{"use_pty": False}]},
        ]
    }

    assert reach(sudo.measure(a_host(tmp_path, weak))) == {}


LATER = "root ALL=(ALL) ALL\nDefaults use_pty\n@includedir /etc/sudoers.d\n@include sudoers.local\n"
EARLIER = "@include /etc/sudoers.local\n@includedir /etc/sudoers.d\nDefaults use_pty\n"


@pytest.mark.parametrize(
    ("sudoers", "other", "expected"),
    [
        (
            LATER,
            "Defaults env_reset, !use_pty\n",
            {"defaults": ({"use_pty": True}, {"use_pty": ["/etc/sudoers.local"]})},
        ),
        # What nothing in reach says a role writes first.
        (
            LATER.replace("Defaults use_pty", ""),
            "Defaults !use_pty\n",
            {"defaults": ({"use_pty": False}, {"use_pty": ["/etc/sudoers.local"]})},
        ),
        (EARLIER, "Defaults !use_pty\n", {}),
        (LATER, "Defaults:anna !use_pty\n", {}),
        (LATER, "Defaults use_pty\n", {"defaults": ({"use_pty": True}, {"use_pty": ["/etc/sudoers.local"]})}),
    ],
)
def test_a_file_that_no_role_changes_has_the_last_word_where_it_is_read_last(
    tmp_path: Path, sudoers: str, other: str, expected: dict[str, Any]
) -> None:
    files = {
        "/etc/sudoers": sudoers,
        "/etc/sudoers.local": other,
        "/etc/sudoers.d/zz-msp-terminal": "Defaults use_pty\n",
    }
    if "Defaults use_pty" not in sudoers:
        del files["/etc/sudoers.d/zz-msp-terminal"]
        files["/etc/sudoers.d/README"] = "# nothing\n"

    found = reach(sudo.measure(a_host(tmp_path, {"Defaults": [{"Options": [{"use_pty": False}]}]}, **files)))

    # Whose the files are the test cannot choose.
    found.pop("files_wrong", None)
    assert found == expected


@pytest.mark.parametrize(("name", "last"), [("zzz-link", True), ("10-link", False)])
def test_a_link_among_the_rules_is_no_file_that_a_role_changes(tmp_path: Path, name: str, last: bool) -> None:
    files = {
        "/opt/rules": "Defaults !use_pty\ncarl ALL=(ALL) NOPASSWD: ALL\n",
        "/etc/sudoers.d/zz-msp-terminal": "Defaults use_pty\n",
    }
    carl = {
        "User_List": [{"username": "carl"}],
        "Cmnd_Specs": [{"Commands": [{"command": "ALL"}], "Options": [{"authenticate": False}]}],
    }
    anna = {"User_List": [{"username": "anna"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}
    reader = a_host(tmp_path, {"User_Specs": [anna, carl]}, **files)
    path = f"/etc/sudoers.d/{name}"
    (tmp_path / path[1:]).symlink_to(tmp_path / "opt/rules")

    found = sudo.measure(reader)

    told = reach(found)
    assert told["all"] == (["anna"], [path])
    assert told["nopasswd"] == ([], [path])
    assert ("defaults" in told) == last
    assert any(one.startswith(path) for one in found["files_wrong"])
    assert not any(one.startswith(path) for one in told["files_wrong"][0])


def test_what_stands_after_a_directory_is_of_the_file_that_includes_it(tmp_path: Path) -> None:
    files = {"/opt/rules": "Defaults !use_pty\n", "/etc/sudoers": "@includedir /etc/sudoers.d\nDefaults !use_pty\n"}
    reader = a_host(tmp_path, {}, **{"/etc/sudoers.d/README": "", **files})
    (tmp_path / "etc/sudoers.d/zzz").symlink_to(tmp_path / "opt/rules")

    assert sudo_elsewhere.elsewhere(reader.host).set_later == {}


def test_what_a_file_in_reach_allows_too_is_within_reach(tmp_path: Path) -> None:
    files = {
        "/etc/sudoers": "User_Alias OPS = anna, bert\n@includedir /etc/sudoers.d\n@includedir /opt/sudo\n",
        "/etc/sudoers.d/anna": "anna ALL=(ALL) NOPASSWD: ALL\n",
        "/opt/sudo/ops": "OPS ALL=(ALL) NOPASSWD: ALL\nanna ALL=(ALL) NOPASSWD: ALL\n",
    }

    found = sudo_elsewhere.elsewhere(a_host(tmp_path, {}, **files).host)

    assert found.powerful == {"bert": "/opt/sudo/ops"}
    assert found.unasked == {frozenset(("anna", "bert")): "/opt/sudo/ops"}


@pytest.mark.parametrize(
    ("sudoers", "expected"),
    [("", {"nopasswd": ([], ["/etc/sudoers.local"])}), ("Defaults:bert !authenticate\n", {})],
)
def test_where_sudo_is_told_elsewhere_not_to_ask_that_is_said(
    tmp_path: Path, sudoers: str, expected: dict[str, Any]
) -> None:
    files = {
        "/etc/sudoers": f"{sudoers}@include /etc/sudoers.local\n",
        "/etc/sudoers.local": "Defaults ! authenticate\n",
    }
    reader = a_host(tmp_path, {"Defaults": [{"Options": [{"authenticate": False}]}]}, **files)
    found = reach(sudo.measure(reader))

    found.pop("files_wrong", None)
    assert found == expected


_said = st.sampled_from([None, True, False])


@pytest.mark.thorough
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_said, _said, _said, _said, st.booleans())
def test_what_is_out_of_reach_is_never_what_a_role_would_change(  # noqa: PLR0917
    tmp_path: Path, before: bool | None, mine: bool | None, other: bool | None, after: bool | None, first: bool
) -> None:
    """before and after are in sudoers, mine in a role's file, other in a file of others."""

    def told(value: bool | None) -> str:
        return "" if value is None else f"Defaults {'' if value else '!'}use_pty\n"

    include, directory = "@include /etc/sudoers.local\n", "@includedir /etc/sudoers.d\n"
    files = {
        "/etc/sudoers": told(before) + (include + directory if first else directory + include) + told(after),
        "/etc/sudoers.d/zz-msp-terminal": told(mine),
        "/etc/sudoers.local": told(other),
    }

    found = sudo_elsewhere.elsewhere(a_host(tmp_path, {}, **files).host).set_later

    assert ("use_pty" in found) == (other is not None and not first and after is None)
    if found:
        within = next((one for one in (mine, before) if one is not None), False)
        assert found == {"use_pty": ("/etc/sudoers.local", within)}


def test_files_without_any_rule_let_nobody(tmp_path: Path) -> None:
    assert sudo.measure(a_host(tmp_path, "true"))["who_people"] == []


@pytest.mark.parametrize(
    ("spec", "everything"),
    [
        ({"Commands": [{"command": "ALL"}]}, True),
        ({"runasusers": [{"username": "ALL"}], "Commands": [{"command": "ALL"}]}, True),
        ({"runasusers": [{"userid": 0}], "Commands": [{"command": "/bin/ls"}, {"command": "ALL"}]}, True),
        ({"runasusers": [{"username": "postgres"}], "Commands": [{"command": "ALL"}]}, False),
        ({"runasgroups": [{"usergroup": "adm"}], "Commands": [{"command": "ALL"}]}, False),
        ({"Commands": [{"command": "/usr/bin/apt"}]}, False),
        ({"Commands": [{"command": "ALL", "negated": True}]}, False),
    ],
)
def test_everything_is_all_commands_as_root(spec: dict[str, Any], everything: bool) -> None:
    rules = sudo.parse_rules({"User_Specs": [{"User_List": [{"username": "anna"}], "Cmnd_Specs": [spec]}]})

    found = sudo.everybody(rules, {"anna": (1000, 1000)}, {})

    assert found["who"] == ["anna"]
    assert found["all"] == (["anna"] if everything else [])


def test_a_rule_for_all_users_is_for_every_account(tmp_path: Path) -> None:
    rules = {"User_Specs": [{"User_List": [{"username": "ALL"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}]}

    assert sudo.measure(a_host(tmp_path, rules))["all_people"] == ["anna", "bert", "carl", "root"]


def test_a_password_that_nobody_is_asked_for_is_told(tmp_path: Path) -> None:
    found = sudo.measure(a_host(tmp_path, {"Defaults": [{"Options": [{"authenticate": False}]}]}))

    assert found["nopasswd"] == ["Defaults: !authenticate"]


def test_files_that_others_may_read_or_change_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/etc/sudoers.d/10-good": "", "/etc/sudoers.d/20-open": "", "/etc/sudoers.d/x.bak": ""}
    reader = a_host(tmp_path, {}, **files)
    for name, mode in (("sudoers", 0o440), ("sudoers.d/10-good", 0o400), ("sudoers.d/20-open", 0o644)):
        (tmp_path / "etc" / name).chmod(mode)
    (tmp_path / "etc/sudoers.d").chmod(0o770)
    assert sudo.files(reader) == ["/etc/sudoers", "/etc/sudoers.d", "/etc/sudoers.d/10-good", "/etc/sudoers.d/20-open"]
    monkeypatch.setattr(sudo, "_ROOT", (os.geteuid(), (tmp_path / "etc/sudoers").stat().st_gid))

    wrong = sudo.wrong_files(reader)

    assert [one.split()[:2] for one in wrong] == [["/etc/sudoers.d", "0770"], ["/etc/sudoers.d/20-open", "0644"]]
    monkeypatch.setattr(sudo, "_ROOT", (4242, 4242))
    assert len(sudo.wrong_files(reader)) == 4


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo '/etc/sudoers.d/x:1:7: syntax error' >&2; exit 1", "syntax error"),
        ("echo '{}'; echo 'unable to open /etc/sudoers.d/y' >&2", "unable to open"),
        ("echo nonsense", "no JSON"),
        ("echo '[]'", "no list of rules"),
        (printing('{"User_Specs": [{"User_List": [{"a": 1, "b": 2}]}]}'), "form that is not known"),
    ],
)
def test_rules_that_cannot_be_read_whole_are_not_measured(tmp_path: Path, script: str, why: str) -> None:
    with pytest.raises(Unmeasurable, match=why):
        sudo.measure(a_host(tmp_path, script))


def test_without_sudo_it_is_absent_and_without_its_reader_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        sudo.measure(made_reader(tmp_path / "a", {}))
    with pytest.raises(Unmeasurable, match="cvtsudoers"):
        sudo.measure(made_reader(tmp_path / "b", {}, {"sudo": "true"}))
