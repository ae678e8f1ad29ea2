"""msp.ops.patch_install on real hosts with systemd and a real dnf 4, also when everything goes wrong.

What tests/test_patch_install.py shows for apt, where dnf and rpm are different. The hosts are Debian's with nothing in
dpkg's database, so that rpm's is what counts. They serve made repositories to themselves.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from lab import hosts, image, podman
from lab.machines import MACHINES
from lab.rpms import ONE_DATABASE, PLACE, SHELL, DnfHost, Notice, Rpm
from tests.patch_bed import AT, GO, RESTART, SECONDS, STATE, WAIT, Bed, code_of, unit, until
from tests.patch_bed import bed as lay

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("patch-dnf-test", os.environ.get("PYTEST_XDIST_WORKER"))))
# dnf 4.14 as RHEL 9 has, and 4.23.
OLDER, NEWER = NAMES = ("jansen-srv01", "harbour-srv01")
RECIPES = {OLDER: image.DEBIAN_12_DNF, NEWER: image.DEBIAN_13_DNF}
HELD = ("dnf-automatic.timer", "dnf-makecache.timer")
TIMER = "[Timer]\nOnCalendar=2099-01-01\n[Install]\nWantedBy=timers.target\n"
# What dnf keeps beside its older versions, as it does kernels.
BESIDE = {"installonlypkgs": "lab-core"}


def shop(name: str, version: str, *, works: bool = True) -> Rpm:
    """A service with two configuration files, which its own script restarts."""
    service = f"/usr/lib/systemd/system/{name}.service"
    return Rpm(
        name,
        version,
        files={
            f"/usr/lib/{name}/run": f"#!/bin/sh\n{'exec sleep infinity' if works else 'exit 3'}\n",
            service: unit(f"/bin/sh /usr/lib/{name}/run"),
            f"/etc/{name}.conf": f"version = {version}\n",
            f"/etc/{name}.rules": f"rules of {version}\n",
        },
        configs={f"/etc/{name}.conf": "noreplace", f"/etc/{name}.rules": ""},
        scripts={"post": RESTART.format(f"{name}.service")},
    )


def daemon(version: str) -> Rpm:
    """A daemon whose program is replaced under it, and that nobody restarts."""
    return Rpm(
        "lab-daemon",
        version,
        architecture="x86_64",
        files={"/usr/lib/systemd/system/lab-daemon.service": unit("/usr/lib/lab-daemon/daemon 1d")},
        copies={"/usr/lib/lab-daemon/daemon": "/bin/sleep"},
        scripts={"post": "systemctl daemon-reload\nsystemctl enable --quiet --now lab-daemon.service\n"},
    )


def waiting(name: str, script: str = "post") -> Rpm:
    """A package whose script waits for the test."""
    return Rpm(name, "1.1", scripts={script: f"set -e\n{WAIT}"})


CUT = ("lab-cut-post", "lab-cut-pre", "lab-killed", "lab-power")
SMALL = (
    "lab-plain", "lab-locked", "lab-stuck", "lab-old", "lab-app", "lab-sink", "lab-room", "lab-lost", "lab-firmware",
    "dbus-broker", "lab-core", "lab-script", "lab-low", "lab-full", "lab-user", "lab-excluded", "lab-needs-locked",
)  # fmt: skip
OLD = (
    SHELL, shop("lab-shop", "1.0"), shop("lab-broken", "1.0"), daemon("1.0"),
    *(Rpm(name, "1.0") for name in (*CUT, *SMALL)),
)  # fmt: skip
LOW = Rpm("lab-low", "1.1")
NEW = (
    shop("lab-shop", "1.1"),
    shop("lab-broken", "1.1", works=False),
    daemon("1.1"),
    *(waiting(name, "pre" if name == "lab-cut-pre" else "post") for name in CUT),
    *(Rpm(name, "1.1") for name in ("lab-plain", "lab-locked", "lab-room", "lab-lost", "lab-core", "dbus-broker")),
    Rpm("lab-firmware", "1.1"),
    Rpm("lab-stuck", "1.1", requires=("lab-absent",)),
    Rpm("lab-app", "1.1", requires=("lab-library",)),
    Rpm("lab-library", "1.0"),
    Rpm("lab-needs-locked", "1.1", requires=("lab-locked >= 1.1",)),
    Rpm("lab-user", "1.1", requires=("lab-excluded >= 1.1",)),
    Rpm("lab-excluded", "1.1"),
    Rpm("lab-old", "1.1", obsoletes=("lab-plain < 9",)),
    Rpm("lab-sink", "1.1", requires=("lab-low = 1.0",)),
    Rpm("lab-script", "1.1", scripts={"post": "echo this never works >&2\nexit 7\n"}),
    Rpm("lab-full", "1.1", files={"/opt/lab-full/data": "x" * 4_000_000}),
    LOW,
)
NOTICES = (Notice("LAB-EA-2026:0001", "enhancement", "None", (Rpm("lab-firmware", "1.1"),), reboot=True),)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [replace(one, recipe=RECIPES[one.name]) for one in MACHINES if one.name in RECIPES]
    with lay(LAB, machines, tmp_path_factory.mktemp("patch-dnf"), HELD, Bed) as made:
        build(made)
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(lambda name: prepare(made, name), NAMES))
        yield made


def build(made: Bed) -> None:
    """All packages once, on the older host: the newer one reads what that makes."""
    first = DnfHost(made.container(OLDER))
    first.write({**ONE_DATABASE, f"{PLACE}/specs/none": ""})
    first.build([*OLD, *NEW])
    moved = made.place / "rpms"
    podman.run("cp", f"{made.container(OLDER)}:{PLACE}", str(moved))
    podman.run("cp", str(moved), f"{made.container(NEWER)}:{PLACE}")


def prepare(made: Bed, name: str) -> None:
    """The old versions of all packages on a host, and the desk."""
    host = DnfHost(made.container(name))
    host.built([*OLD, *NEW])
    # Where packages have them: what lies in /etc goes before a mask for this boot.
    timers = {f"/usr/lib/systemd/system/{timer}": TIMER for timer in HELD}
    services = {f"/usr/lib/systemd/system/{timer.replace('timer', 'service')}": unit("/bin/true") for timer in HELD}
    host.write({**timers, **services})
    host.convert()
    made.sh(name, f"systemctl enable --quiet {' '.join(HELD)}")
    host.publish("base", OLD)
    host.publish("updates", NEW, NOTICES)
    host.configure({"base": {}, "updates": {}}, BESIDE)
    olds = [rpm.nevra for rpm in OLD if rpm.name != LOW.name]
    host.run("dnf", "--quiet", "--assumeyes", "install", *olds, LOW.nevra)
    host.write({"/etc/dnf/plugins/versionlock.list": "lab-locked-0:1.0-1.*\n"})
    made.give_desk(name)
    # What was installed since the last boot makes a reboot wanted.
    podman.run("restart", "--time", "0", made.container(name))
    hosts.wait_until_booted(made.container(name))
    made.sh(name, "systemctl stop dnf-makecache.timer")
    host.wait_for_mirror()


@pytest.fixture(scope="module")
def before(field: Bed) -> dict[str, list[str]]:
    return {host: field.timers(host) for host in NAMES}


@pytest.fixture(autouse=True)
def as_it_was(field: Bed, before: dict[str, list[str]]) -> Iterator[None]:
    """Whatever happened: nothing is at work any more, and the timers are exactly as they were."""
    yield
    settled = field.settle()
    assert settled == {host: (before[host], "nothing left:") for host in settled}


def manifest(*names: str, version: str = "1.1-1") -> list[dict[str, str]]:
    architecture = {"lab-daemon": "x86_64"}
    return [{"name": name, "architecture": architecture.get(name, "noarch"), "version": version} for name in names]


def versions(field: Bed, host: str, name: str) -> list[str]:
    return sorted(field.on(host, "rpm", "-q", "--queryformat", "%{VERSION}\n", name).split())


def work(field: Bed, host: str, rollout: str, *names: str, **arguments: Any) -> dict[str, Any]:
    return field.work(host, rollout, packages=manifest(*names), **arguments)


def test_check_mode_tells_what_it_would_do_and_changes_nothing(field: Bed) -> None:
    was = field.sh(OLDER, f"rpm -qa | sort; find {STATE} 2>/dev/null || true")

    found = field.ask(OLDER, "start", "shop", packages=manifest("lab-shop"), check=True)

    assert (found["changed"], found["result"]) == (True, None), found
    assert found["plan"]["installs"] == [{"package": "lab-shop:noarch", "from": "1.0-1", "to": "1.1-1"}]
    assert found["plan"]["download"] > 1000
    assert field.sh(OLDER, f"rpm -qa | sort; find {STATE} 2>/dev/null || true") == was


GOOD = ("lab-daemon", "lab-shop")
KEYS = ("lab-daemon:x86_64", "lab-shop:noarch")
LEFT = f"rpm -qa | sort; find {STATE} | sort"
MAIN_PROCESS = "systemctl show -p MainPID --value lab-daemon.service"


@pytest.fixture(scope="module")
def shopped(field: Bed) -> dict[str, dict[str, Any]]:
    """The plain good run, on both dnfs at once, and a second one after it.

    Somebody had edited the configuration on one of them. One package restarts its service, and the other does not.
    """
    field.sh(OLDER, "for end in conf rules; do echo edited >> /etc/lab-shop.$end; done")
    for host in NAMES:
        field.sh(host, f"{MAIN_PROCESS} > /root/daemon")
    checks = [{"kind": "unit", "unit": "lab-shop.service"}, {"kind": "baseline", "compare": ["units", "ports"]}]
    asked = field.task({"rollout": "shop", "packages": manifest(*GOOD), "checks_after": checks})
    left = field.peek(LEFT)
    return field.plays(NAMES, found=asked, left_by_first=left, again=asked, left_by_second=left).results()


@pytest.mark.parametrize("host", NAMES)
def test_a_good_run_is_proved_on_the_host(field: Bed, shopped: dict[str, dict[str, Any]], host: str) -> None:
    result = shopped[host]["found"]["result"]

    assert shopped[host]["found"]["changed"]
    assert result["outcome"] == "patched", result["reason"]
    assert (result["before"], result["after"]) == (dict.fromkeys(KEYS, "1.0-1"), dict.fromkeys(KEYS, "1.1-1"))
    assert (result["healthy"], result["rebooted"]) == (True, None)
    assert result["restarted"] == [f"{name}.service" for name in GOOD]
    assert versions(field, host, "lab-shop") == ["1.1"]
    assert result["detail"]["held"] == sorted(HELD)


def test_an_edited_file_stays_or_is_replaced_as_its_package_says_and_both_are_told(
    field: Bed, shopped: dict[str, dict[str, Any]]
) -> None:
    result = shopped[OLDER]["found"]["result"]

    assert result["kept_files"] == ["/etc/lab-shop.conf"]
    assert result["detail"]["replaced_files"] == ["/etc/lab-shop.rules"]
    assert "/etc/lab-shop.rules had been edited" in result["reason"]
    assert field.sh(OLDER, "cat /etc/lab-shop.conf") == "version = 1.0\nedited"
    assert field.sh(OLDER, "cat /etc/lab-shop.conf.rpmnew") == "version = 1.1"
    assert (
        field.sh(OLDER, "cat /etc/lab-shop.rules /etc/lab-shop.rules.rpmsave") == "rules of 1.1\nrules of 1.0\nedited"
    )
    newer = shopped[NEWER]["found"]["result"]
    assert (newer["kept_files"], newer["reason"]) == ([], "")


@pytest.mark.parametrize("host", NAMES)
def test_a_second_run_changes_nothing_and_says_the_same(shopped: dict[str, dict[str, Any]], host: str) -> None:
    found, again = (shopped[host][name] for name in ("found", "again"))

    assert not again["changed"]
    assert (again["result"]["outcome"], again["result"]["at"]) == ("patched", found["result"]["at"])
    assert shopped[host]["left_by_second"]["stdout"] == shopped[host]["left_by_first"]["stdout"]


@pytest.mark.parametrize("host", NAMES)
def test_a_service_whose_program_was_replaced_is_restarted_and_the_measure_is_named(
    field: Bed, shopped: dict[str, dict[str, Any]], host: str
) -> None:
    restarts = shopped[host]["found"]["result"]["detail"]["restarts"]

    assert restarts["method"] == "dnf needs-restarting and deleted files in /proc/*/maps"
    assert restarts["done"] == ["lab-daemon.service"]
    assert field.sh(host, MAIN_PROCESS) != field.sh(host, "cat /root/daemon")


def test_the_way_back_is_proved_too(field: Bed, shopped: dict[str, dict[str, Any]]) -> None:
    result = field.work(NEWER, "shop", action="rollback", checks_after=[{"kind": "baseline", "compare": ["units"]}])

    assert (result["outcome"], result["healthy"]) == ("rolled back", True), result["reason"]
    assert (result["before"], result["after"]) == (dict.fromkeys(KEYS, "1.1-1"), dict.fromkeys(KEYS, "1.0-1"))
    assert versions(field, NEWER, "lab-shop") == ["1.0"]
    assert field.ask(NEWER, "rollback", "shop")["result"]["outcome"] == "nothing"


def test_where_no_repository_has_the_old_version_any_more_a_person_is_told_what_to_do(
    field: Bed, shopped: dict[str, dict[str, Any]]
) -> None:
    host = DnfHost(field.container(OLDER))
    host.built(OLD)
    host.publish("base", [rpm for rpm in OLD if rpm.name != "lab-shop"])
    host.run("dnf", "--quiet", "--refresh", "makecache")
    try:
        found = field.ask(OLDER, "rollback", "shop")
    finally:
        host.publish("base", OLD)
        host.run("dnf", "--quiet", "--refresh", "makecache")

    assert code_of(found) == ["MSP-PAT-116"]
    assert "lab-shop:noarch 1.0-1" in found["result"]["reason"]
    assert versions(field, OLDER, "lab-shop") == ["1.1"]


def test_what_came_beside_it_and_a_kernel_beside_its_older_one_are_told_and_stay_on_the_way_back(field: Bed) -> None:
    packages = manifest("lab-app", "lab-core")
    would = field.ask(OLDER, "start", "beside", packages=packages, check=True)
    result = work(field, OLDER, "beside", "lab-app", "lab-core")
    back = field.work(OLDER, "beside", action="rollback")

    assert would["plan"]["also"] == ["lab-library:noarch"]
    assert (result["outcome"], result["detail"]["also"]) == ("patched", ["lab-library:noarch"])
    assert result["after"] == {
        "lab-app:noarch": "1.1-1",
        "lab-core:noarch": "1.1-1",
        "lab-library:noarch": "1.0-1",
    }
    assert back["outcome"] == "rolled back", back["reason"]
    assert "lab-library:noarch came with it and stays" in back["reason"]
    assert "lab-core:noarch 1.1-1 stays beside 1.0-1" in back["reason"]
    assert field.ask(OLDER, "rollback", "beside")["result"]["outcome"] == "nothing"
    assert versions(field, OLDER, "lab-core") == ["1.0", "1.1"]


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        (
            "lab-user",
            {"excluded": ["lab-exc*"]},
            "MSP-PAT-180",
            "it would move lab-excluded:noarch from 1.0-1 to 1.1-1",
        ),
        ("lab-old", {}, "MSP-PAT-110", "it would remove lab-plain"),
        ("lab-stuck", {}, "MSP-PAT-111", "nothing provides lab-absent"),
        ("lab-room", {"margins": {"/var": 10_000_000}}, "MSP-PAT-112", "MiB free"),
        # It needs another package at an older version, and dnf takes nothing back by itself.
        ("lab-sink", {}, "MSP-PAT-111", "requires lab-low = 1.0"),
    ],
)
def test_a_reason_not_to_begin(field: Bed, name: str, arguments: dict[str, Any], code: str, said: str) -> None:
    found = field.ask(OLDER, "start", "reason", packages=manifest(name), **arguments)

    assert code_of(found) == [code]
    assert said in found["result"]["reason"]
    assert versions(field, OLDER, name) == ["1.0"]


def test_what_a_lock_keeps_back_is_left_out_with_what_needs_it_and_the_rest_is_installed(field: Bed) -> None:
    result = work(field, OLDER, "keeps", "lab-user", "lab-locked", "lab-needs-locked")
    only = field.ask(OLDER, "start", "keeps-all", packages=manifest("lab-locked"))["result"]

    assert result["outcome"] == "patched", result["reason"]
    assert result["after"] == {"lab-excluded:noarch": "1.1-1", "lab-user:noarch": "1.1-1"}
    assert result["held"] == ["lab-locked:noarch: versionlock", "lab-needs-locked:noarch: needs what is held"]
    assert versions(field, OLDER, "lab-locked") == ["1.0"]
    assert (only["outcome"], only["held"]) == ("nothing", ["lab-locked:noarch: versionlock"])


def test_a_version_that_is_gone_is_said_after_the_lists_were_renewed(field: Bed) -> None:
    found = field.ask(OLDER, "start", "gone", packages=manifest("lab-room", version="9.9-1"))

    assert code_of(found) == ["MSP-PAT-109"]
    assert "lab-room-0:9.9-1.noarch" in found["result"]["reason"]


HOLDER = f"""
import fcntl, os, sys, time
if sys.argv[1].endswith('.pid'):
    open(sys.argv[1], 'w').write(str(os.getpid()))
