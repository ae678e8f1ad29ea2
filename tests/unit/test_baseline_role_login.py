"""What the role msp_baseline_linux writes of logins is what its controls check; its expressions find what they should.

Reads the role's files and the definitions of the controls; runs neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    lockout_plan,
    pam,
    password_hashes,
    sudo_elsewhere,
    umask,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import Replacement
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model, probing, rules
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Chosen, Control

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_baseline_linux"
LOGIN = [one for one in catalogue().values() if one.area in ("accounts", "sudo", "ssh", "banner", "cron")]
OF_SSHD = [one for one in LOGIN if any(check.probe["kind"] == "sshd" for check in one.checks)]
DEFAULTS = {one.id: {name: form.default for name, form in one.parameters.items()} for one in catalogue().values()}
AREAS_BEHIND_A_GUARD = ("accounts", "network", "ssh", "sudo", "firewall")


def trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, Mapping):
        return {name: trusted(one) for name, one in value.items()}
    return [trusted(one) for one in value] if isinstance(value, list) else value


VARIABLES = trusted(yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8")))


# What `sshd -T` says of an old server that nobody hardened.
WEAK = VARIABLES["__msp_baseline_linux_weak"]
LISTS = {"ciphers": "ciphers", "macs": "macs", "exchanges": "kexalgorithms"}
SSHD_NOW: Mapping[str, Any] = {
    "stdout_lines": [
        "port 22",
        "kbdinteractiveauthentication yes",
        "allowtcpforwarding yes",
        "clientaliveinterval 0",
        "clientalivecountmax 9",
        *(f"{keyword} one-strong,{','.join(WEAK[name])}" for name, keyword in LISTS.items()),
    ]
}
NOTHING_WRITTEN: Mapping[str, Any] = {"stdout_lines": []}
SUDO_ALIASES = {
    "aliases": {"ADMINS": ["anna"], "OPERATORS": ["eve"], "BOTH": ["anna", "eve"], "PAIR": ["one", "two"]},
    "command_aliases": {"SERVE": ["/bin/a (b)", "/bin/c"]},
}
SUDO = {"__msp_baseline_linux_sudo_facts": {"answers": {"sudo": {"state": "ok", "value": SUDO_ALIASES}}}}
SSHD = {"__msp_baseline_linux_sshd_says": SSHD_NOW, "__msp_baseline_linux_ssh_written": NOTHING_WRITTEN}


def variable(name: str, sshd: Mapping[str, Any] = SSHD, **parameters: Mapping[str, Any]) -> Any:
    given = {**DEFAULTS, **{id_.replace("_", "-"): values for id_, values in parameters.items()}}
    known = {**VARIABLES, "msp_baseline_linux_parameters": given, **sshd, **SUDO}
    return Templar(DataLoader(), variables=known).template(trust_as_template("{{ __msp_baseline_linux_" + name + " }}"))


def everything(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue"):
            yield from everything(task.get(part, []))


def tasks(area: str) -> list[dict[str, Any]]:
    loaded = yaml.safe_load((ROLE / "tasks" / f"{area}.yml").read_text(encoding="utf-8"))
    return list(everything(loaded))


# -- the ssh server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", OF_SSHD, ids=lambda one: one.id)
def test_sshd_is_told_what_is_checked(control: Control) -> None:
    lines = variable("ssh")[control.id]
    told = {name.lower(): value for name, value in (line.split(" ", 1) for line in lines)}
    checks = [check for check in control.checks if check.probe["kind"] == "sshd"]

    assert set(told) == {check.probe["name"] for check in checks}
    for check in checks:
        value = told[check.probe["name"]]
        found = value.split(",") if check.rule == "none_of" else value
        assert rules.holds(check.rule, found, probing.value_of(check.value, DEFAULTS[control.id])), value


@pytest.mark.parametrize("control", OF_SSHD, ids=lambda one: one.id)
def test_sshd_is_told_each_thing_in_a_line_of_its_own(control: Control) -> None:
    (task,) = (one for one in tasks("ssh") if "contents" in one.get("msp.ops.files", {}))
    known = {**VARIABLES, **SSHD, **enforcing(control.id), **trusted(task["vars"])}
    contents = Templar(DataLoader(), variables=known).template(trust_as_template(task["msp.ops.files"]["contents"]))

    ((path, text),) = contents.items()
    assert path == f"/etc/ssh/sshd_config.d/00-msp-{control.id.removeprefix('ssh-')}.conf"
    assert text.splitlines()[1:] == variable("ssh")[control.id]
    assert text.endswith("\n")


def sshd_that_says(*lines: str, written: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "__msp_baseline_linux_sshd_says": {"stdout_lines": [*SSHD_NOW["stdout_lines"], *lines]},
        "__msp_baseline_linux_ssh_written": {"stdout_lines": list(written)},
    }


@pytest.mark.parametrize(
    ("now", "chosen", "told"),
    [
        ("allowtcpforwarding yes", {"ssh-forwarding": {"tcp": "local"}}, "AllowTcpForwarding local"),
        ("allowtcpforwarding no", {"ssh-forwarding": {"tcp": "yes"}}, "AllowTcpForwarding no"),
        ("allowtcpforwarding all", {"ssh-forwarding": {"tcp": "remote"}}, "AllowTcpForwarding remote"),
        (
            "kbdinteractiveauthentication no",
            {"ssh-passwords": {"interactive": "yes"}},
            "KbdInteractiveAuthentication no",
        ),
        ("permitrootlogin no", {"ssh-root-login": {"allowed": "prohibit-password"}}, "PermitRootLogin no"),
        (
            "permitrootlogin without-password",
            {"ssh-root-login": {"allowed": "prohibit-password"}},
            "PermitRootLogin prohibit-password",
        ),
        ("permitrootlogin yes", {"ssh-root-login": {"allowed": "no"}}, "PermitRootLogin no"),
        ("maxauthtries 2", {"ssh-auth-tries": {"most": 4}}, "MaxAuthTries 2"),
        ("maxauthtries 9", {"ssh-auth-tries": {"most": 4}}, "MaxAuthTries 4"),
        ("logingracetime 20", {"ssh-grace-time": {"seconds": 60}}, "LoginGraceTime 20"),
        ("logingracetime 0", {"ssh-grace-time": {"seconds": 60}}, "LoginGraceTime 60"),
        ("clientaliveinterval 60", {"ssh-idle": {"seconds": 300, "times": 3}}, "ClientAliveInterval 60"),
        ("clientaliveinterval 0", {"ssh-idle": {"seconds": 300, "times": 3}}, "ClientAliveInterval 300"),
        ("clientalivecountmax 1", {"ssh-idle": {"seconds": 300, "times": 3}}, "ClientAliveCountMax 1"),
    ],
)
def test_what_is_stricter_already_stays_so_when_the_rest_is_put_right(
    now: str, chosen: Mapping[str, Any], told: str
) -> None:
    ((id_, _values),) = chosen.items()
    lines = variable("ssh", sshd_that_says(now), **{id_.replace("-", "_"): chosen[id_]})[id_]

    assert told in lines


def test_every_setting_of_sshd_with_a_limit_or_an_order_is_never_made_weaker() -> None:
    """All of them are in the tables that keep what is stricter."""
    bounded = {
        check.probe["name"]
        for control in OF_SSHD
        for check in control.checks
        if check.probe["kind"] == "sshd" and check.rule in ("as_strict", "at_most")
    }
    tables = VARIABLES["__msp_baseline_linux_ssh_stricter"], VARIABLES["__msp_baseline_linux_ssh_sooner"]
    assert bounded == {name for table in tables for name in table}


def test_a_strict_list_loses_what_is_weak_and_gains_nothing() -> None:
    sshd = sshd_that_says("ciphers aes256-ctr,aes128-cbc", "macs hmac-sha2-512", "kexalgorithms curve25519-sha256")

    assert variable("ssh", sshd)["ssh-ciphers"] == ["Ciphers aes256-ctr"]


def test_a_list_that_we_wrote_stays_written_also_when_another_one_drifts() -> None:
    sshd = sshd_that_says("ciphers aes256-ctr", "macs hmac-sha2-512,hmac-md5", "kexalgorithms a", written=("Ciphers",))

    assert variable("ssh", sshd)["ssh-ciphers"] == ["Ciphers aes256-ctr", "MACs hmac-sha2-512"]


def test_where_all_of_a_list_is_weak_it_is_the_servers_own_one_without_that() -> None:
    sshd = sshd_that_says("ciphers aes128-cbc", "macs hmac-sha2-512", "kexalgorithms curve25519-sha256")

    assert variable("ssh", sshd)["ssh-ciphers"] == [f"Ciphers -{','.join(WEAK['ciphers'])}"]


def test_the_lists_that_are_weak_are_those_that_are_checked() -> None:
    checked = {check.probe["name"]: list(check.value) for check in catalogue()["ssh-ciphers"].checks}

    assert {LISTS[name]: values for name, values in WEAK.items()} == checked


def enforcing(id_: str, *behind: str) -> dict[str, Any]:
    (guarded,) = (one for one in tasks("ssh") if "rescue" in one)
    return {
        "msp_baseline_linux_enforce": [id_, "ssh-rights"],
        "msp_baseline_linux_parameters": DEFAULTS,
        "__msp_baseline_linux_behind": list(behind),
        **trusted(guarded["vars"]),
    }


@pytest.mark.parametrize(("behind", "told"), [((), ["ssh-forwarding"]), (("db01",), [])])
def test_forwarding_is_not_taken_away_where_others_are_reached_through_it(
    behind: tuple[str, ...], told: list[str]
) -> None:
    # What sshd says is not known yet.
    known = {**VARIABLES, **enforcing("ssh-forwarding", *behind)}
    found = Templar(DataLoader(), variables=known).template(trust_as_template("{{ __msp_baseline_linux_told }}"))
    (need,) = (one for one in tasks("ssh") if "MSP-STD-203" in str(one))
    holds = Templar(DataLoader(), variables=known).template(
        trust_as_template("{{ " + need["ansible.builtin.assert"]["that"] + " }}")
    )

    assert list(found) == told
    assert holds is (not behind)


@pytest.mark.parametrize(
    ("tcp", "enforced", "seen"),
    [("no", True, ["db01"]), ("remote", True, ["db01"]), ("local", True, []), ("yes", True, []), ("no", False, [])],
)
def test_who_would_be_cut_off_is_only_looked_for_where_forwarding_is_taken_away(
    tcp: str, enforced: bool, seen: list[str]
) -> None:
    (task,) = (one for one in tasks("ssh") if "ansible.builtin.set_fact" in one)
    known = {
        "msp_baseline_linux_enforce": ["ssh-forwarding"] if enforced else ["ssh-idle"],
        "msp_baseline_linux_parameters": {"ssh-forwarding": {"tcp": tcp}},
        "reached": ["db01"],
    }
    (text,) = task["ansible.builtin.set_fact"].values()
    assert "groups.all | msp.ops.reached_through(inventory_hostname, hostvars)" in text
    text = text.replace("groups.all | msp.ops.reached_through(inventory_hostname, hostvars)", "reached")

    assert list(Templar(DataLoader(), variables=known).template(trust_as_template(text))) == seen


def test_nothing_is_told_to_sshd_that_no_control_checks() -> None:
    assert set(VARIABLES["__msp_baseline_linux_ssh"]) == {one.id for one in OF_SSHD}


def reads_ours_first(first: str, *files: str) -> bool:
    (task,) = (one for one in tasks("ssh") if "ansible.builtin.lineinfile" in one)
    known = {
        "__msp_baseline_linux_first": {"stdout": first},
        "__msp_baseline_linux_files": {"files": [{"path": f"/etc/ssh/sshd_config.d/{name}"} for name in files]},
        **trusted(task["vars"]),
    }
    added = Templar(DataLoader(), variables=known).template(trust_as_template("{{ " + task["when"] + " }}"))
    return not added


@pytest.mark.parametrize(
    ("first", "files", "first_already"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf", ["lab.conf", "00-msp-idle.conf"], True),
        ("  include /etc/ssh/sshd_config.d/*.conf ", [], True),
        ("Include /etc/ssh/sshd_config.d/00-msp-*.conf", ["00-cloud.conf"], True),
        ("Include /etc/ssh/sshd_config.d/*.conf", ["00-cloud.conf"], False),
        ("Port 22", [], False),
        ("", [], False),
        ("Include /etc/ssh/other.d/*.conf", [], False),
    ],
)
def test_ours_are_read_before_every_other_file(first: str, files: list[str], first_already: bool) -> None:
    assert reads_ours_first(first, *files) is first_already


# -- sudo ----------------------------------------------------------------------------------------------------------


def taken_out(line: str, *allowed: str) -> bool:
    """Whether all of the line, and what a backslash adds to it, is taken out as a rule of somebody else."""
    regexp = variable("sudo_rule_of_others", sudo_who={"allowed": list(allowed)})
    found = re.compile(regexp, re.MULTILINE).search(f"root ALL=(ALL:ALL) ALL\n{line}\nDefaults env_reset\n")
    if found is None:
        return False
    assert found[0] == line
    return True


@pytest.mark.parametrize(
    "line",
    [
        "eve ALL=(ALL:ALL) ALL",
        "eve ALL=(ALL) NOPASSWD: ALL",
        "eve\tALL=(ALL)NOPASSWD:ALL",
        "  eve ALL = ALL",
        "eve ALL=(root) /bin/ls, ALL",
        "eve ALL=(#0) ALL",
        "%ops ALL=(ALL) ALL",
        "#1007 ALL=(ALL) ALL",
        "anna, eve ALL=(ALL) ALL",
        "eve ALL = \\\n  (ALL) NOPASSWD: \\\n  ALL",
        "OPERATORS ALL=(ALL) ALL",
        "BOTH ALL=(ALL) ALL",
        "%domain\\ users ALL=(ALL) ALL",
        "%linux-admins@corp.example ALL=(ALL) ALL",
        "annalies ALL=(ALL) ALL",
    ],
)
def test_a_rule_of_somebody_who_was_not_agreed_on_is_taken_out(line: str) -> None:
    assert taken_out(line, "root", "anna", "%sudo")


@pytest.mark.parametrize(
    "line",
    [
        "anna ALL=(ALL:ALL) ALL",
        "  anna ALL=(ALL) NOPASSWD: ALL",
        "anna , root ALL=(ALL) ALL",
        "ADMINS ALL=(ALL) ALL",
        "ADMINS, root ALL=(ALL) ALL",
        "%domain\\ admins ALL=(ALL) ALL",
        '"%domain admins" ALL=(ALL) ALL',
        "%EXAMPLE\\\\admins ALL=(ALL) ALL",
        "%linux-admins@corp.local ALL=(ALL) ALL",
        "%sudo ALL=(ALL:ALL) ALL",
        "eve ALL=(ALL) /usr/bin/apt, /usr/bin/dpkg",
        "eve ALL=(ALL:ALL) !ALL",
        "eve ALL=(postgres) ALL",
        "eve ALL=(:adm) ALL",
        "# eve ALL=(ALL) ALL",
        "#eve ALL=(ALL) ALL",
        "Defaults ALL=ALL",
        "Cmnd_Alias EVERY=ALL",
        "User_Alias OPERATORS=ALL",
        "@includedir /etc/a=ALL",
    ],
)
def test_what_lets_nobody_else_do_everything_stays(line: str) -> None:
    others = ("%domain admins", "%EXAMPLE\\admins", "%linux-admins@corp.local")
    assert not taken_out(line, "root", "anna", "%sudo", *others)


def test_where_nobody_was_agreed_on_no_rule_stays() -> None:
    regexp = variable("sudo_rule_of_others", sudo_who={"allowed": []})

    assert re.compile(regexp, re.MULTILINE).findall("root ALL=(ALL:ALL) ALL\n anna ALL=ALL\n") == ["root", "anna"]


@pytest.mark.parametrize(
    ("lists", "goes_on"),
    [
        ([["root"], ["anna"], ["eve"]], True),
        ([["anna", "root"], ["eve", "bert"]], True),
        ([["root"], ["anna", "eve"]], False),
    ],
)
def test_a_rule_of_agreed_people_and_others_together_stops_before_anything_is_taken_out(
    lists: list[list[str]], goes_on: bool
) -> None:
    (task,) = (one for one in tasks("sudo") if "MSP-STD-202" in str(one) and "block" not in one)
    known = {
        "msp_baseline_linux_parameters": {"sudo-who": {"allowed": ["root", "anna"]}},
        "__msp_baseline_linux_sudo_facts": {"answers": {"sudo": {"value": {"lists": lists}}}},
        **trusted(task["vars"]),
    }
    condition = "{{ " + task["ansible.builtin.assert"]["that"] + " }}"

    assert Templar(DataLoader(), variables=known).template(trust_as_template(condition)) is goes_on


@pytest.mark.parametrize(
    "name", ["anna", "a", "%domain admins", "%EXAMPLE\\admins", "%linux-admins@corp.local", "host$"]
)
def test_whoever_sudo_can_name_can_be_agreed_on(name: str) -> None:
    items = catalogue()["sudo-who"].parameters["allowed"].items
    assert items is not None and items.pattern is not None
    assert re.fullmatch(items.pattern, name)
    assert not any(re.fullmatch(items.pattern, f"{name}{end}") for end in ("\n", ", eve", "=ALL", " "))


def asks_again(text: str, *allowed: str) -> str:
    """As the role's task does it."""
    (task,) = (one for one in tasks("sudo") if "replacements" in one.get("msp.ops.files", {}))
    regexp = variable("sudo_rule_without_password", sudo_nopasswd={"allowed": list(allowed)})
    for change in task["vars"]["__msp_baseline_linux_without_password"]:
        assert change["regexp"] == "{{ __msp_baseline_linux_sudo_rule_without_password }}"
        text = Replacement(regexp, change["replace"], repeat=change["repeat"]).of(text)
    return text


