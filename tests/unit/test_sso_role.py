"""The role msp_sso writes exactly what its controls measure. Renders its files and reads them as the probes do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import directory, directory_config, request
from ansible_collections.msp.ops.plugins.module_utils.standards.directory_config import Wanted
from ansible_collections.msp.ops.plugins.plugin_utils.standards import limits, model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_sso"
OURS = {control.id: control for control in catalogue().values() if control.role == model.SSO}
VARIABLES: Mapping[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
AREAS: Mapping[str, list[str]] = VARIABLES["__msp_sso_areas"]
DEFAULTS = {
    control.id: {name: parameter.default for name, parameter in control.parameters.items()} for control in OURS.values()
}
LDAP = {
    "domain": "example.org",
    "servers": ["ldap://one.example.org", "ldaps://two.example.org:6636"],
    "base": "dc=example,dc=org",
    "bind": "cn=reader,dc=example,dc=org",
    "authority": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}
KERBEROS = {**LDAP, "realm": "EXAMPLE.ORG", "kdcs": ["kdc.example.org:88"]}
ACTIVE_DIRECTORY = {"domain": "example.org", "provider": "ad", "realm": "EXAMPLE.ORG"}
DIRECTORIES = (LDAP, KERBEROS, {**KERBEROS, "bind": "", "authority": "", "kdcs": []}, ACTIVE_DIRECTORY)


def parameters(joined: Mapping[str, Any], **chosen: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {id: {**values, **chosen.get(id.replace("-", "_"), {})} for id, values in DEFAULTS.items()}
    return {**found, "sso-joined": {**found["sso-joined"], **joined}}


def rendered(name: str, of: Mapping[str, Any]) -> str:
    """A template as the role has it rendered, its variables too."""
    known: dict[str, Any] = {
        **VARIABLES,
        "msp_sso_parameters": of,
        "__msp_sso_wanted": of["sso-joined"],
        "__msp_sso_own": ["root", "msp"],
    }
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    loader = DataLoader()
    return str(Templar(loader, variables=known).template(trust_as_template(text))) + "\n"


def view(of: Mapping[str, Any]) -> directory_config.View:
    names = [Path(path).name for path in VARIABLES["__msp_sso_paths"].values()]
    return directory_config.merged(directory_config.parse_ini(rendered(f"{name}.j2", of)) for name in names)


def tasks(*names: str) -> Iterator[dict[str, Any]]:
    """Every task of these files, out of its blocks."""
    waiting = [task for name in names for task in yaml.safe_load((ROLE / "tasks" / name).read_text(encoding="utf-8"))]
    while waiting:
        task = waiting.pop(0)
        yield task
        waiting += [*task.get("block", []), *task.get("rescue", [])]


EVERY_FILE = tuple(path.name for path in sorted((ROLE / "tasks").glob("*.yml")))


def test_each_control_is_in_one_area_and_those_that_nobody_brings_about_are_told_apart() -> None:
    assert sorted(id for ids in AREAS.values() for id in ids) == sorted(OURS)
    assert set(AREAS["nobody"]) == {control.id for control in OURS.values() if control.by_hand}


@pytest.mark.parametrize("chosen", DIRECTORIES)
def test_what_is_written_is_what_is_measured(chosen: dict[str, Any]) -> None:
    of = parameters(chosen, sso_access={"allowed": ["users", "domain admins"], "seconds": 300}, sso_offline={"days": 3})
    found = view(of)
    joined = of["sso-joined"]
    lists = {name: tuple(joined[name]) for name in ("servers", "kdcs")}
    wanted = Wanted(**{name: lists.get(name, joined[name]) for name in Wanted._fields})
    options = found["domain/example.org"]

    assert directory_config.different(wanted, found) == []
    assert list(directory_config.unproven("example.org", options)) == []
    assert directory_config.admitted(options) == ["users", "domain admins"]
    assert directory_config.cache_seconds(options) == 300
    assert directory_config.offline_days(found) == 3
    assert directory_config.asked_for(found, ["root", "msp"]) == []
    assert options["cache_credentials"] == "true"


def test_where_nobody_was_agreed_on_nobody_gets_in() -> None:
    """SSSD's own answer to an empty list is that everybody does."""
    assert directory_config.admitted(view(parameters(LDAP))["domain/example.org"]) == []


@pytest.mark.parametrize("chosen", [LDAP, ACTIVE_DIRECTORY])
def test_a_filter_is_written_as_it_is(chosen: dict[str, Any]) -> None:
    filter_ = "(&(memberOf=cn=a b,dc=example,dc=org)(!(loginShell=/bin/false)))"

    found = view(parameters(chosen, sso_access={"allowed": [filter_]}))

    assert directory_config.admitted(found["domain/example.org"]) == [filter_]


def test_a_file_that_others_set_up_is_told_from_ours() -> None:
    assert rendered("sssd.conf.j2", parameters(LDAP)).startswith(directory.OURS)


