# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How dnf is told what to install, what stops it before, and what is read out of what it did.

The texts of dnf are those of a real dnf 4.23 on the made repositories of tests/test_patch_dnf.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf_install
from ansible_collections.msp.ops.plugins.module_utils.patching.dnf_install import Change, Simulation, Target

WEB = Target("lab-web", "noarch", "1.1-1")
DB = Target("lab-db", "x86_64", "1:1.1-1")


def change(name: str, version: str, **values: Any) -> Change:
    nevra = Target(name, "noarch", version).nevra
    return Change(**{**dict.fromkeys(("size", "fetch"), 0), "name": name, "architecture": "noarch", "version": version,
                     "nevra": nevra, "repository": "updates", **values})  # fmt: skip


def test_a_target_is_named_with_its_epoch() -> None:
    assert (WEB.nevra, DB.nevra) == ("lab-web-0:1.1-1.noarch", "lab-db-1:1.1-1.x86_64")


@pytest.mark.parametrize(
    "target",
    [
        Target("--installroot=/", "noarch", "1-1"),
        Target("lab*", "noarch", "1-1"),
        Target("lab-web", "noarch", "1"),
        Target("lab-web", "no arch", "1-1"),
        Target("lab-web", "noarch", "1-1; id"),
        Target("@group", "noarch", "1-1"),
        Target("/srv/lab", "noarch", "1-1"),
    ],
)
def test_what_dnf_could_take_for_something_else_is_refused(target: Target) -> None:
    with pytest.raises(MspError) as error:
        dnf_install.install_command([target])

    assert error.value.code == "MSP-PAT-061"


@settings(max_examples=30)
@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_word_of_a_host_becomes_an_option_or_a_pattern(name: str, architecture: str, version: str) -> None:
    try:
        nevra = Target(name, architecture, version).nevra
    except MspError:
        return

    assert nevra.isascii()
    assert not nevra.startswith(("-", "@", "/"))
    assert not set(nevra) & set(" *?[]\n\t'\"$`")


def test_nothing_to_install_is_an_error_since_dnf_would_upgrade_everything() -> None:
    with pytest.raises(MspError) as error:
        dnf_install.install_command([])

    assert error.value.code == "MSP-PAT-062"


def test_packages_are_fetched_first_and_installed_from_the_cache_without_what_nobody_asked_for() -> None:
    fetch, work = dnf_install.download_command([WEB, DB]), dnf_install.install_command([WEB, DB])
    options = (
        "--assumeyes",
        "--setopt=install_weak_deps=False",
        "--setopt=clean_requirements_on_remove=False",
        "--best",
    )
    named = ("--", "lab-db-1:1.1-1.x86_64", "lab-web-0:1.1-1.noarch")

    assert fetch == ("dnf", *options, "--downloadonly", "upgrade", *named)
    assert work == ("dnf", *options, "--cacheonly", "upgrade", *named)
    assert dnf_install.install_command([WEB], back=True)[-3:] == ("downgrade", "--", "lab-web-0:1.1-1.noarch")
    assert "makecache" in dnf_install.refresh_command()


def test_a_simulation_counts_what_is_fetched_and_what_the_disk_holds_more() -> None:
    report = {
        "comes": [
            {
                "name": "lab-web",
                "architecture": "noarch",
                "version": "1.1-1",
                "nevra": "lab-web-0:1.1-1.noarch",
                "repository": "updates",
                "installed_bytes": 5000,
                "fetch_bytes": 900,
            }
        ],
        "goes": [
            {
                "name": "lab-web",
                "architecture": "noarch",
                "version": "1.0-1",
                "nevra": "lab-web-0:1.0-1.noarch",
                "repository": "@System",
                "installed_bytes": 2000,
            }
        ],
        "missing": [],
        "problem": None,
    }

    found = dnf_install.parse_simulation(report)

    assert (found.fetch_bytes, found.disk_bytes) == (900, 3000)
    assert dnf_install.refusals(found, [WEB]) == []


def codes(found: Simulation, *targets: Target, **values: Any) -> list[str]:
    return [error.code for error in dnf_install.refusals(found, targets, **values)]


def test_a_transaction_is_refused_for_what_it_lacks_and_for_what_it_does_beside() -> None:
    web, other = change("lab-web", "1.1-1"), change("lab-library", "1.0-1")
    old, gone = change("lab-web", "1.0-1"), change("lab-old", "1.0-1")

    assert codes(Simulation((web,), (old,)), WEB) == []
    assert codes(Simulation((web,), (old,), missing=("lab-db-1:1.1-1.x86_64",)), WEB, DB) == ["MSP-PAT-063"]
    assert codes(Simulation(problem="nothing provides lab-absent"), WEB) == ["MSP-PAT-064"]
    assert codes(Simulation((web, other), (old,)), WEB) == ["MSP-PAT-065"]
    assert codes(Simulation((web,), (old, gone)), WEB) == ["MSP-PAT-065"]