@pytest.mark.parametrize(
    ("allowed", "asks"),
    [([], True), (["deploy: /usr/bin/apt"], True), (["Defaults:deploy"], False), (["Defaultsmith: ALL"], True)],
)
def test_sudo_is_told_to_ask_unless_it_was_agreed_that_somebody_is_never_asked(allowed: list[str], asks: bool) -> None:
    (task,) = (one for one in tasks("sudo") if "replacements" in one.get("msp.ops.files", {}))
    known = {
        "msp_baseline_linux_enforce": ["sudo-nopasswd"],
        "msp_baseline_linux_parameters": {"sudo-nopasswd": {"allowed": allowed}},
    }
    wanted = trust_as_template(task["vars"]["__msp_baseline_linux_all_ask"])

    assert Templar(DataLoader(), variables=known).template(wanted) is asks


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("eve ALL=(ALL) NOPASSWD: ALL\n", "eve ALL=(ALL) ALL\n"),
        ("eve ALL=NOPASSWD:/bin/a, PASSWD: /bin/b, NOPASSWD: /bin/c\n", "eve ALL=/bin/a, PASSWD: /bin/b, /bin/c\n"),
        (
            "eve ALL=NOPASSWD:/a, PASSWD:/b, NOPASSWD:/c, PASSWD:/d, NOPASSWD:/e\n",
            "eve ALL=/a, PASSWD:/b, /c, PASSWD:/d, /e\n",
        ),
        ("eve ALL=(ALL) \\\n NOPASSWD: ALL\n", "eve ALL=(ALL) \\\n ALL\n"),
        ("deploy ALL=(ALL) NOPASSWD: /bin/sh\n", "deploy ALL=(ALL) /bin/sh\n"),
        ("PAIR ALL=(ALL) NOPASSWD: /bin/sh\n", "PAIR ALL=(ALL) /bin/sh\n"),
        ("ADMINS ALL=(ALL) NOPASSWD: ALL\n", "ADMINS ALL=(ALL) ALL\n"),
        ("deploy ALL=(ALL) NOPASSWD: /usr/bin/apt, /bin/sh\n", "deploy ALL=(ALL) /usr/bin/apt, /bin/sh\n"),
    ],
)
def test_a_rule_asks_for_a_password_again(before: str, after: str) -> None:
    assert asks_again(before, "msp: ALL", "deploy: /usr/bin/apt") == after


