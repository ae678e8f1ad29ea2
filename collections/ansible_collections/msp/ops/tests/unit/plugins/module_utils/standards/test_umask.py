# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""With which umask a session begins. What pam_umask does was seen on Debian 12 and 13 by sessions of su."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import umask
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

TOOLS = {"sshd": printing("usepam yes"), "pam-auth-update": ""}
NOT_IN = "sshd, cron: pam_umask is not in its sessions"
PAM_UMASK = "session	optional	pam_umask.so {}\n"
END = "# end of pam-auth-update config\n"


def with_pam_umask(arguments: str = "", defs: str = "UMASK 027") -> dict[str, str]:
    """Debian 12 after our profile was added to it."""
    added = {
        f"/etc/pam.d/common-{name}": text.replace(END, PAM_UMASK.format(arguments) + END)
        for name, text in (("session", made_pam.SESSION), ("session-noninteractive", made_pam.NONINTERACTIVE))
    }
    kept = {
        place: text + "Module: msp-umask\noptional pam_umask.so\n"
        for place, text in made_pam.DEBIAN.items()
        if place.startswith("/var/lib/pam/session")
    }
    return {**made_pam.DEBIAN, **added, **kept, "/etc/login.defs": f"{defs}\nUSERGROUPS_ENAB yes\n"}


def measured(tmp_path: Path, files: Mapping[str, str], tools: Mapping[str, str] | None = None) -> dict:
    return umask.measure(made_reader(tmp_path, files, TOOLS if tools is None else tools))


def test_login_defs_alone_is_not_in_force_where_no_session_asks_for_it(tmp_path: Path) -> None:
    found = measured(tmp_path, {**made_pam.DEBIAN, "/etc/login.defs": "UMASK 027\n"})

    assert found["weak"] == [NOT_IN]
    assert found["missing"] == ["sshd", "cron"]
    assert found["by_hand"] == []


def test_with_pam_umask_a_session_has_what_login_defs_says(tmp_path: Path) -> None:
    assert measured(tmp_path / "a", with_pam_umask()) == {
        "weak": [],
        "by_hand": [],
        "missing": [],
        "sessions": {"sshd": "0027", "cron": "0027"},
    }
    assert measured(tmp_path / "b", with_pam_umask(defs="UMASK 022"))["weak"] == ["login.defs: UMASK 022"]
    # The first line counts for pam_umask.
    assert measured(tmp_path / "c", with_pam_umask(defs="umask 000\nUMASK 027"))["weak"] == ["login.defs: UMASK 000"]


def test_as_a_new_debian_13_has_it_a_session_asks_for_what_nobody_has_set(tmp_path: Path) -> None:
    found = measured(tmp_path, with_pam_umask(defs="#UMASK 022"))

    assert (found["weak"], found["missing"]) == (["login.defs: no UMASK"], [])
    assert found["sessions"] == {"sshd": "no UMASK is set", "cron": "no UMASK is set"}


def test_where_login_defs_has_none_the_older_file_counts(tmp_path: Path) -> None:
    files = {**with_pam_umask(defs=""), "/etc/default/login": "UMASK=077\n"}
    assert measured(tmp_path, files)["sessions"] == {"sshd": "0077", "cron": "0077"}


def test_what_pam_is_told_itself_goes_before_login_defs_and_is_a_persons(tmp_path: Path) -> None:
    found = measured(tmp_path, with_pam_umask("umask=077 umask=0022"))

    assert found["weak"] == []
    assert found["by_hand"] == ["sshd, cron: 0022 by umask= in PAM"]


def test_a_later_module_that_says_nothing_keeps_what_was_set(tmp_path: Path) -> None:
    files = with_pam_umask(defs="")
    first = PAM_UMASK.format("umask=000")
    files["/etc/pam.d/sshd"] = first + made_pam.SSHD
    found = measured(tmp_path, files)
    assert found["by_hand"] == ["sshd: 0000 by umask= in PAM"]


def test_what_may_be_jumped_over_does_not_hold(tmp_path: Path) -> None:
    jump = "session [success=1 default=ignore] pam_succeed_if.so user ingroup wheel\n"
    files = with_pam_umask()
    place = "/etc/pam.d/common-session"
    files[place] = files[place].replace(
        "session	optional	pam_umask.so", jump + "session	optional	pam_umask.so"
    )
    found = measured(tmp_path, files)

    assert found["sessions"]["sshd"] == "0027, pam_umask is not in its sessions"
    # Nor can a line more in the files that are changed by hand put that right.
    assert (found["missing"], found["by_hand"]) == ([], ["sshd: pam_umask is not in its sessions"])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("common-session", "session optional pam_echo.so hello\n"),
        ("common-session-noninteractive", "session optional pam_echo.so hello\n"),
        ("common-auth", "auth required pam_faillock.so preauth\n"),
    ],
)
def test_files_that_somebody_changed_by_hand_are_left_to_a_person(tmp_path: Path, name: str, line: str) -> None:
    files = dict(made_pam.DEBIAN)
    files[f"/etc/pam.d/{name}"] = files[f"/etc/pam.d/{name}"].replace(END, line + END)
    found = measured(tmp_path, {**files, "/etc/login.defs": "UMASK 027\n"})

    assert (found["weak"], found["missing"], found["by_hand"]) == ([], [], [NOT_IN])


def test_options_that_somebody_added_and_lines_outside_are_kept_by_the_distributions_tool(tmp_path: Path) -> None:
    files = dict(made_pam.DEBIAN)
    files["/etc/pam.d/common-password"] = made_pam.PASSWORD.replace("yescrypt", "yescrypt minlen=12")
    files["/etc/pam.d/common-session"] = made_pam.SESSION + "session optional pam_echo.so hello\n"
    assert measured(tmp_path, files)["missing"] == ["sshd", "cron"]


