"""The role msp_baseline_linux brings about exactly what its controls check: the same keys, files, units and rules.

Reads the role's files and the definitions of the controls; runs neither.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_plan, open_ports, units
from ansible_collections.msp.ops.plugins.plugin_utils.standards import limits, model, probing, rules
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Check, Control

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_baseline_linux"
OURS = {control.id: control for control in catalogue().values() if control.role == model.BASELINE}
VARIABLES: Mapping[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
AREAS: Mapping[str, list[str]] = VARIABLES["__msp_baseline_linux_areas"]
DEFAULTS = {
    control.id: {name: parameter.default for name, parameter in control.parameters.items()} for control in OURS.values()
}


def of_kind(control: Control, kind: str) -> list[Check]:
    return [check for check in control.checks if check.probe["kind"] == kind]


def wanted(control: Control, check: Check) -> Any:
    value = check.value
    return probing.value_of(value, DEFAULTS[control.id])


def rendered(text: str, **variables: Any) -> Any:
    known = {**VARIABLES, "msp_baseline_linux_parameters": DEFAULTS, **variables}
    return Templar(DataLoader(), variables=known).template(trust_as_template(text))


def template(name: str, **variables: Any) -> list[str]:
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    return [" ".join(line.split()) for line in rendered(text, **variables).splitlines()]


def tasks(name: str) -> str:
    return (ROLE / "tasks" / name).read_text(encoding="utf-8")


def test_each_control_is_in_its_area_and_no_other_is() -> None:
    assert {id_: area for area, ids in AREAS.items() for id_ in ids} == {one.id: one.area for one in OURS.values()}


def test_each_area_is_gone_into_when_one_of_its_controls_is_to_be_brought_about() -> None:
    first, *others = [task for task in yaml.safe_load(tasks("main.yml")) if "ansible.builtin.include_tasks" in task]
    included = {task["vars"]["__msp_baseline_linux_area"]: task for task in others}
    for area in AREAS:
        task = included[area]
        assert task["ansible.builtin.include_tasks"]["file"] == "area.yml"
        assert f"__msp_baseline_linux_areas.{area})" in task["when"]
        assert task["tags"] == task["ansible.builtin.include_tasks"]["apply"]["tags"] == [area]
    assert set(included) == set(AREAS)
    assert first["ansible.builtin.include_tasks"]["file"] == "preflight.yml"


@pytest.mark.parametrize("area", AREAS)
def test_every_task_of_an_area_has_its_tag(area: str) -> None:
    assert all(task["tags"] == [area] for task in yaml.safe_load(tasks(f"{area}.yml")))


AREAS_PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {__msp_baseline_linux_failures: []}
    - ansible.builtin.include_tasks: area.yml
      vars: {__msp_baseline_linux_area: "{{ area }}"}
      loop: [breaks, loops, holds]
      loop_control: {loop_var: area}
    - ansible.builtin.debug: {msg: "found {{ __msp_baseline_linux_failures | join(' + ') }}"}
"""
MADE_AREAS = {
    "breaks": "- name: Need it\n  ansible.builtin.assert: {that: false, fail_msg: 'MSP-STD-195: none', quiet: true}\n",
    "loops": "- name: Need all\n  ansible.builtin.fail: {msg: '{{ item }} is wrong'}\n  loop: [one, two]\n",
    "holds": "- name: Reach it\n  ansible.builtin.debug: {msg: the last one was reached}\n",
}


