"""msp.ops.patch_install on real hosts with systemd: what it installs, and what it does when everything goes wrong.

The hosts are the lab's, without NetBox; what they install comes out of a repository of made packages. Where a test has
to act in the middle of the work, a package waits in its script until the test lets it go on: no test waits for a time.
Most tests ask the host through the module's own desk, the rest with ansible-playbook over ssh.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching.install import units
from lab import hosts, podman
from lab.machines import MACHINES
from lab.repository import MAIN, ON_HOST, SECURITY, Package, Repository
from tests.patch_bed import AT, GO, RESTART, SECONDS, STATE, WAIT, code_of, unit, until
from tests.patch_bed import Bed as AnyBed
from tests.patch_bed import bed as lay

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("patch-test", os.environ.get("PYTEST_XDIST_WORKER"))))
# Debian 12, 13 and 11.
NAMES = TWELVE, THIRTEEN, ELEVEN = ("jansen-srv01", "harbour-srv01", "harbour-db01")
HELD = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")
# A host as customers have them: with the timers of apt, which do nothing here but run.
PREPARE = r"""
set -e
mv /etc/apt/sources.list /root/sources.list.before
printf 'force-unsafe-io\n' > /etc/dpkg/dpkg.cfg.d/lab
for name in apt-daily apt-daily-upgrade; do
    mkdir -p /etc/systemd/system/$name.service.d
    printf '[Service]\nExecStartPre=\nExecStart=\nExecStart=/bin/true\nExecStartPost=\n' \
        > /etc/systemd/system/$name.service.d/lab.conf
done
printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
    > /lib/systemd/system/unattended-upgrades.service
systemctl unmask --quiet apt-daily.timer apt-daily-upgrade.timer
systemctl daemon-reload
systemctl enable --quiet unattended-upgrades.service
systemctl start apt-daily.timer unattended-upgrades.service
systemctl stop apt-daily-upgrade.timer
apt-get -qq update
"""
HOLDER = f"""
import fcntl, os, time
lock = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
open('{AT}', 'w').close()
while not os.path.exists('{GO}'):
    time.sleep(0.05)
