"""The role msp_mfa writes what its controls measure. Reads its files alone; what sshd makes of it test_mfa.py sees."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.module_utils.standards import access_pam, pam, pam_factors, second_factor
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account as Person
from ansible_collections.msp.ops.plugins.module_utils.standards.pam_factors import Asked
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.assigning import assign
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_mfa"
OURS = {control.id: control for control in catalogue().values() if control.role == model.MFA}


def trusted(value: Any) -> Any:
    """As Ansible takes a file of variables: each text may be a template."""
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


VARIABLES: Mapping[str, Any] = trusted(yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8")))
MFA = yaml.safe_load((ROLE / "tasks" / "mfa.yml").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
PROOF = yaml.safe_load((ROLE / "tasks" / "break_glass.yml").read_text(encoding="utf-8"))
(CHANGE,) = [task for task in MFA if "block" in task]


def parameters(**chosen: Any) -> dict[str, dict[str, Any]]:
    made = {one.id: {name: parameter.default for name, parameter in one.parameters.items()} for one in OURS.values()}
    made["mfa-automation"]["management"] = ["192.0.2.0/24", "2001:db8::/32"]
    made["mfa-ssh"].update(chosen)
    return made


def rendered(
    name: str,
    control: str = "",
    unpunished: list[str] | None = None,
    *,
    elsewhere: bool = False,
    local_admin: Mapping[str, Any] | None = None,
    **chosen: Any,
) -> str:
    facts = {"answers": {"sources": {"value": {"unpunished": unpunished, "elsewhere": elsewhere}}}}
    known = {
        **VARIABLES,
        "msp_mfa_parameters": parameters(**chosen),
        "msp_mfa_local_admin": local_admin or {},
        "__msp_mfa_facts": facts,
    }
    text = f"{{{{ {name}[{control!r}] }}}}" if control else f"{{{{ {name} }}}}"
    return str(Templar(DataLoader(), variables=known).template(trust_as_template(text)))


def test_each_control_is_in_its_area_and_no_other_is() -> None:
    areas = VARIABLES["__msp_mfa_areas"]
    assert {id_: area for area, ids in areas.items() for id_ in ids} == {one.id: one.area for one in OURS.values()}


@pytest.mark.parametrize(
    ("service", "refused"), [("login", False), ("lightdm", False), ("sddm", True), ("xrdp-sesman", True)]
)
def test_a_service_that_cannot_ask_for_a_code_is_refused(service: str, refused: bool) -> None:
    """sddm and xrdp give one answer to all of PAM's questions: whoever is enrolled could not log in there any more."""
    own = {
        "version": "1",
        "title": {"en": "Ours", "nl": "Onze"},
        "class": "linux-server",
        "controls": {"mfa-console": {"services": [service]}},
    }
    with pytest.raises(MspErrors, match=service) if refused else contextlib.nullcontext():
        assign({"name": "ours"}, {"ours": own}, today=dt.date(2026, 11, 27))


def test_files_and_groups_are_those_that_are_measured() -> None:
    assert VARIABLES["__msp_mfa_state"] == second_factor.STATE
    assert VARIABLES["__msp_mfa_code_group"] == second_factor.CODE_GROUP
    assert VARIABLES["__msp_mfa_key_group"] == second_factor.KEY_GROUP


def test_what_can_lock_out_is_armed_first_proven_last_and_brought_back_where_it_fails() -> None:
    guard = "msp.ops.lockout_guard"
    first, *_between, last = CHANGE["block"]
    assert first[guard]["state"] == "armed" and last[guard]["state"] == "proven"
    assert [task[guard]["state"] for task in CHANGE["rescue"]] == ["reverted"]
    saved = first[guard]["files"]
    for path in ("/etc/ssh/sshd_config.d", "/etc/ssh/sshd_config", "/etc/group", "/etc/gshadow", "__msp_mfa_files"):
        assert path in saved
    # What asks for break-glass comes after the change, and before the guard is disarmed.
    names = [task["name"] for task in CHANGE["block"]]
    (proof,) = [task for task in CHANGE["block"] if task["name"] == "Prove that break-glass logs in"]
    # By default the one of this role, which is a real login with a new password; it does not bring back passwords.
    assert DEFAULTS["msp_mfa_break_glass_proof"] == "break_glass.yml" and "shadow" not in saved.replace("gshadow", "")
    assert "msp_mfa_break_glass_proof" in proof["ansible.builtin.include_tasks"]["file"]
    login = PROOF[0]["msp.ops.local_admin"]
    assert (login["purpose"], login["force"], login["account"]) == ("break-glass", True, "{{ __msp_mfa_break_glass }}")
    assert PROOF[0]["when"] == "__msp_mfa_glass_kept"
    assert names.index("Have the server read it") < names.index("Prove that break-glass logs in") < len(names) - 1
    # Before it nothing is changed but for the package.
    before = MFA[: MFA.index(CHANGE)]
    changing = [task["name"] for task in before if "check_mode" not in task and "ansible.builtin.assert" not in task]
    assert changing == ["Install the module that asks for the code"]


