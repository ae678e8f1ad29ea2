# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a manifest is for one host: its exclusions, what it holds back itself, and where its packages come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.portion import Portion, Portions, packages
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    Entry,
    Judged,
    Manifest,
    Scan,
    Update,
    Version,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    DAY,
    NAMES,
    NOON,
    TARGETS,
    plan,
)

DEBIAN, OTHER = "Debian/bookworm", "nginx/stable"
BOTH = Manifest.of([Entry("debian-12", name, "amd64", "2", DEBIAN) for name in ("nginx", "openssl")])
LINES = Manifest.of(
    [
        Entry("debian-12", "nginx", "amd64", "1.22.1-9+deb12u2", DEBIAN),
        Entry("debian-12", "nginx", "amd64", "1.26.1-1", OTHER),
    ]
)
EXCLUSION = {"assets": ["till"], "reason": "the till's maker", "owner": "anna", "expires": "2026-07-01"}
TILL = TARGETS["till"]


def waits(name: str, candidate: str = "2", origin: str | None = DEBIAN, **more: Any) -> Judged:
    return Judged(Update(name, "amd64", "1", candidate, origin, True, **more), "security", "high", "vendor", "")


def of(
    *updates: Judged, manifest: Manifest = BOTH, target: Target = TILL, using: Plan | None = None, **more: Any
) -> Portion:
    one = Scan("c", target.asset, target.host, NOON, "ok", "debian-12", "apt", updates)
    return Portions(manifest, using or plan(), {target.asset: replace(one, **more)}, NOON).of(target)


def names(found: Portion) -> list[str]:
    return [f"{entry.name} {entry.version}" for entry in found.entries]


def test_what_is_excluded_is_not_installed_and_its_patterns_go_with_the_question() -> None:
    some = plan(exclusions=[{"package": "ngin*", **EXCLUSION}])
    found = of(waits("nginx"), waits("openssl"), using=some)
    assert (names(found), found.excluded) == (["openssl 2"], ("ngin*",))
    other = of(waits("nginx"), waits("openssl"), target=TARGETS["db1"], using=some)
    assert (names(other), other.excluded) == (["nginx 2", "openssl 2"], ())


def test_who_has_nothing_left_is_told_with_why() -> None:
    everything = plan(exclusions=[{"package": "*", **EXCLUSION}])
    scans = {target.asset: Scan("c", target.asset, "", NOON, "ok", "debian-12") for target in TARGETS.values()}
    left = Portions(BOTH, everything, scans, NOON).nothing_left(TARGETS.values())
    assert left == {"till": "all of it is excluded: the till's maker (anna)"}
    assert Portions(BOTH, everything, scans, NOON + 60 * DAY).nothing_left(TARGETS.values()) == {}
    other = replace(TILL, platform="fedora-41")
    assert Portions(BOTH, plan(), scans, NOON).nothing_left([other]) == {
        "till": "the manifest has nothing for its platform"
    }


@pytest.mark.parametrize("why", ["hold", "pinned", "phased 30 %", "versionlock"])
def test_what_a_host_holds_back_itself_is_left_out_there_and_nowhere_else(why: str) -> None:
    held = of(waits("nginx", held=why), waits("openssl"))
    assert (names(held), held.left_out, held.why) == (["openssl 2"], (f"nginx: {why}",), "")
    assert names(of(waits("nginx"), waits("openssl"), target=TARGETS["db1"])) == ["nginx 2", "openssl 2"]
    all_held = of(waits("nginx", held=why), waits("openssl", held=why))
    assert all_held.entries == ()
    assert all_held.why == f"nothing of it is for this host: nginx: {why}; openssl: {why}"


def test_of_two_sources_of_one_package_each_host_gets_the_version_of_its_own() -> None:
    debian = of(waits("nginx", "1.22.1-9+deb12u2"), manifest=LINES)
    other = of(waits("nginx", "1.26.1-1", OTHER), manifest=LINES)
    older = of(waits("nginx", "1.26.0-1", OTHER), manifest=LINES)
    assert [names(one) for one in (debian, other, older)] == [
        ["nginx 1.22.1-9+deb12u2"],
        ["nginx 1.26.1-1"],
        ["nginx 1.26.1-1"],
    ]


def test_who_has_the_package_from_elsewhere_does_not_get_it() -> None:
    only = Manifest.of([LINES.entries[1]])
    assert names(of(waits("nginx", "1.26.1-1", OTHER), manifest=only)) == ["nginx 1.26.1-1"]
    found = of(waits("nginx", "1.22.1-9+deb12u2"), manifest=only)
    assert found.entries == ()
    assert found.left_out == (f"nginx: it comes from {DEBIAN} there, not 1.26.1-1",)


def test_a_version_on_the_way_to_a_newer_one_is_the_hosts_whatever_the_source_of_that() -> None:
    between = (Version("2", DEBIAN, True), Version("3", "Debian-Security/bookworm-security", True))
    found = of(waits("nginx", "3", "Debian-Security/bookworm-security", versions=between))
    assert "nginx 2" in names(found)
    assert names(of(waits("nginx", "3", None))) == ["nginx 2", "openssl 2"]  # nobody told the source


def test_what_the_last_scan_did_not_list_is_named_and_of_two_lines_neither_is_meant() -> None:
    found = of(waits("nginx"))
    assert (names(found), found.unseen) == (["nginx 2", "openssl 2"], ("openssl:amd64",))
    assert of(manifest=LINES).why == "nothing of it is for this host: nginx: nothing of it waits there"
    assert of(waits("nginx", held="hold"), platform="debian-13").unseen == ("nginx:amd64", "openssl:amd64")


def test_who_has_nothing_left_is_the_same_as_whose_portion_is_empty() -> None:
    updates = ((waits("nginx", held="hold"),), (waits("nginx", held="hold"), waits("openssl", held="x")), (), ())
    scans = {
        TARGETS[name].asset: Scan("c", TARGETS[name].asset, name, NOON, "ok", "debian-12", "apt", some)
        for name, some in zip(NAMES, updates, strict=True)
    }
    for manifest in (BOTH, LINES, Manifest.of(())):
        portions = Portions(manifest, plan(), scans, NOON)
        left = portions.nothing_left(TARGETS.values())
        assert left == {name: one.why for name in NAMES if not (one := portions.of(TARGETS[name])).entries}


def test_a_gate_asks_for_the_version_too_where_a_package_comes_in_more_than_one() -> None:
    assert packages(BOTH) == ["nginx:amd64", "openssl:amd64"]
    assert packages(LINES) == ["nginx:amd64 1.22.1-9+deb12u2", "nginx:amd64 1.26.1-1"]