"""


def shop(name: str, version: str, *, works: bool = True) -> Package:
    """A service with a configuration file, which its own script restarts."""
    end = "exec sleep infinity" if works else "exit 3"
    return Package(
        name,
        version,
        files={
            f"/usr/lib/{name}/run": f"#!/bin/sh\n{end}\n",
            f"/lib/systemd/system/{name}.service": unit(f"/bin/sh /usr/lib/{name}/run"),
            f"/etc/{name}.conf": f"version = {version}\n",
        },
        conffiles=(f"/etc/{name}.conf",),
        scripts={"postinst": f"#!/bin/sh\n{RESTART.format(name)}"},
    )


def waiting(name: str, script: str = "postinst") -> Package:
    """A package whose script waits for the test."""
    return Package(name, "1.1", scripts={script: f"#!/bin/sh\nset -e\n{WAIT}"}, files={f"/usr/lib/{name}": "1.1\n"})


# A daemon whose program is replaced under it, and that nobody restarts.
DAEMON = (
    "#!/bin/sh\nset -e\nmkdir -p /usr/lib/lab-daemon\ncp /bin/sleep /usr/lib/lab-daemon/new\n"
    "mv -f /usr/lib/lab-daemon/new /usr/lib/lab-daemon/daemon\n"
    "systemctl daemon-reload\nsystemctl enable --quiet --now lab-daemon.service\n"
)
MAIN_PROCESS = "systemctl show -p MainPID --value lab-daemon.service"
DAEMON_UNIT = {"/lib/systemd/system/lab-daemon.service": unit("/usr/lib/lab-daemon/daemon 1d")}
CUT = (
    "lab-cut-post",
    "lab-cut-pre",
    "lab-power",
    "lab-line",
    "lab-killed",
    "lab-twice",
    "lab-late",
    "lab-stopped",
)
SMALL = (
    "lab-lock",
    "lab-room",
    "lab-held",
    "lab-gone",
    "lab-window",
    "lab-reboot",
    "lab-down",
    "lab-lost-file",
    "lab-old",
    "lab-pinned",
    "lab-phased",
    "lab-needs-held",
    "lab-user",
    "lab-excluded",
    "lab-idle",
    "lab-loose",
    # What a running system keeps until it is started again; nothing of it is on these hosts.
    "dbus-broker",
)
# The new version of some of them has more to say.
MORE: dict[str, dict[str, Any]] = {
    "lab-phased": {"fields": {"Phased-Update-Percentage": "0"}},
    "lab-needs-held": {"fields": {"Depends": "lab-held (>= 1.1)"}},
    "lab-user": {"fields": {"Depends": "lab-excluded (>= 1.1)"}},
    "lab-idle": {"scripts": {"postinst": "#!/bin/sh\nset -e\nsystemctl stop lab-idle.service\n"}},
}
OLD = [
    shop("lab-shop", "1.0"),
    shop("lab-broken", "1.0"),
    Package("lab-daemon", "1.0", files=DAEMON_UNIT, scripts={"postinst": DAEMON}),
    Package("lab-script", "1.0"),
    Package("lab-full", "1.0", files={"/opt/lab-full/data": "small\n"}),
    Package("lab-victim", "1.0"),
    Package("lab-greedy", "1.0"),
    *(Package(name, "1.0", files={f"/usr/lib/{name}": "1.0\n"}) for name in (*CUT, *SMALL)),
]  # fmt: skip
NEW = [
    shop("lab-shop", "1.1"),
    shop("lab-broken", "1.1", works=False),
    Package("lab-daemon", "1.1", files=DAEMON_UNIT, scripts={"postinst": DAEMON}),
    Package("lab-script", "1.1", scripts={"postinst": "#!/bin/sh\necho this never works >&2\nexit 7\n"}),
    Package("lab-full", "1.1", files={"/opt/lab-full/data": "x" * 4_000_000, "/opt/lab-full/more": "y" * 4_000_000}),
    Package("lab-greedy", "1.1", fields={"Conflicts": "lab-victim"}),
    waiting("lab-cut-pre", "preinst"),
    *(waiting(name) for name in CUT if name != "lab-cut-pre"),
    *(Package(name, "1.1", files={f"/usr/lib/{name}": "1.1\n"}, **MORE.get(name, {})) for name in SMALL),
]  # fmt: skip


# Three rollouts of long ago, like one of today; of two of them the host has another version by now.
AGED = (
    "for name in open there ancient; do cp -a shop $name; done; "
    """sed -i 's/"at": [0-9.]*/"at": 1e9/' open/*/status.json there/*/status.json ancient/*/status.json; """
    r"""sed -i 's/"lab-\(shop\|daemon\):all": "1.1"/"lab-\1:all": "1.0.9"/g' open/*/status.json ancient/*/status.json"""
)


def manifest(*names: str, version: str = "1.1") -> list[dict[str, str]]:
    return [{"name": name, "architecture": "all", "version": version} for name in names]


class Bed(AnyBed):
    """Hosts with apt."""

    def version(self, host: str, name: str) -> str:
        return self.sh(host, f"dpkg-query -W -f '${{Version}} ${{db:Status-Status}}' {name}")

    def works(self, host: str, rollout: str, *names: str, **arguments: Any) -> dict[str, Any]:
        """Start it with the new versions of these packages, wait for its end, and return what became of the host."""
        return self.work(host, rollout, packages=manifest(*names), **arguments)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("patch")
    repository = Repository(place / "repository")
    repository.publish(MAIN, OLD)
    repository.publish(SECURITY, NEW)
    machines = [machine for machine in MACHINES if machine.name in NAMES]
    with lay(LAB, machines, place, HELD, Bed) as made, ThreadPoolExecutor(len(machines)) as pool:
        list(pool.map(lambda name: prepare(made, repository, name), NAMES))
        yield made


def prepare(bed: Bed, repository: Repository, host: str) -> None:
    """The old versions of all packages on a host, and the desk."""
    repository.copy_to(bed.container(host))
    bed.sh(host, PREPARE)
    bed.sh(host, f"dpkg --install {ON_HOST}/pool/{MAIN}/*.deb >/root/prepared 2>&1")
    bed.give_desk(host)


@pytest.fixture(scope="module")
def before(bed: Bed) -> dict[str, list[str]]:
    return {host: bed.timers(host) for host in NAMES}


@pytest.fixture(autouse=True)
def as_it_was(bed: Bed, before: dict[str, list[str]]) -> Iterator[None]:
    """Whatever happened: nothing is at work any more, and the timers are exactly as they were."""
    yield
    settled = bed.settle()
    assert settled == {host: (before[host], "nothing left:") for host in settled}


LEFT = f"ls -l --full-time /var/lib/dpkg/status; find {STATE} 2>/dev/null | sort"
GOOD = ("lab-daemon", "lab-shop")


@pytest.fixture(scope="module")
def shopped(bed: Bed) -> dict[str, dict[str, Any]]:
    """The plain good run, on three releases at once, after one in check mode and before a second one.

    Somebody had edited the configuration on one of them. One package restarts its service, and the other does not.
    """
    bed.sh(TWELVE, "echo edited = yes >> /etc/lab-shop.conf")
    for host in NAMES:
        bed.sh(host, f"{MAIN_PROCESS} > /root/daemon")
    checks = [{"kind": "unit", "unit": "lab-shop.service"}, {"kind": "baseline", "compare": ["units", "ports"]}]
    checks += [{"kind": "tcp", "port": 22}, {"kind": "command", "command": ["test", "-e", "/etc/lab-shop.conf"]}]
    asked = {"rollout": "shop", "packages": manifest(*GOOD), "checks_after": checks}
    return bed.plays(
        NAMES,
        left_before=bed.peek(LEFT),
        would=bed.task(asked, check=True),
        left_by_check=bed.peek(LEFT),
        found=bed.task(asked),
        left_by_first=bed.peek(LEFT),
        again=bed.task(asked),
        left_by_second=bed.peek(LEFT),
    ).results()


def test_check_mode_tells_what_it_would_do_and_changes_nothing(shopped: dict[str, dict[str, Any]]) -> None:
    said = shopped[TWELVE]

    assert said["would"]["changed"]
    assert said["would"]["result"] is None
    installs = [{"package": f"{name}:all", "from": "1.0", "to": "1.1"} for name in GOOD]
    assert said["would"]["plan"]["installs"] == installs
    assert said["left_by_check"]["stdout"] == said["left_before"]["stdout"]


@pytest.mark.parametrize("host", NAMES)
def test_a_good_run_is_proved_on_the_host(bed: Bed, shopped: dict[str, dict[str, Any]], host: str) -> None:
    found = shopped[host]["found"]
    result = found["result"]

    assert found["changed"]
    assert result["outcome"] == "patched", result["reason"]
    assert (result["before"], result["after"]) == tuple({f"{name}:all": now for name in GOOD} for now in ("1.0", "1.1"))
    assert result["healthy"] is True
    assert result["rebooted"] is None
    assert result["restarted"] == [f"{name}.service" for name in GOOD]
    assert result["kept_files"] == (["/etc/lab-shop.conf"] if host == TWELVE else [])
    assert bed.version(host, "lab-shop") == "1.1 installed"
    assert result["detail"]["held"] == sorted(HELD)


def test_a_file_that_was_edited_stays_and_the_new_one_lies_beside_it(
    bed: Bed, shopped: dict[str, dict[str, Any]]
) -> None:
    assert bed.sh(TWELVE, "cat /etc/lab-shop.conf") == "version = 1.0\nedited = yes"
    assert bed.sh(TWELVE, "cat /etc/lab-shop.conf.dpkg-dist") == "version = 1.1"
    assert bed.sh(ELEVEN, "cat /etc/lab-shop.conf") == "version = 1.1"


def test_what_a_host_keeps_is_for_root_only(bed: Bed, shopped: dict[str, dict[str, Any]]) -> None:
    assert bed.sh(TWELVE, f"stat -c '%a %U' {STATE} {STATE}/shop {STATE}/shop/*/") == "700 root\n700 root\n700 root"
    assert bed.sh(TWELVE, f"find {STATE} -type f -perm /077 ! -name log") == ""
    program = bed.sh(TWELVE, f"ls {STATE}/shop/*/before.json")
    kept = json.loads(bed.sh(TWELVE, f"cat {program}"))
    assert kept["packages"]["lab-shop:all"] == "1.0"
    assert "lab-shop.service" in kept["baseline"]["running"]
    assert 22 in kept["baseline"]["ports"]