@pytest.mark.parametrize(
    "text",
    [
        "msp ALL=(ALL:ALL) NOPASSWD: ALL\n",
        "msp\tALL = NOPASSWD:SETENV: ALL\n",
        "deploy web1=(root) NOPASSWD: /usr/bin/apt\n",
        "one, two ALL=(ALL) NOPASSWD: /bin/a (b), /bin/c\n",
        "PAIR ALL=(ALL) NOPASSWD: SERVE\n",
        "%domain\\ admins ALL=(ALL) NOPASSWD: ALL\n",
        "# eve ALL=(ALL) NOPASSWD: ALL\n",
        "eve ALL=(ALL) ALL # NOPASSWD\n",
        "Defaults lecture=never\n",
    ],
)
def test_a_rule_that_was_agreed_on_is_left_as_it_is(text: str) -> None:
    agreed = ("msp: ALL", "deploy: /usr/bin/apt", "one, two: /bin/a (b), /bin/c", "%domain admins: ALL")
    assert asks_again(text, *agreed) == text


def test_where_nothing_was_agreed_on_every_rule_asks() -> None:
    assert asks_again("msp ALL=(ALL) NOPASSWD: ALL\n") == "msp ALL=(ALL) ALL\n"


def later(text: str, *enforced: str) -> str:
    """What is set after ours, as the role takes it out."""
    known = {**VARIABLES, "msp_baseline_linux_enforce": list(enforced)}
    wanted = trust_as_template("{{ __msp_baseline_linux_sudo_set_later }}")
    changes: list[dict[str, Any]] = Templar(DataLoader(), variables=known).template(wanted)
    for change in changes:
        text = Replacement(change["regexp"], change["replace"], repeat=change.get("repeat", False)).of(text)
    return text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Defaults !use_pty # not for ours\n", "# msp: Defaults !use_pty # not for ours\n"),
        ("Defaults !use_pty\n", "# msp: Defaults !use_pty\n"),
        ("  Defaults\tuse_pty\n", "# msp:   Defaults\tuse_pty\n"),
        ("Defaults !use_pty, env_reset\n", "Defaults env_reset\n"),
        ("Defaults env_reset, !use_pty\n", "Defaults env_reset\n"),
        ("Defaults env_reset, !use_pty, insults # why\n", "Defaults env_reset, insults # why\n"),
        ("Defaults env_reset, \\\n  !use_pty\n", "Defaults env_reset\n"),
        ("Defaults use_pty, insults, !use_pty\n", "Defaults insults\n"),
        ('Defaults passprompt="a, b: ", !use_pty\n', 'Defaults passprompt="a, b: "\n'),
    ],
)
def test_of_what_is_set_after_ours_the_one_setting_goes(before: str, after: str) -> None:
    assert later(before, "sudo-terminal") == after


