"""Who is reached through a host is told by what Ansible tells ssh."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.filter.reached_through import FilterModule
from ansible_collections.msp.ops.plugins.plugin_utils.standards import jumping

GATE = {"ansible_host": "192.0.2.7"}


def through(**variables: Any) -> bool:
    hosts = {"gate.example.com": GATE, "db01": variables}
    return jumping.reached_through("gate.example.com", list(hosts), hosts) == ["db01"]


@pytest.mark.parametrize(
    "text",
    [
        "-J gate.example.com",
        "-Jgate.example.com",
        "-o ProxyJump=admin@Gate.Example.com:2222",
        "-o 'ProxyJump gate.example.com'",
        '-o "ProxyJump=other.example.com,admin@192.0.2.7"',
        "-J ssh://admin@192.0.2.7:22",
        '-o ProxyCommand="ssh -W %h:%p -q admin@gate.example.com"',
        "-o ProxyCommand='nc -X connect -x 192.0.2.7:3128 %h %p'",
    ],
)
@pytest.mark.parametrize("argument", jumping.ARGUMENTS)
def test_a_host_that_is_named_on_the_way_is_seen(text: str, argument: str) -> None:
    assert through(**{argument: text})


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ansible_ssh_common_args": None},
        {"ansible_ssh_common_args": "-o ControlPersist=60s"},
        {"ansible_ssh_common_args": "-J other.example.com"},
        {"ansible_ssh_common_args": "-J gate.example.com.example.net"},
        {"ansible_ssh_common_args": "-J 192.0.2.70"},
        {"ansible_host": "192.0.2.7"},
    ],
)
def test_a_host_that_goes_another_way_is_not(variables: dict[str, Any]) -> None:
    assert not through(**variables)


def test_the_filter_gives_the_same_and_never_the_host_itself() -> None:
    found = FilterModule().filters()["reached_through"]
    hosts = {"gate": {"ansible_ssh_common_args": "-J gate"}, "a": {"ansible_ssh_args": "-J gate"}, "b": {}}

    assert found(list(hosts), "gate", hosts) == ["a"]