@pytest.mark.parametrize("host", NAMES)
def test_a_second_run_changes_nothing_and_says_the_same(shopped: dict[str, dict[str, Any]], host: str) -> None:
    said = shopped[host]

    assert not said["again"]["changed"]
    assert said["again"]["result"]["outcome"] == "patched"
    assert said["again"]["result"]["at"] == said["found"]["result"]["at"]
    assert said["left_by_second"]["stdout"] == said["left_by_first"]["stdout"]


@pytest.mark.parametrize(
    ("host", "method", "lacks"),
    [
        (TWELVE, "deleted files in /proc/*/maps", "needrestart is not installed"),
        (THIRTEEN, "needrestart", ""),
        (ELEVEN, "deleted files in /proc/*/maps", "needrestart is not installed"),
    ],
)
def test_a_service_whose_program_was_replaced_is_restarted_and_the_measure_is_named(
    bed: Bed, shopped: dict[str, dict[str, Any]], host: str, method: str, lacks: str
) -> None:
    restarts = shopped[host]["found"]["result"]["detail"]["restarts"]

    assert restarts["done"] == ["lab-daemon.service"]
    assert restarts["method"] == method
    assert restarts["lacks"].startswith(lacks) and bool(restarts["lacks"]) is bool(lacks)
    assert bed.sh(host, MAIN_PROCESS) != bed.sh(host, "cat /root/daemon")


def test_another_rollout_of_what_is_there_finds_nothing_to_do(bed: Bed, shopped: dict[str, dict[str, Any]]) -> None:
    found = bed.ask(TWELVE, "start", "other", packages=manifest("lab-shop", "lab-not-there"))

    assert (found["state"], found["result"]["outcome"]) == ("finished", "nothing")
    assert "lab-not-there:all" in found["result"]["reason"]
    assert bed.ask(TWELVE, "look", "other")["state"] == "none"


