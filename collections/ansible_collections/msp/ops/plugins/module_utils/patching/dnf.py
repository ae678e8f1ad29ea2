# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pending on a host with dnf 4, in the shape of patching/shape.py.

dnf itself is asked, through its Python interface (patching/dnf_inside.py), from its cache, and without root's rights
unless a repository's file is closed to others. Nothing is installed, and nothing is fetched but for the refresh that
was asked for. Without updateinfo nobody can tell a security update from another: the answer is "no metadata", never
"nothing to do".

dnf 5 is another program with another interface and another cache. It is recognised and refused, not guessed at.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import stat
import time
from collections.abc import Iterable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit import reboot
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.audit.probing import probe
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf_inside, effects, shape

MANAGER = "dnf"
# Large repositories whose solver cache is missing are read from XML, which takes its time on a small machine.
SECONDS_TO_READ = 180
SECONDS_TO_REFRESH = 600
_PAUSE = 0.5
# The vendors' words: Red Hat's, and those of others that mean the same. What an advisory does not rate says least.
_RANKS = {"critical": 0, "urgent": 0, "important": 1, "high": 1, "moderate": 2, "medium": 2, "low": 3}
_OTHER_WORD, _NO_WORD = 4, 5
_CONFIGURATION = "/etc/dnf/dnf.conf"
_PLACES = ("/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d", "/etc/dnf/vars", "/etc/dnf/plugins")
_CACHE = "/var/cache/dnf"
REFRESH = ("dnf", "--quiet", "--refresh", "--setopt=exit_on_lock=True", "makecache")
# dnf's status when another dnf is at work and it was told not to wait.
LOCKED = 200
_KERNEL = re.compile(r"kernel(-(core|modules|modules-core|rt|rt-core|uek|uek-core|64k|64k-core|debug|debug-core))?$")
_FILES = ("rpm", "-q", "--queryformat", "[%{=NAME}\t%{=ARCH}\t%{FILENAMES}\n]", "--")


def here(host: Host) -> bool:
    """A Debian host may have dnf as a tool; who asks for apt first never gets here with one."""
    return host.program("dnf") is not None


def collect(host: Host, wanted: shape.Wanted) -> dict:
    """The answer; what it could not measure is in host.notes too, where the caller finds it."""
    since, common = None, {}
    if wanted.refresh:
        since = int(time.time())
        changed, failure = refresh(host, wanted.lock_timeout)
        common = {"refreshed": failure is None, "changed": changed}
        if failure is not None:
            return shape.answer(MANAGER, shape.FAILED, failure, **common)
    # Before any program of ours runs, which would be found to use what is pending.
    running = probe(host, "running services", effects.collect, None)
    found = dict(read(host, since), **common)
    if found["updates"]:
        probe(host, "what updates need", _effects, None, found["updates"], running)
    return found


def prepare(host: Host) -> None:
    """Start to read; read() takes what was started."""
    interpreter, _why = find_interpreter(host)
    if interpreter is not None:
        host.prepare(*_asking(host, interpreter, {"ask": "pending"}), unprivileged=not closed(host))


def read(host: Host, since: int | None = None) -> dict:
    """What is pending, without what the updates need: that is asked of the running processes."""
    interpreter, why = find_interpreter(host)
    report = None
    if interpreter is not None:
        report, why = ask(host, interpreter, {"ask": "pending"})
    return shape.answer(MANAGER, shape.FAILED, why) if report is None else answer(report, since)


def find_interpreter(host: Host) -> tuple[str | None, str]:
    """The Python that dnf 4 runs on; or None, and why not."""
    program = host.program("dnf")
    if program is None:
        return None, "dnf is not installed"
    with open(program, "rb") as handle:
        first = handle.readline(200)
    if not first.startswith(b"#!"):
        return None, "this host's dnf is not dnf 4 (but dnf 5, or microdnf), which is all that this scan reads"
    words = first[2:].decode("utf-8", "replace").split()
    if words and os.path.basename(words[0]) == "env":
        words = words[1:]
    return (words[0], "") if words else (None, "%s names no interpreter" % program)


