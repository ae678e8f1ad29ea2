# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pending on a host with apt, on a made host of scripts; tests/test_patch_scan has real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import updates
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.updates import Policy, parse_policy
from ansible_collections.msp.ops.plugins.module_utils.patching import apt
from ansible_collections.msp.ops.plugins.module_utils.patching.shape import Wanted

MAIN = "http://deb.example.com/debian bookworm/main amd64 Packages"
SECURITY = "http://deb.example.com/debian-security bookworm-security/main amd64 Packages"
RELEASES = {
    MAIN: "Label: Debian\nCodename: bookworm\n",
    SECURITY: "Label: Debian-Security\nCodename: bookworm-security\n",
}
INSTALLED = ("dpkg", "between", "held", "phased", "pinned", "new-dependency", "stuck", "local")


def paragraph(name: str, candidate: str, *versions: str) -> str:
    table = "".join(f"     {version}\n" for version in versions)
    return (
        f"{name}:\n  Installed: 1\n  Candidate: {candidate}\n  Version table:\n{table}"
        " *** 1 100\n        100 /var/lib/dpkg/status\n"
    )


def offered(version: str, *sources: str, priority: int = 500, phased: str = "") -> str:
    return f"{version} {priority}{phased}" + "".join(f"\n        500 {source}" for source in sources)


POLICY = "".join(
    (
        paragraph("dpkg", "1"),
        # A later ordinary version carries the earlier fix.
        paragraph("between", "3", offered("3", MAIN), offered("2", SECURITY)),
        paragraph("held", "2", offered("2", SECURITY)),
        paragraph("phased", "2", offered("2", MAIN, phased=" (phased 30%)")),
        paragraph("pinned", "1", offered("2", MAIN)),
        paragraph("new-dependency", "2", offered("2", MAIN)),
        paragraph("stuck", "2", offered("2", MAIN)),
        # Backports: no archive that anybody updates from.
        paragraph(
            "local", "1", "2 100\n        100 http://deb.example.com/debian bookworm-backports/main amd64 Packages"
        ),
    )
)
UPGRADE = "Inst between [1] (3 Debian:12/stable [amd64])\n"
DIST_UPGRADE = UPGRADE + (
    "Inst brought (1 Debian:12/stable [amd64])\nRemv driven-out [1]\n"
    "Inst new-dependency [1] (2 Debian:12/stable [amd64])\n"
)
SHOW = "Package: between\nArchitecture: amd64\nVersion: 3\nSource: source-of-it (3.0)\nSize: 1000\n"


def program(root: Path, name: str, script: str) -> None:
    path = root / "usr/bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nfor LAST; do :; done\n" + script)
    path.chmod(0o755)


def say(text: str) -> str:
    return f"cat <<'END'\n{text}END\n"


def made_host(root: Path, *, policy: str = POLICY, simulation: str = "", audit: str = "") -> Host:
    program(root, "apt-cache", f'if [ "$1" = policy ]; then\n{say(policy)}else\n{say(SHOW)}fi\n')
    simulated = simulation or (
        f"case $LAST in upgrade) {say(UPGRADE)};; dist-upgrade|new-dependency=2) {say(DIST_UPGRADE)};; esac\n"
    )
    program(root, "apt-get", simulated)
    program(root, "dpkg", say(audit))
    status = "\n".join(
        f"Package: {name}\nStatus: {wish} ok installed\nArchitecture: amd64\nVersion: 1\n"
        for name, wish in ((name, "hold" if name == "held" else "install") for name in INSTALLED)
    )
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(status)
    lists = root / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    for source, text in RELEASES.items():
        (lists / updates.release_files(source)[0]).write_text(text)
    host = Host(str(root))
    host.privileged = False
    return host


def by_name(found: dict) -> dict[str, dict]:
    return {row["name"]: row for row in found["updates"]}


def test_every_update_says_what_it_is_and_why_it_stays(tmp_path: Path) -> None:
    found = apt.collect(made_host(tmp_path), Wanted())
    rows = by_name(found)

    assert (found["outcome"], found["manager"], found["changed"]) == ("ok", "apt", False)
    assert (found["blind"], found["warnings"]) == ([], [])
    assert {name: row["held"] for name, row in rows.items()} == {
        "between": "",
        "held": "hold",
        "phased": "phased 30 %",
        "pinned": "pinned",
        "new-dependency": "",
        "stuck": "dependencies",
    }
    assert {name for name, row in rows.items() if row["security"]} == {"between", "held"}


def test_all_versions_between_are_told_oldest_first_with_their_origin(tmp_path: Path) -> None:
    row = by_name(apt.collect(made_host(tmp_path), Wanted()))["between"]

    assert [(one["version"], one["origin"], one["security"]) for one in row["versions"]] == [
        ("2", "Debian-Security/bookworm-security", True),
        ("3", "Debian/bookworm", False),
    ]
    assert (row["origin"], row["candidate"]) == ("Debian/bookworm", "3")
    assert (row["source"], row["source_from"], row["source_to"]) == ("source-of-it", "1", "3.0")