def test_what_is_kept_of_rollouts_that_are_long_over_goes_with_the_next_one(
    bed: Bed, shopped: dict[str, dict[str, Any]]
) -> None:
    """Three of long ago: one that is not over elsewhere, one whose version is still there, and one that may go."""
    bed.sh(TWELVE, f"cd {STATE}; {AGED}; touch -d '121 days ago' open there ancient")

    result = bed.works(TWELVE, "prunes", "lab-old", open_rollouts=["open", "prunes"])

    assert result["outcome"] == "patched", result
    kept = bed.sh(TWELVE, f"ls {STATE}").split()
    assert {"open", "there", "shop", "prunes"} <= set(kept)
    assert "ancient" not in kept
    bed.sh(TWELVE, f"rm -rf {STATE}/open {STATE}/there")


def test_the_way_back_is_proved_too(bed: Bed, shopped: dict[str, dict[str, Any]]) -> None:
    checks = [{"kind": "baseline", "compare": ["units"]}]

    would = bed.ask(THIRTEEN, "rollback", "shop", check=True)
    assert would["plan"]["installs"] == [{"package": f"{name}:all", "from": "1.1", "to": "1.0"} for name in GOOD]
    assert bed.version(THIRTEEN, "lab-shop") == "1.1 installed"

    result = bed.works(THIRTEEN, "shop", action="rollback", checks_after=checks)

    assert result["outcome"] == "rolled back"
    assert (result["before"], result["after"]) == tuple({f"{name}:all": now for name in GOOD} for now in ("1.1", "1.0"))
    assert result["healthy"] is True
    assert bed.version(THIRTEEN, "lab-shop") == "1.0 installed"
    assert bed.ask(THIRTEEN, "rollback", "shop")["result"]["outcome"] == "nothing"


def test_where_the_old_version_is_not_to_be_had_a_person_is_told_what_to_do(
    bed: Bed, shopped: dict[str, dict[str, Any]]
) -> None:
    lists = f"{ON_HOST}/dists/main/main/binary-amd64/Packages"
    bed.sh(ELEVEN, f"cp -a {ON_HOST}/dists /root/dists; sed -i 's/^Package: lab-shop$/Package: lab-moved/' {lists}")
    bed.sh(ELEVEN, f"rm {ON_HOST}/dists/main/Release && apt-get -qq update --allow-insecure-repositories")
    try:
        found = bed.ask(ELEVEN, "rollback", "shop")
    finally:
        bed.sh(ELEVEN, f"rm -rf {ON_HOST}/dists && mv /root/dists {ON_HOST}/dists && apt-get -qq update")

    assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-116"]
    assert "lab-shop:all 1.0" in found["result"]["reason"]
    assert bed.version(ELEVEN, "lab-shop") == "1.1 installed"


def test_who_holds_the_lock_is_named(bed: Bed) -> None:
    container = bed.container(TWELVE)
    bed.sh(TWELVE, f'printf %s "{HOLDER}" > /root/holder.py')
    podman.run("exec", "--detach", container, "python3", "/root/holder.py", "somebody")
    bed.at_script(TWELVE)

    found = bed.ask(TWELVE, "start", "lock", packages=manifest("lab-lock"))
    bed.sh(TWELVE, f"touch {GO}")

    assert code_of(found) == ["MSP-PAT-107"]
    assert "/var/lib/dpkg/lock-frontend by python3 /root/holder.py somebody (process" in found["result"]["reason"]
    assert bed.version(TWELVE, "lab-lock") == "1.0 installed"


def test_a_host_that_is_asked_to_begin_after_the_lease_of_who_asks_begins_nothing(bed: Bed) -> None:
    """As by a worker that was held up: another controller may have taken over meanwhile."""
    begin_by = dt.datetime.now(dt.UTC).isoformat()

    found = bed.ask(TWELVE, "start", "late", packages=manifest("lab-room"), begin_by=begin_by)

    assert (found["state"], found["result"], found["changed"]) == ("none", None, False)
    assert "another controller may have taken over" in found["why"]
    assert bed.version(TWELVE, "lab-room") == "1.0 installed"


def test_reasons_not_to_begin_are_all_told_at_once(bed: Bed) -> None:
    an_hour_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()

    found = bed.ask(
        TWELVE,
        "start",
        "many",
        packages=[*manifest("lab-greedy"), *manifest("lab-gone", version="9.9")],
        machine_id="0" * 32,
        controller_time=an_hour_ago,
        deadline=an_hour_ago,
        checks_before=[{"kind": "unit", "unit": "lab-nowhere.service"}],
    )

    assert code_of(found) == [f"MSP-PAT-{number}" for number in (103, 104, 105, 109, 113)]
    assert "lab-gone=9.9" in found["result"]["reason"]
    assert bed.ask(TWELVE, "look", "many")["state"] == "none"


@pytest.mark.parametrize(
    ("names", "arguments", "code", "said"),
    [
        (["lab-room"], {"margins": {"/var": 10_000_000}}, "MSP-PAT-112", "MiB free"),
        (["lab-greedy"], {}, "MSP-PAT-110", "lab-victim"),
        (["lab-user"], {"excluded": ["lab-exc*"]}, "MSP-PAT-180", "it would move lab-excluded:all from 1.0 to 1.1"),
    ],
)
def test_a_reason_not_to_begin(bed: Bed, names: list[str], arguments: dict[str, Any], code: str, said: str) -> None:
    found = bed.ask(TWELVE, "start", "reason", packages=manifest(*names), **arguments)

    assert code_of(found) == [code]
    assert said in found["result"]["reason"]
    assert [bed.version(TWELVE, name) for name in names] == ["1.0 installed"] * len(names)


