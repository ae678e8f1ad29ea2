"""What is pending on real Debian 11, 12 and 13, asked through Ansible: made packages to exact counts, and Debian's own.

The hosts are of the lab's images, but of this test's own: what it does to their apt is nobody else's business, and they
need no NetBox. Three are given only the repository of made packages, so every number is known; one keeps Debian's own.

Each scan is a step, written down where the test is that judges it. One ansible-playbook takes all hosts through all of
them, in the order in which they stand here: a start for each would only repeat the start.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts as lab_hosts
from lab import image, podman
from lab.image import DEBIAN_11, DEBIAN_12, DEBIAN_12_BEHIND, DEBIAN_13, USER, Recipe
from lab.repository import MAIN, ON_HOST, SECURITY, SOURCES_FILE, Package, Repository, build

ROOT = Path(__file__).resolve().parent.parent
HOLE = "CVE-2026-0001"
DAEMON = "/usr/lib/lab-daemon/run"
RUN = {
    DAEMON: "sleep infinity & wait\n",
    "/etc/systemd/system/lab-daemon.service": f"[Service]\nExecStart=/bin/sh {DAEMON}\n",
}
WATCHED = "/etc /usr /var/lib /var/cache"
pytestmark = [pytest.mark.lab, pytest.mark.slow]

# What every host has installed, and what is there for it now.
OLD = [
    Package("lab-between", "1.0"),
    Package("lab-plain", "1.0"),
    Package("lab-held", "1.0"),
    Package("lab-phased", "1.0"),
    Package("lab-pinned", "1.0"),
    Package("lab-needs", "1.0"),
    Package("lab-eats", "1.0"),
    Package("lab-eaten", "1.0"),
    Package("lab-stuck", "1.0"),
    Package("lab-daemon", "1.0", files=RUN),
    Package("lab-current", "1.0"),
]
NEW = [
    Package("lab-between", "1.2", entries=(("1.1", "lab-security", (HOLE,)), ("1.0.1", "lab", ("CVE-2026-0002",)))),
    Package("lab-plain", "1.1"),
    Package("lab-phased", "1.1", fields={"Phased-Update-Percentage": "0"}),
    Package("lab-pinned", "1.1"),
    Package("lab-needs", "1.1", fields={"Depends": "lab-new"}),
    Package("lab-new", "1.0"),
    Package("lab-eats", "1.1", fields={"Breaks": "lab-eaten"}),
    Package("lab-eaten", "1.0"),
    Package("lab-stuck", "1.1", fields={"Depends": "lab-nowhere"}),
    Package("lab-daemon", "1.1", files=RUN),
    Package("lab-current", "1.0"),
]
FIXED = [Package("lab-between", "1.1"), Package("lab-held", "1.1")]


# What depends on the version of apt is asked on all made hosts; what does not, on one.
MADE, ONE, BEHIND = (DEBIAN_12, DEBIAN_11, DEBIAN_13), (DEBIAN_12,), (DEBIAN_12_BEHIND,)
# Where a host has the repository as it will be later.
LATER = f"{ON_HOST}.later"
LEFT_OVER = "ls -d /tmp/msp-* 2>/dev/null || true"


@dataclass(frozen=True)
class Step:
    """One scan. before and after are shell commands of root's on the host; asset: as what it is recorded."""

    recipes: tuple[Recipe, ...]
    before: str
    after: str
    asset: str
    check: bool
    become: bool
    arguments: Mapping[str, Any]

    def play(self, name: str) -> dict[str, Any]:
        scan = {"msp.ops.patch_scan": dict(self.arguments), "become": self.become, "check_mode": self.check}
        tasks = [{**scan, "ignore_errors": True, "register": f"{name}_found", "vars": subject(self.asset)}]
        if self.before:
            tasks.insert(0, {"ansible.builtin.raw": f"set -e; {self.before}", "become": True})
        if self.after:
            tasks.append({"ansible.builtin.raw": f"set -e; {self.after}", "become": True, "register": f"{name}_after"})
        return {"hosts": ":".join(recipe.name for recipe in self.recipes), "gather_facts": False, "tasks": tasks}


def subject(asset: str) -> dict[str, Any]:
    """Each host is the only one of its customer, so that the store keeps them apart."""
    return {"msp": {"customer": "{{ inventory_hostname }}", "asset": {"key": asset}}}


STEPS: dict[str, Step] = {}