def test_what_comes_and_goes_is_told_of_all_and_of_the_update_that_brings_it(tmp_path: Path) -> None:
    found = apt.collect(made_host(tmp_path), Wanted())
    rows = by_name(found)

    assert [row["name"] for row in found["installs"]] == ["brought"]
    assert [row["name"] for row in found["removes"]] == ["driven-out"]
    assert (rows["new-dependency"]["installs"], rows["new-dependency"]["removes"]) == (["brought"], ["driven-out"])
    assert rows["between"]["installs"] == []


def test_a_host_without_lists_has_no_metadata_and_not_no_updates(tmp_path: Path) -> None:
    found = apt.collect(made_host(tmp_path, policy=paragraph("dpkg", "1")), Wanted())

    assert (found["outcome"], found["updates"]) == ("no metadata", None)
    assert "apt-get update was never run" in found["why"]


def test_a_refresh_that_fails_is_the_outcome_though_there_are_lists(tmp_path: Path) -> None:
    host = made_host(tmp_path, simulation="echo 'E: Failed to fetch it' >&2; exit 100\n")

    found = apt.collect(host, Wanted(refresh=True))

    assert (found["outcome"], found["updates"], found["refreshed"]) == ("failed", None, False)
    assert found["why"] == "apt-get update: E: Failed to fetch it"


def test_an_apt_cache_that_breaks_is_a_failed_scan(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    program(tmp_path, "apt-cache", "echo 'E: broken' >&2; exit 100\n")

    found = apt.collect(host, Wanted())

    assert (found["outcome"], found["why"]) == ("failed", "apt-cache ended with status 100: E: broken")


def test_a_broken_database_is_told_and_holds_every_update(tmp_path: Path) -> None:
    refusing = "echo \"E: Unmet dependencies. Try 'apt --fix-broken install'\" >&2; exit 100\n"
    audit = "The following packages are only half configured, probably due to\nproblems:\n between  made for a test\n"
    host = made_host(tmp_path, simulation=refusing, audit=audit)
    (tmp_path / "var/lib/dpkg/updates/0001").touch()

    found = apt.collect(host, Wanted())

    assert found["broken"] == [
        "dpkg: The following packages are only half configured, probably due to problems: between",
        "dpkg was interrupted: run dpkg --configure -a",
        "apt refuses to work: dependencies are not met",
    ]
    # This apt-get refuses to tell its sources, too.
    assert found["blind"] == [*found["broken"], apt.UNLISTED]
    assert {row["held"] for row in found["updates"]} == {"broken database", "hold", "pinned"}
    assert found["installs"] is None


def test_without_a_security_archive_nothing_is_called_no_security_update(tmp_path: Path) -> None:
    host = made_host(tmp_path, policy=paragraph("dpkg", "1") + paragraph("between", "3", offered("3", MAIN)))
    (tmp_path / "var/lib/apt/lists" / updates.release_files(SECURITY)[0]).unlink()

    found = apt.collect(host, Wanted())

    assert by_name(found)["between"]["security"] is None
    assert (
        "no security archive is among the sources of this host: which updates close holes is not known"
        in found["warnings"]
    )
    assert found["blind"] == found["warnings"]


def test_a_changelog_of_an_unknown_source_is_said_to_be_unread(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    apt.collect(host, Wanted(changelogs=True))
    host.close()

    assert ("changelog of stuck", "its source is not known") in host.notes
    assert ("source of stuck", "apt-cache show is silent") in host.notes


@given(
    st.lists(st.tuples(st.sampled_from((-1, 1, 100, 500, 990)), st.booleans()), max_size=4),
    st.integers(0, 4),
)
@settings(max_examples=60)
def test_what_an_ordinary_archive_offers_above_the_installed_version_always_waits(
    above: list[tuple[int, bool]], candidate: int
) -> None:
    numbers = [str(9 - place) for place in range(len(above))]
    rows = [
        f"{number} {rank}\n        {rank} {SECURITY if secure else MAIN}"
        for number, (rank, secure) in zip(numbers, above, strict=True)
    ]
    chosen = numbers[candidate] if candidate < len(numbers) else "1"
    found, why = apt.waiting(parse_policy(paragraph("a", chosen, *rows))["a"])

    if chosen != "1":
        assert (found[0][0], why) == (chosen, "")
    else:
        ordinary = [number for number, (rank, _secure) in zip(numbers, above, strict=True) if rank >= 500]
        assert [version for version, _sources in found][:1] == ordinary[:1]
        assert why == ("pinned" if ordinary else "")


@pytest.mark.parametrize(
    ("share", "moves", "why"),
    [
        (30, False, "phased 30 %"),
        (30, True, ""),
        (100, False, "dependencies"),
        (None, False, "dependencies"),
        (30, None, ""),
    ],
)
def test_what_a_dist_upgrade_does_not_install_is_phased_or_cannot_be(
    share: int | None, moves: bool | None, why: str
) -> None:
    policy = Policy()
    policy.phased = {} if share is None else {"2": share}

    assert apt.stays(policy, "2", moves) == why


def test_dpkgs_audit_is_one_sentence_a_paragraph() -> None:
    text = "The following packages are in a mess:\n a  one\n b  two\n\nThe following are missing:\n c  three\n"

    assert apt.parse_audit(text) == [
        "dpkg: The following packages are in a mess: a, b",
        "dpkg: The following are missing: c",
    ]