@pytest.mark.parametrize("host", NAMES)
def test_what_a_host_keeps_back_is_left_out_with_what_needs_it_and_the_rest_is_installed(bed: Bed, host: str) -> None:
    bed.sh(host, "apt-mark -qq hold lab-held")
    bed.sh(host, "printf 'Package: lab-pinned\\nPin: version 1.0\\nPin-Priority: 1001\\n' >/etc/apt/preferences.d/lab")
    kept = ["lab-held:all: hold", "lab-needs-held:all: needs what is held", "lab-phased:all: phased 0 %"]
    kept += ["lab-pinned:all: pinned"]
    names = [line.partition(":")[0] for line in kept]
    try:
        result = bed.works(host, "keeps", "lab-user", *names, excluded=["postgresql-*"])
        only = bed.ask(host, "start", "keeps-all", packages=manifest(*names))["result"]
    finally:
        bed.sh(host, "rm /etc/apt/preferences.d/lab; apt-mark -qq unhold lab-held")

    assert result["outcome"] == "patched", result["reason"]
    assert (result["after"], result["held"]) == (
        {"lab-excluded:all": "1.1", "lab-user:all": "1.1"},
        kept,
    )
    assert {bed.version(host, name) for name in names} == {"1.0 installed"}
    assert (only["outcome"], only["held"]) == ("nothing", kept)