def step(
    name: str,
    recipes: tuple[Recipe, ...] = ONE,
    *,
    before: str = "",
    after: str = "",
    asset: str = "",
    check: bool = False,
    become: bool = True,
    **arguments: Any,
) -> str:
    """One more step of the run; its name, by which a test asks what came of it. By itself it is an asset of its own."""
    STEPS[name] = Step(recipes, before, after, asset or name, check, become, arguments)
    return name


def keep() -> dict[str, Any]:
    """The play that writes down what each host has said."""
    steps = ", ".join(
        f"'{name}': [{name}_found | default(none), ({name}_after | default({{}})).stdout | default(none)]"
        for name in STEPS
    )
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    copy = {"content": f"{{{{ {{{steps}}} | to_json }}}}", "dest": "{{ place }}/{{ inventory_hostname }}.json"}
    return {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.copy": copy, "delegate_to": "localhost", "vars": local}],
    }


@dataclass(frozen=True)
class Run:
    """The run with all steps, and what came of them."""

    place: Path
    containers: Mapping[str, str]

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def play(self) -> None:
        """Each host is asked as an ordinary user who may become root."""
        (self.place / "play.yml").write_text(
            json.dumps([*(one.play(name) for name, one in STEPS.items()), keep()]), encoding="utf-8"
        )
        common = {
            "ansible_connection": "containers.podman.podman",
            "ansible_pipelining": True,
            "ansible_user": USER,
            "place": str(self.place),
            **subject("none"),
        }
        hosts = {name: {"ansible_host": container} for name, container in self.containers.items()}
        (self.place / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}), encoding="utf-8")
        done = subprocess.run(
            ["ansible-playbook", "--diff", "-i", str(self.place / "hosts.yml"), str(self.place / "play.yml")],
            cwd=ROOT,
            env={
                **os.environ,
                **podman.environment(),
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "MSP_STORE_URL": self.store_url,
                "XDG_STATE_HOME": str(self.place / "state"),
                "XDG_CACHE_HOME": str(self.place / "cache"),
                "MSP_DURABLE_PATHS": str(self.place),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _step(self, name: str, host: str) -> list[Any]:
        return list(json.loads((self.place / f"{host}.json").read_text(encoding="utf-8"))[name])

    def found(self, name: str, host: str = DEBIAN_12.name) -> dict[str, Any]:
        """The result of the task."""
        return dict(self._step(name, host)[0])

    def after(self, name: str, host: str = DEBIAN_12.name) -> str:
        """What the command after it printed."""
        return str(self._step(name, host)[1]).strip()

    def recorded(self, asset: str, host: str = DEBIAN_12.name) -> Any:
        """The last scan that worked and the last attempt, as the evidence store has them."""
        with Store.open(self.store_url) as store:
            return store.last_scans(host).get(asset)


def by_name(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["updates"]}


@contextmanager
def started(recipes: Sequence[Recipe]) -> Iterator[dict[str, str]]:
    """A container of each recipe by its name; they are gone afterwards."""
    if reason := lab_hosts.available():
        pytest.skip(reason)
    image.ensure(recipes, lambda _title: nullcontext())
    mark = secrets.token_hex(4)
    names = {recipe.name: f"msp-scan-{recipe.name}-{mark}" for recipe in recipes}
    try:
        for recipe in recipes:
            podman.run("run", "--detach", f"--name={names[recipe.name]}", "--systemd=always", recipe.tag, "/sbin/init")
        for name in names.values():
            lab_hosts.wait_until_booted(name)
        yield names
    finally:
        podman.run("rm", "--force", "--ignore", "--time", "0", "--volumes", *names.values())


# apt draws from 0 to 100 for each package and machine, and 0 is in the phase of 0 %: one machine in 101 gets it.
PREPARE = f"""
set -e
rm -f /etc/apt/sources.list
find /etc/apt/sources.list.d -type f ! -path {SOURCES_FILE} -delete
chmod -R a+rX {LATER}
dpkg --force-unsafe-io -i {ON_HOST}.old/*.deb >/dev/null
apt-mark hold lab-held
echo 'APT::Machine-ID "0123456789abcdef0123456789abcdef";' >/etc/apt/apt.conf.d/01lab-phase
printf 'Package: lab-pinned\nPin: version 1.0\nPin-Priority: 1001\n' >/etc/apt/preferences.d/lab
systemctl daemon-reload && systemctl start lab-daemon
apt-get -q update
"""


def with_made_packages(containers: Sequence[str], place: Path) -> None:
    """Only the made repository; the old packages are installed, and newer ones wait in it."""
    old = place / "old"
    old.mkdir()
    for package in OLD:
        build(package, old)
    repository = Repository(place / "repository")
    repository.publish(SECURITY, FIXED)
    repository.publish(MAIN, NEW)
    for container in containers:
        repository.copy_to(container)
        podman.run("cp", str(old), f"{container}:{ON_HOST}.old")
    repository.publish(MAIN, [*NEW, Package("lab-more", "1.0")])
    for container in containers:
        podman.run("cp", str(repository.place), f"{container}:{LATER}")
    with ThreadPoolExecutor(len(containers)) as pool:
        list(pool.map(lambda container: podman.run("exec", container, "sh", "-c", PREPARE), containers))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    place = tmp_path_factory.mktemp("scan")
    with pytest.MonkeyPatch.context() as patch, started([*MADE, *BEHIND]) as containers:
        patch.setenv("MSP_DURABLE_PATHS", str(place))
        with_made_packages([containers[recipe.name] for recipe in MADE], place)
        kev = {"dateReleased": "2026-03-01T00:00:00Z", "vulnerabilities": [{"cveID": HOLE}]}
        (place / "kev.json").write_text(json.dumps(kev), encoding="utf-8")
        (place / "broken.json").write_text("<html>", encoding="utf-8")
        made = Run(place, containers)
        Store.open(made.store_url, upgrade=True).close()
        made.play()
        yield made


every = pytest.mark.parametrize("host", [recipe.name for recipe in MADE])

FIRST = step("first", MADE, list=True)


@every
def test_every_number_is_known_and_right(run: Run, host: str) -> None:
    first = run.found(FIRST, host)

    assert first["counts"] == {
        "total": 9,
        "emergency": 0,
        "security": 2,
        "routine": 7,
        "exploited": 0,
        "held": 4,
        "reboot": 0,
    }
    assert (first["outcome"], first["changed"], first["new"]) == ("ok", False, None)
    assert first["summary"]["manager"] == "apt"
    assert (first["summary"]["installs"], first["summary"]["removes"]) == (["lab-new"], ["lab-eaten"])


@every
def test_a_later_ordinary_version_carries_the_earlier_security_fix(run: Run, host: str) -> None:
    row = by_name(run.found(FIRST, host))["lab-between"]

    assert (row["installed"], row["candidate"], row["origin"]) == ("1.0", "1.2", "Lab/main")
    assert (row["security"], row["class"]) == (True, "security")
    assert [(one["version"], one["origin"], one["security"]) for one in row["versions"]] == [
        ("1.1", "Lab-Security/security", True),
        ("1.2", "Lab/main", False),
    ]
    assert row["source"] == "security update of Lab-Security/security"


@every
def test_what_stays_says_why(run: Run, host: str) -> None:
    assert {name: row["held"] for name, row in by_name(run.found(FIRST, host)).items() if row["held"]} == {
        "lab-held": "hold",
        "lab-phased": "phased 0 %",
        "lab-pinned": "pinned",
        "lab-stuck": "dependencies",
    }


@every
def test_what_comes_and_goes_is_told_of_the_update_that_brings_it(run: Run, host: str) -> None:
    rows = by_name(run.found(FIRST, host))

    assert {name: row["installs"] for name, row in rows.items() if row["installs"]} == {"lab-needs": ["lab-new"]}
    assert {name: row["removes"] for name, row in rows.items() if row["removes"]} == {"lab-eats": ["lab-eaten"]}


@every
def test_a_service_that_runs_with_a_packages_files_has_to_be_restarted(run: Run, host: str) -> None:
    row = by_name(run.found(FIRST, host))["lab-daemon"]

    assert (row["needs"], row["services"]) == ("restart", ["lab-daemon.service"])


AGAIN = step(
    "again",
    before="touch /root/before",
    after=f"cat /etc/machine-id; find {WATCHED} -newer /root/before -type f; {LEFT_OVER}",
    asset=FIRST,
    list=True,
)


def test_a_scan_writes_nothing_on_the_host_and_the_store_has_it_whole(run: Run) -> None:
    first, again = run.found(FIRST), run.found(AGAIN)

    (machine_id,) = run.after(AGAIN).splitlines()
    assert (again["updates"], again["new"]) == (first["updates"], [])
    assert "diff" not in again
    scan = run.recorded(FIRST)[1]
    assert scan.updates is not None
    assert (scan.machine_id, scan.blind) == (machine_id, ())
    assert scan.booted_at is not None and scan.booted_at < scan.at
    assert {one.update.name: one.patch_class for one in scan.updates} == {
        name: row["class"] for name, row in by_name(first).items()
    }


KEV = [{"kind": "kev", "path": "{{ place }}/kev.json"}]
CHANGELOGS = step("changelogs", MADE, after=LEFT_OVER, list=True, changelogs=True, feeds=KEV)


@every
def test_changelogs_name_what_no_archive_has_any_more_and_what_is_exploited_of_it_is_an_emergency(
    run: Run, host: str
) -> None:
    found = run.found(CHANGELOGS, host)
    row = by_name(found)["lab-between"]

    assert [(one["version"], one["origin"], one["cves"]) for one in row["versions"]] == [
        ("1.0.1", "changelog/lab", ["CVE-2026-0002"]),
        ("1.1", "Lab-Security/security", [HOLE]),
        ("1.2", "Lab/main", []),
    ]
    assert row["cves"] == [HOLE, "CVE-2026-0002"]
    assert all(one["changelog"] for one in row["versions"])
    assert (row["class"], row["source"]) == ("emergency", f"CISA KEV 2026-03-01: {HOLE}")
    assert (found["counts"]["emergency"], found["counts"]["security"]) == (1, 1)
    assert any("CISA KEV of 2026-03-01 is" in warning for warning in found["scan_warnings"])
    assert run.after(CHANGELOGS, host) == ""


BROKEN_FEED = step("broken_feed", feeds=[{"kind": "kev", "path": "{{ place }}/broken.json"}])


def test_a_broken_feed_fails_before_the_host_is_asked_and_records_nothing(run: Run) -> None:
    found = run.found(BROKEN_FEED)

    assert (found["failed"], found["error"]["code"]) == (True, "MSP-PAT-033")
    assert run.recorded(BROKEN_FEED) is None


AS_USER = step("as_user", become=False, list=True)


def test_without_root_the_list_is_the_same(run: Run) -> None:
    found = run.found(AS_USER)

    aside = ("needs", "services")
    plain = [{key: value for key, value in row.items() if key not in aside} for row in found["updates"]]
    assert plain == [
        {key: value for key, value in row.items() if key not in aside} for row in run.found(FIRST)["updates"]
    ]
    assert "nothing" not in {row["needs"] for row in found["updates"]}


MIRROR_MOVES = f"rm -r {ON_HOST} && mv {LATER} {ON_HOST}"
CHECKED = step("checked", MADE, before=MIRROR_MOVES, check=True, refresh=True)
RENEWED = step("renewed", MADE, refresh=True)
RENEWED_AGAIN = step("renewed_again", MADE, refresh=True)


@every
def test_a_refresh_renews_the_lists_once_and_check_mode_never(run: Run, host: str) -> None:
    checked, renewed, again = (run.found(name, host) for name in (CHECKED, RENEWED, RENEWED_AGAIN))

    assert (checked["changed"], checked["summary"]["refreshed"]) == (False, False)
    assert (renewed["changed"], renewed["summary"]["refreshed"]) == (True, True)
    assert (again["changed"], again["summary"]["refreshed"]) == (False, True)


HOLD = (
    "import fcntl, sys, time\n"
    "files = [open(name, 'w') for name in ('/var/lib/apt/lists/lock', '/var/lib/dpkg/lock-frontend')]\n"
    "[fcntl.lockf(file, fcntl.LOCK_EX) for file in files]\n"
    "open('/run/lab-locked', 'w').close()\ntime.sleep(600)\n"
)
LOCKED = step(
    "locked",
    before=f'systemd-run --quiet --unit=lab-lock python3 -c "{HOLD}"; '
    "while [ ! -e /run/lab-locked ]; do sleep 0.05; done",
)
LOCKED_REFRESH = step("locked_refresh", after="systemctl stop lab-lock", refresh=True, lock_timeout=0)


def test_a_lock_that_another_holds_is_no_hindrance_to_a_scan_and_a_reason_against_a_refresh(run: Run) -> None:
    scanned, refreshed = run.found(LOCKED), run.found(LOCKED_REFRESH)

    assert (scanned["outcome"], scanned["counts"]["total"]) == ("ok", 9)
    assert (refreshed["outcome"], refreshed["error"]["code"]) == ("failed", "MSP-PAT-037")
    assert "Could not get lock" in refreshed["error"]["found"]


GONE = step("gone", before=f"sed -i 's,file:{ON_HOST},http://127.0.0.1:9,' {SOURCES_FILE}", refresh=True, list=True)
GONE_AFTER = step(
    "gone_after",
    after=f"sed -i 's,http://127.0.0.1:9,file:{ON_HOST},' {SOURCES_FILE}; apt-get -q update",
    asset=LOCKED,
)


def test_a_mirror_that_is_gone_fails_the_refresh_and_old_lists_do_not_stand_in(run: Run) -> None:
    found, seen = run.found(GONE), run.found(GONE_AFTER)

    assert (found["outcome"], found["changed"]) == ("failed", False)
    assert "Failed to fetch http://127.0.0.1:9/" in found["error"]["found"]
    assert "updates" not in found
    # And without a refresh: a source of which there is no list is no source without updates. LOCKED scanned it well.
    assert seen["outcome"] == "no metadata"
    ok, last = run.recorded(LOCKED)
    assert (ok.outcome, last.outcome, last.updates) == ("ok", "no metadata", None)


NO_LISTS = step(
    "no_lists",
    before="rm -rf /var/lib/apt/lists && mkdir -p /var/lib/apt/lists/partial",
    after="apt-get -q update",
)


def test_a_host_whose_lists_were_removed_has_no_metadata(run: Run) -> None:
    found = run.found(NO_LISTS)

    assert (found["outcome"], found["error"]["code"]) == ("no metadata", "MSP-PAT-039")


NO_SECURITY = step("no_security", before="rm /var/lib/apt/lists/*_security_*", after="apt-get -q update", list=True)


def test_a_host_with_one_source_unfetched_or_without_a_security_archive_is_warned_of(run: Run) -> None:
    found = run.found(NO_SECURITY)

    assert (
        f"the source file:{ON_HOST}/dists/security was never fetched, or its lists were removed: nothing of it counts"
        in (found["scan_warnings"])
    )
    blind = run.recorded(NO_SECURITY)[1].blind
    assert [sentence for sentence in blind if "never fetched" in sentence]
    assert [sentence for sentence in blind if "no security archive" in sentence]
    assert by_name(found)["lab-plain"]["security"] is None
    assert by_name(found)["lab-plain"]["class"] == "security"


STATUS = r"/^Package: lab-current$/,/^$/{s/ok installed/ok half-configured/;s/^Version:/Depends: none-such\nVersion:/}"
HALF = step(
    "half",
    MADE,
    before=f"cp /var/lib/dpkg/status /root/status; sed -i '{STATUS}' /var/lib/dpkg/status",
    after="cp /root/status /var/lib/dpkg/status",
    list=True,
)


@every
def test_a_database_that_dpkg_left_broken_is_told_and_holds_everything(run: Run, host: str) -> None:
    found = run.found(HALF, host)

    assert found["outcome"] == "ok"
    assert any(warning.startswith("dpkg: ") and "lab-current" in warning for warning in found["scan_warnings"])
    assert any(sentence.startswith("dpkg: ") for sentence in run.recorded(HALF, host)[1].blind)
    stays = {name: row["held"] for name, row in by_name(found).items()}
    assert {name for name, why in stays.items() if why == "broken database"} >= {
        "lab-plain",
        "lab-between",
        "lab-needs",
    }
    assert (stays["lab-held"], stays["lab-pinned"]) == ("hold", "pinned")


DEBIANS = step("debians", BEHIND, after="apt-get --simulate dist-upgrade", list=True, changelogs=True)


def test_debians_own_pending_updates_are_those_that_apt_would_install_with_the_holes_that_they_close(
    run: Run,
) -> None:
    found, said = run.found(DEBIANS, DEBIAN_12_BEHIND.name), run.after(DEBIANS, DEBIAN_12_BEHIND.name)
    rows = by_name(found)

    expected = dict(re.findall(r"^Inst (\S+) \[(\S+)\]", said, re.MULTILINE))
    assert expected
    assert {name: row["installed"] for name, row in rows.items()} == expected
    secure = set(re.findall(r"^Inst (\S+) \[\S+\] \([^)]*Debian-Security", said, re.MULTILINE))
    assert secure <= {name for name, row in rows.items() if row["security"]}
    read = {name for name, row in rows.items() if all(one["changelog"] for one in row["versions"])}
    assert read == set(rows), [one for one in found["unknown"] if one["what"].startswith("changelog")]
    assert rows["openssl"]["cves"]
    assert rows["openssl"]["cves"] == rows["libssl3"]["cves"]
    assert all(re.fullmatch(r"CVE-\d{4}-\d{4,}", name) for row in rows.values() for name in row["cves"])


def test_a_library_that_sshd_runs_with_asks_for_a_restart_of_ssh(run: Run) -> None:
    row = by_name(run.found(DEBIANS, DEBIAN_12_BEHIND.name))["libssl3"]

    assert row["needs"] == "restart"
    assert "ssh.service" in row["services"]
