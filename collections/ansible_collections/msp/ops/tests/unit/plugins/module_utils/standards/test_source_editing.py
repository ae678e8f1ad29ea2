# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files change so that only allowed and signed repositories stay on, and that they do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import software_probes as probes
from ansible_collections.msp.ops.plugins.module_utils.standards import source_editing, source_writing
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

DEBIAN = ("http://deb.debian.org/*",)
OURS = (*DEBIAN, "https://packages.example.com/*")
OTHERS = "https://packages.example.com/ours x y"
FILES = {
    "/etc/apt/sources.list": "deb [trusted=yes] http://deb.debian.org/debian bookworm main\n",
    "/etc/apt/sources.list.d/ours.list": "deb [signed-by=/k.asc] https://bas:secret@packages.example.com/ours x y\n",
    "/etc/apt/sources.list.d/theirs.sources": "Types: deb\nURIs: https://evil.example.net/\nSuites: ./\n",
}


def host(root: Path) -> Reader:
    return made_reader(root, FILES)


def write(root: Path, plan: source_editing.Plan) -> None:
    edits = [edit._replace(path=str(root) + edit.path) for edit in plan.edits]
    source_writing.write(edits, os.replace)


def test_what_is_not_allowed_is_switched_off_and_is_found_no_more(tmp_path: Path) -> None:
    plan = source_editing.plan(host(tmp_path), allowed=OURS)
    write(tmp_path, plan)

    assert [edit.path for edit in plan.edits] == ["/etc/apt/sources.list.d/theirs.sources"]
    assert plan.off == ("https://evil.example.net/ ./ (/etc/apt/sources.list.d/theirs.sources)",)
    after = Reader(host_again(tmp_path).host)
    assert probes.foreign_repositories(after, OURS) == {"found": []}
    assert source_editing.plan(host_again(tmp_path), allowed=OURS) == source_editing.Plan((), ())


def host_again(root: Path) -> Reader:
    return made_reader(root, {})


def test_what_is_not_signed_is_checked_again_or_switched_off(tmp_path: Path) -> None:
    write(tmp_path, source_editing.plan(host(tmp_path), distribution=DEBIAN))

    assert (tmp_path / "etc/apt/sources.list").read_text() == "deb http://deb.debian.org/debian bookworm main\n"
    names = [one.uri for one in probes.on(host_again(tmp_path))]
    assert names == ["http://deb.debian.org/debian", "https://packages.example.com/ours"]
    assert source_editing.plan(host_again(tmp_path), distribution=DEBIAN).edits == ()


def test_what_has_to_stay_is_not_switched_off_by_patterns_that_forget_it(tmp_path: Path) -> None:
    with pytest.raises(MspError) as caught:
        source_editing.plan(host(tmp_path), allowed=DEBIAN, keep=["https://packages.example.com/ours/"])

    assert caught.value.code == "MSP-STD-102" and "secret" not in str(caught.value)


def test_a_host_is_never_left_without_any_repository(tmp_path: Path) -> None:
    with pytest.raises(MspError) as caught:
        source_editing.plan(host(tmp_path), allowed=["http://deb.debian.org.example.net/*"])

    assert caught.value.code == "MSP-STD-103"


BOOKWORM = {"/etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n"}


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        (["deb http://near.example.com/debian bookworm main", f"deb {OTHERS}"], "bookworm main"),
        (
            [
                "deb http://deb.debian.org/debian bookworm main",
                "deb http://near.example.com/debian-security bookworm-security main",
            ],
            "security updates of bookworm",
        ),
        (
            [
                "deb http://near.example.com/debian bookworm contrib",
                "deb-src http://deb.debian.org/debian bookworm main",
            ],
            "all that is on",
        ),
    ],
)
def test_a_host_is_never_left_without_its_distribution(tmp_path: Path, lines: list[str], lost: str) -> None:
    reader = made_reader(tmp_path, {**BOOKWORM, "/etc/apt/sources.list": "\n".join(lines) + "\n"})

    with pytest.raises(MspError) as caught:
        source_editing.plan(reader, allowed=OURS)

    assert caught.value.code == "MSP-STD-103"
    assert lost in caught.value.found


def test_a_mirror_may_go_where_another_one_of_the_same_stays(tmp_path: Path) -> None:
    lines = ["deb http://near.example.com/debian bookworm main", "deb http://deb.debian.org/debian bookworm main"]
    reader = made_reader(tmp_path, {**BOOKWORM, "/etc/apt/sources.list": "\n".join(lines) + "\n"})

    assert source_editing.plan(reader, allowed=OURS).off == (
        "http://near.example.com/debian bookworm (/etc/apt/sources.list)",
    )


def test_a_mirror_that_the_distribution_signed_stays_on_whatever_it_is_called(tmp_path: Path) -> None:
    files = {
        **BOOKWORM,
        "/usr/share/keyrings/debian-archive-keyring.gpg": "",
        "/var/lib/apt/lists/near.example.com_debian_dists_bookworm_InRelease": "Origin: Debian\nSHA256:\n",
        "/etc/apt/sources.list": f"deb http://near.example.com/debian bookworm main\ndeb {OTHERS}\n",
    }
    reader = made_reader(tmp_path, files, {"gpgv": "echo '[GNUPG:] VALIDSIG 4CB50190207B4758'"})

    plan = source_editing.plan(reader, allowed=DEBIAN, distribution=DEBIAN)

    assert [one.split()[0] for one in plan.off] == ["https://packages.example.com/ours"]
    assert probes.foreign_repositories(reader, DEBIAN)["found"] == list(plan.off)


def test_a_line_that_is_no_repository_stops_everything(tmp_path: Path) -> None:
    made_reader(tmp_path, FILES | {"/etc/apt/sources.list.d/odd.list": "debb http://x y z\n"})

    with pytest.raises(Unmeasurable, match=r"line 1 of /etc/apt/sources\.list\.d/odd\.list"):
        source_editing.plan(host_again(tmp_path), allowed=OURS)


def test_a_host_without_repositories_stays_one(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/etc/apt/sources.list.d/none.list": "# nothing\n"})

    assert source_editing.plan(reader, allowed=[], distribution=[]) == source_editing.Plan((), ())


def test_a_difference_shows_no_password(tmp_path: Path) -> None:
    plan = source_editing.plan(host(tmp_path), allowed=DEBIAN)

    shown = [source_writing.difference(edit) for edit in plan.edits]

    assert any("packages.example.com/ours" in one["after"] for one in shown)
    assert "secret" not in str(shown)
    assert "secret" in plan.edits[0].after