def test_a_service_that_ends_by_itself_is_no_failure(bed: Bed) -> None:
    """Nothing wants it to run: somebody had asked for it, and it came to a good end."""
    idle = "/etc/systemd/system/lab-idle.service"
    bed.sh(TWELVE, f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > {idle}; systemctl daemon-reload")
    bed.sh(TWELVE, "systemctl start lab-idle.service")

    result = bed.works(TWELVE, "idle", "lab-idle", checks_after=[{"kind": "baseline", "compare": ["units"]}])

    assert (result["outcome"], result["healthy"]) == ("patched", True), result["reason"]
    assert bed.sh(TWELVE, "systemctl is-active lab-idle.service || true") == "inactive"


def test_a_file_that_is_gone_from_the_mirror_leaves_the_host_as_it_was(bed: Bed) -> None:
    bed.sh(TWELVE, f"rm {ON_HOST}/pool/security/lab-lost-file_1.1_all.deb")

    result = bed.works(TWELVE, "mirror", "lab-lost-file")

    assert result["outcome"] == "failed"
    assert "nothing was installed" in result["reason"] and "lab-lost-file" in result["reason"]
    assert result["before"] == result["after"] == {"lab-lost-file:all": "1.0"}
    assert bed.version(TWELVE, "lab-lost-file") == "1.0 installed"


def test_a_disk_that_is_full_in_the_middle_is_told_and_leaves_the_old_version(bed: Bed) -> None:
    inside = podman.run("inspect", "--format", "{{.State.Pid}}", bed.container(TWELVE)).strip()
    small = ["nsenter", "--target", inside, "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "lab", "/opt/lab-full"]
    subprocess.run(small, check=True)
    try:
        result = bed.works(TWELVE, "full", "lab-full")
    finally:
        subprocess.run(["nsenter", "--target", inside, "--mount", "umount", "/opt/lab-full"], check=True)

    assert result["outcome"] == "failed"
    assert "No space left on device" in result["reason"]
    assert bed.version(TWELVE, "lab-full") == "1.0 installed"
    assert result["detail"]["unsound"] == []


def test_a_script_that_fails_leaves_a_half_and_says_so_and_the_way_back_heals_it(bed: Bed) -> None:
    result = bed.works(TWELVE, "script", "lab-script")

    assert result["outcome"] == "failed"
    assert "lab-script:all 1.1 is half-configured" in result["reason"]
    assert result["detail"]["repairs"] == 1  # looked into once, and left to a person
    assert result["after"] == {"lab-script:all": "1.1"}
    assert code_of(bed.ask(TWELVE, "start", "next", packages=manifest("lab-room"))) == ["MSP-PAT-106"]

    back = bed.works(TWELVE, "script", action="rollback")

    assert back["outcome"] == "rolled back", back
    assert bed.version(TWELVE, "lab-script") == "1.0 installed"
    assert bed.sh(TWELVE, "dpkg --audit") == ""


BASELINE = [{"kind": "baseline", "compare": ["units", "ports"]}]


def test_a_package_that_breaks_its_service_is_no_success_and_a_second_run_is_none_either(bed: Bed) -> None:
    """The tests after it go on with what it broke."""
    result = bed.works(TWELVE, "broken", "lab-broken", checks_after=BASELINE)

    assert (result["outcome"], result["healthy"]) == ("failed", False)
    assert "lab-broken.service ran before and does not now" in result["reason"]
    assert result["after"] == {"lab-broken:all": "1.1"}

    again = bed.works(TWELVE, "broken", "lab-broken", checks_after=[{"kind": "unit", "unit": "lab-broken.service"}])
    assert (again["outcome"], again["healthy"]) == ("failed", False)  # everything is at its version, and it is no pass


def test_what_an_earlier_rollout_broke_is_no_proof_for_the_next_one(bed: Bed) -> None:
    found = bed.ask(TWELVE, "start", "after-it", packages=manifest("lab-broken"))
    gate = bed.ask(TWELVE, "check", "after-it", checks_after=BASELINE)
    beside = bed.works(TWELVE, "beside-it", "lab-lock", checks_after=BASELINE)

    assert (found["result"]["outcome"], gate["healthy"]) == ("nothing", None)
    assert (beside["outcome"], beside["healthy"]) == ("patched", None)
    for why in (gate["why"], beside["reason"]):
        assert "nothing to compare with: lab-broken.service was down already" in why


def test_a_way_back_to_what_does_not_run_either_is_no_success_until_it_does(bed: Bed) -> None:
    change = "/etc/systemd/system/lab-broken.service.d"
    bed.sh(TWELVE, f"mkdir {change}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {change}/lab.conf")
    try:
        back = bed.works(TWELVE, "broken", action="rollback", checks_after=BASELINE)
    finally:
        bed.sh(TWELVE, f"rm -r {change}; systemctl daemon-reload")

    assert (back["outcome"], back["healthy"]) == ("failed", False)
    assert "lab-broken.service ran before and does not now" in back["reason"]
    assert bed.version(TWELVE, "lab-broken") == "1.0 installed"

    bed.sh(TWELVE, "systemctl reset-failed lab-broken.service; systemctl start lab-broken.service")
    again = bed.works(TWELVE, "broken", action="rollback", checks_after=BASELINE)
    assert (again["outcome"], again["healthy"]) == ("rolled back", True)
    assert bed.ask(TWELVE, "check", "after-it", checks_after=BASELINE)["healthy"] is True


def test_a_timer_that_cannot_be_masked_is_told(bed: Bed) -> None:
    """What somebody put in /etc goes before a mask for this boot: it is stopped, and anything may start it again."""
    name = "unattended-upgrades.service"
    bed.sh(THIRTEEN, f"cp /lib/systemd/system/{name} /etc/systemd/system/{name}; systemctl daemon-reload")
    try:
        result = bed.works(THIRTEEN, "loose", "lab-loose")
    finally:
        bed.sh(THIRTEEN, f"rm /etc/systemd/system/{name}; systemctl daemon-reload")

    assert (result["outcome"], name in result["detail"]["held"]) == ("patched", False)
    assert f"{name} could not be held back: it is loaded and inactive" in result["reason"]


@pytest.mark.parametrize(("host", "name"), [(TWELVE, "lab-cut-post"), (THIRTEEN, "lab-cut-pre")])
def test_dpkg_that_was_killed_is_repaired_by_the_next_look(bed: Bed, host: str, name: str) -> None:
    assert bed.ask(host, "start", name, packages=manifest(name))["state"] == "working"
    bed.at_script(host)

    bed.sh(host, f"kill -9 $(pidof dpkg); touch {GO}")
    result = bed.finish(host, name)["result"]

    assert result["outcome"] == "patched", result["reason"]
    assert result["detail"]["repairs"] == 1
    assert bed.version(host, name) == "1.1 installed"


def test_work_that_was_killed_as_a_whole_gives_the_timers_back_and_only_a_look_in_time_goes_on_with_it(
    bed: Bed, before: dict[str, list[str]]
) -> None:
    gone = dt.datetime.now(dt.UTC).isoformat()
    assert bed.ask(ELEVEN, "start", "killed", packages=manifest("lab-killed"))["state"] == "working"
    bed.at_script(ELEVEN)
    assert bed.timers(ELEVEN) != before[ELEVEN]
    assert bed.ask(ELEVEN, "look", "killed", finish_only=True)["state"] == "working"

    bed.kill_work(ELEVEN)
    until(lambda: bed.timers(ELEVEN) == before[ELEVEN], "the hook puts the timers back")
    bed.sh(ELEVEN, f"touch {GO}")

    assert bed.ask(ELEVEN, "look", "killed", check=True)["state"] == "cut off"
    late = bed.ask(ELEVEN, "look", "killed", begin_by=gone)
    assert (late["state"], late["will"], late["result"], late["changed"]) == ("cut off", "repair", None, False)
    assert bed.sh(ELEVEN, f"systemctl is-active {units.UNIT} || true") == "inactive"
    assert bed.there(ELEVEN, f"{STATE}/killed/{bed.sh(ELEVEN, f'cat {STATE}/killed/current')}/finish.json")

    result = bed.finish(ELEVEN, "killed")["result"]
    assert (result["outcome"], result["detail"]["repairs"]) == ("patched", 1)


def test_power_that_is_lost_in_the_middle_is_survived(bed: Bed, before: dict[str, list[str]]) -> None:
    assert bed.ask(ELEVEN, "start", "power", packages=manifest("lab-power"))["state"] == "working"
    bed.at_script(ELEVEN)

    podman.run("kill", bed.container(ELEVEN))
    bed.boot_again(ELEVEN)

    bed.wait_for(ELEVEN, "systemctl --quiet is-active apt-daily.timer", "the boot starts the timer")
    assert bed.version(ELEVEN, "lab-power") != "1.1 installed"
    bed.sh(ELEVEN, f"touch {GO}")
    result = bed.finish(ELEVEN, "power")["result"]
    assert (result["outcome"], result["detail"]["repairs"]) == ("patched", 1)


def test_of_two_that_start_at_once_systemd_refuses_one(bed: Bed) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(lambda name: bed.ask(TWELVE, "start", name, packages=manifest("lab-twice")), ("first", "second"))
        )
    bed.at_script(TWELVE)
    arguments = units.start_arguments("/bin/true", "x", "install", "/x", "third one")
    third = podman.attempt("exec", bed.container(TWELVE), *arguments)
    late = bed.ask(TWELVE, "start", "late", packages=manifest("lab-room"))
    bed.sh(TWELVE, f"touch {GO}")

    assert sorted(found["state"] for found in both) == ["finished", "working"]
    (loser,) = [found for found in both if found["state"] == "finished"]
    assert code_of(loser) == code_of(late) == ["MSP-PAT-114"]
    assert third.returncode != 0 and "already" in third.stderr
    name = "first" if both[0]["state"] == "working" else "second"
    other = "second" if name == "first" else "first"
    assert bed.finish(TWELVE, name)["result"]["outcome"] == "patched"
    assert bed.ask(TWELVE, "look", other)["state"] == "none"
    assert bed.sh(TWELVE, f"ls {STATE}/{other} 2>/dev/null || true") == ""


def test_a_window_that_ends_halfway_lets_dpkg_end_and_reboots_no_more(bed: Bed) -> None:
    # Long enough to begin and to fetch, however busy this machine is.
    asked = time.monotonic()
    bed.ask(TWELVE, "start", "late", packages=manifest("lab-late"), check=True)
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=6 + 2 * (time.monotonic() - asked))
    begun = bed.ask(
        TWELVE, "start", "late", packages=manifest("lab-late"), deadline=deadline.isoformat(), reboot="always"
    )
    assert begun["state"] == "working", begun
    bed.at_script(TWELVE)
    until(lambda: dt.datetime.now(dt.UTC) > deadline, "the window ends")
    bed.sh(TWELVE, f"touch {GO}")

    first = bed.finish(TWELVE, "late")["result"]

    assert (first["outcome"], first["rebooted"]) == ("reboot owed", False)
    assert "the window ended before it" in first["reason"]
    assert (first["after"], first["owed"]) == ({"lab-late:all": "1.1"}, ["reboot: the plan wants it always"])

    again = bed.restarter(TWELVE)
    packages = manifest("lab-late")
    assert bed.ask(TWELVE, "start", "late", packages=packages, reboot="always")["state"] == "working"
    again.join(SECONDS)
    second = bed.finish(TWELVE, "late")["result"]
    assert (second["outcome"], second["rebooted"], second["owed"]) == ("patched", True, [])
    assert (second["before"], second["after"]) == (first["before"], first["after"])
    assert "installing" not in [step["phase"] for step in second["detail"]["steps"]]


