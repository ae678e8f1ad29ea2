"""What is measured for the controls of an asset: everything that they ask for, and each thing once."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.standards import model, probing
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import (
    assigned,
    check,
    control,
    tries,
)


def test_every_check_and_every_condition_is_asked_for() -> None:
    sent, _ids = probing.probes(assigned())
    assert sent == [
        {"id": "p1", "kind": "package", "name": "openssh-server"},
        {"id": "p2", "kind": "sshd", "name": "permitrootlogin"},
        {"id": "p3", "kind": "sshd", "name": "maxauthtries"},
    ]


def test_what_two_controls_ask_for_is_sent_once_and_found_by_both() -> None:
    sent, ids = probing.probes(assigned(control(), control(id="ssh-root-again")))
    assert [one["id"] for one in sent] == ["p1", "p2"]
    assert ids[probing.key({"name": "permitrootlogin", "kind": "sshd"})] == "p2"


def test_the_same_controls_give_the_same_request() -> None:
    assert probing.probes(assigned()) == probing.probes(assigned())


def test_a_probe_is_asked_with_what_was_chosen() -> None:
    parameters = {
        "unit": {"type": "string", "pattern": "[a-z.]+", "default": "ssh.service"},
        "paths": {"type": "list", "items": {"type": "string", "pattern": "/.*"}, "default": ["/etc/issue"]},
    }
    probes = [
        {"kind": "unit", "name": {"parameter": "unit"}},
        {"kind": "file_rights", "paths": {"parameter": "paths"}, "mode": "0644"},
    ]
    made = control(parameters=parameters, checks=[check("not_empty", None, probe) for probe in probes])
    chosen = {"ssh-root-login": {"unit": "sshd.service", "paths": ["/etc/motd"]}}
    sent, _ids = probing.probes(assigned(made, parameters=chosen))
    assert sent[1:] == [
        {"id": "p2", "kind": "unit", "name": "sshd.service"},
        {"id": "p3", "kind": "file_rights", "paths": ["/etc/motd"], "mode": "0644"},
    ]


def test_probes_that_differ_in_what_was_chosen_are_two() -> None:
    parameters = {"unit": {"type": "string", "pattern": "[a-z.]+", "default": "ssh.service"}}
    checks = [check("not_empty", None, {"kind": "unit", "name": {"parameter": "unit"}})]
    made = [tries(id=id, parameters=parameters, checks=checks) for id in ("ssh-one", "ssh-two")]
    sent, _ids = probing.probes(assigned(*made, parameters={"ssh-two": {"unit": "sshd.service"}}))
    assert [one["name"] for one in sent] == ["ssh.service", "sshd.service"]


def test_what_is_at_least_as_strict_is_that_and_what_stands_behind_it() -> None:
    order = ("yes", "prohibit-password", "no")
    chosen = model.Strictness(order, model.Chosen("allowed"))

    assert probing.value_of(model.Strictness(order, "yes"), {}) == list(order)
    assert probing.value_of(chosen, {"allowed": "prohibit-password"}) == ["prohibit-password", "no"]
    assert probing.value_of(chosen, {"allowed": "no"}) == ["no"]
