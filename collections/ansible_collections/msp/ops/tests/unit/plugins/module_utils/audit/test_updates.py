# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pending updates: which of them are security updates, and when that is not known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import updates
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed

MAIN = "http://deb.example.com/debian bookworm/main amd64 Packages"
SECURITY = "http://deb.example.com/debian-security bookworm-security/main amd64 Packages"
RELEASES = {
    MAIN: {"Origin": "Debian", "Label": "Debian", "Suite": "oldstable", "Codename": "bookworm"},
    SECURITY: {
        "Origin": "Debian",
        "Label": "Debian-Security",
        "Suite": "oldstable-security",
        "Codename": "bookworm-security",
    },
}
POLICY = f"""openssl:
  Installed: 3.0.1
  Candidate: 3.0.3
  Version table:
     3.0.4 -1
         -1 http://deb.example.com/debian trixie/main amd64 Packages
     3.0.3 500
        500 {MAIN}
     3.0.2 500
        500 {SECURITY}
 *** 3.0.1 500
        500 {MAIN}
        100 /var/lib/dpkg/status
libc6:i386:
  Installed: 2.36-9
  Candidate: 2.36-10
  Version table:
     2.36-10 500 (phased 20%)
        500 {MAIN}
 *** 2.36-9 100
        100 /var/lib/dpkg/status
local-tool:
  Installed: 1.0
  Candidate: 1.0
  Version table:
 *** 1.0 100
        100 /var/lib/dpkg/status
downgraded:
  Installed: 2.0
  Candidate: 1.0
  Package pin: 1.0
  Version table:
 *** 2.0 100
        100 /var/lib/dpkg/status
     1.0 1001
       1001 {MAIN}
virtual:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
INSTALLED = [
    Installed("dpkg", "1.21", "amd64"),
    Installed("openssl", "3.0.1", "amd64"),
    Installed("libc6", "2.36-9", "i386", held=True),
    Installed("local-tool", "1.0", "all"),
    Installed("downgraded", "2.0", "amd64"),
]


def test_an_update_is_a_security_one_when_any_version_on_the_way_to_the_candidate_was() -> None:
    pending, _origins = updates.apt_pending(INSTALLED, updates.parse_policy(POLICY), RELEASES)

    assert pending[1] == {
        "name": "openssl",
        "from": "3.0.1",
        "to": "3.0.3",
        "origin": "Debian/bookworm",
        "security": True,
    }


def test_a_version_that_is_pinned_away_does_not_count() -> None:
    policy = updates.parse_policy(POLICY)["openssl"]

    assert [version for version, _sources in policy.newer()] == ["3.0.3", "3.0.2"]


def test_a_held_package_waits_and_says_that_it_is_held() -> None:
    pending, _origins = updates.apt_pending(INSTALLED, updates.parse_policy(POLICY), RELEASES)

    assert [(row["name"], row["security"], row.get("held")) for row in pending] == [
        ("libc6", False, True),
        ("openssl", True, None),
    ]


def test_the_origin_of_what_is_installed_is_named_and_null_for_what_came_from_nowhere() -> None:
    _pending, origins = updates.apt_pending(INSTALLED, updates.parse_policy(POLICY), RELEASES)

    assert origins == {("openssl", "amd64"): "Debian/bookworm"}


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.data(),
)
def test_the_security_flag_is_true_exactly_when_a_security_version_lies_between(
    versions: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(min_value=0, max_value=len(versions) - 1))
    candidate = data.draw(st.integers(min_value=0, max_value=at))
    text = f"p:\n  Installed: v{at}\n  Candidate: v{candidate}\n  Version table:\n"
    for number, (secure, ordinary) in enumerate(versions):
        text += f"{' *** ' if number == at else '     '}v{number} 500\n"
        text += f"        500 {SECURITY}\n" * secure + f"        500 {MAIN}\n" * ordinary

    pending, _origins = updates.apt_pending([Installed("p", f"v{at}", "all")], updates.parse_policy(text), RELEASES)

    assert bool(pending) == (candidate < at)
    if pending:
        assert pending[0]["security"] == any(secure for secure, _ordinary in versions[candidate:at])


@pytest.mark.parametrize(
    ("release", "name", "security"),
    [
        (RELEASES[SECURITY], "Debian-Security/bookworm-security", True),
        (RELEASES[MAIN], "Debian/bookworm", False),
        ({"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": "jammy-security", "Codename": "jammy"}, None, True),
        ({"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": "jammy-updates", "Codename": "jammy"}, None, False),
        ({"Origin": "UbuntuESM", "Label": "UbuntuESM", "Suite": "focal-infra-security"}, None, True),
        ({"Label": "Example Repository", "Suite": "stable"}, "Example Repository/stable", False),
        ({}, None, False),
    ],
)
def test_a_security_archive_is_recognised(release: dict[str, str], name: str | None, security: bool) -> None:
    assert updates.is_security(release) == security
    if name:
        assert updates.origin(release) == name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (MAIN, "deb.example.com_debian_dists_bookworm_InRelease"),
        ("https://u:p@h.example.com/x_y nodistro/main amd64 Packages", "h.example.com_x%5fy_dists_nodistro_Release"),
        ("http://h.example.com:3142/debian bookworm/updates/main amd64 Packages",
         "h.example.com:3142_debian_dists_bookworm_updates_InRelease"),
        ("file:/srv/repo ./ Packages", "_srv_repo_._Release"),
    ],
)  # fmt: skip
def test_the_release_file_of_a_source_is_found_by_apts_own_naming(source: str, name: str) -> None:
    assert name in updates.release_files(source)


def test_a_signed_release_file_is_read_up_to_its_hashes() -> None:
    text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Debian\nLabel: Debian\nSHA256:\nLabel: x\n"

    assert updates.parse_release(text) == {"Origin": "Debian", "Label": "Debian"}


def made_host(root: Path, policy: str = POLICY, status: int = 0) -> Host:
    program = root / "usr/bin/apt-cache"
    program.parent.mkdir(parents=True)
    (root / "policy").write_text(policy)
    program.write_text(f"#!/bin/sh\ncat {root}/policy\necho 'E: broken' >&2\nexit {status}\n")
    program.chmod(0o755)
    lists = root / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    for source, release in RELEASES.items():
        text = "".join(f"{key}: {value}\n" for key, value in release.items())
        (lists / updates.release_files(source)[0]).write_text(text)
    host = Host(str(root))
    # Nobody may not enter a test's directory; that rights are really dropped is shown on the lab's hosts.
    host.privileged = False
    return host


def test_a_debian_host_tells_its_updates_and_their_origins(tmp_path: Path) -> None:
    found, origins = updates.collect(made_host(tmp_path), "dpkg", INSTALLED)

    assert (found["known"], found["total"], found["security"]) == (True, 2, 1)
    assert origins[("openssl", "amd64")] == "Debian/bookworm"


def test_a_host_without_package_lists_has_unknown_updates_and_not_none(tmp_path: Path) -> None:
    policy = (
        "openssl:\n  Installed: 1\n  Candidate: 1\n  Version table:\n *** 1 100\n        100 /var/lib/dpkg/status\n"
    )

    host = made_host(tmp_path, policy)
    found, _origins = updates.collect(host, "dpkg", INSTALLED)

    assert (found["known"], found["total"], found["security"]) == (False, None, None)
    assert "no package lists" in str(found["why"])
    assert "updates" in [what for what, _why in host.notes]


def test_a_package_manager_that_fails_has_unknown_updates_with_its_own_words(tmp_path: Path) -> None:
    found, _origins = updates.collect(made_host(tmp_path, status=100), "dpkg", INSTALLED)

    assert (found["known"], found["why"]) == (False, "apt-cache ended with status 100: E: broken")


def test_a_repository_whose_release_file_is_gone_is_named_by_its_host(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    for place in (tmp_path / "var/lib/apt/lists").iterdir():
        place.unlink()

    _found, origins = updates.collect(host, "dpkg", INSTALLED)

    assert origins[("openssl", "amd64")] == "deb.example.com/bookworm"


def dnf_host(root: Path, answer: dict[str, Any]) -> Host:
    """A host whose dnf gives this answer of the patch scan's program."""
    interpreter = root / "python"
    interpreter.write_text("#!/bin/sh\ncat <<'END'\n%s\nEND\n" % json.dumps(answer))
    program = root / "usr/bin/dnf"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{interpreter}\n")
    for file in (interpreter, program):
        file.chmod(0o755)
    host = Host(str(root))
    host.privileged = False
    return host