def test_a_rollout_that_is_stopped_halfway_lets_dpkg_end_and_begins_nothing_more(bed: Bed) -> None:
    packages = manifest("lab-stopped")
    assert bed.ask(THIRTEEN, "start", "stopped", packages=packages, reboot="always")["state"] == "working"
    bed.at_script(THIRTEEN)
    answers = [bed.ask(THIRTEEN, "look", "stopped", finish_only=True)]
    bed.sh(THIRTEEN, f"touch {GO}")

    def over() -> bool:
        answers.append(bed.ask(THIRTEEN, "look", "stopped", finish_only=True, linger=10))
        return str(answers[-1]["state"]) == "finished"

    until(over, "the end of the work")
    result = answers[-1]["result"]

    assert (result["outcome"], result["rebooted"]) == ("reboot owed", False)
    assert "the rollout was stopped" in result["reason"]
    assert bed.version(THIRTEEN, "lab-stopped") == "1.1 installed"


def test_dpkg_that_was_killed_in_a_stopped_rollout_is_mended_and_nothing_more_is_installed(bed: Bed) -> None:
    name = "lab-stopped"
    assert bed.ask(ELEVEN, "start", name, packages=manifest(name), reboot="always")["state"] == "working"
    bed.at_script(ELEVEN)

    bed.sh(ELEVEN, f"kill -9 $(pidof dpkg); touch {GO}")
    until(lambda: bed.ask(ELEVEN, "look", name, finish_only=True)["state"] == "finished", "it is mended")
    result = bed.ask(ELEVEN, "look", name, finish_only=True)["result"]

    assert (result["outcome"], result["detail"]["repairs"]) == ("reboot owed", 1), result["reason"]
    assert bed.version(ELEVEN, name) == "1.1 installed"