def ask(host: Host, interpreter: str, request: dict) -> tuple[dict | None, str]:
    """dnf's answer to a request of dnf_inside.py; or None, and why there is none."""
    argv = _asking(host, interpreter, request)
    answer = host.run(*argv, unprivileged=not closed(host), seconds=SECONDS_TO_READ)
    if not answer.started:
        return None, "dnf's interpreter %s cannot be started" % interpreter
    if answer.status != 0:
        return None, "dnf " + answer.reason()
    try:
        return json.loads(answer.out), ""
    except ValueError:
        return None, "dnf gave an answer that is no JSON: %s" % answer.out[:200]


def _asking(host: Host, interpreter: str, request: dict) -> tuple[str, ...]:
    """The program's text itself is given: a module that came over the wire is in no file that dnf's Python can open."""
    loader: Any = dnf_inside.__spec__ and dnf_inside.__spec__.loader
    asked = json.dumps(dict(request, scratch=host.scratch()), sort_keys=True)
    return (interpreter, "-s", "-c", loader.get_source(dnf_inside.__name__), asked)


def closed(host: Host) -> bool:
    """Is a part of what dnf reads closed to others? It would pass over that part, or find nothing.

    A repository's file may have a password in it; the cache is closed where root's umask is strict.
    """
    names = [_CONFIGURATION]
    for place in (*_PLACES, cache_of(host)):
        names += [place] + ["%s/%s" % (place, name) for name in host.names(place)]
    lists = [name + "/repodata" for name in names if host.exists(name + "/repodata")]
    names += lists + ["%s/%s" % (place, name) for place in lists for name in host.names(place)]
    return any(not _open(os.stat(host.path(name)).st_mode) for name in names if host.exists(name))


def _open(mode: int) -> bool:
    """To everybody: a file to be read, a directory to be entered too."""
    wanted = 0o005 if stat.S_ISDIR(mode) else 0o004
    return mode & wanted == wanted


def refresh(host: Host, lock_timeout: int) -> tuple[bool, str | None]:
    """Renew the package lists: did that change one, and why it failed.

    dnf passes over a repository that it may do without, and says nothing: its list is then older than the refresh.
    """
    if not host.privileged:
        return False, "only root can renew the package lists"
    before = _lists(host)
    end = time.monotonic() + lock_timeout
    answer = host.run(*REFRESH, seconds=SECONDS_TO_REFRESH)
    while answer.status == LOCKED and time.monotonic() < end:
        time.sleep(_PAUSE)
        answer = host.run(*REFRESH, seconds=SECONDS_TO_REFRESH)
    changed = _lists(host) != before
    if answer.status != 0:
        return changed, "dnf makecache " + _failure(answer)
    return changed, None


def _failure(answer: Output) -> str:
    """dnf names the repository in its line with Error, or who has the lock; what comes after it are hints."""
    lines = [line.strip() for line in answer.err.splitlines() if line.startswith("Error: ") or "locked by" in line]
    return "ended with status %d: %s" % (answer.status, lines[0][:300]) if lines else answer.reason()


def _lists(host: Host) -> dict[str, bytes]:
    """The heads of all lists: each names the lists below it by their hash."""
    place = cache_of(host)
    names = ["%s/%s/repodata/repomd.xml" % (place, name) for name in host.names(place)]
    return {name: host.data(name) for name in names if host.exists(name)}


def cache_of(host: Host) -> str:
    return cache_directory(host.text(_CONFIGURATION) if host.exists(_CONFIGURATION) else "")


def lock_files(cache: str) -> tuple[str, ...]:
    """The files in which a dnf at work writes its number."""
    return (cache + "/metadata_lock.pid", cache + "/download_lock.pid", "/var/lib/dnf/rpmdb_lock.pid")