def dnf_report(**values: Any) -> dict[str, Any]:
    report = Path(__file__).parents[1] / "patching" / "recorded" / "dnf_pending.json"
    return {**json.loads(report.read_text(encoding="utf-8")), **values}


def test_dnfs_updates_have_their_security_and_what_holds_them(tmp_path: Path) -> None:
    host = dnf_host(tmp_path, dnf_report())
    updates.prepare(host, "rpm", [])

    found, _origins = updates.collect(host, "rpm", [])
    host.close()
    rows = {row["name"]: row for row in found["pending"]}

    assert (found["known"], found["total"], found["security"]) == (True, len(rows), 10)
    assert rows["lab-gone"] == {
        "name": "lab-gone",
        "from": "1.0-1",
        "to": "1.2-1",
        "origin": "updates",
        "security": True,
    }
    assert (rows["lab-notes"]["security"], rows["lab-plain"]["security"]) == (False, None)
    assert rows["lab-locked"]["held"] is True
    assert ("updates", "no updateinfo, so nobody can tell security updates: base, extra") in host.notes


def test_without_updateinfo_dnfs_security_updates_are_not_known_and_not_none(tmp_path: Path) -> None:
    repositories = [dict(one, updateinfo="none") for one in dnf_report()["repositories"]]
    host = dnf_host(tmp_path, dnf_report(repositories=repositories))

    found, _origins = updates.collect(host, "rpm", [])
    host.close()

    assert (found["known"], found["total"], found["security"]) == (False, None, None)
    assert ("updates", "no repository says what its updates are for (updateinfo): base, extra, updates") in host.notes