else:
    lock = open(sys.argv[1], 'a+')
    fcntl.lockf(lock, fcntl.LOCK_EX)
open('{AT}', 'w').close()
while not os.path.exists('{GO}'):
    time.sleep(0.05)
"""


@pytest.mark.parametrize("lock", ["/var/lib/dnf/rpmdb_lock.pid", "/var/lib/rpm/.rpm.lock"])
def test_who_holds_the_lock_is_named(field: Bed, lock: str) -> None:
    DnfHost(field.container(OLDER)).write({"/root/holder.py": HOLDER})
    podman.run("exec", "--detach", field.container(OLDER), "python3", "/root/holder.py", lock)
    field.at_script(OLDER)

    found = field.ask(OLDER, "start", "lock", packages=manifest("lab-room"))
    field.sh(OLDER, f"touch {GO}")

    assert code_of(found) == ["MSP-PAT-107"]
    assert f"{lock} by python3 /root/holder.py {lock} (process" in found["result"]["reason"]


def test_a_database_that_is_damaged_is_told_and_nothing_is_begun(field: Bed) -> None:
    base = "/var/lib/rpm/rpmdb.sqlite"
    field.sh(OLDER, f"cp -a /var/lib/rpm /root/rpm.away; rm -f {base}-*; dd if=/dev/zero of={base} bs=1 count=100 2>&1")
    try:
        found = field.ask(OLDER, "start", "damaged", packages=manifest("lab-room"))
    finally:
        field.sh(OLDER, "rm -rf /var/lib/rpm && mv /root/rpm.away /var/lib/rpm")

    assert code_of(found) == ["MSP-PAT-106"]
    assert "rpm -qa" in found["result"]["reason"]


def test_a_file_that_is_gone_from_the_mirror_leaves_the_host_as_it_was(field: Bed) -> None:
    field.sh(OLDER, f"rm {PLACE}/updates/lab-lost-1.1-1.noarch.rpm")

    result = work(field, OLDER, "mirror", "lab-lost")

    assert result["outcome"] == "failed"
    assert "nothing was installed" in result["reason"] and "lab-lost" in result["reason"]
    assert versions(field, OLDER, "lab-lost") == ["1.0"]


def test_a_disk_that_is_too_small_is_told_and_leaves_the_old_version(field: Bed) -> None:
    inside = podman.run("inspect", "--format", "{{.State.Pid}}", field.container(OLDER)).strip()
    field.sh(OLDER, "mkdir -p /opt/lab-full")
    small = ["nsenter", "--target", inside, "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "lab", "/opt/lab-full"]
    subprocess.run(small, check=True)
    try:
        result = work(field, OLDER, "full", "lab-full")
    finally:
        subprocess.run(["nsenter", "--target", inside, "--mount", "umount", "/opt/lab-full"], check=True)

    assert result["outcome"] == "failed"
    assert "/opt/lab-full" in result["reason"], result["reason"]
    assert versions(field, OLDER, "lab-full") == ["1.0"]
    assert result["detail"]["unsound"] == []


def test_a_script_that_fails_is_no_success_although_dnf_says_so_and_the_way_back_heals_it(field: Bed) -> None:
    result = work(field, OLDER, "script", "lab-script")

    assert result["outcome"] == "failed"
    assert "the script POSTIN of lab-script failed" in result["reason"]
    assert result["detail"]["repairs"] == 1  # done once more, and left to a person
    assert result["after"] == {"lab-script:noarch": "1.1-1"}

    back = field.work(OLDER, "script", action="rollback")

    assert back["outcome"] == "rolled back", back["reason"]
    assert versions(field, OLDER, "lab-script") == ["1.0"]


def test_a_package_that_breaks_its_service_is_no_success_and_can_be_taken_back(field: Bed) -> None:
    result = work(field, OLDER, "broken", "lab-broken", checks_after=[{"kind": "baseline", "compare": ["units"]}])

    assert (result["outcome"], result["healthy"]) == ("failed", False)
    assert "lab-broken.service ran before and does not now" in result["reason"]

    checks = [{"kind": "unit", "unit": "lab-broken.service"}, {"kind": "baseline", "compare": ["units", "ports"]}]
    back = field.work(OLDER, "broken", action="rollback", checks_after=checks)
    assert (back["outcome"], back["healthy"]) == ("rolled back", True), back["reason"]


@pytest.mark.parametrize(("host", "name"), [(NEWER, "lab-cut-post"), (OLDER, "lab-cut-pre")])
def test_a_dnf_that_was_killed_is_repaired_by_the_next_look(field: Bed, host: str, name: str) -> None:
    assert field.ask(host, "start", name, packages=manifest(name))["state"] == "working"
    field.at_script(host)

    field.sh(host, f"pkill -9 -x dnf; touch {GO}")
    result = field.finish(host, name)["result"]

    assert result["outcome"] == "patched", result["reason"]
    assert result["detail"]["repairs"] == 1
    assert versions(field, host, name) == ["1.1"]


def test_work_that_was_killed_as_a_whole_gives_the_timers_back_and_is_gone_on_with(
    field: Bed, before: dict[str, list[str]]
) -> None:
    assert field.ask(OLDER, "start", "killed", packages=manifest("lab-killed"))["state"] == "working"
    field.at_script(OLDER)
    assert field.timers(OLDER) != before[OLDER]

    field.kill_work(OLDER)
    until(lambda: field.timers(OLDER) == before[OLDER], "the hook puts the timers back")
    assert versions(field, OLDER, "lab-killed") == ["1.0", "1.1"]  # what rpm has of a half
    blocked = field.ask(OLDER, "start", "other", packages=manifest("lab-room"))
    assert code_of(blocked) == ["MSP-PAT-106"]
    assert "lab-killed:noarch is there in several versions: 1.0-1, 1.1-1" in blocked["result"]["reason"]
    field.sh(OLDER, f"touch {GO}")

    assert field.ask(OLDER, "look", "killed", check=True)["state"] == "cut off"
    result = field.finish(OLDER, "killed")["result"]
    assert (result["outcome"], result["detail"]["repairs"]) == ("patched", 1), result["reason"]
    assert versions(field, OLDER, "lab-killed") == ["1.1"]


def test_power_that_is_lost_in_the_middle_is_survived(field: Bed) -> None:
    assert field.ask(NEWER, "start", "power", packages=manifest("lab-power"))["state"] == "working"
    field.at_script(NEWER)

    podman.run("kill", field.container(NEWER))
    field.boot_again(NEWER)

    field.wait_for(NEWER, "systemctl --quiet is-active dnf-automatic.timer", "the boot starts the timer")
    field.sh(NEWER, f"touch {GO}")
    result = field.finish(NEWER, "power")["result"]
    assert (result["outcome"], result["detail"]["repairs"]) == ("patched", 1), result["reason"]
    assert versions(field, NEWER, "lab-power") == ["1.1"]


BUS = "dbus-broker was updated after the last boot"


@pytest.mark.parametrize(
    ("host", "names", "reasons"),
    [
        (NEWER, ("dbus-broker",), [BUS]),
        (OLDER, ("dbus-broker", "lab-firmware"), [BUS, "suggested by the maker of lab-firmware"]),
    ],
)
def test_a_reboot_that_is_wanted_happens_and_is_proved(
    field: Bed, host: str, names: tuple[str, ...], reasons: list[str]
) -> None:
    again = field.restarter(host)

    begun = field.ask(host, "start", "reboot", packages=manifest(*names))
    again.join(SECONDS)
    hosts.wait_until_booted(field.container(host))
    result = field.finish(host, "reboot")["result"]

    assert begun["state"] == "working", begun
    assert result["outcome"] == "patched", result["reason"]
    assert result["rebooted"] is True
    proof = result["detail"]["reboot"]
    assert sorted(proof["reasons"]) == reasons
    assert proof["boot"]["first_process"] != proof["after"]["first_process"]
