# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How accounts stand whose passwords are rotated, by files. On real hosts: tests/test_local_admin.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, keeping, one_time, programs
from ansible_collections.msp.ops.plugins.module_utils.local_admin.keeping import Place, State, Version
from ansible_collections.msp.ops.plugins.module_utils.standards import local_admins
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

HASH = crypting.hashed("Word", "sha512")
GLASS = "msp-breakglass"
USERS = (
    f"root:x:0:0::/root:/bin/bash\n{GLASS}:x:1001:1001::/home/x:/bin/bash\n{one_time.ACCOUNT}:x:1002:1002::/h:/bin/sh\n"
)
DAY = 86400


def shadow(**kept: str) -> str:
    rows = {
        "root": "*",
        GLASS: "*",
        one_time.ACCOUNT: "*",
        **{name.replace("_", "-"): word for name, word in kept.items()},
    }
    return "".join(f"{name}:{word}:19990:0:99999:7:::\n" for name, word in rows.items())


def host(tmp_path: Path, files: Mapping[str, str]) -> Any:
    return made_reader(tmp_path, {"/etc/passwd": USERS, "/etc/shadow": shadow(), **files})


def rotated(tmp_path: Path, account: str, ago: int, uses: str = "", tested: int | None = None) -> None:
    place = Place(account, f"{tmp_path}{keeping.TOP}")
    Path(f"{tmp_path}/var/lib").mkdir(parents=True, exist_ok=True)
    then = int(time.time()) - ago
    place.keep(State((Version("v1", crypting.digest(HASH), then, 0, then),), tested))
    (Path(place.path) / keeping.USES).write_text(uses)


def test_an_account_that_was_never_rotated_is_not_managed_and_has_no_age(tmp_path: Path) -> None:
    found = local_admins.account(host(tmp_path, {}), "root")

    assert (found["exists"], found["usable"], found["managed"], found["age_days"]) == (True, False, False, None)
    assert found["becomes_root"] is True


def test_one_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    found = local_admins.account(host(tmp_path, {}), "msp-nobody")

    assert (found["exists"], found["managed"], found["uses"]) == (False, False, [])


def test_a_rotated_one_says_how_old_it_is_whether_it_was_used_and_tested_and_no_hash(tmp_path: Path) -> None:
    rotated(tmp_path, GLASS, 3 * DAY + 60, "17 auth sshd 192.0.2.7 -\n", int(time.time()) - DAY - 60)
    found = local_admins.account(host(tmp_path, {"/etc/shadow": shadow(**{GLASS: HASH})}), GLASS)

    assert (found["managed"], found["age_days"], found["tested_days"]) == (True, 3, 1)
    assert found["uses"] == ["17 auth sshd 192.0.2.7"]
    assert HASH[:20] not in str(found) and found["becomes_root"] is False


@pytest.mark.parametrize("kept", [HASH.replace("$6$", "$6$x"), "!" + HASH, "*"], ids=["changed", "locked", "none"])
def test_one_that_somebody_changed_or_locked_is_not_managed_and_was_not_tested(tmp_path: Path, kept: str) -> None:
    rotated(tmp_path, GLASS, DAY, tested=int(time.time()))
    found = local_admins.account(host(tmp_path, {"/etc/shadow": shadow(**{GLASS: kept})}), GLASS)

    assert (found["managed"], found["age_days"], found["tested_days"]) == (False, None, None)


@pytest.mark.parametrize(
    ("line", "expired"),
    [
        ("{0}:{1}:19990:0:99999:7:::", False),
        ("{0}:{1}:19990:0:::::", False),
        ("{0}:{1}:19990:0:5:7:::", True),
        ("{0}:{1}:0:0:99999:7:::", True),
        ("{0}:{1}:19990:0:99999:7::19999:", True),
        ("{0}:{1}:19990:0:99999:7::20000:", False),
    ],
)
def test_an_account_or_a_password_that_is_over_lets_nobody_in(tmp_path: Path, line: str, expired: bool) -> None:
    found = local_admins.account(host(tmp_path, {"/etc/shadow": line.format(GLASS, HASH) + "\n"}), GLASS)

    assert found["expired"] is expired


def test_a_state_that_is_damaged_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        local_admins.account(host(tmp_path, {f"{keeping.TOP}/root/{keeping.STATE}": "{"}), "root")


# -- PAM ------------------------------------------------------------------------------------------------------------

