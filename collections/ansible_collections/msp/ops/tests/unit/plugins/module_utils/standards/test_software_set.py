# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages that a standard requires, forbids and allows, by the rules of dpkg and of rpm."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import software_set
from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import DPKG, RPM, Package, parse

# Ascending, by each of the two.
ORDER = {
    DPKG: ("1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0-2", "1.0.1-1", "1.10-1", "1:0.5-1"),
    RPM: ("1.0~rc1-1.el9", "1.0-1.el9", "1.0-2.el9", "1.0.1-1.el9", "1.10-1.el9", "1:0.5-1.el9"),
}


@pytest.mark.parametrize(
    ("text", "version", "holds"),
    [
        ("nginx", "1.22.1-9", True),
        ("nginx >=1.22", "1.22.1-9", True),
        ("nginx >=1.22", "1.18.0-6", False),
        ("nginx >=1.22 <1.24", "1.24.0-1", False),
        ("nginx >1.22.1-9", "1.22.1-9", False),
        ("nginx <=1.22.1-9", "1.22.1-9", True),
        ("nginx =1.22.1", "1.22.1-9+deb12u1", True),
        ("nginx =1.22.1-9", "1.22.1-9+deb12u1", False),
        ("nginx =1.22", "1.22.1-9", False),
        ("nginx =1.22.1", "1:1.22.1-9", False),
    ],
)
def test_conditions_all_hold_and_a_version_without_a_revision_is_it_in_any_revision(
    text: str, version: str, holds: bool
) -> None:
    assert parse(text).holds(version, DPKG) is holds


@pytest.mark.parametrize("manager", [DPKG, RPM])
def test_versions_are_compared_by_the_rules_of_their_package_manager(manager: str) -> None:
    for older, newer in pairwise(ORDER[manager]):
        assert parse(f"x <{newer}").holds(older, manager)
        assert not parse(f"x >={newer}").holds(older, manager)


@given(st.sampled_from((DPKG, RPM)), st.data())
@settings(max_examples=60, deadline=None)
def test_of_two_versions_exactly_one_order_holds(manager: str, data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(ORDER[manager])), data.draw(st.sampled_from(ORDER[manager]))

    held = [operator for operator in ("<", ">=") if parse(f"x {operator}{other}").holds(one, manager)]

    assert held == (["<"] if ORDER[manager].index(one) < ORDER[manager].index(other) else [">="])
    assert parse(f"x >{other}").holds(one, manager) is not parse(f"x <={other}").holds(one, manager)


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_text_is_a_package_that_says_itself_again_or_is_refused(text: str) -> None:
    try:
        found = parse(text)
    except MspError as error:
        assert error.code == "MSP-STD-100"
    else:
        assert str(found) == text


@pytest.mark.parametrize("text", ["", "-o", "nginx  >=1", "nginx >= 1", "nginx;reboot", "nginx\n", "--purge", "a b"])
def test_what_a_shell_or_a_package_manager_could_take_for_something_else_is_no_package(text: str) -> None:
    with pytest.raises(MspError) as caught:
        parse(text)

    assert caught.value.code == "MSP-STD-100"


@pytest.mark.parametrize("text", ["nginx*", "nginx <2", "nginx >=1 <2", "nginx >1"])
def test_what_cannot_be_installed_by_its_name_alone_cannot_be_required(text: str) -> None:
    assert parse(text)
    with pytest.raises(MspError):
        parse(text, required=True)


INSTALLED = [
    Package("chrony", "4.3-2", "amd64", "Debian/bookworm"),
    Package("libc6", "2.36-9", "amd64", "Debian/bookworm"),
    Package("libc6", "2.36-9", "i386", "Debian/bookworm"),
    Package("nginx", "1.18.0-6", "amd64", "nginx/bookworm"),
    Package("python2.7", "2.7.18-8", "amd64", None),
]


def test_a_package_that_is_required_is_missing_or_too_old_or_neither() -> None:
    wanted = [parse(text, required=True) for text in ("chrony", "nginx >=1.22", "restic", "libc6 =2.36-9")]

    found = software_set.required(INSTALLED, wanted, DPKG)

    assert [str(one) for one in found.missing] == ["restic"]
    assert [(str(package), str(one)) for package, one in found.outdated] == [("nginx 1.18.0-6", "nginx >=1.22")]


def test_a_forbidden_package_is_found_by_a_pattern_and_by_its_version() -> None:
    wanted = [parse(text) for text in ("python2*", "nginx <1.20", "chrony <4", "telnet")]

    found = software_set.forbidden(INSTALLED, wanted, DPKG)

    assert [(package.name, str(one)) for package, one in found] == [("nginx", "nginx <1.20"), ("python2.7", "python2*")]


def test_what_is_of_no_allowed_origin_and_not_allowed_by_name_is_unknown() -> None:
    found = software_set.unknown(INSTALLED, [parse("nginx >=1.22"), parse("python2.7")], ["Debian/*"], DPKG)

    assert [str(one) for one in found] == ["nginx 1.18.0-6"]


def test_a_package_of_no_known_origin_is_of_no_allowed_one() -> None:
    found = software_set.unknown(INSTALLED, [], ["*"], DPKG)

    assert [one.name for one in found] == ["python2.7"]


@pytest.mark.parametrize(
    ("text", "manager", "told"),
    [
        ("nginx", DPKG, "nginx"),
        ("nginx >=1.22", DPKG, "nginx>=1.22"),
        ("nginx =1.22-9", DPKG, "nginx=1.22-9"),
        ("nginx =1.22", DPKG, "nginx=1.22*"),
        ("nginx", RPM, "nginx"),
        ("nginx >=1.22", RPM, "nginx >= 1.22"),
        ("nginx =1.22-9.el9", RPM, "nginx-1.22-9.el9"),
    ],
)
def test_a_required_package_is_told_to_its_package_manager_in_its_own_way(text: str, manager: str, told: str) -> None:
    assert software_set.to_install(parse(text, required=True), manager) == told


@given(st.lists(st.sampled_from(INSTALLED), unique=True), st.lists(st.sampled_from(["*", "lib*", "nginx", "x <1"])))
@settings(max_examples=60, deadline=None)
def test_nothing_is_forbidden_that_is_not_installed_and_not_named(installed: list[Package], texts: list[str]) -> None:
    found = software_set.forbidden(installed, [parse(text) for text in texts], DPKG)

    assert all(package in installed and one.names(package) for package, one in found)
    assert "*" not in texts or len(found) == len(installed)


def test_the_patterns_of_the_controls_parameters_are_these() -> None:
    from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue

    patterns = {
        name: catalogue()[f"software-{name}"].parameters["packages"] for name in ("required", "forbidden", "allowed")
    }

    items = {name: parameter.items.pattern if parameter.items else None for name, parameter in patterns.items()}
    assert items == {
        "required": software_set.REQUIRED,
        "forbidden": software_set.SPECIFICATION,
        "allowed": software_set.SPECIFICATION,
    }
    assert all(re.compile(pattern) for pattern in items.values() if pattern)
