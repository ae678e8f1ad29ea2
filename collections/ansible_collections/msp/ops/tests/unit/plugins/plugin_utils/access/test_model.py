# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host tells of its accounts is taken in one shape and no other."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.access import model
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import Way
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access import made_access
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import FILE_SERVER


def test_what_is_kept_is_read_as_it_was_told() -> None:
    body = model.body(FILE_SERVER, "msp")
    found = model.read(body)
    model.check(FILE_SERVER)

    assert hashing.facts_hash(body) == hashing.facts_hash(model.body(copy.deepcopy(FILE_SERVER), "msp"))
    assert [one.name for one in found.accounts] == [one["name"] for one in FILE_SERVER["accounts"]]
    anna = found.accounts[0]
    assert anna.ways[0].proved == {"key", "code"} and anna.enrolled == ("code",)
    assert anna.sudo[0].asks == (frozenset({"password"}),)
    assert (found.closed, found.asked_as) == (24, "msp")
    robot = next(one for one in found.accounts if one.name == "msp")
    assert robot.ways[0].bounded


@pytest.mark.parametrize(
    ("origins", "where", "bounded"),
    [
        ((), (), False),
        ((("192.0.2.0/24",),), (), True),
        ((("*",),), (), False),
        ((("192.0.2.7", "0.0.0.0/0"),), (), False),
        # Every list has to fit.
        ((("*",), ("192.0.2.7",)), (), True),
        ((), ("Address 192.0.2.0/24",), True),
        ((), ("address 10.0.0.0/8,0.0.0.0/0",), False),
        ((), ("User anna Address 192.0.2.0/24",), True),
        ((), ("Address",), True),
    ],
)
def test_what_is_for_all_addresses_bounds_nothing(
    origins: tuple[tuple[str, ...], ...], where: tuple[str, ...], bounded: bool
) -> None:
    assert Way(model.NETWORK, "ssh", frozenset(("key",)), origins, where).bounded is bounded


def spoiled(path: str, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(FILE_SERVER)
    place: Any = found
    *way, last = path.split(".")
    for part in way:
        place = place[int(part)] if part.isdigit() else place[part]
    key: Any = int(last) if last.isdigit() else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("accounts", None),
        ("accounts", {"a": 1}),
        ("closed", -1),
        ("closed", True),
        ("unknown", "nothing"),
        ("directory", [1]),
        ("accounts.0", "root"),
        ("accounts.0.name", 5),
        ("accounts.0.ways", None),
        ("accounts.0.unknown", None),
        ("accounts.0.person", "yes"),
        ("accounts.0.password", "hunter2"),
        ("accounts.0.source", "moon"),
        ("accounts.0.ways.0.place", "sky"),
        ("accounts.0.ways.0.proved", "key"),
        ("accounts.0.ways.0.from", ["192.0.2.1"]),
        ("accounts.0.sudo.0.asks", ["password"]),
        ("accounts.0.keys.0.fingerprint", None),
    ],
)
def test_what_is_in_another_shape_is_refused_as_a_whole(path: str, value: Any) -> None:
    with pytest.raises(ValueError):
        model.check(spoiled(path, value))


@pytest.mark.parametrize("found", [None, [], "x", {}, 5])
def test_what_is_nothing_like_it_is_refused(found: Any) -> None:
    with pytest.raises(ValueError):
        model.check(found)


def test_facts_that_are_broken_are_refused() -> None:
    with pytest.raises(ValueError):
        model.read({**model.body(made_access.TILL, ""), "accounts": ["{"]})
