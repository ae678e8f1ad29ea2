# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is asked to do is checked before it is done: nothing in it can be an option, a path or a shell's word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import request

GOOD: dict[str, Any] = {
    "rollout": "2026-11-bakkerij",
    "packages": [{"name": "libstdc++6", "architecture": "amd64", "version": "1:12.2.0-14+deb12u1~bpo1"}],
    "deadline": "2026-11-26T02:00:00Z",
    "checks_after": [{"kind": "unit", "unit": "getty@tty1.service"}, {"kind": "baseline", "compare": ["units"]}],
}


def test_a_good_request_is_read_and_comes_back_the_same() -> None:
    found = request.parse(GOOD)

    assert found.packages[0].key == "libstdc++6:amd64"
    assert found.deadline == 1795658400.0
    assert request.restore(found.as_dict()) == found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rollout": "../../etc"}, "rollout"),
        ({"rollout": ""}, "rollout"),
        ({"packages": [{"name": "--purge", "architecture": "all", "version": "1"}]}, "--purge"),
        ({"packages": [{"name": "a", "architecture": "all", "version": "1; reboot"}]}, "reboot"),
        ({"packages": [{"name": "/srv/a.deb", "architecture": "all", "version": "1"}]}, "a.deb"),
        ({"packages": GOOD["packages"] * 2}, "twice"),
        ({"deadline": "2026-11-26T02:00:00"}, "deadline"),
        ({"deadline": "tomorrow"}, "deadline"),
        ({"controller_time": "now"}, "controller_time"),
        ({"begin_by": "soon"}, "begin_by"),
        ({"checks_after": [{"kind": "magic"}]}, "magic"),
        ({"checks_before": [{"kind": "tcp"}]}, "lacks port"),
        ({"checks_after": [{"kind": "unit", "unit": "--all"}]}, "no unit"),
        ({"checks_after": [{"kind": "http", "url": "file:///etc/shadow", "status": 200}]}, "no address"),
        ({"margins": {"var": 5}}, "margins"),
        ({"margins": {"/var": -5}}, "margins"),
        ({"excluded": ["a b"]}, "no pattern of names"),
    ],
)
def test_what_has_not_the_shape_is_refused_with_its_reason(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(MspError) as error:
        request.parse({**GOOD, **changed})

    assert error.value.code == "MSP-PAT-100"
    assert said in error.value.found


@settings(max_examples=60)
@given(st.text(max_size=12))
def test_no_text_becomes_an_option_or_a_path(text: str) -> None:
    row = {"name": text, "architecture": "all", "version": "1"}
    try:
        (package,) = request.parse({"rollout": "r", "packages": [row]}).packages
    except MspError:
        return
    assert package.name[0].isalnum() and package.name[0].isascii()
    assert not set(package.name) & set("/ ;|&$`'\"=\n")


@pytest.mark.parametrize(("now", "over"), [(9.0, False), (10.0, True), (11.0, True)])
def test_a_window_is_over_at_its_deadline(now: float, over: bool) -> None:
    assert request.Request("r", (), deadline=10.0).over(now) is over
    assert not request.Request("r", ()).over(now)


@pytest.mark.parametrize(("now", "late"), [(9.9, False), (10.0, True)])
def test_who_asks_may_begin_something_until_its_time_is_over(now: float, late: bool) -> None:
    assert request.Request("r", (), begin_by=10.0).late(now) is late
    assert not request.Request("r", ()).late(now)


@pytest.mark.parametrize(
    ("key", "excluded"),
    [("postgresql-15:amd64", True), ("libpq5:amd64", False), ("vim:all", True), ("Vim:all", False)],
)
def test_what_is_excluded_is_known_by_its_bare_name(key: str, excluded: bool) -> None:
    found = request.parse({**GOOD, "excluded": ["postgresql-*", "vi?"], "unseen": ["a:all"]})

    assert found.excludes(key) is excluded
    assert request.restore(found.as_dict()) == found