@pytest.mark.thorough
def test_what_fails_in_one_area_keeps_no_other_from_its_turn_and_is_kept(tmp_path: Path) -> None:
    for name, text in {**MADE_AREAS, "area": tasks("area.yml"), "play": AREAS_PLAY}.items():
        (tmp_path / f"{name}.yml").write_text(text)
    program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None
    command = [program, "-i", "localhost,", "-c", "local", "play.yml"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the last one was reached" in done.stdout
    assert "found breaks: Need it: MSP-STD-195: none + loops: Need all: one is wrong; two is wrong" in done.stdout


@pytest.mark.parametrize("control", [one for one in OURS.values() if not one.by_hand], ids=lambda one: one.id)
def test_the_tasks_of_its_area_name_the_control(control: Control) -> None:
    by_table = any(
        control.id in VARIABLES[f"__msp_baseline_linux_{name}"] for name in ("units", "ssh", "sudo", "journal")
    )
    by_file = control.area == "firewall"  # one file and one table for both
    assert f"'{control.id}'" in tasks(f"{control.area}.yml") or by_table or by_file


@pytest.mark.parametrize("control", [one for one in OURS.values() if of_kind(one, "sysctl")], ids=lambda one: one.id)
def test_the_settings_that_are_written_are_those_that_are_checked(control: Control) -> None:
    settings = VARIABLES["__msp_baseline_linux_settings"][control.id]
    checks = {check.probe["name"]: check for check in of_kind(control, "sysctl")}
    assert set(settings) == set(checks)
    for name, check in checks.items():
        value = rendered(settings[name])
        found = {"eth0": value} if check.rule == "each" else value
        assert rules.holds(check.rule, found, wanted(control, check)), name


def test_only_what_may_be_stricter_keeps_a_higher_number() -> None:
    ordered = {
        check.probe["name"] for one in OURS.values() for check in of_kind(one, "sysctl") if check.rule == "as_strict"
    }
    assert set(VARIABLES["__msp_baseline_linux_least"]) == ordered


def test_no_setting_is_written_that_no_control_checks() -> None:
    checked = {one.id for one in OURS.values() if of_kind(one, "sysctl")}
    assert set(VARIABLES["__msp_baseline_linux_settings"]) == checked


def test_of_an_interface_the_same_is_set_as_for_all_of_them() -> None:
    tables = list(VARIABLES["__msp_baseline_linux_settings"].values())
    of_interfaces = [(table, name) for table in tables for name in table if "*" in name]
    assert of_interfaces
    for table, name in of_interfaces:
        assert table[name] == table[name.replace("*", "all")], name


def test_all_that_a_setting_changes_of_an_interface_is_saved_before() -> None:
    changed = VARIABLES["__msp_baseline_linux_changed_with"]
    settings = VARIABLES["__msp_baseline_linux_settings"]
    assert set(changed) == {one for one in settings if one.startswith("network-")}
    for control in changed:
        places = [name.rpartition(".default.") for name in settings[control] if ".default." in name]
        for place, _of_new_ones, name in places:
            assert changed[control]["below"] == f"/proc/sys/{place.replace('.', '/')}"
            assert name in changed[control]["names"]
    # With forwarding all of IPv4 is set anew.
    of_ipv4 = {name for one in changed.values() if "ipv4" in one["below"] for name in one["names"]}
    assert set(changed["network-forwarding"]["names"]) == of_ipv4


def test_the_guard_brings_back_what_is_for_all_interfaces_before_each_of_them() -> None:
    find, guarded = yaml.safe_load(tasks("network.yml"))
    enforced = {"msp_baseline_linux_enforce": ["network-redirects", "network-forwarding"]}
    known = {**enforced, **{name: trust_as_template(text) for name, text in find["vars"].items()}}
    places = [f"{one}/accept_redirects" for one in ("all", "default", "eth0.100", "lo")]
    files = [{"path": f"/proc/sys/net/ipv4/conf/{one}"} for one in places]
    arming = guarded["block"][0]["msp.ops.lockout_guard"]["sysctls"]

    saved = rendered(arming, __msp_baseline_linux_conf={"files": files}, **known)

    assert rendered(find["ansible.builtin.find"]["paths"], **known) == ["/proc/sys/net/ipv4/conf"]
    assert saved[:2] == ["net.ipv4.ip_forward", "net.ipv4.conf.all.accept_redirects"]
    assert saved[-3:] == [
        "net/ipv4/conf/default/accept_redirects",
        "net/ipv4/conf/eth0.100/accept_redirects",
        "net/ipv4/conf/lo/accept_redirects",
    ]
    assert all(lockout_plan._SYSCTL.fullmatch(name) for name in saved)


def test_the_modules_that_are_blocked_are_those_that_are_checked() -> None:
    names = [
        check.probe["name"] for check in of_kind(OURS["kernel-modules"], "kernel_module") if check.field == "blocked"
    ]
    assert VARIABLES["__msp_baseline_linux_modules"] == names
    lines = template("modprobe.conf.j2")
    assert [line for line in lines if line.startswith("install")] == [f"install {name} /bin/false" for name in names]


@pytest.mark.parametrize("control", [one for one in OURS.values() if one.area == "services"], ids=lambda one: one.id)
def test_the_units_that_are_stopped_are_those_that_are_checked(control: Control) -> None:
    names = [check.probe["name"] for check in of_kind(control, "unit") if check.field == "active"]
    assert VARIABLES["__msp_baseline_linux_units"][control.id] == names


OFF = "Id=tftp.socket\nActiveState=inactive\nUnitFileState="
ON = "Id=cups-browsed.service\nActiveState=active\nUnitFileState=enabled"


@pytest.mark.parametrize("active", ["active", "activating", "reloading", "inactive", "failed"])
@pytest.mark.parametrize(
    "enabled", ["enabled", "disabled", "masked", "static", "indirect", "linked", "generated", "alias", ""]
)
def test_a_unit_is_stopped_when_it_is_checked_to_be_wrong(active: str, enabled: str) -> None:
    control = OURS["services-rpc"]
    answer = f"Id=rpcbind.service\nActiveState={active}\nUnitFileState={enabled}"
    row = units.parse_show(answer, ("rpcbind.service",))["rpcbind.service"]
    found = {"active": row["ActiveState"], "enabled": row["UnitFileState"]}
    checks = [check for check in of_kind(control, "unit") if check.probe["name"] == "rpcbind.service"]
    wrong = not all(rules.holds(check.rule, found[check.field], check.value) for check in checks)

    (stopping,) = (task for task in yaml.safe_load(tasks("services.yml")) if "loop" in task)
    stopped = rendered(stopping["loop"], __msp_baseline_linux_asked={"stdout": f"{OFF}\n\n{answer}\n\n{ON}"})

    assert stopped == [*(["rpcbind.service"] if wrong else []), "cups-browsed.service"]


def test_the_logs_that_are_shut_are_those_that_are_checked() -> None:
    (check,) = of_kind(OURS["logging-rights"], "file_rights")
    assert tuple(check.probe["paths"]) == tuple(f"/var/log/{name}" for name in VARIABLES["__msp_baseline_linux_logs"])
    assert check.probe["mode"] == "0640" and "mode: u-xs,g-wxs,o-rwxt" in tasks("logging.yml")


def test_the_rules_of_the_audit_that_are_loaded_are_those_that_are_checked() -> None:
    for check in of_kind(OURS["audit-rules"], "audit_rules"):
        assert list(check.value) == VARIABLES["__msp_baseline_linux_audit"]
    lines = template("audit.rules.j2")
    assert [line for line in lines if line.startswith("-w")] == VARIABLES["__msp_baseline_linux_audit"]


JOURNAL = VARIABLES["__msp_baseline_linux_journal"]


@pytest.mark.parametrize("id_", JOURNAL)
def test_the_journal_is_told_what_is_checked(id_: str) -> None:
    (check,) = of_kind(OURS[id_], "systemd_config")
    name, value = rendered(JOURNAL[id_]).splitlines()[2].split("=")

    assert name == check.probe["name"] == VARIABLES["__msp_baseline_linux_journal_names"][id_]
    assert rules.holds(check.rule, value, wanted(OURS[id_], check))
    assert rendered(JOURNAL[id_]).splitlines()[1] == "[Journal]"


@pytest.mark.parametrize(
    ("enforce", "line", "taken"),
    [
        (["logging-size"], "SystemMaxUse=10M", True),
        (["logging-size"], "MaxRetentionSec=1year", False),
        (["logging-retention"], " MaxRetentionSec = 1day", True),
        (["logging-retention"], "SystemMaxUse=9G", False),
        (["logging-size", "logging-persistent"], "Storage=volatile", True),
        (["logging-rights", "logging-size"], "#SystemMaxUse=10M", False),
    ],
)
def test_of_other_files_for_the_journal_only_what_is_put_right_is_taken_out(
    enforce: list[str], line: str, taken: bool
) -> None:
    (task,) = (one for one in yaml.safe_load(tasks("logging.yml")) if "replacements" in one.get("msp.ops.files", {}))
    (change,) = task["msp.ops.files"]["replacements"]
    known = {name: trust_as_template(text) for name, text in task["vars"].items()}
    pattern = rendered(change["regexp"], msp_baseline_linux_enforce=enforce, **known)

    assert bool(re.search(pattern, f"[Journal]\n{line}\n", re.MULTILINE)) is taken


def clock(answer: str, family: str = "Debian") -> str:
    (block,) = (task for task in yaml.safe_load(tasks("time.yml")) if "block" in task)
    known = {name: trust_as_template(text) for name, text in block["vars"].items()}
    facts = {"os_family": family}
    text = "{{ __msp_baseline_linux_clock }}"
    return str(rendered(text, ansible_facts=facts, __msp_baseline_linux_clocks={"stdout": answer}, **known))


NO_CLOCK = "\n\n".join(f"Id={name}.service\nLoadState=not-found" for name in ("chrony", "chronyd", "systemd-timesyncd"))


def test_the_time_service_that_is_there_keeps_the_clock_also_when_somebody_masked_it() -> None:
    there = "Id=systemd-timesyncd.service\nLoadState=masked"
    assert (
        clock(NO_CLOCK.replace("Id=systemd-timesyncd.service\nLoadState=not-found", there))
        == "systemd-timesyncd.service"
    )


def test_where_no_time_service_is_there_it_is_chrony_by_the_name_that_it_has_on_the_system() -> None:
    assert clock(NO_CLOCK) == "chrony.service"
    assert clock(NO_CLOCK, "RedHat") == "chronyd.service"


# -- the firewall --------------------------------------------------------------------------------------------------


def firewall(*ports: str, forward: str = "drop") -> list[str]:
    parameters = {"firewall-active": {"forward": forward}, "firewall-open": {"ports": list(ports)}}
    return template("firewall.nft.j2", msp_baseline_linux_parameters=parameters)


def test_the_firewall_lets_in_the_ports_that_were_agreed_and_no_other() -> None:
    lines = firewall("tcp/22", "tcp/443 from 192.0.2.0/24")
    assert [line for line in lines if "dport" in line] == [
        "ip6 saddr fe80::/10 udp dport 546 accept",
        "tcp dport 22 accept",
        "ip saddr 192.0.2.0/24 tcp dport 443 accept",
    ]
    assert "type filter hook input priority filter; policy drop;" in lines


def test_ranges_protocols_and_interfaces_are_written_as_nft_prints_them() -> None:
    lines = firewall("udp/60000-61000 on wg0", "vrrp", "esp from 192.0.2.7", "tcp/22 from 2001:db8::/32 on eth1")
    own = lines[lines.index("ip6 saddr fe80::/10 udp dport 546 accept") + 1 :]
    assert own[: own.index("}")] == [
        'iifname "wg0" udp dport 60000-61000 accept',
        "meta l4proto 112 accept",
        "ip saddr 192.0.2.7 meta l4proto 50 accept",
        'iifname "eth1" ip6 saddr 2001:db8::/32 tcp dport 22 accept',
    ]


def test_what_the_firewall_is_told_is_what_can_be_agreed_on() -> None:
    assert VARIABLES["__msp_baseline_linux_protocols"] == open_ports.PROTOCOLS


def test_how_a_host_gets_its_ipv6_address_is_let_in_whatever_was_agreed() -> None:
    assert "ip6 saddr fe80::/10 udp dport 546 accept" in firewall()
    assert DEFAULTS["firewall-open"]["ports"] == ["tcp/22"]


def test_answers_are_passed_on_also_where_nothing_else_is() -> None:
    lines = firewall()
    assert lines[lines.index("chain forward {") :][2] == "ct state established,related accept"


def test_the_firewall_passes_on_what_was_chosen() -> None:
    assert "type filter hook forward priority filter; policy accept;" in firewall(forward="accept")
    assert "type filter hook forward priority filter; policy drop;" in firewall()


def test_the_firewall_replaces_its_own_table_and_touches_no_other() -> None:
    lines = firewall("tcp/22")
    assert [line for line in lines if "table" in line and not line.startswith("#")] == [
        "table inet msp",
        "delete table inet msp",
        "table inet msp {",
    ]
    assert not any("flush" in line for line in lines)


def port_is_let_in(port: str, *ports: str) -> bool:
    (task,) = (task for task in yaml.safe_load(tasks("firewall.yml")) if "MSP-STD-194" in str(task))
    parameters = {"firewall-open": {"ports": list(ports)}}
    connection = {"stdout": f"192.0.2.7 50000 192.0.2.8 {port}" if port else ""}
    variables = {"__msp_baseline_linux_connection": connection, "msp_baseline_linux_parameters": parameters}
    known = {name: trust_as_template(text) for name, text in task["vars"].items()}
    condition = task["ansible.builtin.assert"]["that"]
    return bool(rendered("{{ " + condition + " }}", **variables, **known))


@pytest.mark.parametrize(
    ("port", "ports", "let_in"),
    [
        ("22", ["tcp/22"], True),
        ("22", ["tcp/22 from 192.0.2.0/24"], True),  # whether it lets this connection in, the guard proves
        ("22", ["tcp/2222"], False),
        ("2222", ["tcp/22"], False),
        ("22", ["udp/22"], False),
        ("2222", ["tcp/2200-2300 on eth0"], True),
        ("22", ["tcp/2200-2300", "vrrp"], False),
        ("9999", ["tcp/22-1000"], False),
        ("22", [], False),
        ("", [], True),  # no login: nothing to keep open
    ],
)
def test_the_port_that_the_connection_came_in_by_must_be_let_in(port: str, ports: list[str], let_in: bool) -> None:
    assert port_is_let_in(port, *ports) == let_in


@pytest.mark.parametrize(
    "port",
    [
        *("tcp/0", "tcp/22; drop", "tcp/22 from any", "TCP/22", "tcp/22 from fe80::/10 accept"),
        *("tcp/99999", "tcp/22 from 192.0.2.1/32", "tcp/22 from 999.1.1.1"),
    ],
)
def test_no_port_gets_through_that_is_more_than_a_port(port: str) -> None:
    assert [*limits.outside(OURS["firewall-open"].parameters["ports"], ["tcp/22", port])]


@pytest.mark.parametrize(
    "port", ["tcp/22", "tcp/443 from 192.0.2.0/24", "tcp/5432 from 192.0.2.7", "tcp/60000-61000", "vrrp on eth0"]
)
def test_a_port_may_be_for_some_only(port: str) -> None:
    assert not [*limits.outside(OURS["firewall-open"].parameters["ports"], [port])]


@pytest.mark.parametrize(("port", "may"), [("tcp/1-65535", True), ("tcp/22 from 192.0.2.7", False), ("vrrp", False)])
def test_what_is_to_be_closed_is_closed_for_everybody(port: str, may: bool) -> None:
    assert may == (not [*limits.outside(OURS["firewall-open"].parameters["closed"], [port])])


def unsaid(listing: str, *ports: str) -> list[str]:
    (block,) = (task for task in yaml.safe_load(tasks("firewall.yml")) if "block" in task)
    (task,) = (task for task in block["block"] if "MSP-STD-197" in str(task))
    (text,) = task["vars"].values()
    assert "lookup('ansible.builtin.template', 'firewall.nft.j2')" in text
    text = text.replace("lookup('ansible.builtin.template', 'firewall.nft.j2')", "written")
    return list(
        rendered(text, written="\n".join(firewall(*ports)), __msp_baseline_linux_rules_after={"stdout": listing})
    )


def test_an_address_that_nft_writes_otherwise_is_seen() -> None:
    always = "ip6 saddr fe80::/10 udp dport 546 accept"
    rules = (always, "tcp dport 22 accept", "ip saddr 192.0.2.0/24 tcp dport 443 accept")
    listing = "\n\t\t".join(("table inet msp {", *rules, "}"))
    assert unsaid(listing, "tcp/22", "tcp/443 from 192.0.2.0/24") == []
    assert unsaid(listing, "tcp/22", "tcp/443 from 192.0.2.1/24") == ["ip saddr 192.0.2.1/24 tcp dport 443 accept"]