def test_no_secret_is_in_a_file_that_is_shown() -> None:
    shown = "".join(rendered(path.name, parameters(KERBEROS)) for path in sorted((ROLE / "templates").iterdir()))
    assert "authtok" not in shown


SECRETS = ("msp_sso_bind_password", "msp_sso_join_password", "msp_sso_keytab")


def test_a_task_that_has_a_secret_is_silent_and_gives_it_to_no_command_line() -> None:
    with_one = [
        task
        for task in tasks(*EVERY_FILE)
        if any(
            name in str({key: value for key, value in task.items() if key not in ("when", "block", "rescue")})
            for name in SECRETS
        )
        and "ansible.builtin.assert" not in task
    ]

    assert len(with_one) == 3
    for task in with_one:
        assert task["no_log"] is True
        assert not any(name in str(task.get("ansible.builtin.command", {}).get("argv")) for name in SECRETS)


def test_what_can_lock_people_out_is_changed_between_a_guard_and_its_proof() -> None:
    for name, guard in (("directory.yml", "sso"), ("accounts.yml", "sso-accounts")):
        (block,) = (task for task in tasks(name) if "block" in task)
        states = [task.get("msp.ops.lockout_guard", {}).get("state") for task in block["block"]]
        assert (states[0], states[-1], states.count("armed")) == ("armed", "proven", 1)
        assert block["rescue"][0]["msp.ops.lockout_guard"]["state"] == "reverted"
        assert {task["msp.ops.lockout_guard"]["name"] for task in (block["block"][0], block["block"][-1])} == {guard}


def test_what_changes_pam_when_it_is_installed_is_installed_behind_the_guard() -> None:
    """Debian's sssd-common needs libpam-sss, which has every profile of PAM that is new take effect."""
    installs = ("ansible.builtin.apt", "ansible.builtin.dnf", "ansible.builtin.package")
    whole = yaml.safe_load((ROLE / "tasks" / "directory.yml").read_text(encoding="utf-8"))
    assert not [task for task in whole if any(module in task for module in installs)]
    assert [task for task in tasks("directory.yml") if any(module in task for module in installs)]
    (fetch,) = (task for task in whole if "apt-get" in str(task.get("ansible.builtin.command")))
    assert "--download-only" in fetch["ansible.builtin.command"]["argv"]


def guarded(path: str) -> bool:
    every = [*VARIABLES["__msp_sso_guarded"], *VARIABLES["__msp_sso_guarded_pam"]["Debian"]]
    return any(path == one or path.startswith(one + "/") for one in every)


def test_every_file_that_is_written_is_brought_back_where_nobody_gets_in() -> None:
    written = [*VARIABLES["__msp_sso_paths"].values(), VARIABLES["__msp_sso_secret"], VARIABLES["__msp_sso_authority"]]
    for task in tasks("directory.yml", "pam_debian.yml"):
        for module in ("ansible.builtin.copy", "ansible.builtin.template", "ansible.builtin.replace"):
            place = task.get(module, {}).get("dest") or task.get(module, {}).get("path")
            written += [place] if place else []
        contents = task.get("msp.ops.files", {}).get("contents")
        written += list(contents) if isinstance(contents, dict) else []
    assert len(written) > 8
    assert [path for path in written if not guarded(path)] == []


NAMES = st.from_regex(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@ -]{0,20}[A-Za-z0-9_.@-])?", fullmatch=True)


@pytest.mark.thorough
@given(NAMES)
def test_sudo_reads_a_group_as_it_was_agreed(name: str) -> None:
    of = parameters(LDAP, sso_sudo={"rules": [f"%{name}: /bin/ls -l, /bin/id"]})

    line = rendered("sudoers.j2", of).splitlines()[1]

    who, _blank, rest = line.partition(" ALL=(ALL:ALL) ")
    # As sudoers(5) takes a word: what a backslash stands before is meant as it is.
    assert who.replace("\\", "") == f"%{name}" and " " not in who.replace("\\ ", "")
    assert rest == "/bin/ls -l, /bin/id"


def test_what_may_be_chosen_may_be_measured() -> None:
    """A parameter within its limits is an argument that a host takes."""
    joined = {**DEFAULTS["sso-joined"], **KERBEROS}
    of = OURS["sso-joined"].parameters
    assert [list(limits.outside(of[name], value)) for name, value in joined.items()] == [[] for _name in joined]
    names = {name: joined.pop(name) for name in ("person", "group")}
    probes = [
        {"id": "a", "kind": "directory_joined", **joined},
        {"id": "b", "kind": "directory_joined", **{**DEFAULTS["sso-joined"], **dict.fromkeys(names)}},
        {"id": "c", "kind": "directory_names", **names},
        {"id": "d", "kind": "directory_sudo", "rules": ["%domain admins: ALL"]},
        {"id": "e", "kind": "directory_accounts", "names": [], "keep": []},
    ]
    assert len(request.read(probes)) == len(probes)