def test_the_automation_is_let_in_before_it_is_refused_from_everywhere_else() -> None:
    text = rendered("__msp_mfa_ssh", "mfa-automation")
    matches = [line for line in text.splitlines() if line.startswith("Match")]
    networks = "192.0.2.0/24,2001:db8::/32"
    assert matches == [
        f"Match User msp Address {networks}",
        f"Match User msp-breakglass Address {networks}",
        "Match User msp,msp-breakglass Address *,!192.0.2.0/24,!2001:db8::/32",
    ]
    assert text.rstrip().endswith("DenyUsers msp msp-breakglass")


@pytest.mark.parametrize(
    ("account", "elsewhere", "mine"),
    [("msp-breakglass", False, False), ("", True, False), ("somebody", False, True), ("", False, True)],
)
def test_from_where_break_glass_comes_in_is_said_in_one_place(account: str, elsewhere: bool, mine: bool) -> None:
    held = {"break-glass-login": {"account": account, "addresses": ["10.1.0.0/24"]}} if account else {}
    text = rendered("__msp_mfa_ssh", "mfa-automation", elsewhere=elsewhere, local_admin=held)
    assert ("msp-breakglass" in text) is mine
    assert "Match User msp Address 192.0.2.0/24,2001:db8::/32" in text and "DenyUsers msp" in text


@pytest.mark.parametrize(
    ("rotated", "controls", "agreed"),
    [
        ("msp-breakglass", ("mfa-ssh",), True),
        ("other", ("mfa-ssh",), False),
        ("other", (), True),
        ("", ("mfa-ssh",), True),
    ],
)
def test_two_accounts_for_emergencies_are_refused_before_anything_is_changed(
    rotated: str, controls: tuple[str, ...], agreed: bool
) -> None:
    """The second one would be asked for a code that nobody has."""
    preflight = yaml.safe_load((ROLE / "tasks" / "preflight.yml").read_text(encoding="utf-8"))
    (task,) = [one for one in preflight if "MSP-MFA-005" in str(one)]
    held = (
        {"break-glass-password": {"account": rotated}, "local-admin-password": {"account": "root"}} if rotated else {}
    )
    own = {name: trust_as_template(text) for name, text in task["vars"].items()}
    known = {**own, "msp_mfa_parameters": parameters(), "msp_mfa_enforce": [*controls], "msp_mfa_local_admin": held}
    templar = Templar(DataLoader(), variables=known)
    condition = task["ansible.builtin.assert"]["that"]
    assert templar.template(trust_as_template("{{ " + condition + " }}")) is agreed


def test_the_playbook_says_what_is_held_elsewhere_and_leaves_out_what_was_waived() -> None:
    plays = yaml.safe_load((ROLE.parents[1] / "playbooks" / "standardise.yml").read_text(encoding="utf-8"))
    text = next(line for line in _texts(plays, "__msp_standard_local_admin"))
    assert list(_texts(plays, "msp_mfa_local_admin")) == ["{{ __msp_standard_local_admin }}"]
    glass = {"account": "msp-breakglass"}
    scanned = {
        "parameters": {"msp_local_admin": {"break-glass-password": glass, "break-glass-login": glass}},
        "held": ["break-glass-password"],
    }

    def told(found: Mapping[str, Any]) -> Any:
        return Templar(DataLoader(), variables={"__msp_standard_before": found}).template(trust_as_template(text))

    assert told(scanned) == {"break-glass-password": glass}
    assert told({"parameters": {}, "held": []}) == {}