@pytest.mark.parametrize(
    "text",
    [
        "Defaults timestamp_timeout=0\n",
        "Defaults logfile=/var/log/x.log, secure_path=/usr/bin\n",
        "Defaults use_pty_of_others\n",
        'Defaults passprompt="use_pty, now"\n',
        "Defaults:anna !use_pty\n",
        "# Defaults !use_pty\n",
        "use_pty ALL=(ALL) ALL\n",
    ],
)
def test_of_what_is_set_after_ours_all_else_stays(text: str) -> None:
    assert later(text, "sudo-terminal") == text


@pytest.mark.thorough
@given(st.data())
def test_whatever_a_line_sets_only_what_is_enforced_leaves_it(data: st.DataObject) -> None:
    settings = ["use_pty", "!use_pty", "logfile=/a", 'logfile="/a, b"', "timestamp_timeout=5", "env_reset", "insults"]
    line = data.draw(st.lists(st.sampled_from(settings), min_size=1, max_size=4))
    enforced = data.draw(st.sets(st.sampled_from(["sudo-terminal", "sudo-log", "sudo-timeout"]), min_size=1))
    names = tuple(VARIABLES["__msp_baseline_linux_sudo_settings"][one] for one in enforced)
    kept = [one for one in line if not one.lstrip("!").startswith(names)]
    between = data.draw(st.sampled_from([", ", ",", " , ", ", \\\n\t"]))

    found = later(f"Defaults {between.join(line)}\n", *enforced)

    if kept:
        assert found == f"Defaults {between.join(kept)}\n"
    else:
        assert all(one.startswith("#") for one in found.splitlines() if "Defaults" in one)