def test_no_security_update_for_certain_and_one_that_may_be_is_not_none() -> None:
    maybe = {"name": "a", "from": "1", "to": "2", "origin": "extra", "security": None}

    assert updates.result([maybe])["security"] is None
    assert updates.result([maybe, dict(maybe, security=True)])["security"] == 1
    assert updates.result([dict(maybe, security=False)])["security"] == 0


def test_a_refresh_of_dnf_that_found_nothing_new_counts(tmp_path: Path) -> None:
    for name, renewed in (("base-1", 3000), ("updates-1", 2000)):
        place = tmp_path / "var/cache/dnf" / name / "repodata"
        place.mkdir(parents=True)
        (place / "primary.xml.gz").touch()
        (place / "repomd.xml").touch()
        os.utime(place / "primary.xml.gz", (renewed, renewed))
        os.utime(place / "repomd.xml", (1000, 1000))
        os.utime(place, (1000, 1000))

    assert updates.metadata_time(Host(str(tmp_path)), "rpm") == 2000


def test_the_age_of_the_lists_is_never_younger_than_the_truth(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    lists = tmp_path / "var/lib/apt/lists"
    (lists / "partial").mkdir()
    os.utime(lists, (1000, 1000))
    os.utime(lists / "partial", (2000, 2000))

    assert updates.metadata_time(host, "dpkg") == 1000


def test_a_host_that_never_fetched_lists_has_no_age(tmp_path: Path) -> None:
    assert updates.metadata_time(Host(str(tmp_path)), "dpkg") is None
    assert updates.metadata_time(Host(str(tmp_path)), "rpm") is None


def test_a_version_keeps_the_priority_of_its_sources_and_the_share_of_machines_it_is_for() -> None:
    found = updates.parse_policy(POLICY)

    assert found["openssl"].ranks == {"3.0.4": -1, "3.0.3": 500, "3.0.2": 500, "3.0.1": 500}
    assert found["libc6:i386"].phased == {"2.36-10": 20}
    assert [version for version, _sources in found["openssl"].above()] == ["3.0.4", "3.0.3", "3.0.2"]
    assert found["downgraded"].above() == []