def test_another_version_than_the_one_asked_for_is_something_else_even_where_its_name_may_come() -> None:
    newer = change("lab-web", "1.2-1")

    assert codes(Simulation((newer,)), WEB, allowed=["lab-web"]) == ["MSP-PAT-065"]


def test_what_a_scan_said_would_come_may_come() -> None:
    found = Simulation((change("lab-web", "1.1-1"), change("lab-library", "1.0-1")), (change("lab-web", "1.0-1"),))

    assert codes(found, WEB, allowed=["lab-library"]) == []


def test_a_host_whose_dnf_gives_no_answer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MspError) as error:
        dnf_install.simulate(Host(str(tmp_path)), [WEB])

    assert (error.value.code, error.value.found) == ("MSP-PAT-060", "dnf is not installed")


RPMS = "lab-web\tnoarch\t0:1.0-1\nlab-core\tnoarch\t0:1.0-1\nlab-core\tnoarch\t0:1.1-1\ngpg-pubkey\t(none)\t0:1-1\n"


def test_rpms_answer_keeps_every_version_and_no_keys() -> None:
    assert dnf_install.parse_installed(RPMS) == {
        "lab-web:noarch": {"0:1.0-1"},
        "lab-core:noarch": {"0:1.0-1", "0:1.1-1"},
    }


def test_what_is_not_installed_afterwards_was_not_reached_whatever_dnf_said() -> None:
    after = {"lab-web:noarch": {"0:1.1-1"}, "lab-db:x86_64": {"1:1.0-1"}}

    assert dnf_install.not_reached(after, [WEB, DB]) == ["lab-db-1:1.1-1.x86_64"]


def test_the_way_back_leads_to_what_was_there_and_says_what_it_leaves() -> None:
    before = {
        "lab-web:noarch": {"0:1.0-1"},
        "kernel:x86_64": {"0:1-1", "0:2-1", "0:3-1"},
        "lab-old:noarch": {"0:1.0-1"},
        "same:noarch": {"0:1-1"},
    }
    after = {
        "lab-web:noarch": {"0:1.1-1"},
        "kernel:x86_64": {"0:2-1", "0:3-1", "0:4-1"},
        "lab-library:noarch": {"0:1.0-1"},
        "same:noarch": {"0:1-1"},
    }

    targets, left = dnf_install.way_back(before, after)

    assert targets == [Target("lab-web", "noarch", "0:1.0-1")]
    assert left == [
        "kernel:x86_64 0:4-1 stays beside 0:2-1, 0:3-1",
        "lab-library:noarch 0:1.0-1 came with it and stays",
        "lab-old:noarch 0:1.0-1 went with it and does not come back",
    ]


STUCK = """\
Last metadata expiration check: 0:00:05 ago on Thu Nov 26 01:55:39 2026.
(try to add '--skip-broken' to skip uninstallable packages)
Error:
 Problem: cannot install the best update candidate for package lab-stuck-1.0-1.noarch
  - nothing provides lab-absent needed by lab-stuck-1.1-1.noarch from updates
"""
GONE = "No match for argument: lab-gone-0:1.1-1.noarch\nError: No packages marked for upgrade.\n"
BROKEN = """\
  Running scriptlet: lab-broken-1.1-1.noarch                                1/2
error: lua script failed: [string "%prein(lab-broken-1.1-1.noarch)"]:1: made to fail
Error in PREIN scriptlet in rpm package lab-broken

Failed:
  lab-broken-1.0-1.noarch                lab-broken-1.1-1.noarch

Error: Transaction failed
"""


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (
            STUCK,
            [
                "Error: Problem: cannot install the best update candidate for package lab-stuck-1.0-1.noarch"
                " - nothing provides lab-absent needed by lab-stuck-1.1-1.noarch from updates"
            ],
        ),
        (GONE, ["No match for argument: lab-gone-0:1.1-1.noarch", "Error: No packages marked for upgrade."]),
        (BROKEN, ["Error in PREIN scriptlet in rpm package lab-broken", "Error: Transaction failed"]),
        ("metadata already locked by 1\n", ["metadata already locked by 1"]),
        ("Complete!\n", []),
    ],
)
def test_dnfs_own_words_say_what_went_wrong(text: str, errors: list[str]) -> None:
    assert dnf_install.errors(text) == errors


def test_a_script_that_failed_is_named_with_its_package() -> None:
    assert dnf_install.failed_scripts(BROKEN) == [("PREIN", "lab-broken")]