@pytest.mark.parametrize(("host", "reboot", "owed"), [(TWELVE, "if_needed", False), (ELEVEN, "never", True)])
def test_what_a_running_system_keeps_wants_a_reboot_or_is_owed(bed: Bed, host: str, reboot: str, owed: bool) -> None:
    again = None if owed else bed.restarter(host)

    assert bed.ask(host, "start", "bus", packages=manifest("dbus-broker"), reboot=reboot)["state"] == "working"
    if again is not None:
        again.join(SECONDS)
    result = bed.finish(host, "bus")["result"]

    reasons = ["dbus-broker was updated after the last boot"]
    assert result["outcome"] == "patched", result["reason"]
    assert result["detail"]["reboot"]["reasons"] == reasons
    assert (result["rebooted"], result["owed"]) == ((None, [f"reboot: {reasons[0]}"]) if owed else (True, []))


def test_a_line_that_is_cut_changes_nothing_on_the_host(bed: Bed) -> None:
    played = bed.play([THIRTEEN], rollout="line", packages=manifest("lab-line"), lost_after=60)
    bed.at_script(THIRTEEN)

    masters = subprocess.run(
        ["pgrep", "-f", f"ssh.*{played.place}/c"], capture_output=True, text=True, check=True
    ).stdout.split()
    for number in masters:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
    bed.sh(THIRTEEN, f"touch {GO}")
    found = played.results()[THIRTEEN]["found"]

    assert found["result"]["outcome"] == "patched", found
    assert [step["phase"] for step in found["result"]["detail"]["steps"]].count("installing") == 1


def test_a_controller_that_is_killed_leaves_the_work_to_the_host(bed: Bed) -> None:
    played = bed.play([TWELVE], rollout="controller", packages=manifest("lab-window"))
    bed.wait_for(TWELVE, f"[ -e {STATE}/controller/current ]", "the host has begun")
    os.killpg(played.process.pid, signal.SIGKILL)
    played.process.communicate(timeout=SECONDS)

    bed.wait_for(TWELVE, "dpkg-query -W lab-window | grep -q 1.1", "the host goes on alone")
    assert bed.finish(TWELVE, "controller")["result"]["outcome"] == "patched"


@pytest.fixture(scope="module")
def rebooted(bed: Bed) -> dict[str, dict[str, Any]]:
    """One run: a host that comes back, one that stays down, and one that never answered."""
    deaf = Bed({**bed.rows, ELEVEN: {**bed.rows[ELEVEN], "port": 9}}, bed.place / "deaf", bed.state_dir)
    deaf.place.mkdir()
    again = bed.restarter(THIRTEEN)
    asked = {
        THIRTEEN: {"packages": manifest("lab-reboot"), "checks_after": BASELINE, "check_seconds": 30},
        TWELVE: {"packages": manifest("lab-down"), "lost_after": 3},
        ELEVEN: {"packages": manifest("lab-room"), "lost_after": 3600},
    }
    every = {name: {"rollout": "reboot", "reboot": "always", **one} for name, one in asked.items()}
    found = deaf.plays(NAMES, every, found=deaf.task("asked")).results()
    again.join(SECONDS)
    bed.asked.add(THIRTEEN)
    return {name: said["found"] for name, said in found.items()}


def test_a_reboot_counts_with_a_new_start_of_process_1(rebooted: dict[str, dict[str, Any]]) -> None:
    result = rebooted[THIRTEEN]["result"]

    assert result["outcome"] == "patched", result["reason"]
    assert result["rebooted"] is True and result["healthy"] is True
    proof = result["detail"]["reboot"]
    assert proof["boot"]["first_process"] != proof["after"]["first_process"]


def test_a_host_that_stays_down_is_lost_and_the_next_look_tells_the_truth(
    bed: Bed, rebooted: dict[str, dict[str, Any]]
) -> None:
    found = rebooted[TWELVE]

    assert (found["state"], found["result"]["outcome"]) == ("lost", "lost")
    assert "MSP-PAT-120" in found["result"]["reason"]
    assert found["result"]["rebooted"] is None

    bed.boot_again(TWELVE)
    result = bed.finish(TWELVE, "reboot")["result"]
    assert (result["outcome"], result["rebooted"]) == ("patched", True)


def test_a_host_that_never_answered_is_lost_at_once(rebooted: dict[str, dict[str, Any]]) -> None:
    found = rebooted[ELEVEN]

    assert (found["state"], found["result"]["outcome"]) == ("lost", "lost")
    assert "MSP-PAT-120" in found["result"]["reason"]
