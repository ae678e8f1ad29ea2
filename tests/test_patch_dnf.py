"""What is pending by a real dnf 4, in the versions that Debian has, and how exact versions are installed with it.

The repositories are made (tests/made_dnf.py). Everything that travels to hosts runs inside the container, with the
container's own Python. dnf 5 is in no package of Debian's: only its refusal is tested, in the unit tests.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching import rpmversion
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts, image, podman
from lab.rpms import PLACE, DnfHost, Rpm, dnf_host

_spec = importlib.util.spec_from_file_location("made_dnf", Path(__file__).with_name("made_dnf.py"))
assert _spec is not None and _spec.loader is not None
made = sys.modules.setdefault("made_dnf", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(made)

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.lab
VERSIONS = (
    "1.0", "1.00", "1.0a", "1.0.a", "1.0.1", "1.10", "1.9", "1.0~rc1", "1.0~", "1.0~~", "1.0^git1", "1.0^", "1.0~rc1^1",
    "1.0^1~rc1", "a", "b", "ab", "1.a", "1_0", "2", "2.el9", "2.el9_4", "2.el10", "5.14.0", "10xyz", "10abc", "",
)  # fmt: skip
RECIPES = {"4.14.0": image.DEBIAN_12_DNF, "4.23.0": image.DEBIAN_13_DNF}
REPOSITORIES: dict[str, dict[str, str]] = {"base": {}, "updates": {}, "extra": {}}
LOCKS = "/etc/dnf/plugins/versionlock.list"
UTILS = "ansible_collections.msp.ops.plugins.module_utils"
PENDING = f"""
import json
from {UTILS}.audit.host import Host
from {UTILS}.patching import dnf, shape
host = Host()
try:
    print(json.dumps(dnf.collect(host, shape.Wanted(refresh=%r, lock_timeout=1))))
finally:
    host.close()
"""
AUDIT = f"""
import json
from {UTILS}.audit import packages, updates
from {UTILS}.audit.host import Host
host = Host()
try:
    updates.prepare(host, "rpm", [])
    found, _origins = updates.collect(host, "rpm", [])
    print(json.dumps([found, sorted(host.notes), updates.metadata_time(host, "rpm")]))
finally:
    host.close()
"""
# What is refused is refused for each of several transactions, of which none is begun; else there is one.
INSTALL = f"""
import json, os, sys
from {UTILS}.audit.host import Host
from {UTILS}.patching import dnf as asking
from {UTILS}.patching.install import dnf, preflight, programs
from {UTILS}.patching.install.request import Package, Request
several, back, begin = %r, %r, %r
log = "/tmp/install.log"
if os.path.exists(log):
    os.unlink(log)
host = Host()
# The container is a Debian one, and would be taken for that.
interpreter, why = asking.find_interpreter(host)
found = dnf.Dnf(host, programs.Programs(), interpreter)
refused = []
for words in several:
    packages = [Package(*one) for one in words]
    targets = [found.named(package) for package in packages]
    before = found.states()
    todo = preflight.Todo(tuple(packages))
    read = preflight.gather(Request("r", lock_timeout=0, packages=()), found, host, todo, targets, back=back)
    refused.append([str(one) for one in preflight.refusals(Request("r", packages=()), read)])
steps = []
if begin == "anyway" or begin == "if allowed" and not any(refused):
    for do in (found.download, found.install):
        status = do(targets, log, 0, back=back)
        after = found.states()
        steps.append([status, {{key: [before[key].version if key in before else None, state.version, list(state.others)]
                               for key, state in after.items()
                               if key not in before or before[key].version != state.version}}])