def _texts(found: Any, name: str) -> Iterator[str]:
    """What a variable is set to, wherever that is done."""
    if isinstance(found, dict):
        yield from [found[name]] if name in found else []
    for one in found.values() if isinstance(found, dict) else found if isinstance(found, list) else []:
        yield from _texts(one, name)


@pytest.mark.parametrize(("account", "kept"), [("msp-breakglass", "True"), ("somebody", "False"), ("", "False")])
def test_break_glass_is_proven_where_its_password_is_in_the_escrow(account: str, kept: str) -> None:
    held = {"break-glass-password": {"account": account, "days": 92}} if account else {}
    assert rendered("__msp_mfa_glass_kept", local_admin=held) == kept


@pytest.mark.parametrize(
    ("unpunished", "line"),
    [
        ([], "PerSourcePenaltyExemptList 192.0.2.0/24,2001:db8::/32"),
        (["198.51.100.7", "192.0.2.0/24"], "PerSourcePenaltyExemptList 192.0.2.0/24,198.51.100.7,2001:db8::/32"),
    ],
)
def test_a_wrong_code_shuts_nobody_out_who_comes_from_the_management(unpunished: list[str], line: str) -> None:
    lines = rendered("__msp_mfa_ssh", "mfa-automation", unpunished).splitlines()
    # Before the first Match, for it holds for everybody; and not at all for a server that does not know it.
    assert lines.index(line) < next(number for number, one in enumerate(lines) if one.startswith("Match"))
    assert "PerSource" not in rendered("__msp_mfa_ssh", "mfa-automation")


def test_where_everybody_is_asked_no_group_is() -> None:
    text = rendered("__msp_mfa_ssh", "mfa-ssh", who="everybody")
    assert "Match User *,!msp,!msp-breakglass,!msp-technician" in text.splitlines()


def test_of_a_group_those_agreed_on_are_left_out_too() -> None:
    text = rendered("__msp_mfa_ssh", "mfa-ssh", exempt=["backup"])
    matches = [line for line in text.splitlines() if line.startswith("Match")]
    others = "User *,!msp,!msp-breakglass,!msp-technician,!backup"
    assert matches == [f"Match Group msp-mfa-fido2 {others}", f"Match Group msp-mfa {others}"]


CODE_ALONE, BOTH, PASSWORD = Asked(True), Asked(True, True), Asked(False, True)
IN, OUT = frozenset(("anna", "msp-mfa")), frozenset(("anna",))


@pytest.mark.parametrize(
    ("name", "who", "user", "groups", "asks"),
    [
        ("__msp_mfa_sshd", "enrolled", "anna", IN, CODE_ALONE),
        ("__msp_mfa_sshd", "enrolled", "anna", OUT, PASSWORD),
        ("__msp_mfa_sshd", "everybody", "anna", OUT, CODE_ALONE),
        ("__msp_mfa_sshd", "everybody", "msp-breakglass", OUT, PASSWORD),
        ("__msp_mfa_sshd", "everybody", "msp", OUT, PASSWORD),
        ("__msp_mfa_local", "enrolled", "anna", IN, BOTH),
        ("__msp_mfa_local", "everybody", "anna", OUT, PASSWORD),
    ],
)
def test_pam_asks_whom_it_is_to_ask(  # noqa: PLR0917
    tmp_path: Path, name: str, who: str, user: str, groups: frozenset[str], asks: Asked
) -> None:
    files = {
        "/etc/pam.d/common-auth": made_pam.AUTH,
        "/etc/pam.d/one": rendered(name, who=who) + "@include common-auth\n",
    }
    reader = made_reader(tmp_path, files)
    person = Person(user, 1000, "/home/" + user, groups)
    steps = pam.stack(reader, "one", "auth")

    assert pam_factors.asked(steps, person, lambda _path: True) == {asks}
    (line,) = [one for one in pam.lines(steps) if one.module in pam_factors.SECOND]
    assert access_pam.secret_file(line, person) == f"{second_factor.STATE}/{user}"
    assert "nullok" not in line.arguments and "user=root" in line.arguments