def test_sudo_is_told_what_is_checked() -> None:
    assert variable("sudo") == {
        "sudo-terminal": "Defaults use_pty",
        "sudo-log": 'Defaults logfile="/var/log/sudo.log"',
        "sudo-timeout": "Defaults timestamp_timeout=5",
    }


def test_the_log_of_sudo_is_rotated_as_it_is_checked() -> None:
    (check,) = (one for one in catalogue()["sudo-log"].checks if one.probe["kind"] == "file_lines")
    (task,) = (one for one in tasks("sudo") if "logrotate.j2" in str(one) and "block" not in one)
    (path,) = task["msp.ops.files"]["contents"]
    template = (ROLE / "templates" / "logrotate.j2").read_text(encoding="utf-8")
    known = {"msp_baseline_linux_parameters": {"sudo-log": {"file": "/var/log/admins.log"}}}
    lines = Templar(DataLoader(), variables=known).template(trust_as_template(template)).splitlines()

    assert any(Path(path).match(pattern) for pattern in check.probe["paths"])
    pattern = probing.value_of(check.probe["pattern"], {"file": "/var/log/admins.log"})
    assert [line for line in lines if re.search(pattern, line)] == ["/var/log/admins.log {"]
    assert {"monthly", "missingok"} <= {line.strip() for line in lines}


