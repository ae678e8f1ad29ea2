# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt's package lists: a refresh that fails is never passed over, and what is wrong with the lists is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.audit.updates import LISTS, parse_policy
from ansible_collections.msp.ops.plugins.module_utils.patching import apt_lists

MAIN = "http://deb.example.com/debian bookworm/main amd64 Packages"
SECURITY = "http://deb.example.com/debian-security bookworm-security/main amd64 Packages"
RELEASES = {
    MAIN: {"Label": "Debian", "Codename": "bookworm"},
    SECURITY: {"Label": "Debian-Security", "Codename": "bookworm-security"},
}
UNFETCHED = "W: Failed to fetch http://user:secret@deb.example.com/dists/x/InRelease  Could not connect\n"


def host_with(root: Path, script: str) -> Host:
    program = root / "usr/bin/apt-get"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    (root / LISTS.lstrip("/")).mkdir(parents=True)
    host = Host(str(root))
    host.privileged = False
    return host


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (Output(0, "Fetched 146 kB in 1s"), None),
        (Output(0, "", "W: Conflicting distribution: file:/srv main Release (expected main but got lab)\n"), None),
        # apt-get ends with success when it could fetch nothing and used old lists.
        (
            Output(0, "", UNFETCHED + "W: Some index files failed to download. They have been ignored.\n"),
            "apt-get update: W: Failed to fetch http://deb.example.com/dists/x/InRelease  Could not connect",
        ),
        (Output(100, "", "E: The repository has no Release file.\n"), "apt-get update: ended with status 100: E: The "
         "repository has no Release file."),
        (Output(100, "", "E: Could not get lock /var/lib/apt/lists/lock\nE: Unable to lock directory\n"),
         "apt-get update: E: Could not get lock /var/lib/apt/lists/lock"),
        (Output(124, "", "no answer within 300 seconds"), "apt-get update: ended with status 124: no answer within 300 "
         "seconds"),
        (Output(127, started=False), "apt-get update: not installed"),
    ],
)  # fmt: skip
def test_a_refresh_worked_or_says_why_not(answer: Output, refused: str | None) -> None:
    assert apt_lists.refused(answer) == refused


def test_a_lock_is_waited_for_and_then_the_lists_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_lists, "SECONDS_BETWEEN_LOOKS", 0.0)
    script = f"""if mkdir {tmp_path}/first 2>/dev/null; then echo 'E: Could not get lock' >&2; exit 100; fi
echo new >{tmp_path}{LISTS}/x_Packages
"""

    assert apt_lists.refresh(host_with(tmp_path, script), 60) == (True, None)


def test_a_lock_that_stays_is_the_reason(tmp_path: Path) -> None:
    host = host_with(tmp_path, "echo 'E: Could not get lock /var/lib/apt/lists/lock' >&2; exit 100\n")

    changed, why = apt_lists.refresh(host, 0)

    assert (changed, why) == (False, "apt-get update: E: Could not get lock /var/lib/apt/lists/lock")


def test_a_refresh_that_finds_nothing_new_changes_nothing(tmp_path: Path) -> None:
    assert apt_lists.refresh(host_with(tmp_path, "exit 0\n"), 0) == (False, None)


def test_a_source_without_a_list_is_named_without_its_password(tmp_path: Path) -> None:
    printed = (
        "'http://u:p@deb.example.com/a/dists/bookworm/InRelease' deb.example.com_a_dists_bookworm_InRelease 0\n"
        "'http://deb.example.com/x/dists/bookworm/InRelease' deb.example.com_x_dists_bookworm_InRelease 0\n"
    )
    host = host_with(tmp_path, f"cat <<'E'\n{printed}E\n")
    (tmp_path / LISTS.lstrip("/") / "deb.example.com_x_dists_bookworm_main_binary-amd64_Packages.lz4").touch()

    assert apt_lists.never_fetched(host, "amd64") == [
        "the source http://deb.example.com/a/dists/bookworm was never fetched, or its lists were removed: "
        "nothing of it counts"
    ]


@pytest.mark.parametrize(
    ("size", "architecture", "warned"), [("0", "amd64", False), ("9", "amd64", True), ("0", "arm64", True)]
)
def test_a_source_that_has_no_package_has_no_list_and_is_not_warned_of(
    tmp_path: Path, size: str, architecture: str, warned: bool
) -> None:
    host = host_with(tmp_path, "echo \"'http://a.example.com/dists/x/InRelease' a.example.com_dists_x_InRelease 0\"\n")
    release = f"Label: x\nSHA256:\n {'a' * 64} {size} main/binary-{architecture}/Packages\n"
    (tmp_path / LISTS.lstrip("/") / "a.example.com_dists_x_InRelease").write_text(release)

    assert bool(apt_lists.never_fetched(host, "amd64")) == warned


def policy(candidate: str, rank: int) -> str:
    return (
        f"a:\n  Installed: 1\n  Candidate: {candidate}\n  Version table:\n     3 {rank}\n        {rank} {SECURITY}\n"
        f"     2 500\n        500 {MAIN}\n *** 1 100\n        100 /var/lib/dpkg/status\n"
    )


@pytest.mark.parametrize(
    ("candidate", "rank", "warning"),
    [
        ("2", -1, "the archive Debian-Security/bookworm-security is pinned away: its updates do not count"),
        ("2", 500, "a 3 of a security archive is pinned away"),
        ("3", 500, None),
    ],
)
def test_a_security_update_that_apt_is_told_not_to_take_is_warned_of(
    candidate: str, rank: int, warning: str | None
) -> None:
    found = apt_lists.pinned_away(parse_policy(policy(candidate, rank)), RELEASES)

    assert found == ([] if warning is None else [warning])


def test_a_security_archive_counts_though_nothing_installed_is_of_it(tmp_path: Path) -> None:
    host = host_with(tmp_path, "exit 0\n")
    main = {MAIN: RELEASES[MAIN]}

    assert not apt_lists.has_security_archive(host, main)
    (tmp_path / LISTS.lstrip("/") / "x_dists_bookworm-security_InRelease").write_text("Label: Debian-Security\n")
    assert apt_lists.has_security_archive(host, main)
