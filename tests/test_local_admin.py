"""Local passwords on two real hosts: rotated by way of the escrow, whatever is killed; an account for emergencies that
lets in and tells everybody; and logins that work once. Every login is a real one, with a password."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation
from lab import hosts, podman
from lab.machines import NEWCOMERS
from tests import admin_crash, patch_bed
from tests.admin_bed import BREAK_GLASS, CONTROLS, CUSTOMER, ROOT, TECHNICIAN, Bed
from tests.patch_bed import until
from tests.test_lockout import kill as kill_all

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("admin-test", os.environ.get("PYTEST_XDIST_WORKER"))))
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")
KEPT_SET_MARKED = ["kept", "set", "marked"]
# More than there are: a rotation that is not killed any more ends the test, and says so where it never comes to that.
MOST_POINTS = 60
WAIVED = {
    **{"reason": "The owner keeps it in a safe", "owner": "Noor", "expires": "2099-01-31"},
    "agreed": {"by": "A. Bakker", "on": "2026-11-01", "reference": "mail of 1 November"},
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name in NAMES]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("admin"), (), Bed) as made:
        made.prepare()
        with admin_crash.desks({name: made.container(name) for name in NAMES}, made.place) as made.desks:
            yield made


@pytest.fixture(scope="module")
def ready(bed: Bed) -> Bed:
    """Brought to the controls, which were drift but for those of passwords that nobody had used."""
    ran = bed.standardise(NAMES)
    assert ran.status == 0, ran.output[-6000:]
    for name in NAMES:
        drift = {row["control"] for row in ran.results[name]["before"]["drift"]}
        assert drift == set(CONTROLS) - {"local-admin-unused", "break-glass-unused"}
        assert ran.results[name]["after"]["counts"] == {"fixed": 8, "compliant": 2}, ran.results[name]["after"]
    return bed


def rotated(found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    return list(found["steps"]), list(found["because"])


def test_a_new_host_has_passwords_that_are_in_the_escrow_and_let_in(ready: Bed) -> None:
    """And a second run changes nothing, of the host or of the escrow."""

    def look(name: str) -> None:
        (root,) = ready.escrowed(name)
        (glass,) = ready.escrowed(name, BREAK_GLASS)
        assert root != glass
        assert ready.ssh(name, BREAK_GLASS, glass) == ""

    before = {name: (ready.escrowed(name), ready.escrowed(name, BREAK_GLASS)) for name in NAMES}
    ran = ready.rotate(NAMES)
    assert ran.status == 0, ran.output[-3000:]
    for name in NAMES:
        for account in ("root", "glass"):
            assert ran.results[name][account]["changed"] is False
            assert rotated(ran.results[name][account]) == ([], [])
    assert {name: (ready.escrowed(name), ready.escrowed(name, BREAK_GLASS)) for name in NAMES} == before
    again = ready.standardise(NAMES)
    assert again.status == 0, again.output[-3000:]
    assert all(again.results[name]["before"]["enforce"] == {} for name in NAMES)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(look, NAMES))


def test_a_password_that_was_used_or_fetched_is_drift_until_it_is_rotated_and_opens_nothing_then(ready: Bed) -> None:
    (used,) = ready.escrowed(TWELVE)
    assert ready.becomes(TWELVE, "root", used)
    fetched = ready.fetch(THIRTEEN)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        drift = list(pool.map(ready.drift, NAMES))
    assert "local-admin-unused" in drift[0] and "local-admin-unused" not in drift[1]

    ran = ready.rotate(NAMES)

    assert ran.status == 0, ran.output[-3000:]
    assert rotated(ran.results[TWELVE]["root"]) == (KEPT_SET_MARKED, [rotation.USED])
    assert [one.split(" ")[1:3] for one in ran.results[TWELVE]["root"]["uses"]] == [["auth", "su-l"]]
    assert rotated(ran.results[THIRTEEN]["root"]) == (KEPT_SET_MARKED, [rotation.FETCHED])
    event = [one for one in ready.events(TWELVE) if one.action == "password used" and one.subject == "root"][-1]
    assert "su-l" in event.extra["uses"][0]
    for name, old in ((TWELVE, used), (THIRTEEN, fetched)):
        (new,) = ready.escrowed(name)
        assert new != old
        assert ready.desks[name].fits([old, new]) == [False, True]
    assert not ready.becomes(TWELVE, "root", used)
    # root of its own needs no password to become anybody, and uses none.
    ready.sh(THIRTEEN, "su - root -c true")
    assert "local-admin-unused" not in ready.drift(THIRTEEN)


def test_the_emergency_account_lets_in_from_the_management_alone_and_tells_everybody(ready: Bed) -> None:
    alerts = len(ready.journal(THIRTEEN, "msp-break-glass"))
    (glass,) = ready.escrowed(THIRTEEN, BREAK_GLASS)
    assert ready.ssh_from(TWELVE, THIRTEEN, BREAK_GLASS, glass) != 0
    # Neither a password nor a session was taken there.
    assert len(ready.journal(THIRTEEN, "msp-break-glass")) == alerts

    with ready.terminal(THIRTEEN) as seen:
        assert ready.ssh(THIRTEEN, BREAK_GLASS, glass) == ""
        until(lambda: "EMERGENCY ACCOUNT USED" in seen.read_text(encoding="utf-8"), "word to who is logged in")

    until(lambda: len(ready.journal(THIRTEEN, "msp-break-glass")) > alerts, "an alert in the journal")
    (alert,) = ready.journal(THIRTEEN, "msp-break-glass")[alerts:]
    assert alert[0] == "1" and f"EMERGENCY ACCOUNT USED: {BREAK_GLASS} logged in by sshd" in alert[1]
    assert ready.drift(THIRTEEN) == {"break-glass-unused"}

    ready.waivers = {"break-glass-unused": WAIVED}
    waived = ready.perform([THIRTEEN], [{"msp.ops.standard_scan": {}, "register": "found"}])
    ready.waivers = {}
    assert waived.results[THIRTEEN]["found"]["counts"] == {"compliant": 9, "waived": 1}

    ran = ready.rotate([THIRTEEN])
    assert ran.status == 0, ran.output[-3000:]
    found = ran.results[THIRTEEN]["glass"]
    assert (rotated(found), found["tested"]) == ((KEPT_SET_MARKED, [rotation.USED]), True)
    assert ready.drift(THIRTEEN) == set()
    # The login that the controller tried was announced, and frightened nobody.
    test = ready.journal(THIRTEEN, "msp-break-glass")[-1]
    assert test[0] == "5" and "test:" in test[1]
    actions = [(one.action, one.who) for one in ready.events(THIRTEEN) if one.subject == BREAK_GLASS]
    assert actions[-2:] == [("password used", "anna"), ("login tested", "anna")]


# -- killed at any step ---------------------------------------------------------------------------------------------


def crash_points(ready: Bed, name: str, kill: Callable[[int], bool]) -> int:
    """Kill at the first point, the second, ... until a rotation comes to its end; how many there were.

    After each the host takes a password that people can fetch. Each run goes on from where the one before was killed.
    """
    desk = ready.desks[name]
    for point in range(MOST_POINTS):
        if not kill(point):
            return point
        held = ready.escrowed(name)
        fits = desk.fits(held)
        assert any(fits), f"point {point}: nobody can look up what {name} takes"
        # By the hash at each point, for that is what PAM asks; and by a login, and a whole run, at some.
        if point % 5 == 0:
            assert ready.becomes(name, "root", held[fits.index(True)])
            admin_crash.rotate(desk, ready.subject(name), ready.environment)
            (current,) = ready.escrowed(name)
            assert desk.fits([current]) == [True], f"point {point}: what is marked is not what {name} takes"
            assert current not in held, f"point {point}: a password was used again"
    raise AssertionError("it never came to its end")


def test_a_host_that_is_cut_off_at_any_step_takes_a_password_that_people_can_fetch(ready: Bed) -> None:
    desk = ready.desks[TWELVE]

    def kill(point: int) -> bool:
        desk.kill_at = point
        try:
            admin_crash.rotate(desk, ready.subject(TWELVE), ready.environment)
        except admin_crash.Killed:
            return True
        finally:
            desk.kill_at = None
        return False

    # Before and after each file that is written, and around chpasswd.
    assert crash_points(ready, TWELVE, kill) >= 12


def test_a_controller_that_is_killed_at_any_step_leaves_a_password_that_people_can_fetch(ready: Bed) -> None:
    desk = ready.desks[THIRTEEN]

    def kill(point: int) -> bool:
        return admin_crash.killed(desk, ready.subject(THIRTEEN), ready.environment, point)

    # Around each record in the evidence, each file of the escrow, and each word with the host.
    assert crash_points(ready, THIRTEEN, kill) >= 12


def test_an_ansible_that_is_killed_between_the_escrow_and_the_host_is_made_good_by_the_next(ready: Bed) -> None:
    tree = Path(ready.environment["MSP_ESCROW"])

    def kept() -> int:
        return len(list(tree.glob(f"{CUSTOMER}/{ready.asset(TWELVE).replace(':', '_')}/local-admin/root/*.age")))

    before = kept()
    task = {"msp.ops.local_admin": {"account": "root", "force": True}, "register": "root"}
    command, _place = ready.command([TWELVE], [task])
    process = subprocess.Popen(
        command, cwd=ROOT, env=ready.run_environment(), stdout=subprocess.DEVNULL, start_new_session=True, text=True
    )
    until(lambda: kept() > before or process.poll() is not None, "a new version in the escrow")
    kill_all(process)

    assert kept() == before + 1
    held = ready.escrowed(TWELVE)
    # The host may still be setting it while both are tried.
    until(lambda: any(ready.becomes(TWELVE, "root", one) for one in held), "one of the kept passwords opens")
    ran = ready.rotate([TWELVE])
    assert ran.status == 0, ran.output[-3000:]
    (current,) = ready.escrowed(TWELVE)
    assert ready.desks[TWELVE].fits([current]) == [True]


# -- a login that works once ----------------------------------------------------------------------------------------


def grant(ready: Bed, name: str, *arguments: str) -> tuple[Any, str]:
    """As a technician asks for it; the run, and the password that is in the file that it named."""
    said = ["-e", f"target={name}", "-e", "ticket=T-2041", "-e", '{"reason": "The database does not start"}']
    ran = ready.perform([name], None, *said, *arguments, playbook="one_time_login")
    files = sorted((ready.place / "xdg" / "msp.ops" / "one-time").glob("*.txt"))
    if ran.status != 0 or not files:
        return ran, ""
    (file,) = files
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = dict(line.split(None, 1) for line in file.read_text(encoding="utf-8").splitlines())
    file.unlink()
    assert words["password"] not in ran.output
    return ran, words["password"]


def test_a_technician_is_let_in_once_for_a_ticket_and_others_are_not_touched(ready: Bed) -> None:
    refused = ready.perform([TWELVE], None, "-e", f"target={TWELVE}", playbook="one_time_login")
    assert refused.status != 0 and "MSP-CLI-008" in refused.output
    ran, password = grant(ready, TWELVE)
    assert ran.status == 0, ran.output[-3000:]
    (event,) = [one for one in ready.events(TWELVE) if one.action == "login granted"]
    assert (event.who, event.ticket, event.why) == ("anna", "T-2041", "The database does not start")
    again, _none = grant(ready, TWELVE)
    assert "MSP-ADM-022" in again.output

    # From elsewhere it does not begin, and takes nothing.
    assert ready.ssh_from(THIRTEEN, TWELVE, TECHNICIAN, password) != 0
    # Two at the same moment: sshd takes the password of both, and one is let in. It becomes root by sudo.
    with ThreadPoolExecutor(2) as pool:
        tried = list(pool.map(lambda _number: ready.ssh(TWELVE, TECHNICIAN, password), range(2)))
    assert sorted(bool(why) for why in tried) == [False, True], tried
    assert ready.ssh(TWELVE, TECHNICIAN, password) != ""
    assert not ready.becomes(TWELVE, TECHNICIAN, password)
    # Nobody else is asked for a grant.
    assert ready.logs_in(TWELVE)
    assert ready.ssh(TWELVE, BREAK_GLASS, ready.escrowed(TWELVE, BREAK_GLASS)[0]) == ""
    said = [text for _priority, text in ready.journal(TWELVE, "msp-one-time-login")]
    assert sum("begins" in text for text in said) == 1 and any("refused" in text for text in said)

    ended, _none = grant(ready, TWELVE, "-e", "end=true")
    assert ended.status == 0 and "the login had begun" in ended.output, ended.output[-3000:]
    assert "technician-once" not in ready.drift(TWELVE)
    assert [one.action for one in ready.events(TWELVE) if one.subject == TECHNICIAN] == [
        *("login asked for", "login granted", "login asked for", "login not granted", "login ended")
    ]


def test_at_its_end_whoever_is_in_is_out_also_where_the_password_cannot_be_taken_away_yet(ready: Bed) -> None:
    ran, password = grant(ready, TWELVE)
    assert ran.status == 0, ran.output[-3000:]
    inside = f"pgrep -u {TECHNICIAN} sleep"
    with ThreadPoolExecutor(1) as pool:
        session = pool.submit(ready.types, TWELVE, password, "su", "-", TECHNICIAN, "-c", "sleep 600", user="msp")
        until(lambda: ready.sh(TWELVE, f"{inside} || true") != "", "the technician to be in")
        # Somebody else is changing accounts, and does not come to an end.
        ready.sh(TWELVE, "printf 1 >/etc/shadow.lock")
        ended, _none = grant(ready, TWELVE, "-e", "end=true")
        assert ended.status != 0 and "MSP-ADM-026" in ended.output, ended.output[-3000:]
        assert ready.sh(TWELVE, f"{inside} || true") == ""
        session.result()
    ready.sh(TWELVE, "rm /etc/shadow.lock")
    until(lambda: f"{TECHNICIAN}:*:" in ready.sh(TWELVE, f"grep ^{TECHNICIAN}: /etc/shadow"), "it is tried again")


def test_at_its_end_what_was_begun_by_sudo_is_out_too_also_where_no_logind_is(ready: Bed) -> None:
    """By ssh, one root shell that somebody waits for, and one that was sent away from all that began it."""
    ran, password = grant(ready, THIRTEEN)
    assert ran.status == 0, ran.output[-3000:]
    ready.sh(THIRTEEN, "systemctl mask --now --quiet systemd-logind")
    try:
        begun = "exec sudo -k -S -p '' sh -c 'setsid -f sleep 4711; exec sleep 4712'"
        with ThreadPoolExecutor(1) as pool:
            session = pool.submit(ready.ssh, THIRTEEN, TECHNICIAN, password, begun)
            alive = "pgrep -a -u root -x sleep | grep -o '471[12]' | sort; true"
            until(lambda: ready.sh(THIRTEEN, alive).split() == ["4711", "4712"], "both to run as root")
            ended, _none = grant(ready, THIRTEEN, "-e", "end=true")
            assert ended.status == 0 and "the login had begun" in ended.output, ended.output[-3000:]
            assert ready.sh(THIRTEEN, alive).split() == []
            assert session.result() != ""
    finally:
        ready.sh(
            THIRTEEN,
            # Where all went well there is none left to end.
            "set -e; systemctl unmask --quiet systemd-logind; systemctl start systemd-logind; "
            "pkill -x sleep || [ $? -eq 1 ]",
        )
    assert ready.logs_in(THIRTEEN)


def test_a_login_that_nobody_began_in_time_is_refused_after_a_boot_too(ready: Bed) -> None:
    ran, password = grant(ready, THIRTEEN, "-e", "minutes=1")
    assert ran.status == 0, ran.output[-3000:]
    # Its minute is over while the host is down: the grant is made a minute older, and the power goes.
    ready.sh(
        THIRTEEN,
        f"cd /var/lib/msp-ops/one-time/{TECHNICIAN} && read -r id begin end <grant"
        ' && echo "$id $((begin - 61)) $((end - 61))" >grant && sync',
    )
    podman.run("kill", ready.container(THIRTEEN))
    ready.boot_again(THIRTEEN)
    assert ready.ssh(THIRTEEN, TECHNICIAN, password) != ""


# -- the playbook ---------------------------------------------------------------------------------------------------


def test_the_playbook_rotates_what_is_due_and_begins_no_other_machine_after_one_that_failed(ready: Bed) -> None:
    ready.sh(TWELVE, f"userdel {BREAK_GLASS} 2>/dev/null; rm -f /etc/sudoers.d/zz-msp-break-glass")
    fetched = ready.fetch(THIRTEEN)

    failed = ready.perform(NAMES, None, "-e", f"customer={CUSTOMER}", playbook="rotate")

    assert failed.status != 0
    said = " ".join(failed.output.split())
    assert "MSP-ADM-031" in said and "MSP-ADM-005" in said and f"not begun {THIRTEEN}" in said, failed.output[-3000:]
    assert ready.escrowed(THIRTEEN) == [fetched]

    mended = ready.standardise([TWELVE])
    assert mended.status == 0, mended.output[-3000:]
    ran = ready.perform(NAMES, None, "-e", f"customer={CUSTOMER}", playbook="rotate")
    assert ran.status == 0, ran.output[-3000:]
    assert f"{THIRTEEN}: root: {rotation.FETCHED}" in ran.output
    assert ready.escrowed(THIRTEEN) != [fetched]
    again = ready.perform(NAMES, None, "-e", f"customer={CUSTOMER}", playbook="rotate")
    assert again.status == 0 and "changed=0" in again.output and "root:" not in again.output, again.output[-3000:]
    assert not any(f"changed={number}" in again.output for number in range(1, 9))


def test_at_the_end_of_its_time_the_login_that_nobody_began_is_taken_back(ready: Bed) -> None:
    """The one of before, whose minute is over meanwhile."""
    until(lambda: f"{TECHNICIAN}:*:" in ready.sh(THIRTEEN, f"grep ^{TECHNICIAN}: /etc/shadow"), "the end of its time")
    assert "technician-once" not in ready.drift(THIRTEEN)


# -- nowhere else ---------------------------------------------------------------------------------------------------


def test_no_password_is_anywhere_but_in_the_escrow(ready: Bed) -> None:
    """Not in what a run prints at its loudest, not in what it keeps here, and not in any file of the host."""
    ran = ready.rotate([THIRTEEN], "-vvvvv", force=True)
    assert ran.status == 0, ran.output[-3000:]
    known = [*ready.escrowed(THIRTEEN), *ready.escrowed(THIRTEEN, BREAK_GLASS)]
    # The one thing that would show that this looks at all.
    assert "msp.ops.local_admin" in ran.output and THIRTEEN in ran.output
    assert [word for word in known if word in ran.output] == []
    pattern = "|".join(known)
    here = subprocess.run(["grep", "-rlE", pattern, str(ready.place)], capture_output=True, text=True, check=False)
    assert (here.returncode, here.stdout) == (1, "")
    there = f"grep -rlE '{pattern}' /etc /var /tmp /home /root /run /usr/lib/msp-ops 2>/dev/null"
    ready.sh(THIRTEEN, f"echo {known[0]} >/root/control && {there} >/root/found; rm /root/control; cat /root/found")
    assert ready.sh(THIRTEEN, "cat /root/found") == "/root/control"