@pytest.mark.parametrize(
    ("name", "read"), [("msp", True), ("zz-msp-log", True), ("a.bak", False), ("msp~", False), ("sub.d/x", True)]
)
def test_the_files_that_are_changed_are_those_that_sudo_reads(name: str, read: bool) -> None:
    (block,) = (one for one in tasks("sudo") if "rescue" in one)
    known = {
        "__msp_baseline_linux_found": {"files": [{"path": f"/etc/sudoers.d/{name}", "isreg": True}]},
        "wanted": trusted(block["vars"]["__msp_baseline_linux_sudoers"]),
    }
    assert bool(Templar(DataLoader(), variables=known).template(trust_as_template("{{ wanted }}"))) is read


@pytest.mark.parametrize("link", [False, True])
def test_what_the_role_can_change_is_what_the_scan_takes_for_that(tmp_path: Path, link: bool) -> None:
    path = tmp_path / "etc/sudoers.d/local"
    path.parent.mkdir(parents=True)
    (tmp_path / "opt").touch()
    if link:
        path.symlink_to(tmp_path / "opt")
    else:
        path.touch()
    (block,) = (one for one in tasks("sudo") if "rescue" in one)
    known = {
        "__msp_baseline_linux_found": {"files": [{"path": "/etc/sudoers.d/local", "isreg": not link}]},
        "wanted": trusted(block["vars"]["__msp_baseline_linux_sudoers"]),
    }
    changed = Templar(DataLoader(), variables=known).template(trust_as_template("{{ wanted }}"))

    assert sudo_elsewhere.within(Host(str(tmp_path)), "/etc/sudoers.d/local") == bool(changed)
    (write,) = (one for one in block["block"] if one["name"] == "Write the settings of each control")
    assert f"/etc/sudoers.d/{sudo_elsewhere.OURS}" in write["vars"]["__msp_baseline_linux_paths"]


def test_only_members_that_were_not_agreed_on_are_taken_out_of_a_group() -> None:
    measured = [
        {"user": "anna", "group": "sudo", "own": False},
        {"user": "dora", "group": "sudo", "own": False},
        {"user": "eric", "group": "sudo", "own": True},
    ]
    given = {**DEFAULTS, "sudo-people": {"allowed": ["anna"], "remove": True}}
    facts = {"answers": {"sudo": {"state": "ok", "value": {"members": measured}}}}
    found: dict[str, list[str]] = {}
    for task in tasks("sudo_people"):
        if "loop" not in task:
            continue
        known = {
            "msp_baseline_linux_parameters": given,
            "__msp_baseline_linux_sudo_facts": facts,
            **trusted(task["vars"]),
        }
        loop = Templar(DataLoader(), variables=known).template(trust_as_template(task["loop"]))
        found[next(name for name in task if "." in name)] = [one["user"] for one in loop]

    assert found == {
        "ansible.builtin.command": ["dora"],
        "ansible.builtin.group": ["eric"],
        "ansible.builtin.user": ["eric"],
    }


# -- accounts ------------------------------------------------------------------------------------------------------

PEOPLE = {
    "empty_password": ["root", "guest"],
    "weak_hash": ["root (MD5)", "carl (DES)"],
    "system_with_shell": ["games", "git"],
    "uid0": ["root", "toor"],
}


def looped(task: Mapping[str, Any], **answers: Any) -> list[Any]:
    known = {
        "msp_baseline_linux_parameters": DEFAULTS,
        "__msp_baseline_linux_accounts": PEOPLE,
        "__msp_baseline_linux_facts": {"answers": answers},
    }
    return list(Templar(DataLoader(), variables=known).template(trust_as_template(task["loop"])))