def cache_directory(configuration: str) -> str:
    found = re.search(r"^\s*cachedir\s*=\s*(/\S+)", configuration, re.MULTILINE)
    return found.group(1).rstrip("/") if found else _CACHE


def answer(report: dict, since: int | None = None) -> dict:
    """dnf's own report in the common shape; since is when the lists were renewed, if they were.

    Pure: effects (needs, services) are added by who can see processes.

    A repository that may not be missing, by the host's own configuration, and is: nobody knows what is pending.
    """
    values: dict = {}
    loaded = [one for one in report["repositories"] if one["loaded"]]
    lost = [one["id"] for one in report["repositories"] if not one["loaded"] and not one["optional"]]
    times = [one["renewed"] for one in loaded if one["renewed"]]
    values["metadata_at"] = _iso(min(times)) if times else None
    values["warnings"] = warnings(report, since)
    values["blind"] = blind(report)
    if lost or not loaded:
        what = "of " + _names(lost) if lost else "at all"
        why = "the host has no package lists %s: dnf makecache was never run, or failed" % what
        return shape.answer(MANAGER, shape.NO_METADATA, why, **values)
    told = {one["id"] for one in loaded if one["updateinfo"] == "read"}
    if not told:
        why = "no repository says what its updates are for (updateinfo): %s" % _names(one["id"] for one in loaded)
        return shape.answer(MANAGER, shape.NO_METADATA, why, **values)
    transaction = report["transaction"]
    solved = transaction["problem"] is None
    if not solved:
        values["unknown"] = [{"what": "what updates bring and remove", "why": "dnf: " + transaction["problem"]}]
    rows = [update(row, told, solved, transaction) for row in report["rows"]]
    return shape.answer(
        MANAGER,
        shape.OK,
        updates=sorted(rows, key=lambda row: (row["name"], row["architecture"])),
        installs=_changes(transaction["installs"]) if solved else None,
        removes=_changes(transaction["removes"]) if solved else None,
        **values,
    )


def update(row: dict, told: set[str], solved: bool, transaction: dict) -> dict:
    """One update. told: the repositories that say what their updates are for."""
    notices = row["notices"]
    guarded = [one for one in notices if one["type"] == "security"]
    # Where one of the versions came from is not known to be told, silence is no evidence.
    silent = all(repository in told for _version, repository in row["versions"] if repository is not None)
    comes = [one["name"] for one in transaction["installs"] if row["name"] in one["wanted_by"]]
    goes = [one["name"] for one in transaction["removes"] if row["name"] in one["replaced_by"]]
    blocked = row["blocked"] if not row["moves"] else ""
    return shape.update(
        row["name"],
        row["architecture"],
        row["installed"],
        row["candidate"],
        origin=row["repository"],
        security=True if guarded else (False if silent else None),
        versions=[_version(number, repository, notices) for number, repository in row["versions"]],
        cves=sorted({cve for one in notices for cve in one["cves"]}),
        advisories=sorted({one["id"] for one in notices}),
        vendor=worst(one["severity"] for one in guarded),
        notices=sorted(
            (
                shape.notice(one["id"], one["type"], one["severity"], one["cves"], reboot=one["reboot"])
                for one in notices
            ),
            key=lambda one: str(one["id"]),
        ),
        held="" if blocked == shape.DEPENDENCIES and not solved else blocked,
        installs=sorted(comes),
        removes=sorted(goes),
        needs=shape.REBOOT if needs_reboot(row) else shape.UNKNOWN,
    )


def _version(number: str, repository: str | None, notices: list[dict]) -> dict:
    """changelog is true where an advisory says what this version is for: then its CVEs are all that are known."""
    mine = [one for one in notices if one["version"] == number]
    security = any(one["type"] == "security" for one in mine)
    cves = [cve for one in mine for cve in one["cves"]]
    return shape.version(number, repository, security, cves, changelog=bool(mine))


