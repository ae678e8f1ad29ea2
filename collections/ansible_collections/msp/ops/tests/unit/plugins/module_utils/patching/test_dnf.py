# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""dnf's report in the common shape, and who is asked for it.

recorded/dnf_pending.json is what a real dnf 4.23 said of the repositories in tests/made_dnf.py, which
tests/test_patch_dnf.py sets up for it; 4.14 says the same.
"""

from __future__ import annotations

import copy
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf, shape

REPORT = json.loads((Path(__file__).parent / "recorded" / "dnf_pending.json").read_text(encoding="utf-8"))


def report(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(REPORT), **values}


def repository(name: str, **values: Any) -> dict[str, Any]:
    made = {"id": name, "loaded": True, "optional": False, "renewed": 1_780_000_000, "updateinfo": "read"}
    return {**made, **values}


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["updates"]}


def row(**values: Any) -> dict[str, Any]:
    made = {
        "name": "lab-web",
        "architecture": "noarch",
        "installed": "1.0-1",
        "candidate": "1.2-1",
        "repository": "updates",
        "newest": "1.2-1",
        "moves": True,
        "blocked": "",
        "left_open": [],
        "versions": [["1.2-1", "updates"]],
        "notices": [],
    }
    return {**made, **values}


def notice(kind: str, severity: str, version: str = "1.2-1", **values: Any) -> dict[str, Any]:
    made = {"id": "LAB-1", "type": kind, "severity": severity, "cves": [], "reboot": False, "version": version}
    return {**made, **values}


NOTHING: dict[str, Any] = {"installs": [], "removes": [], "problem": None}


def test_a_recorded_report_becomes_updates_with_their_severity_and_what_holds_them() -> None:
    found = dnf.answer(REPORT)

    assert (found["outcome"], found["why"], found["manager"]) == ("ok", None, "dnf")
    assert {name: one["vendor"] for name, one in rows(found).items() if one["security"]} == {
        "lab-app": "Low",
        "lab-barred": "Important",
        "lab-clock": "None",
        "lab-core": "Important",
        "lab-db": "Critical",
        "lab-gone": "Critical",
        "lab-locked": "Important",
        "lab-mail": "Moderate",
        "lab-print": "Low",
        "lab-web": "Important",
    }
    assert {name: one["held"] for name, one in rows(found).items() if one["held"]} == {
        "lab-barred": "excluded",
        "lab-locked": "versionlock",
        "lab-stuck": "dependencies",
    }
    assert rows(found)["lab-app"]["installs"] == ["lab-library"]
    assert found["removes"] == [shape.change("lab-old", "noarch", "1.0-1")]


def test_an_earlier_security_advisory_makes_a_security_update_of_a_later_bugfix() -> None:
    found = rows(dnf.answer(REPORT))["lab-gone"]

    assert found["security"] is True
    assert [(one["version"], one["security"]) for one in found["versions"]] == [("1.1-1", True), ("1.2-1", False)]
    assert found["cves"] == ["CVE-2026-1010"]


@pytest.mark.parametrize(
    ("versions", "notices", "security"),
    [
        ([["1.2-1", "updates"]], [], False),
        ([["1.2-1", "extra"]], [], None),
        ([["1.1-1", "extra"], ["1.2-1", "updates"]], [notice("bugfix", "")], None),
        ([["1.1-1", None], ["1.2-1", "updates"]], [notice("bugfix", "", "1.1-1")], False),
        ([["1.2-1", "extra"]], [notice("security", "Low")], True),
    ],
)
def test_silence_is_evidence_only_where_every_repository_tells(
    versions: list[list[str | None]], notices: list[dict[str, Any]], security: bool | None
) -> None:
    one = row(versions=versions, notices=notices)

    assert dnf.update(one, {"updates"}, solved=True, transaction=NOTHING)["security"] is security


@pytest.mark.parametrize(
    ("repositories", "outcome", "why"),
    [
        ([repository("updates"), repository("base", updateinfo="none")], "ok", None),
        (
            [repository("base", updateinfo="none"), repository("extra", updateinfo="not fetched")],
            "no metadata",
            "no repository says what its updates are for (updateinfo): base, extra",
        ),
        (
            [repository("base"), repository("updates", loaded=False)],
            "no metadata",
            "the host has no package lists of updates: dnf makecache was never run, or failed",
        ),
        ([repository("updates"), repository("extra", loaded=False, optional=True)], "ok", None),
        (
            [repository("extra", loaded=False, optional=True)],
            "no metadata",
            "the host has no package lists at all: dnf makecache was never run, or failed",
        ),
        ([], "no metadata", "the host has no package lists at all: dnf makecache was never run, or failed"),
    ],
)
def test_nobody_knows_what_is_pending_where_a_list_or_all_updateinfo_is_missing(
    repositories: list[dict[str, Any]], outcome: str, why: str | None
) -> None:
    found = dnf.answer(report(repositories=repositories))

    assert (found["outcome"], found["why"]) == (outcome, why)
    assert (found["updates"] is None) == (outcome != "ok")


def test_a_host_with_nothing_to_do_and_no_updateinfo_is_not_said_to_have_nothing_to_do() -> None:
    found = dnf.answer(report(repositories=[repository("base", updateinfo="none")], rows=[]))

    assert (found["outcome"], found["updates"]) == ("no metadata", None)


@pytest.mark.parametrize(
    ("repositories", "unreadable", "blind"),
    [
        ([repository("updates")], [], []),
        ([repository("updates"), repository("plain", updateinfo="none")], [], []),  # it lists what waits
        ([repository("updates"), repository("half", updateinfo="not fetched")], [], ["updateinfo of half"]),
        ([repository("updates"), repository("away", loaded=False, optional=True, renewed=None)], [], ["list of away"]),
        ([repository("updates")], ["/etc/yum.repos.d/x.repo"], ["x.repo"]),
    ],
)
def test_a_list_that_may_lack_updates_says_what_it_is_blind_for(
    repositories: list[dict[str, Any]], unreadable: list[str], blind: list[str]
) -> None:
    found = dnf.answer(report(repositories=repositories, unreadable=unreadable))

    assert found["outcome"] == "ok"
    assert len(found["blind"]) == len(blind)
    assert all(word in sentence for word, sentence in zip(blind, found["blind"], strict=True))
    assert set(found["blind"]) <= set(found["warnings"])


def test_warnings_name_what_the_list_may_lack() -> None:
    repositories = [
        repository("updates"),
        repository("old", renewed=1_779_000_000),
        repository("plain", updateinfo="none"),
        repository("half", updateinfo="not fetched"),
        repository("away", loaded=False, optional=True, renewed=None),
    ]
    said = ["Ignoring repositories: away", "failed loading '/etc/yum.repos.d/x.repo'"]
    made = report(
        repositories=repositories, unreadable=["/etc/yum.repos.d/x.repo"], said=said, rows=[], transaction=NOTHING
    )

    assert dnf.warnings(made, since=1_780_000_000) == [
        "there is no package list of away, which dnf may do without",
        "could not be renewed, so that what is known of it is older: old",
        "no updateinfo, so nobody can tell security updates: plain",
        "the updateinfo of half was not fetched",
        "files of repositories that could not be read: /etc/yum.repos.d/x.repo",
        "module streams hide newer versions of lab-runtime",
        "dnf: failed loading '/etc/yum.repos.d/x.repo'",
    ]


def test_a_warning_tells_what_a_version_that_cannot_be_reached_would_have_closed() -> None:
    assert (
        "lab-half goes to 1.1-1, not to 1.2-1: dependencies; that leaves LAB-SA-2026:0016 open"
        in dnf.answer(REPORT)["warnings"]
    )


def test_the_oldest_list_is_as_old_as_what_is_known() -> None:
    repositories = [repository("base", renewed=1_780_000_000), repository("updates", renewed=1_780_003_600)]

    assert dnf.answer(report(repositories=repositories))["metadata_at"] == "2026-05-28T20:26:40Z"


def test_a_transaction_that_dnf_cannot_solve_leaves_open_what_moves() -> None:
    transaction = {"installs": [], "removes": [], "problem": "conflicting requests"}
    blocked = [row(moves=False, blocked="dependencies"), row(name="lab-locked", moves=False, blocked="versionlock")]

    found = dnf.answer(report(rows=blocked, transaction=transaction))

    assert [one["held"] for one in found["updates"]] == ["versionlock", ""]
    assert (found["installs"], found["removes"]) == (None, None)
    assert found["unknown"] == [{"what": "what updates bring and remove", "why": "dnf: conflicting requests"}]


@pytest.mark.parametrize(
    ("severities", "word"),
    [
        ([], ""),
        ([""], ""),
        (["None", ""], "None"),
        (["Low", "Critical", "Moderate"], "Critical"),
        (["medium", "Important"], "Important"),
        (["None", "Weird"], "Weird"),
        (["Weird", "Low"], "Low"),
    ],
)
def test_the_vendors_worst_word_is_kept_as_it_is_printed(severities: list[str], word: str) -> None:
    assert dnf.worst(severities) == word


def test_the_severity_of_what_closes_no_hole_does_not_count() -> None:
    one = row(notices=[notice("bugfix", "Critical", id="LAB-2"), notice("security", "Low")])

    assert dnf.update(one, {"updates"}, solved=True, transaction=NOTHING)["vendor"] == "Low"


WORDS = st.sampled_from(["Critical", "Important", "Moderate", "Low", "None", "", "urgent", "high", "medium", "odd"])


@settings(max_examples=50)
@given(st.lists(WORDS, min_size=1), WORDS)
def test_another_advisory_never_makes_it_less_severe(severities: list[str], more: str) -> None:
    order = ["critical", "urgent", "important", "high", "moderate", "medium", "low", "odd", "none", ""]

    before, after = (dnf.worst(words) for words in (severities, [*severities, more]))

    same = {"urgent": "critical", "high": "important", "medium": "moderate"}
    ranks = [order.index(same.get(word.lower(), word.lower())) for word in (before, after)]
    assert ranks[1] <= ranks[0]


@pytest.mark.parametrize(
    ("name", "notices", "reboot"),
    [
        ("kernel-core", [], True),
        ("kernel", [], True),
        ("kernel-headers", [], False),
        ("glibc", [], True),
        ("lab-web", [], False),
        ("lab-web", [notice("bugfix", "", reboot=True)], True),
    ],
)
def test_a_reboot_is_needed_by_the_vendors_word_or_by_what_a_running_system_keeps(
    name: str, notices: list[dict[str, Any]], reboot: bool
) -> None:
    assert dnf.needs_reboot(row(name=name, notices=notices)) is reboot


def install(root: Path, name: str, content: bytes) -> None:
    program = root / "usr/bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(content)
    program.chmod(0o755)


def test_dnf_5_is_recognised_and_refused(tmp_path: Path) -> None:
    install(tmp_path, "dnf5", b"\x7fELF")
    (tmp_path / "usr/bin/dnf").symlink_to("dnf5")

    found = dnf.collect(Host(str(tmp_path)), shape.Wanted())

    assert (found["outcome"], found["updates"]) == ("failed", None)
    assert found["why"] == "this host's dnf is not dnf 4 (but dnf 5, or microdnf), which is all that this scan reads"


def test_a_host_without_dnf_is_a_failure(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    assert dnf.here(host) is False
    assert dnf.collect(host, shape.Wanted())["why"] == "dnf is not installed"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'Traceback' >&2; echo 'dnf.exceptions.Error: rpmdb open failed' >&2; exit 1", "rpmdb open failed"),
        ("echo nonsense", "an answer that is no JSON: nonsense"),
    ],
)
def test_a_dnf_that_breaks_is_a_failure_with_its_last_words(tmp_path: Path, script: str, why: str) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\n{script}\n")
    interpreter.chmod(0o755)
    tmp_path.chmod(0o755)
    install(tmp_path, "dnf", b"#!%s -s\n" % os.fsencode(interpreter))
    host = Host(str(tmp_path))
    host.privileged = False
    try:
        found = dnf.read(host)
    finally:
        host.close()

    assert found["outcome"] == "failed"
    assert why in found["why"]


def test_the_program_is_given_to_dnfs_own_interpreter_with_the_request(tmp_path: Path) -> None:
    saying = "import json,sys; print(json.dumps([sys.argv[3][:11], json.loads(sys.argv[4])['ask']]))"
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{saying}" "$@"\n')
    fake.chmod(0o755)
    host = Host(str(tmp_path))
    host.privileged = False
    try:
        told, why = dnf.ask(host, str(fake), {"ask": "pending"})
    finally:
        host.close()

    assert json.dumps([told, why]) == '[["# Copyright", "pending"], ""]'


def test_only_root_renews_the_lists(tmp_path: Path) -> None:
    install(tmp_path, "dnf", b"#!/usr/bin/python3\n")
    host = Host(str(tmp_path))
    host.privileged = False

    found = dnf.collect(host, shape.Wanted(refresh=True))

    assert (found["outcome"], found["why"]) == ("failed", "only root can renew the package lists")


class Refreshed(Host):
    """A host whose dnf makecache gives these answers, one after the other."""

    def __init__(self, root: Path, answers: list[Output]) -> None:
        super().__init__(str(root))
        self.privileged = True
        self.answers = answers

    def run(self, *_argv: str, **_options: Any) -> Output:
        return self.answers.pop(0)


def test_a_lock_is_waited_for_and_the_refresh_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnf, "_PAUSE", 0)
    host = Refreshed(tmp_path, [Output(200, err="metadata already locked by 1\n"), Output(0)])

    assert dnf.refresh(host, 60) == (False, None)
    assert host.answers == []


def test_a_lock_that_stays_is_a_failure_that_names_who_has_it(tmp_path: Path) -> None:
    text = "metadata already locked by 77\n  The application with PID 77 is: dnf\n    State  : Sleeping\n"

    changed, why = dnf.refresh(Refreshed(tmp_path, [Output(200, err=text)]), 0)

    assert (changed, why) == (False, "dnf makecache ended with status 200: metadata already locked by 77")


def test_a_file_that_is_closed_to_others_is_found(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    files = [
        tmp_path / name
        for name in (
            "etc/dnf/dnf.conf",
            "etc/yum.repos.d/a.repo",
            "var/cache/dnf/a.solv",
            "var/cache/dnf/a-1/repodata/x",
        )
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o644)
    found = [dnf.closed(host)]
    for path, mode in [*((file, 0o640) for file in files), (files[3].parent, 0o700), (files[2].parent, 0o711)]:
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        found.append(dnf.closed(host))
        path.chmod(before)

    assert found == [False, True, True, True, True, True, True]


@pytest.mark.parametrize(
    ("line", "interpreter"),
    [
        (b"#!/usr/libexec/platform-python -s\n", "/usr/libexec/platform-python"),
        (b"#!/usr/bin/env python3\n", "python3"),
        (b"#!\n", None),
    ],
)
def test_the_interpreter_is_the_one_that_dnf_names(tmp_path: Path, line: bytes, interpreter: str | None) -> None:
    install(tmp_path, "dnf", line)

    assert dnf.find_interpreter(Host(str(tmp_path)))[0] == interpreter


@pytest.mark.parametrize(
    ("text", "place"),
    [("[main]\n", "/var/cache/dnf"), ("[main]\ncachedir = /srv/cache/\n", "/srv/cache"), ("", "/var/cache/dnf")],
)
def test_the_cache_is_where_the_configuration_says(text: str, place: str) -> None:
    assert dnf.cache_directory(text) == place


def test_files_are_read_by_package_and_a_package_without_files_has_none() -> None:
    text = "lab-web\tnoarch\t/usr/share/a b\nlab-web\tnoarch\t/usr/bin/web\n(contains no files)\n"

    assert dnf.parse_files(text) == {("lab-web", "noarch"): ["/usr/share/a b", "/usr/bin/web"]}
