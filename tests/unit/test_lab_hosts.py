"""What the lab decides about its hosts before any of them runs: settings, subnets, recipes, the table itself."""

from __future__ import annotations

import ipaddress
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.identity import macs
from lab import hosts, image, podman
from lab.image import DEBIAN_12, DEBIAN_12_BEHIND, PATCH, Recipe
from lab.machines import MACHINES, NEWCOMERS, PLACEHOLDER_SERIAL, customers, free_subnet

EVERY = (*MACHINES, *NEWCOMERS)
RANGE = ipaddress.IPv4Network("10.203.0.0/16")
networks = st.builds(
    lambda address, prefix: ipaddress.IPv4Network((address, prefix), strict=False),
    st.integers(int(RANGE[0]), int(RANGE[-1])),
    st.integers(18, 32),
)


@given(st.lists(networks, max_size=30))
def test_a_lab_never_takes_a_subnet_that_is_in_use(taken: list[ipaddress.IPv4Network]) -> None:
    subnet = free_subnet(taken)

    if subnet is None:
        assert all(any(own.overlaps(net) for net in taken) for own in RANGE.subnets(new_prefix=24))
    else:
        assert subnet.subnet_of(RANGE)
        assert not any(subnet.overlaps(net) for net in taken)


def test_there_is_no_subnet_left_when_the_whole_range_is_taken() -> None:
    assert free_subnet([ipaddress.IPv4Network("10.0.0.0/8")]) is None


@pytest.mark.parametrize(
    ("unified", "ceilings", "expected"),
    [
        (True, None, ""),
        (False, None, "[engine]"),
        (True, {"nofile": 20000}, "[containers]"),
        (False, {"nofile": 20000}, "[containers]"),
    ],
)
def test_podman_gets_settings_of_its_own_only_where_its_defaults_do_not_work(
    unified: bool, ceilings: dict[str, int] | None, expected: str
) -> None:
    text = podman.settings(unified_cgroups=unified, ceilings=ceilings)

    assert text.startswith(expected)
    assert bool(text) is bool(expected)
    assert ("runc" in text) is not unified
    assert ('"nofile=20000:20000"' in text) is (ceilings is not None)


def test_hosts_may_start_as_many_processes_as_this_machine_allows_since_all_of_its_processes_count() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    highest = int(Path("/proc/sys/kernel/pid_max").read_text())

    assert podman.ceilings()["nproc"] == (highest if hard == resource.RLIM_INFINITY else min(hard, highest))


def test_a_changed_recipe_is_another_image() -> None:
    assert DEBIAN_12.tag == replace(DEBIAN_12).tag
    assert DEBIAN_12.tag != replace(DEBIAN_12, suite="trixie").tag
    assert len({machine.recipe.tag for machine in MACHINES if machine.recipe}) == 4


def test_the_image_that_is_behind_installs_nothing_from_the_security_archive_but_knows_of_it() -> None:
    command = DEBIAN_12_BEHIND.command
    installed_from = command[command.index("TARGET") + 1 :]

    assert not any("security" in source or "updates" in source for source in installed_from)
    first, second, *others = hooks(DEBIAN_12_BEHIND)
    assert "bookworm-security" in first
    assert second.endswith("apt-get -q update")
    assert not any("apt-get" in hook for hook in others)


def test_the_other_images_are_patched_after_they_were_installed_so_that_their_logs_say_when() -> None:
    behind = replace(DEBIAN_12_BEHIND, behind=False)

    assert [hook for hook in hooks(behind) if hook not in hooks(DEBIAN_12_BEHIND)] == [f"--customize-hook={PATCH}"]
    assert hooks(behind)[2] == f"--customize-hook={PATCH}"


def hooks(recipe: Recipe) -> list[str]:
    return [part for part in recipe.command if part.startswith("--customize-hook=")]


def test_a_customer_has_a_host_that_matches_and_one_that_does_not() -> None:
    assert customers() == ("bakkerij-jansen", "harbour-dental")
    assert [machine.name for machine in MACHINES if not machine.contracted] == ["jansen-till02"]
    assert [machine.name for machine in MACHINES if machine.recipe is None] == ["jansen-nas01"]
    assert [machine.name for machine in MACHINES if machine.hostname != machine.name] == ["harbour-ws01"]
    assert [machine.name for machine in MACHINES if machine.serial == PLACEHOLDER_SERIAL] == ["harbour-ws01"]


def test_no_two_hosts_share_what_identifies_them() -> None:
    for identities in (
        [machine.mac for machine in EVERY],
        [machine.uuid for machine in EVERY],
        [machine.serial for machine in EVERY],
        [(machine.customer, machine.number) for machine in EVERY],
    ):
        assert len(set(identities)) == len(EVERY)


def test_hosts_have_documentation_addresses_by_their_place_which_count_as_burned_in() -> None:
    assert [machine.mac for machine in MACHINES][:2] == ["00:00:5e:00:53:01", "00:00:5e:00:53:02"]
    assert {macs.kind(machine.mac) for machine in MACHINES} == {macs.Kind.BURNED_IN}


def test_a_fingerprint_is_the_one_that_ssh_shows() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIn3PVKXq8ZaRZcdkvMIaKaCCbd1mYs8J4PlwvkDcUkq"

    # ssh-keygen -l says so of this key.
    assert hosts.fingerprint(key) == "SHA256:zOLIHpA0wpzZHatIcslrT7dS9uKy+H5okjfakS/Furs"


def test_images_are_made_from_the_mirror_that_this_machine_uses() -> None:
    found = image.mirrors_in(["http://mirror.example.com/debian-security/", "http://mirror.example.com/debian"])

    assert found == image.Mirrors("http://mirror.example.com/debian", "http://mirror.example.com/debian-security")


def test_where_the_security_archive_is_not_named_it_lies_beside_the_other() -> None:
    found = image.mirrors_in(["http://mirror.example.com/debian"])

    assert found is not None
    assert found.security == "http://mirror.example.com/debian-security"


def test_a_machine_of_another_distribution_knows_no_mirror_of_debian() -> None:
    assert image.mirrors_in(["http://mirror.example.com/ubuntu", "https://packages.example.com/deb"]) is None


def test_no_mirror_is_a_reason_and_one_that_is_set_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSP_DEBIAN_MIRROR", "http://mirror.example.com/debian/")
    assert image.no_mirror() is None

    monkeypatch.setenv("MSP_DEBIAN_MIRROR", "http://mirror.example.com/elsewhere")
    assert "MSP_DEBIAN_MIRROR" in str(image.no_mirror())


def test_a_recipe_has_the_same_name_wherever_it_is_made() -> None:
    sources = " ".join(DEBIAN_12_BEHIND.command)

    assert "http" not in sources
    assert "http://m.example.com/debian bookworm main" in image.Mirrors("http://m.example.com/debian", "").fill(sources)