def test_where_the_distribution_has_no_such_tool_it_is_left_to_a_person(tmp_path: Path) -> None:
    files = {**made_pam.RED_HAT, "/etc/login.defs": "UMASK 027\n"}
    found = measured(tmp_path, files, {"sshd": printing("usepam yes")})

    assert found["sessions"] == {"sshd": "0027", "crond": "pam_umask is not in its sessions"}
    assert (found["weak"], found["missing"]) == ([], [])
    assert found["by_hand"] == ["crond: pam_umask is not in its sessions"]


def test_a_server_that_does_without_pam_goes_around_it(tmp_path: Path) -> None:
    found = measured(tmp_path, with_pam_umask(), {**TOOLS, "sshd": printing("usepam no")})
    assert found["by_hand"] == ["sshd: UsePAM no"]


def test_where_sshd_does_not_say_whether_it_asks_pam_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        measured(tmp_path, with_pam_umask(), {**TOOLS, "sshd": "exit 1"})


def test_a_host_without_pam_has_no_umask_of_it(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        measured(tmp_path / "a", {"/etc/passwd": made_pam.USERS})
    with pytest.raises(Unmeasurable):
        measured(tmp_path / "b", {"/etc/pam.d/other": "session required pam_deny.so\n"})


# -- groups of one person ----------------------------------------------------------------------------------------------

SHARED = "root:x:0:\nanna:x:1000:anna,bert\n"


@pytest.mark.parametrize(
    ("version", "arguments", "groups", "wrong"),
    [
        ("13", "", made_pam.GROUPS, False),  # 0007: the group is anna's alone
        ("13", "", SHARED, True),
        ("12", "", SHARED, False),  # there it is not compiled in
        ("12", "usergroups", SHARED, True),
        ("12", "usergroups", made_pam.GROUPS, False),
        ("13", "umask=027 nousergroups", SHARED, False),
        ("13", "", "root:x:0:\nstaff:x:1000:bert\n", False),  # the group has another name
    ],
)
def test_a_group_may_write_where_it_is_one_persons_alone(
    tmp_path: Path, version: str, arguments: str, groups: str, wrong: bool
) -> None:
    files = {**with_pam_umask(arguments), "/etc/group": groups}
    files["/etc/os-release"] = f'ID=debian\nVERSION_ID="{version}"\n'
    found = measured(tmp_path, files)

    assert found["by_hand"] == (["sshd, cron: 0007 for anna, whose group others are in"] if wrong else [])
    assert found["weak"] == []


def test_another_account_of_the_same_group_is_in_it_too(tmp_path: Path) -> None:
    files = {**with_pam_umask("usergroups"), "/etc/passwd": made_pam.USERS + "b:x:1001:1000::/b:/usr/sbin/nologin\n"}
    assert measured(tmp_path, files)["by_hand"] == ["sshd, cron: 0007 for anna, whose group others are in"]


@pytest.mark.parametrize(
    ("gecos", "wrong"), [("Anna,,,,umask=0002", True), ("umask=0002", True), ("A,umask=007", False)]
)
def test_an_account_may_have_an_umask_of_its_own(tmp_path: Path, gecos: str, wrong: bool) -> None:
    files = {**with_pam_umask(), "/etc/passwd": made_pam.USERS.replace("Anna,,,", gecos)}
    assert measured(tmp_path, files)["by_hand"] == (["anna: 0002 by umask= in its GECOS field"] if wrong else [])


# -- the shells' files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("umask 022", "umask 022"),
        ("  umask 0002 # all", "umask 0002"),
        ('if [ "$UID" -gt 199 ]; then umask 002; else umask 022; fi', "umask 002"),
        ("[ -n x ] && umask 022", "umask 022"),
        ("umask u=rwx,g=rx,o=", "umask u=rwx,g=rx,o="),
        ('umask "$MASK"', "umask $MASK"),
        ("umask -S u=rwx", "umask -S"),
        ("[ `umask` -eq 0 ] && umask 022", ""),
        ("umask 027", ""),
        ("umask 077; export A", ""),
        ("#umask 022", ""),
        ("echo umask 022", ""),
        ("umask", ""),
        ("umask -S", ""),
        ("old=$(umask)", ""),
    ],
)
def test_what_the_shells_read_for_everybody_is_looked_at(tmp_path: Path, line: str, told: str) -> None:
    found = measured(tmp_path, {**with_pam_umask(), "/etc/profile.d/x.sh": f"# x\n{line}\n"})
    assert f"/etc/profile.d/x.sh: {told}" in found["by_hand"] if told else found["by_hand"] == []


# -- properties --------------------------------------------------------------------------------------------------------

MASKS = st.integers(0, 0o777)


@given(MASKS, MASKS)
def test_who_is_stricter_still_holds_it(mask: int, more: int) -> None:
    for private in (False, True):
        assert umask.strict(mask | more, private) or not umask.strict(mask, private)
    assert umask.strict(mask, True) or not umask.strict(mask, False)


@given(MASKS)
def test_everybody_has_nothing_also_where_the_group_is_given_what_the_owner_has(mask: int) -> None:
    wide = umask.widened(mask)
    assert wide is not None
    assert umask.strict(wide, True) == (mask & 0o007 == 0o007)
    assert (wide >> 3) & 7 == (wide >> 6) & 7 and wide & 7 == mask & 7


@given(MASKS, st.sampled_from(("{:o}", "0{:o}", " {:o}", "{:o} x")))
def test_a_umask_is_read_as_octal(mask: int, form: str) -> None:
    assert umask.octal(form.format(mask)) == mask
    assert umask.octal("x" + form.format(mask)) is None