def worst(severities: Iterable[str]) -> str:
    """The vendor's worst word, as printed; one that nobody knows is said before none at all."""
    rated = sorted(
        (_NO_WORD if one in ("", "None") else _RANKS.get(one.lower(), _OTHER_WORD), one) for one in severities
    )
    return rated[-1][1] if rated and rated[0][0] == _NO_WORD else (rated[0][1] if rated else "")


def needs_reboot(row: dict) -> bool:
    """The vendor suggests it, or it is what a running system keeps until it is started again."""
    if any(one["reboot"] for one in row["notices"]):
        return True
    return row["name"] in reboot.CORE or bool(_KERNEL.match(row["name"]))


def warnings(report: dict, since: int | None = None) -> list[str]:
    """What a person should know before trusting the list, one sentence each."""
    found = [sentence for sentence, _blind in _of_lists(report, since)]
    for row in report["rows"]:
        if row["moves"] and row["blocked"]:
            what = "%s goes to %s, not to %s: %s" % (row["name"], row["candidate"], row["newest"], row["blocked"])
            found.append(what + ("; that leaves %s open" % _names(row["left_open"]) if row["left_open"] else ""))
    for one in report["transaction"]["removes"]:
        if one["replaced_by"]:
            found.append("%s is replaced by %s" % (one["name"], _names(one["replaced_by"])))
    # That one is told above, with what it means.
    return found + ["dnf: %s" % line for line in report["said"] if not line.startswith("Ignoring repositories")]


def blind(report: dict) -> list[str]:
    """What of dnf's repositories is not there to be seen, one sentence each: updates of it may wait and are not listed.

    A repository that has no updateinfo at all lists what waits, if not what for.
    """
    return [sentence for sentence, blind_for in _of_lists(report, None) if blind_for]


def _of_lists(report: dict, since: int | None) -> list[tuple[str, bool]]:
    """What is wrong with the package lists, a sentence each, and whether updates may be missing by it."""
    repositories = report["repositories"]
    older = [one["id"] for one in repositories if one["loaded"] and since and (one["renewed"] or 0) < since]
    lost, silent = _ids(repositories, loaded=False, optional=True), _ids(repositories, loaded=True, updateinfo="none")
    partly = _ids(repositories, loaded=True, updateinfo="not fetched")
    told = (
        ("there is no package list of %s, which dnf may do without", lost, True),
        ("could not be renewed, so that what is known of it is older: %s", older, False),
        ("no updateinfo, so nobody can tell security updates: %s", silent, False),
        ("the updateinfo of %s was not fetched", partly, True),
        ("files of repositories that could not be read: %s", report["unreadable"], True),
        ("module streams hide newer versions of %s", report["hidden"], False),
    )
    return [(title % _names(names), blinds) for title, names, blinds in told if names]


def _ids(repositories: list[dict], **values: Any) -> list[str]:
    return [one["id"] for one in repositories if all(one[name] == value for name, value in values.items())]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _changes(rows: list[dict]) -> list[dict]:
    found = [shape.change(row["name"], row["architecture"], row["version"]) for row in rows]
    return sorted(found, key=lambda row: (row["name"], row["architecture"]))


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _effects(host: Host, updates: list[dict], running: effects.Running | None) -> None:
    """What each update needs, from the files that running programs use now."""
    if running is None:
        return
    names = sorted({"%s.%s" % (row["name"], row["architecture"]) for row in updates})
    answer = host.run(*_FILES, *names, unprivileged=True)
    files = parse_files(answer.out)
    for row in updates:
        needs, services = effects.judge(row["name"], files.get((row["name"], row["architecture"])), running)
        row["services"] = services
        if row["needs"] != shape.REBOOT:
            row["needs"] = needs


def parse_files(text: str) -> dict[tuple[str, str], list[str]]:
    """The lines of _FILES: name, architecture, file; rpm says of a package without files that it contains none."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) == 3:
            found.setdefault((words[0], words[1]), []).append(words[2])
    return found