NOTES = f"optional pam_exec.so quiet seteuid {programs.PASSWORD_USED}"
ASKS = f"requisite pam_exec.so quiet seteuid {programs.ONE_TIME_LOGIN}"
SOURCES = Path(__file__).resolve().parents[9] / "roles" / "msp_local_admin" / "files"


def text(path: str) -> str:
    return (SOURCES / Path(path).name).read_text()


def pam(auth: str = "", session: str = "", account: str = "") -> dict[str, str]:
    more = {"auth": auth, "session": session, "account": account}
    written = {
        f"/etc/pam.d/common-{kind}": made_pam.DEBIAN[f"/etc/pam.d/common-{kind}"] + (f"{kind} {line}\n" if line else "")
        for kind, line in more.items()
    }
    password = {"/etc/pam.d/common-password": made_pam.PASSWORD}
    return {"/etc/passwd": USERS, "/etc/pam.d/sshd": made_pam.SSHD, **password, **written}


def test_what_is_not_noted_is_named(tmp_path: Path) -> None:
    found = local_admins.noticed(host(tmp_path, pam(auth=NOTES)))

    assert found == {"missing": ["sshd: session"], "program": [f"{programs.PASSWORD_USED} is not there"]}


def test_a_program_of_somebody_else_is_wrong(tmp_path: Path) -> None:
    reader = host(tmp_path, {**pam(NOTES, NOTES), programs.PASSWORD_USED: "#!/bin/sh\ncat >/tmp/all\n"})

    said = local_admins.noticed(reader)["program"]
    assert f"{programs.PASSWORD_USED} is not as msp.ops wrote it" in said
    # Nobody can run it either, as it lies there.
    assert any("nobody can run it" in one for one in said)


def test_all_that_notes_is_there(tmp_path: Path) -> None:
    reader = host(tmp_path, {**pam(NOTES, NOTES), programs.PASSWORD_USED: text(programs.PASSWORD_USED)})
    (tmp_path / programs.PASSWORD_USED.lstrip("/")).chmod(0o755)

    found = local_admins.noticed(reader)
    # A test may not be root, whose the program has to be.
    assert found["missing"] == [] and not any("as msp.ops" in one for one in found["program"])


@pytest.mark.parametrize("asks", ["yes", "no"])
def test_a_server_that_does_not_ask_pam_notes_nothing_and_lets_in_more_than_once(tmp_path: Path, asks: str) -> None:
    reader = made_reader(
        tmp_path, {**pam(NOTES, NOTES, ASKS), "/etc/shadow": shadow()}, {"sshd": f"echo usepam {asks}"}
    )
    own = [] if asks == "yes" else ["sshd: it does not ask PAM (UsePAM)"]
    for found in (local_admins.noticed(reader), local_admins.once(reader)):
        assert found["missing"] == own
        assert found.get("out_of_reach", {"missing": []})["missing"] == own


def test_a_host_without_pam_has_nothing_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        local_admins.noticed(host(tmp_path, {}))


@pytest.mark.parametrize(
    ("kept", "until", "open_"),
    [("*", 0, False), ("!" + HASH, 0, False), (HASH, 0, True), ("", 0, True), (HASH, 60, False), (HASH, -60, True)],
    ids=["none", "locked", "given", "empty", "granted", "over"],
)
def test_a_technicians_password_outside_a_grant_is_open(tmp_path: Path, kept: str, until: int, open_: bool) -> None:
    now = int(time.time())
    grant = {f"{one_time.TOP}/{one_time.ACCOUNT}/grant": f"a1 {now - 100} {now + until}\n"} if until else {}
    files = {**pam(account=ASKS), "/etc/shadow": shadow(**{one_time.ACCOUNT: kept}), **grant}
    found = local_admins.once(host(tmp_path, files))

    assert (found["exists"], found["missing"], found["open"]) == (True, [], open_)


END_UNIT = f"{one_time.UNITS}/{one_time.SERVICE}"
ROLE = Path(local_admins.__file__).resolve().parents[7] / "roles" / "msp_local_admin"