text = open(log).read() if os.path.exists(log) else ""
print(json.dumps(dict(
    refused=refused, steps=steps, errors=found.errors(text), scripts=found.failed_scripts(text),
    also=[move.key for move in read.simulation.installs], cost=[read.download, read.simulation.cost.changes],
)))
"""
# What is asked of rpm is which of two versions it takes for the newer one, as rpm.vercmp gives it.
COMPARE = """
import json, subprocess, sys
pairs = json.load(sys.stdin)
lua = "".join('print(rpm.vercmp("%s", "%s") .. " ")' % tuple(pair) for pair in pairs)
done = subprocess.run(["rpm", "--eval", "%{lua:" + lua + "}"], stdout=subprocess.PIPE, text=True, check=True)
print(done.stdout)
"""


@pytest.fixture(scope="module", params=sorted(RECIPES), ids=lambda version: f"dnf-{version}")
def host(request: pytest.FixtureRequest) -> Iterator[DnfHost]:
    """A host that has the first version of everything, in the state in which every test finds it and leaves it."""
    if reason := hosts.available():
        pytest.skip(reason)
    recipe = RECIPES[request.param]
    image.ensure([recipe], lambda _title: contextlib.nullcontext())
    worker = os.environ.get("PYTEST_XDIST_WORKER", str(os.getpid()))
    with dnf_host(f"msp-test-dnf-{recipe.suite}-{worker}", recipe) as found:
        found.build([*made.BASE, *made.UPDATES.values(), *made.EXTRA])
        found.publish("base", made.BASE, modules=made.MODULES)
        found.publish("updates", list(made.UPDATES.values()), made.NOTICES)
        found.publish("extra", made.EXTRA)
        configure(found, installonlypkgs="lab-core")
        found.run("dnf", "--quiet", "--assumeyes", "module", "enable", "runtime:1")
        found.run("dnf", "--quiet", "--assumeyes", "install", *(rpm.nevra for rpm in made.INSTALLED))
        configure(found)
        found.write({LOCKS: made.LOCKED})
        assert found.run("dnf", "--version").splitlines()[0] == request.param
        yield found


# What is asked of the command line, and not of dnf's own interface, is asked of the older one, which is RHEL 9's.
on_one = pytest.mark.parametrize("host", ["4.14.0"], indirect=True, ids=["dnf-4.14.0"], scope="module")


def configure(host: DnfHost, repositories: dict[str, dict[str, str]] | None = None, **main: str) -> None:
    host.configure(REPOSITORIES if repositories is None else repositories, main or made.MAIN)


def pending(host: DnfHost, *, refresh: bool = False) -> dict[str, Any]:
    return dict(json.loads(host.python(PENDING % refresh)))


Target = tuple[str, str, str]


def install(host: DnfHost, *targets: Target, back: bool = False, begin: str = "if allowed") -> dict[str, Any]:
    return dict(json.loads(host.python(INSTALL % ([[list(target) for target in targets]], back, begin))))


def back_to(host: DnfHost, name: str) -> None:
    """The first version again, without a word to dnf."""
    host.run("rpm", "--upgrade", "--oldpackage", f"{PLACE}/base/{name}-1.0-1.noarch.rpm")


def refusals(host: DnfHost, several: Sequence[Sequence[Target]]) -> list[list[str]]:
    """Why none of these transactions would be begun."""
    plain = [[list(target) for target in targets] for targets in several]
    return list(json.loads(host.python(INSTALL % (plain, False, "never")))["refused"])


@dataclass(frozen=True)
class Scanned:
    """The first scan of a host, and the state of the host before and after it."""

    found: dict[str, Any]
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def scanned(host: DnfHost) -> Scanned:
    before = state(host)
    found = pending(host)
    return Scanned(found, before, state(host))


@pytest.fixture(scope="module")
def found(scanned: Scanned) -> dict[str, Any]:
    return scanned.found


@pytest.fixture(scope="module")
def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert found["outcome"] == "ok", found["why"]
    return {row["name"]: row for row in found["updates"]}


def state(host: DnfHost) -> list[str]:
    """Every directory and file of the places where dnf keeps something; of files, their size and time."""
    places = ["/var/cache/dnf", "/var/lib/dnf", "/var/lib/rpm", "/var/tmp", "/tmp", "/var/log", "/etc/dnf"]  # noqa: S108
    # A database that is read touches the memory that its readers share.
    file = ["!", "-name", "*-shm", "!", "-name", ".rpm.lock", "-printf", "%p %s %T@\\n"]
    text = host.run("find", *places, "-type", "d", "-printf", "%p\\n", "-o", *file)
    return sorted(text.splitlines())


SECURITY = {
    "dbus-broker": (False, "", "reboot"),
    "lab-app": (True, "Low", "nothing"),
    "lab-barred": (True, "Important", "nothing"),
    "lab-broken": (False, "", "nothing"),
    "lab-clock": (True, "None", "nothing"),
    "lab-clumsy": (False, "", "nothing"),
    "lab-core": (True, "Important", "nothing"),
    "lab-db": (True, "Critical", "nothing"),
    "lab-firmware": (False, "", "reboot"),
    "lab-gone": (True, "Critical", "nothing"),
    "lab-half": (False, "", "nothing"),
    "lab-locked": (True, "Important", "nothing"),
    "lab-mail": (True, "Moderate", "nothing"),
    "lab-notes": (False, "", "nothing"),
    "lab-plain": (None, "", "nothing"),
    "lab-print": (True, "Low", "nothing"),
    "lab-stuck": (False, "", "nothing"),
    "lab-web": (True, "Important", "nothing"),
}


def test_every_update_is_there_with_its_security_its_vendors_severity_and_what_it_needs(
    rows: dict[str, dict[str, Any]],
) -> None:
    assert {name: (row["security"], row["vendor"], row["needs"]) for name, row in rows.items()} == SECURITY


def test_an_update_says_from_what_to_what_and_out_of_which_repository(rows: dict[str, dict[str, Any]]) -> None:
    keys = ("architecture", "installed", "candidate", "origin")

    assert [rows["lab-db"][key] for key in keys] == ["x86_64", "1:1.0-1", "1:1.1-1", "updates"]
    assert [rows["lab-web"][key] for key in keys] == ["noarch", "1.0-1", "1.2-1", "updates"]
    assert [rows["lab-plain"][key] for key in keys] == ["noarch", "1.0-1", "1.1-1", "extra"]


def test_all_advisories_between_count_and_those_of_other_versions_do_not(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["lab-web"]["notices"] == [
        {"id": "LAB-BA-2026:0003", "type": "bugfix", "severity": "None", "cves": [], "reboot": False},
        {
            "id": "LAB-SA-2026:0002",
            "type": "security",
            "severity": "Important",
            "cves": ["CVE-2026-1002", "CVE-2026-1003"],
            "reboot": False,
        },
    ]
    assert rows["lab-core"]["advisories"] == ["LAB-SA-2026:0012", "LAB-SA-2026:0013"]
    assert rows["lab-core"]["cves"] == ["CVE-2026-1012", "CVE-2026-1013"]
    assert rows["lab-notes"]["advisories"] == ["LAB-EA-2026:0007"]
    assert rows["lab-firmware"]["notices"][0]["reboot"] is True


def test_versions_between_are_kept_even_when_no_repository_has_them_any_more(rows: dict[str, dict[str, Any]]) -> None:
    first, second = rows["lab-web"]["versions"]
    vanished, last = rows["lab-gone"]["versions"]

    assert [(one["version"], one["origin"], one["security"]) for one in (first, second)] == [
        ("1.1-1", "updates", True),
        ("1.2-1", "updates", False),
    ]
    assert (vanished["version"], vanished["origin"], vanished["cves"]) == ("1.1-1", None, ["CVE-2026-1010"])
    assert (last["version"], last["security"]) == ("1.2-1", False)


def test_what_does_not_move_says_why(rows: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    held = {name: row["held"] for name, row in rows.items() if row["held"]}

    assert held == {"lab-locked": "versionlock", "lab-barred": "excluded", "lab-stuck": "dependencies"}
    assert "lab-half goes to 1.1-1, not to 1.2-1: dependencies; that leaves LAB-SA-2026:0016 open" in found["warnings"]
    assert "module streams hide newer versions of lab-runtime" in found["warnings"]


def test_what_comes_and_goes_with_the_updates_is_said(rows: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    assert [one["name"] for one in found["installs"]] == ["lab-library", "lab-new"]
    assert [one["name"] for one in found["removes"]] == ["lab-old"]
    assert rows["lab-app"]["installs"] == ["lab-library"]
    assert "lab-old is replaced by lab-new" in found["warnings"]


def test_a_scan_leaves_the_host_as_it_was(scanned: Scanned) -> None:
    assert scanned.after == scanned.before


def test_what_is_closed_to_others_is_read_all_the_same(host: DnfHost, found: dict[str, Any]) -> None:
    places = ("/etc/yum.repos.d/lab.repo", "/var/cache/dnf")
    host.run("chmod", "-R", "go=", *places)
    try:
        assert pending(host) == found
    finally:
        host.run("chmod", "-R", "go=rX", *places)


def test_without_updateinfo_nobody_knows_what_is_pending(host: DnfHost) -> None:
    configure(host, {"base": {}, "extra": {}})
    try:
        said = pending(host)
        audited, _notes, _at = json.loads(host.python(AUDIT))
    finally:
        configure(host)

    assert (said["outcome"], said["updates"]) == ("no metadata", None)
    assert said["why"] == "no repository says what its updates are for (updateinfo): base, extra"
    assert (audited["known"], audited["total"], audited["security"]) == (False, None, None)


def test_a_repository_without_a_cache_is_said_and_may_be_missing_only_where_the_host_allows_it(host: DnfHost) -> None:
    host.write({f"{PLACE}/never/note": "no repository\n"})
    configure(host, {**REPOSITORIES, "never": {}})
    try:
        refused = pending(host)
        configure(host, {**REPOSITORIES, "never": {"skip_if_unavailable": "True"}})
        allowed = pending(host)
    finally:
        configure(host)

    assert refused["outcome"] == "no metadata"
    assert refused["why"] == "the host has no package lists of never: dnf makecache was never run, or failed"
    assert allowed["outcome"] == "ok"
    assert "there is no package list of never, which dnf may do without" in allowed["warnings"]


@on_one
def test_the_lists_are_renewed_only_when_that_is_asked_for(host: DnfHost, found: dict[str, Any]) -> None:
    newer = Rpm("lab-plain", "1.3")
    host.publish("extra", [*made.EXTRA, newer])
    try:
        old = pending(host)
        fresh = pending(host, refresh=True)
        again = pending(host, refresh=True)
    finally:
        host.publish("extra", made.EXTRA)
        back = pending(host, refresh=True)

    candidates = [
        next(row["candidate"] for row in one["updates"] if row["name"] == "lab-plain") for one in (old, fresh)
    ]
    assert candidates == ["1.1-1", "1.3-1"]
    assert [one["changed"] for one in (old, fresh, again)] == [False, True, False]
    assert [one["refreshed"] for one in (old, fresh, again)] == [False, True, True]
    assert old["metadata_at"] == found["metadata_at"] < fresh["metadata_at"]
    assert back["updates"] == found["updates"]


@on_one
def test_a_repository_that_cannot_be_renewed_is_a_failure_or_said_where_the_host_may_do_without(host: DnfHost) -> None:
    host.run("mv", f"{PLACE}/extra", f"{PLACE}/away")
    try:
        failed = pending(host, refresh=True)
        configure(host, {**REPOSITORIES, "extra": {"skip_if_unavailable": "True"}})
        passed = pending(host, refresh=True)
    finally:
        host.run("mv", f"{PLACE}/away", f"{PLACE}/extra")
        configure(host)

    assert (failed["outcome"], failed["updates"], failed["refreshed"]) == ("failed", None, False)
    assert "Failed to download metadata for repo 'extra'" in failed["why"]
    assert passed["outcome"] == "ok"
    assert "could not be renewed, so that what is known of it is older: extra" in passed["warnings"]


def test_another_dnf_at_work_is_waited_for_no_longer_than_asked(host: DnfHost) -> None:
    host.write({"/var/cache/dnf/metadata_lock.pid": "1"})
    try:
        said = pending(host, refresh=True)
    finally:
        host.run("rm", "/var/cache/dnf/metadata_lock.pid")

    assert said["outcome"] == "failed"
    assert "locked by 1" in said["why"]


def test_the_audit_says_the_same_of_what_waits(host: DnfHost, rows: dict[str, dict[str, Any]]) -> None:
    audited, notes, renewed = json.loads(host.python(AUDIT))

    assert audited["known"] is True
    assert audited["total"] == len(rows)
    assert {row["name"]: row["security"] for row in audited["pending"]} == {
        name: row["security"] for name, row in rows.items()
    }
    assert audited["security"] == sum(1 for row in rows.values() if row["security"])
    assert ["updates", "no updateinfo, so nobody can tell security updates: base, extra"] in notes
    now = float(host.run("date", "+%s"))
    assert now - 600 < renewed <= now


def scan_through_ansible(host: DnfHost, place: Path) -> dict[str, Any]:
    """The result of msp.ops.patch_scan on a host that has dpkg only as a tool, as one of the RHEL family may have."""
    store = f"sqlite:///{place / 'evidence.db'}"
    environment = {"MSP_STORE_URL": store, "XDG_STATE_HOME": str(place), "XDG_CACHE_HOME": str(place)}
    environment.update({"MSP_DURABLE_PATHS": str(place), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSP_DURABLE_PATHS", str(place))
        Store.open(store, upgrade=True).close()
    variables = {
        "ansible_connection": "containers.podman.podman",
        "ansible_host": host.container,
        "msp": {"customer": "bakkerij-jansen", "asset": {"key": "dcim.device:1"}},
    }
    out = {"content": "{{ found | to_json }}", "dest": str(place / "out.json")}
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    tasks = [
        {"msp.ops.patch_scan": {"list": True}, "register": "found"},
        {"ansible.builtin.copy": out, "delegate_to": "localhost", "vars": local},
    ]
    (place / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    (place / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"srv01.bakkerij-jansen": variables}}}))
    host.run("mv", "/var/lib/dpkg/status", "/var/lib/dpkg/status.away")
    try:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(place / "hosts.yml"), str(place / "play.yml")],
            cwd=ROOT,
            env={**os.environ, **podman.environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        host.run("mv", "/var/lib/dpkg/status.away", "/var/lib/dpkg/status")
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads((place / "out.json").read_text(encoding="utf-8")))


@on_one
def test_through_ansible_the_vendors_words_decide_severity_and_class(host: DnfHost, tmp_path: Path) -> None:
    found = scan_through_ansible(host, tmp_path)

    assert (found["outcome"], found["changed"], found["summary"]["manager"]) == ("ok", False, "dnf")
    judged = {row["name"]: (row["class"], row["severity"], row["rule"]) for row in found["updates"]}
    assert {name: judged[name] for name in ("lab-db", "lab-web", "lab-mail", "lab-print", "lab-clock")} == {
        "lab-db": ("security", "critical", "vendor"),
        "lab-web": ("security", "high", "vendor"),
        "lab-mail": ("security", "medium", "vendor"),
        "lab-print": ("security", "low", "vendor"),
        "lab-clock": ("security", "unknown", "unknown"),
    }
    # Nobody can tell what the one is for; what the other is for is known.
    assert (judged["lab-plain"][0], judged["lab-notes"][0]) == ("security", "routine")


@on_one
def test_versions_compare_as_rpm_itself_compares_them(host: DnfHost) -> None:
    pairs = [pair for pair in itertools.product(VERSIONS, repeat=2) if all(pair)]

    said = [int(word) for word in host.run("python3", "-c", COMPARE, stdin=json.dumps(pairs)).split()]

    ours = [rpmversion.compare(*pair) for pair in pairs]
    assert [(number > 0) - (number < 0) for number in ours] == said


@dataclass(frozen=True)
class Moved:
    """A transaction of exact versions, a kernel and what needs something new; the kernel again; the way back."""

    there: dict[str, Any]
    again: dict[str, Any]
    back: dict[str, Any]


CORE = ("lab-core", "noarch", "1.1-1")


@pytest.fixture(scope="module")
def moved(host: DnfHost, rows: dict[str, dict[str, Any]]) -> Moved:
    targets = [("lab-web", "noarch", "1.1-1"), ("lab-db", "x86_64", "1:1.1-1"), ("lab-app", "noarch", "1.1-1")]
    olds = [("lab-web", "noarch", "1.0-1"), ("lab-db", "x86_64", "1:1.0-1"), ("lab-app", "noarch", "1.0-1")]
    there, again = install(host, *targets, CORE), install(host, CORE)
    back = install(host, *olds, back=True)
    host.run("rpm", "--erase", "--nodeps", "lab-core-1.1-1", "lab-library")
    return Moved(there, again, back)


CHANGED = {
    "lab-app:noarch": ("1.0-1", "1.1-1"),
    "lab-db:x86_64": ("1:1.0-1", "1:1.1-1"),
    "lab-web:noarch": ("1.0-1", "1.1-1"),
}
BESIDE = {"lab-core:noarch": ["1.0-1", "1.1-1", ["1.0-1"]], "lab-library:noarch": [None, "1.0-1", []]}


def test_exact_versions_are_installed_and_nothing_else_and_the_way_back_leads_where_it_began(moved: Moved) -> None:
    changed = {key: [old, new, []] for key, (old, new) in CHANGED.items()}

    assert moved.there["refused"] == [[]]
    assert moved.there["steps"] == [[0, {}], [0, {**changed, **BESIDE}]]
    fetch, changes = moved.there["cost"]
    assert sorted(changes) == [*[[0, 0]] * 4, [4096, 200_000]]
    assert fetch > 200_000
    assert moved.back["steps"] == [[0, {}], [0, {key: [new, old, []] for key, (old, new) in CHANGED.items()}]]


def test_a_kernel_stands_beside_the_older_one_and_both_are_meant_to_be_there(moved: Moved) -> None:
    assert moved.there["steps"][-1][1]["lab-core:noarch"] == BESIDE["lab-core:noarch"]
    assert moved.again["errors"] == []


def test_what_comes_with_it_is_told_and_installed(moved: Moved) -> None:
    assert sorted(moved.there["also"]) == sorted([*CHANGED, *BESIDE])
    assert moved.there["steps"][-1][1]["lab-library:noarch"] == BESIDE["lab-library:noarch"]


REFUSED = (
    (("lab-gone", "noarch", "1.1-1"), "MSP-PAT-109", "lab-gone-0:1.1-1.noarch"),
    (("lab-locked", "noarch", "1.1-1"), "MSP-PAT-108", "lab-locked-0:1.1-1.noarch (versionlock)"),
    (("lab-barred", "noarch", "1.1-1"), "MSP-PAT-108", "lab-barred-0:1.1-1.noarch (excluded)"),
    (("lab-stuck", "noarch", "1.1-1"), "MSP-PAT-111", "nothing provides lab-absent"),
    (("lab-new", "noarch", "1.0-1"), "MSP-PAT-110", "it would remove lab-old"),
)


def test_a_transaction_that_would_do_less_than_asked_or_remove_something_is_refused(host: DnfHost) -> None:
    said = refusals(host, [[target] for target, _code, _words in REFUSED])

    assert [[line.partition(":")[0] for line in lines] for lines in said] == [
        [code] for _target, code, _words in REFUSED
    ]
    for (line,), (_target, _code, words) in zip(said, REFUSED, strict=True):
        assert words in line


@on_one
def test_dnf_calls_it_a_success_when_it_did_not_find_a_package_and_rpms_database_tells(host: DnfHost) -> None:
    targets = [("lab-gone", "noarch", "1.1-1"), ("lab-mail", "noarch", "1.1-1")]

    done = install(host, *targets, begin="anyway")
    back_to(host, "lab-mail")

    assert [status for status, _changes in done["steps"]] == [0, 0]
    assert done["steps"][-1][1] == {"lab-mail:noarch": ["1.0-1", "1.1-1", []]}
    assert done["errors"] == ["No match for argument: lab-gone-0:1.1-1.noarch"]


def test_a_script_that_fails_before_keeps_the_old_version_and_one_after_does_not(host: DnfHost) -> None:
    broken = install(host, ("lab-broken", "noarch", "1.1-1"))
    clumsy = install(host, ("lab-clumsy", "noarch", "1.1-1"))
    back_to(host, "lab-clumsy")

    assert broken["steps"][-1] == [1, {}]
    assert any("lab-broken" in line for line in broken["errors"])
    assert clumsy["steps"][-1] == [0, {"lab-clumsy:noarch": ["1.0-1", "1.1-1", []]}]
    assert (broken["scripts"], clumsy["scripts"]) == ([["PREIN", "lab-broken"]], [["POSTIN", "lab-clumsy"]])
