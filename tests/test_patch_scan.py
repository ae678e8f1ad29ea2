"""What is pending on real Debian 11, 12 and 13, asked through Ansible: made packages to exact counts, and Debian's own.

The hosts are of the lab's images, but of this test's own: what it does to their apt is nobody else's business, and they
need no NetBox. Three are given only the repository of made packages, so every number is known; one keeps Debian's own.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts as lab_hosts
from lab import image, podman
from lab.image import DEBIAN_11, DEBIAN_12, DEBIAN_12_BEHIND, DEBIAN_13, USER, Recipe
from lab.repository import ON_HOST, SOURCES_FILE, Package, Repository

ROOT = Path(__file__).resolve().parent.parent
CUSTOMER = "bakkerij-jansen"
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


@dataclass
class Host:
    """One host of this test's own, and the controller that scans it."""

    container: str
    place: Path
    repository: Repository
    asset: str = "device:7"
    kev: dict[str, Any] = field(default_factory=dict)

    def sh(self, command: str) -> str:
        return podman.run("exec", self.container, "sh", "-c", command)

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def scan(self, *, check: bool = False, become: bool = True, **arguments: Any) -> dict[str, Any]:
        """The result of the task, run as an ordinary user who may become root."""
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {"msp.ops.patch_scan": arguments, "become": become, "register": "found", "ignore_errors": True},
                {
                    "ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(self.place / "out.json")},
                    "delegate_to": "localhost",
                    "check_mode": False,
                    "vars": {
                        "ansible_connection": "local",
                        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                    },
                },
            ],
        }
        variables = {
            "ansible_connection": "containers.podman.podman",
            "ansible_host": self.container,
            "ansible_user": USER,
            "msp": {"customer": CUSTOMER, "asset": {"key": self.asset}},
        }
        (self.place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        inventory = {"all": {"hosts": {"srv01.bakkerij-jansen": variables}}}
        (self.place / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
        command = ["ansible-playbook", "--diff", "-i", str(self.place / "hosts.yml"), str(self.place / "play.yml")]
        done = subprocess.run(
            [*command, *(["--check"] if check else [])],
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
        return dict(json.loads((self.place / "out.json").read_text(encoding="utf-8")))

    def publish(self, **suites: list[Package]) -> None:
        for suite, packages in suites.items():
            self.repository.publish(suite, packages)
        self.repository.copy_to(self.container)

    def recorded(self) -> Any:
        """The last scan that worked and the last attempt, as the evidence store has them."""
        with Store.open(self.store_url) as store:
            return store.last_scans(CUSTOMER).get(self.asset)


def by_name(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["updates"]}


@contextmanager
def started(recipe: Recipe, place: Path) -> Iterator[Host]:
    """A host of a recipe that is gone afterwards."""
    if reason := lab_hosts.available():
        pytest.skip(reason)
    image.ensure([recipe], lambda _title: nullcontext())
    name = f"msp-scan-{recipe.name}-{secrets.token_hex(4)}"
    podman.run("run", "--detach", f"--name={name}", "--systemd=always", recipe.tag, "/sbin/init")
    try:
        lab_hosts.wait_until_booted(name)
        os.environ["MSP_DURABLE_PATHS"] = str(place)
        host = Host(name, place, Repository(place / "repository"))
        Store.open(host.store_url, upgrade=True).close()
        yield host
    finally:
        podman.run("rm", "--force", "--time", "0", "--volumes", name)


def with_made_packages(host: Host) -> None:
    """Only the made repository; the old packages are installed, and newer ones wait in it."""
    host.sh("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    host.publish(main=OLD)
    host.sh(f"apt-get -q update && apt-get -qy install {' '.join(package.name for package in OLD)}")
    host.sh("apt-mark hold lab-held")
    # apt draws from 0 to 100 for each package and machine, and 0 is in the phase of 0 %: one machine in 101 gets it.
    host.sh("echo 'APT::Machine-ID \"0123456789abcdef0123456789abcdef\";' >/etc/apt/apt.conf.d/01lab-phase")
    host.sh("printf 'Package: lab-pinned\\nPin: version 1.0\\nPin-Priority: 1001\\n' >/etc/apt/preferences.d/lab")
    host.sh("systemctl daemon-reload && systemctl start lab-daemon")
    host.publish(main=NEW, security=FIXED)
    host.sh("apt-get -q update")


# What depends on the version of apt is asked on all; what does not, on one: a scan takes its time on a busy machine.
# pytest puts tests of one host together by the host's place in the list: the one is the first of all, too.
on_one = pytest.mark.parametrize("made", [DEBIAN_12], indirect=True, ids=["debian12"])


@pytest.fixture(scope="module", params=[DEBIAN_12, DEBIAN_11, DEBIAN_13], ids=lambda recipe: recipe.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with started(request.param, tmp_path_factory.mktemp("scan")) as host:
        with_made_packages(host)
        yield host


@pytest.fixture(scope="module")
def first(made: Host) -> dict[str, Any]:
    return made.scan(list=True)


def test_every_number_is_known_and_right(first: dict[str, Any]) -> None:
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


def test_a_later_ordinary_version_carries_the_earlier_security_fix(first: dict[str, Any]) -> None:
    row = by_name(first)["lab-between"]

    assert (row["installed"], row["candidate"], row["origin"]) == ("1.0", "1.2", "Lab/main")
    assert (row["security"], row["class"]) == (True, "security")
    assert [(one["version"], one["origin"], one["security"]) for one in row["versions"]] == [
        ("1.1", "Lab-Security/security", True),
        ("1.2", "Lab/main", False),
    ]
    assert row["source"] == "security update of Lab-Security/security"


def test_what_stays_says_why(first: dict[str, Any]) -> None:
    assert {name: row["held"] for name, row in by_name(first).items() if row["held"]} == {
        "lab-held": "hold",
        "lab-phased": "phased 0 %",
        "lab-pinned": "pinned",
        "lab-stuck": "dependencies",
    }


def test_what_comes_and_goes_is_told_of_the_update_that_brings_it(first: dict[str, Any]) -> None:
    rows = by_name(first)

    assert {name: row["installs"] for name, row in rows.items() if row["installs"]} == {"lab-needs": ["lab-new"]}
    assert {name: row["removes"] for name, row in rows.items() if row["removes"]} == {"lab-eats": ["lab-eaten"]}


def test_a_service_that_runs_with_a_packages_files_has_to_be_restarted(first: dict[str, Any]) -> None:
    row = by_name(first)["lab-daemon"]

    assert (row["needs"], row["services"]) == ("restart", ["lab-daemon.service"])


@on_one
def test_a_scan_writes_nothing_on_the_host_and_the_store_has_it_whole(made: Host, first: dict[str, Any]) -> None:
    made.sh("touch /root/before")
    again = made.scan(list=True)

    assert made.sh(f"find {WATCHED} -newer /root/before -type f") == ""
    assert made.sh("ls -d /tmp/msp-* 2>/dev/null || true") == ""
    assert (again["updates"], again["new"]) == (first["updates"], [])
    assert "diff" not in again
    scan = made.recorded()[1]
    assert scan.updates is not None
    assert (scan.machine_id, scan.blind) == (made.sh("cat /etc/machine-id").strip(), ())
    assert scan.booted_at is not None and scan.booted_at < scan.at
    assert {one.update.name: one.patch_class for one in scan.updates} == {
        name: row["class"] for name, row in by_name(first).items()
    }


def test_changelogs_name_what_no_archive_has_any_more_and_what_is_exploited_of_it_is_an_emergency(made: Host) -> None:
    path = made.place / "kev.json"
    kev = {"dateReleased": "2026-03-01T00:00:00Z", "vulnerabilities": [{"cveID": HOLE}]}
    path.write_text(json.dumps(kev), encoding="utf-8")

    found = made.scan(list=True, changelogs=True, feeds=[{"kind": "kev", "path": str(path)}])
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
    assert made.sh("ls -d /tmp/msp-* 2>/dev/null || true") == ""


@on_one
def test_a_broken_feed_fails_before_the_host_is_asked_and_records_nothing(made: Host) -> None:
    path = made.place / "broken.json"
    path.write_text("<html>", encoding="utf-8")
    before = made.recorded()

    found = made.scan(feeds=[{"kind": "kev", "path": str(path)}])

    assert (found["failed"], found["error"]["code"]) == (True, "MSP-PAT-033")
    assert made.recorded() == before


@on_one
def test_without_root_the_list_is_the_same(made: Host, first: dict[str, Any]) -> None:
    found = made.scan(list=True, become=False)

    aside = ("needs", "services")
    plain = [{key: value for key, value in row.items() if key not in aside} for row in found["updates"]]
    assert plain == [{key: value for key, value in row.items() if key not in aside} for row in first["updates"]]
    assert "nothing" not in {row["needs"] for row in found["updates"]}


def test_a_refresh_renews_the_lists_once_and_check_mode_never(made: Host) -> None:
    made.publish(main=[*NEW, Package("lab-more", "1.0")])
    checked = made.scan(refresh=True, check=True)
    renewed = made.scan(refresh=True)
    again = made.scan(refresh=True)

    assert (checked["changed"], checked["summary"]["refreshed"]) == (False, False)
    assert (renewed["changed"], renewed["summary"]["refreshed"]) == (True, True)
    assert (again["changed"], again["summary"]["refreshed"]) == (False, True)


@on_one
def test_a_lock_that_another_holds_is_no_hindrance_to_a_scan_and_a_reason_against_a_refresh(made: Host) -> None:
    hold = (
        "import fcntl, sys, time\n"
        "files = [open(name, 'w') for name in ('/var/lib/apt/lists/lock', '/var/lib/dpkg/lock-frontend')]\n"
        "[fcntl.lockf(file, fcntl.LOCK_EX) for file in files]\n"
        "open('/run/lab-locked', 'w').close()\ntime.sleep(600)\n"
    )
    made.sh(f'systemd-run --quiet --unit=lab-lock python3 -c "{hold}"')
    try:
        made.sh("while [ ! -e /run/lab-locked ]; do sleep 0.05; done")
        scanned = made.scan()
        refreshed = made.scan(refresh=True, lock_timeout=0)
    finally:
        made.sh("systemctl stop lab-lock; rm -f /run/lab-locked")

    assert (scanned["outcome"], scanned["counts"]["total"]) == ("ok", 9)
    assert (refreshed["outcome"], refreshed["error"]["code"]) == ("failed", "MSP-PAT-037")
    assert "Could not get lock" in refreshed["error"]["found"]


@on_one
def test_a_mirror_that_is_gone_fails_the_refresh_and_old_lists_do_not_stand_in(made: Host) -> None:
    made.sh(f"sed -i 's,file:{ON_HOST},http://127.0.0.1:9,' {SOURCES_FILE}")
    try:
        found = made.scan(refresh=True, list=True)
        seen = made.scan()
    finally:
        made.publish()
        made.repository.copy_to(made.container)
        made.sh("apt-get -q update")

    assert (found["outcome"], found["changed"]) == ("failed", False)
    assert "Failed to fetch http://127.0.0.1:9/" in found["error"]["found"]
    assert "updates" not in found
    # And without a refresh: a source of which there is no list is no source without updates.
    assert seen["outcome"] == "no metadata"
    ok, last = made.recorded()
    assert (ok.outcome, last.outcome, last.updates) == ("ok", "no metadata", None)


@on_one
def test_a_host_whose_lists_were_removed_has_no_metadata(made: Host) -> None:
    made.sh("rm -rf /var/lib/apt/lists && mkdir -p /var/lib/apt/lists/partial")
    try:
        found = made.scan()
    finally:
        made.sh("apt-get -q update")

    assert (found["outcome"], found["error"]["code"]) == ("no metadata", "MSP-PAT-039")


@on_one
def test_a_host_with_one_source_unfetched_or_without_a_security_archive_is_warned_of(made: Host) -> None:
    made.sh("rm /var/lib/apt/lists/*_security_*")
    try:
        found = made.scan(list=True)
    finally:
        made.sh("apt-get -q update")

    assert (
        f"the source file:{ON_HOST}/dists/security was never fetched, or its lists were removed: nothing of it counts"
        in (found["scan_warnings"])
    )
    blind = made.recorded()[1].blind
    assert [sentence for sentence in blind if "never fetched" in sentence]
    assert [sentence for sentence in blind if "no security archive" in sentence]
    assert by_name(found)["lab-plain"]["security"] is None
    assert by_name(found)["lab-plain"]["class"] == "security"


def test_a_database_that_dpkg_left_broken_is_told_and_holds_everything(made: Host) -> None:
    made.sh("cp /var/lib/dpkg/status /root/status")
    status = (
        r"/^Package: lab-current$/,/^$/{s/ok installed/ok half-configured/;s/^Version:/Depends: none-such\nVersion:/}"
    )
    made.sh(f"sed -i '{status}' /var/lib/dpkg/status")
    try:
        found = made.scan(list=True)
    finally:
        made.sh("cp /root/status /var/lib/dpkg/status")

    assert found["outcome"] == "ok"
    assert any(warning.startswith("dpkg: ") and "lab-current" in warning for warning in found["scan_warnings"])
    assert any(sentence.startswith("dpkg: ") for sentence in made.recorded()[1].blind)
    stays = {name: row["held"] for name, row in by_name(found).items()}
    assert {name for name, why in stays.items() if why == "broken database"} >= {
        "lab-plain",
        "lab-between",
        "lab-needs",
    }
    assert (stays["lab-held"], stays["lab-pinned"]) == ("hold", "pinned")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with started(DEBIAN_12_BEHIND, tmp_path_factory.mktemp("scan")) as host:
        yield host


def test_debians_own_pending_updates_are_those_that_apt_would_install_with_the_holes_that_they_close(
    behind: Host,
) -> None:
    found = behind.scan(list=True, changelogs=True)
    said = behind.sh("apt-get --simulate dist-upgrade")
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


def test_a_library_that_sshd_runs_with_asks_for_a_restart_of_ssh(behind: Host) -> None:
    row = by_name(behind.scan(list=True))["libssl3"]

    assert row["needs"] == "restart"
    assert "ssh.service" in row["services"]