@pytest.mark.parametrize("changed", ["", programs.ONE_TIME_LOGIN, programs.ONE_TIME_END, END_UNIT])
@pytest.mark.parametrize("how", ["another", "gone"])
def test_what_lets_in_once_and_what_ends_it_have_to_be_as_they_were_written(
    tmp_path: Path, changed: str, how: str
) -> None:
    """Else a machine would keep an older program for ever, or have a login that nothing ends."""
    files = {
        one: (ROLE / "files" / Path(one).name).read_text() for one in (programs.ONE_TIME_LOGIN, programs.ONE_TIME_END)
    }
    # As the role writes it.
    tasks = yaml.safe_load((ROLE / "tasks" / "local_admin.yml").read_text())
    written = [task["msp.ops.files"]["contents"] for task in tasks if "msp.ops.files" in task]
    (files[END_UNIT],) = [one[END_UNIT] for one in written if END_UNIT in one]
    if changed and how == "another":
        files[changed] = "#!/bin/sh\nexit 0\n"
    elif changed:
        del files[changed]
    found = local_admins.once(host(tmp_path, {**pam(account=ASKS), "/etc/shadow": shadow(), **files}))["program"]
    # Who owns them here is whoever runs the test.
    said = [one for one in found if "others than root" not in one]
    assert [one.partition(" ")[0] for one in said] == ([changed] if changed else [])


# -- sshd -----------------------------------------------------------------------------------------------------------

# As sshd -T answers for our Match blocks of 192.0.2.0/28.
SSHD = """
case "$*" in
    *addr=192.0.2.0*|*addr=192.0.2.15*) echo passwordauthentication yes; echo authenticationmethods {methods}; {more} ;;
    *) echo passwordauthentication {outside}; echo authenticationmethods any ;;
esac
echo kbdinteractiveauthentication no
echo pubkeyauthentication no
"""


def emergency(tmp_path: Path, *addresses: str, methods: str = "password", outside: str = "no", more: str = ":") -> dict:
    script = SSHD.format(methods=methods, outside=outside, more=more)
    reader = made_reader(tmp_path, {"/etc/passwd": USERS}, {"sshd": script})
    return local_admins.emergency_login(reader, GLASS, addresses)


def test_the_account_is_let_in_from_the_agreed_addresses_and_from_none_beside_them(tmp_path: Path) -> None:
    assert emergency(tmp_path / "a", "192.0.2.0/28") == {"refused": [], "elsewhere": []}
    wide = emergency(tmp_path / "b", "192.0.2.0/24")
    assert wide["refused"] == ["192.0.2.255: no passwords"]
    narrow = emergency(tmp_path / "c", "192.0.2.0/29")
    assert narrow["elsewhere"] == [] and narrow["refused"] == ["192.0.2.7: no passwords"]
    beside = emergency(tmp_path / "d", "192.0.2.1/32")
    assert "192.0.2.0: passwordauthentication" in beside["elsewhere"]


def test_a_second_factor_a_list_of_others_and_an_open_door_are_told(tmp_path: Path) -> None:
    factor = emergency(tmp_path / "a", "192.0.2.0/28", methods="publickey,keyboard-interactive")
    assert factor["refused"][0] == "192.0.2.0: publickey,keyboard-interactive"
    others = emergency(tmp_path / "b", "192.0.2.0/28", more="echo allowusers anna")
    assert others["refused"][0] == "192.0.2.0: allowusers"
    everywhere = emergency(tmp_path / "c", "192.0.2.0/28", outside="yes")
    assert "203.0.113.1: passwordauthentication" in everywhere["elsewhere"]


def test_an_account_that_is_denied_by_name_is_let_in_by_no_way(tmp_path: Path) -> None:
    assert emergency(tmp_path, outside=f"yes; echo denyusers {GLASS}") == {"refused": [], "elsewhere": []}


@pytest.mark.parametrize("denied", [GLASS, "msp msp-break*", f"{GLASS}@192.0.2.*", f"{GLASS}@192.0.2.0/24", "*"])
def test_an_account_that_is_denied_where_it_is_to_come_in_is_refused(tmp_path: Path, denied: str) -> None:
    found = emergency(tmp_path, "192.0.2.0/28", more=f"echo 'denyusers {denied}'")
    assert found["refused"] == ["192.0.2.0: denyusers", "192.0.2.15: denyusers"]


@pytest.mark.parametrize(
    "named",
    ["denyusers anna", f"denyusers {GLASS}@203.0.113.0/24", "allowusers msp-*", f"allowusers {GLASS}@192.0.2.*"],
)
def test_a_list_that_does_not_keep_it_out_is_no_refusal(tmp_path: Path, named: str) -> None:
    assert emergency(tmp_path, "192.0.2.0/28", more=f"echo '{named}'")["refused"] == []


def test_without_addresses_it_is_the_console_alone(tmp_path: Path) -> None:
    assert emergency(tmp_path / "a") == {"refused": [], "elsewhere": []}
    assert emergency(tmp_path / "b", outside="yes")["elsewhere"] != []


def test_what_is_no_network_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        emergency(tmp_path, "192.0.2.1/24")