def test_no_password_of_root_is_touched_and_a_weak_one_of_others_is_never_taken_away() -> None:
    (taking,) = (one for one in tasks("accounts") if "password" in one.get("ansible.builtin.user", {}))
    (ending,) = (one for one in tasks("accounts") if "chage" in str(one.get("ansible.builtin.command")))

    assert looped(taking) == ["guest"]
    assert looped(ending) == ["carl"]
    assert ending["ansible.builtin.command"]["argv"][:3] == ["chage", "--lastday", "0"]
    assert taking["when"] == "'accounts-empty-password' in msp_baseline_linux_enforce"
    assert ending["when"] == "'accounts-password-weak' in msp_baseline_linux_enforce"


def test_an_account_that_is_known_to_need_its_shell_keeps_it() -> None:
    (task,) = (one for one in tasks("accounts") if "shell" in one.get("ansible.builtin.user", {}))

    assert looped(task) == ["games"]


def test_only_homes_are_given_away_that_the_measurement_says_may_be() -> None:
    (task,) = (one for one in tasks("accounts") if "ansible.builtin.file" in one)
    value = {"wrong": ["anna: /home/anna 0777 anna"], "paths": {"anna": "/home/anna"}, "left": ["app: / 0755 root"]}

    assert looped(task, homes={"state": "ok", "value": value}) == [{"key": "anna", "value": "/home/anna"}]
    assert task["ansible.builtin.file"]["follow"] is False


CONFIGURED = next(one for one in tasks("accounts") if one["name"].startswith("Set what login.defs says"))


def login_defs(text: str, *enforce: str, version: str = "12") -> str:
    """What becomes of the lines of login.defs."""
    (task,) = (one for one in CONFIGURED["block"] if "msp.ops.files" in one)
    known = {
        **VARIABLES,
        "msp_baseline_linux_enforce": list(enforce),
        "ansible_facts": {"distribution": "Debian", "distribution_major_version": version},
        **trusted(task["vars"]),
    }
    asked = task["msp.ops.files"]["replacements"]
    for change in Templar(DataLoader(), variables=known).template(trust_as_template(asked)):
        assert change["paths"] == ["/etc/login.defs"]
        text = Replacement(change["regexp"], change["replace"]).of(text)
    return text


@pytest.mark.thorough
@given(st.from_regex(r"[ \t]{0,2}(UMASK|umask)[ \t=]{1,2}[0-7]{1,4}([ \t]*#x)?", fullmatch=True))
def test_of_login_defs_every_umask_is_changed_that_is_measured_to_be_weak(line: str) -> None:
    value = umask.octal(re.split(r"[ \t=]+", line.strip(), maxsplit=1)[1])
    kept = login_defs(f"A 1\n{line}\nB 2\n", "accounts-umask", "accounts-password-hash")

    assert kept == (f"A 1\n{line if umask.strict(value, False) else 'UMASK 027'}\nB 2\n")
    assert login_defs(f"{line}\n", "accounts-password-hash") == f"{line}\n"


@pytest.mark.parametrize("word", ["MD5", "DES", "BCRYPT", "sha512", "YESCRYPT", "SHA512", "SHA256", "SHA512x"])
def test_of_login_defs_every_method_is_changed_that_is_measured_to_be_weak(word: str) -> None:
    line = f"ENCRYPT_METHOD\t{word}\n"
    weak = word not in password_hashes._STRONG_BY_NAME

    assert login_defs(line, "accounts-password-hash") == ("ENCRYPT_METHOD YESCRYPT\n" if weak else line)
    assert login_defs(line, "accounts-umask") == line
    # There the tools take YESCRYPT for DES.
    assert login_defs(line, "accounts-password-hash", version="11") == ("ENCRYPT_METHOD SHA512\n" if weak else line)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("enforce", "missing", "changed"),
    [
        (["accounts-umask"], ["sshd"], True),
        (["accounts-umask"], [], False),
        (["accounts-password-hash"], ["sshd"], False),
    ],
)
def test_pam_is_only_changed_where_its_sessions_lack_the_umask_and_all_of_that_is_saved_before(
    enforce: list[str], missing: list[str], changed: bool
) -> None:
    (guarded,) = (one for one in tasks("accounts") if "rescue" in one)
    arming, writing, adding = guarded["block"][:3]
    known = {
        "msp_baseline_linux_enforce": enforce,
        "__msp_baseline_linux_new": {"answers": {"sessions": {"state": "ok", "value": {"missing": missing}}}},
        **trusted({**guarded["vars"], **arming["vars"]}),
    }

    def template(text: str) -> Any:
        return Templar(DataLoader(), variables=known).template(trust_as_template(text))

    place = writing["ansible.builtin.copy"]["dest"]
    saved = template(arming["msp.ops.lockout_guard"]["files"])
    assert ({"/etc/pam.d", "/var/lib/pam", place} <= set(saved)) is changed
    assert {"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"} <= set(saved)
    assert template("{{ " + guarded["when"] + " }}") is changed
    for task in (writing, adding):
        assert template("{{ " + task["when"] + " }}") is changed
    assert adding["ansible.builtin.command"]["argv"] == ["pam-auth-update", "--enable", place.rsplit("/", 1)[-1]]


def test_the_profile_only_adds_the_umask_and_lets_no_login_fail() -> None:
    (guarded,) = (one for one in tasks("accounts") if "rescue" in one)
    *fields, module = guarded["block"][1]["ansible.builtin.copy"]["content"].splitlines()
    control, name = module.split()
    line = pam.Line(control, name, (), ())

    assert dict(one.split(":", 1) for one in fields)["Session-Type"].strip() == "Additional"
    assert {one.split("-")[0] for one in fields} & {"Auth", "Account", "Password"} == set()
    assert line.module == "pam_umask.so"
    assert pam.ways(line) == {pam.NEXT}


# -- the guard -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", AREAS_BEHIND_A_GUARD)
def test_what_can_lock_out_is_armed_first_proven_last_and_brought_back_where_it_fails(area: str) -> None:
    blocks = [
        one for one in tasks(area) if "block" in one and any("msp.ops.lockout_guard" in task for task in one["block"])
    ]
    (guarded,) = blocks
    first, *between, last = guarded["block"]

    assert first["msp.ops.lockout_guard"]["state"] == lockout_plan.ARMED
    assert last["msp.ops.lockout_guard"]["state"] == lockout_plan.PROVEN
    assert [task["msp.ops.lockout_guard"]["state"] for task in guarded["rescue"]] == [lockout_plan.REVERTED]
    assert not any("msp.ops.lockout_guard" in task for task in everything(between))
    names = {task["msp.ops.lockout_guard"]["name"] for task in (first, last, *guarded["rescue"])}
    assert len(names) == 1
    assert first["msp.ops.lockout_guard"]["seconds"] == "{{ msp_baseline_linux_guard_seconds }}"
    assert all(set(one["msp.ops.lockout_guard"]) <= set(lockout_plan.SPEC) for one in (first, last))


@pytest.mark.parametrize("control", [one for one in LOGIN if one.lockout], ids=lambda one: one.id)
def test_a_control_that_can_lock_out_is_of_an_area_with_a_guard(control: Control) -> None:
    assert control.area in AREAS_BEHIND_A_GUARD


def rendered_paths(task: Mapping[str, Any], around: Mapping[str, Any]) -> list[str]:
    """The files that a task writes when all controls are to be brought about."""
    contents = task.get("msp.ops.files", {}).get("contents", {})
    enforce = {"msp_baseline_linux_enforce": [one.id for one in LOGIN], "msp_baseline_linux_parameters": DEFAULTS}
    known = {
        **VARIABLES,
        **SSHD,
        **SUDO,
        **enforce,
        "__msp_baseline_linux_behind": [],
        **trusted({**around, **task.get("vars", {})}),
    }
    return list(Templar(DataLoader(), variables=known).template(trusted(contents)))


def rewritten_paths(task: Mapping[str, Any], around: Mapping[str, Any]) -> list[str]:
    """The paths of files in which the task replaces something, for a host with a file that is read after ours."""
    if "replacements" not in task.get("msp.ops.files", {}):
        return []
    known = {
        **VARIABLES,
        **SUDO,
        "msp_baseline_linux_enforce": ["sudo-who", "sudo-nopasswd", "sudo-terminal"],
        "msp_baseline_linux_parameters": DEFAULTS,
        "__msp_baseline_linux_found": {"files": [{"path": "/etc/sudoers.d/zz-zz", "isreg": True}]},
        **trusted({**around, **task["vars"]}),
    }
    asked = trusted(task["msp.ops.files"]["replacements"])
    found: list[dict[str, Any]] = Templar(DataLoader(), variables=known).template(asked)
    assert ["/etc/sudoers.d/zz-zz"] in [one["paths"] for one in found]
    return [path for one in found for path in one["paths"]]


@pytest.mark.parametrize("area", ["ssh", "sudo"])
def test_all_that_is_written_behind_the_guard_is_saved_by_it(area: str) -> None:
    (guarded,) = (one for one in tasks(area) if "rescue" in one)
    saved = guarded["block"][0]["msp.ops.lockout_guard"]["files"]
    for task in everything(guarded["block"]):
        for module in ("copy", "lineinfile"):
            path = task.get(f"ansible.builtin.{module}", {})
            place = path.get("dest") or path.get("path")
            if place and "{{" not in place.split("/", 3)[-1][:2] and place.startswith("/"):
                assert any(place == one or place.startswith(f"{one}/") for one in saved), place
        for place in [*rendered_paths(task, guarded["vars"]), *rewritten_paths(task, guarded["vars"])]:
            assert any(place == one or place.startswith(f"{one}/") for one in saved), place


def test_what_a_login_screen_shows_passes_its_own_check() -> None:
    control = catalogue()["banner-login"]
    text = variable("warning")
    (files,) = (check.probe["paths"] for check in control.checks if check.value == 2)

    assert tuple(files) == tuple(tasks("banner")[0]["msp.ops.files"]["contents"])
    for check in control.checks:
        pattern = check.probe["pattern"]
        found = re.search(text if isinstance(pattern, Chosen) else pattern, text) is not None
        assert found is (check.value > 0)
    assert control.role == model.BASELINE
