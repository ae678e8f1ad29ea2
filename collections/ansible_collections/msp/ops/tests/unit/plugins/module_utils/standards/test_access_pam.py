# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PAM asks for, with its files as Debian and Red Hat have them and as people change them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import access_pam, pam
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import (
    ANY,
    REFUSED,
    SUCCESS,
    Account,
    Proved,
    Stacks,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    CODE,
    EMPTY,
    HARDWARE,
    NONE,
    PASSWORD,
    SET,
    UNKNOWN,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

SECRETS = "/var/lib/codes"
GOOGLE = "pam_google_authenticator.so"
COMMON = "@include common-auth\n"
RED_HAT = """auth required pam_env.so
auth required pam_faildelay.so delay=2000000
auth sufficient pam_fprintd.so
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth [default=1 ignore=ignore success=ok] pam_localuser.so
auth sufficient pam_unix.so nullok
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth sufficient pam_sss.so forward_pass
auth required pam_deny.so
"""
SSSD = """auth [success=2 default=ignore] pam_unix.so nullok
auth [success=1 default=ignore] pam_sss.so use_first_pass
auth requisite pam_deny.so
auth required pam_permit.so
"""


def anna(password: str = SET, **changed: object) -> Account:
    return Account("anna", 1000, "/home/anna", frozenset({"anna"}), True, password)._replace(**changed)  # type: ignore[arg-type]


def asked(tmp_path: Path, stack: str, who: Account, blank: bool = True, **files: str) -> set[Proved]:
    """What a stack asks of somebody; each of files is one of a secret, by its name."""
    written = {f"{SECRETS}/{name}": text for name, text in files.items()}
    host = {**made_pam.DEBIAN, "/etc/pam.d/made": stack, **written}
    return set(Stacks(made_reader(tmp_path, host)).proofs("made", who, blank))


def test_debians_own_stack_asks_for_the_password(tmp_path: Path) -> None:
    assert asked(tmp_path, COMMON, anna()) == {frozenset({PASSWORD})}


@pytest.mark.parametrize(("password", "blank", "ways"), [(NONE, True, 0), (EMPTY, True, 1), (EMPTY, False, 0)])
def test_without_a_password_there_is_no_way_but_for_an_empty_one_that_is_taken(
    tmp_path: Path, password: str, blank: bool, ways: int
) -> None:
    assert (
        asked(tmp_path, COMMON, anna(password), blank) == {frozenset()}
        if ways
        else not asked(tmp_path, COMMON, anna(password), blank)
    )


def test_an_empty_password_is_no_use_where_the_module_takes_none(tmp_path: Path) -> None:
    assert asked(tmp_path, "auth required pam_unix.so\n", anna(EMPTY)) == set()


@pytest.mark.parametrize(
    "stack",
    [
        f"{COMMON}auth required {GOOGLE} secret={SECRETS}/${{USER}} user=root\n",
        f"auth required {GOOGLE} secret={SECRETS}/%u\n{COMMON}",
        f"auth requisite {GOOGLE} secret={SECRETS}/anna\nauth required pam_unix.so\n",
        # With nullok it is asked of who has enrolled.
        f"{COMMON}auth required {GOOGLE} secret={SECRETS}/${{USER}} nullok\n",
        f"auth substack common-auth\nauth required {GOOGLE} secret={SECRETS}/${{USER}}\n",
    ],
)
def test_a_password_and_a_code_are_asked_of_who_has_enrolled(tmp_path: Path, stack: str) -> None:
    assert asked(tmp_path, stack, anna(), anna="SECRET\n") == {frozenset({PASSWORD, CODE})}


@pytest.mark.parametrize(
    ("stack", "ways"),
    [
        (f"{COMMON}auth required {GOOGLE} secret={SECRETS}/${{USER}}\n", set()),
        (f"{COMMON}auth required {GOOGLE} secret={SECRETS}/${{USER}} nullok\n", {frozenset({PASSWORD})}),
        # Nothing else says yes, and to be ignored is none.
        (f"auth required {GOOGLE} secret={SECRETS}/${{USER}} nullok\n", set()),
    ],
)
def test_who_has_not_enrolled_gets_in_without_a_code_only_where_that_is_allowed(
    tmp_path: Path, stack: str, ways: set[Proved]
) -> None:
    assert asked(tmp_path, stack, anna()) == ways


def test_a_code_that_is_enough_by_itself_is_told_beside_the_password(tmp_path: Path) -> None:
    stack = f"auth sufficient {GOOGLE} secret={SECRETS}/anna\n{COMMON}"
    assert asked(tmp_path, stack, anna(), anna="SECRET\n") == {frozenset({CODE}), frozenset({PASSWORD})}
    # After a yes nothing more is asked.
    ended = f"auth [success=done default=die] {GOOGLE} secret={SECRETS}/anna\n{COMMON}"
    assert asked(tmp_path, ended, anna(), anna="SECRET\n") == {frozenset({CODE})}


@pytest.mark.parametrize(
    ("condition", "ways"),
    [
        ("user ingroup twofold", {frozenset({PASSWORD})}),
        ("user ingroup anna", {frozenset({PASSWORD, CODE})}),
        ("user notingroup twofold", {frozenset({PASSWORD, CODE})}),
        ("user = anna", {frozenset({PASSWORD, CODE})}),
        ("user in bert:anna", {frozenset({PASSWORD, CODE})}),
        ("uid >= 1000", {frozenset({PASSWORD, CODE})}),
        ("uid < 1000 quiet_success", {frozenset({PASSWORD})}),
        ("quiet user ingroup anna uid eq 5", {frozenset({PASSWORD})}),
        # What is not known here may be so or not: the weaker way is told.
        ("rhost = 192.0.2.1", {frozenset({PASSWORD})}),
        ("user = a*", {frozenset({PASSWORD})}),
        ("user", {frozenset({PASSWORD})}),
        # It is asked of whoever runs the program, and not of who logs in.
        ("use_uid user = anna", {frozenset({PASSWORD})}),
    ],
)
def test_a_code_is_asked_of_whom_a_condition_is_for(tmp_path: Path, condition: str, ways: set[Proved]) -> None:
    stack = f"{COMMON}auth [success=ignore default=1] pam_succeed_if.so {condition}\n"
    stack += f"auth required {GOOGLE} secret={SECRETS}/anna\n"
    assert asked(tmp_path, stack, anna(), anna="SECRET\n") == ways


def test_what_lets_some_addresses_past_the_code_is_a_way_without_one(tmp_path: Path) -> None:
    stack = f"{COMMON}auth [success=1 default=ignore] pam_access.so accessfile=/etc/security/lan.conf\n"
    stack += f"auth required {GOOGLE} secret={SECRETS}/anna\n"
    assert asked(tmp_path, stack, anna(), anna="SECRET\n") == {frozenset({PASSWORD})}


def test_red_hats_own_stack_knows_people_of_the_host_and_of_a_directory(tmp_path: Path) -> None:
    finger = frozenset({"fingerprint"})
    assert asked(tmp_path, RED_HAT, anna()) == {finger, frozenset({PASSWORD})}
    assert asked(tmp_path, RED_HAT, anna(NONE)) == {finger}
    assert asked(tmp_path, RED_HAT, anna(NONE, local=False)) == {finger, frozenset({PASSWORD})}


def test_a_name_that_a_directory_has_too_gets_in_by_the_password_it_has_there(tmp_path: Path) -> None:
    assert asked(tmp_path, SSSD, anna(NONE)) == set()
    assert asked(tmp_path, SSSD, anna(NONE, elsewhere=True)) == {frozenset({PASSWORD})}
    assert asked(tmp_path, SSSD, anna(NONE, local=False)) == {frozenset({PASSWORD})}


def test_a_directory_that_is_away_may_be_told_to_be_none_of_its_business(tmp_path: Path) -> None:
    stack = "auth required pam_sss.so ignore_authinfo_unavail\nauth required pam_permit.so\n"
    assert asked(tmp_path, stack, anna(NONE, local=False)) == {frozenset()}
    assert asked(tmp_path, stack.replace(" ignore_authinfo_unavail", ""), anna(NONE, local=False)) == {
        frozenset({PASSWORD})
    }


@pytest.mark.parametrize("module", ["pam_duo.so", "pam_radius_auth.so", "pam_yubico.so", "pam_exec.so", "pam_own.so"])
def test_a_module_that_nobody_knows_proves_something_that_nobody_knows(tmp_path: Path, module: str) -> None:
    unknown = frozenset({UNKNOWN + module})
    assert asked(tmp_path, f"auth required {module}\n", anna()) == {unknown}
    assert asked(tmp_path, f"{COMMON}auth required {module}\n", anna()) == {unknown | {PASSWORD}}
    assert asked(tmp_path, f"auth optional {module}\n{COMMON}", anna()) == {frozenset({PASSWORD})}


def test_oath_and_u2f_are_looked_up_in_their_own_files(tmp_path: Path) -> None:
    oath = f"{COMMON}auth required pam_oath.so usersfile={SECRETS}/oath window=10\n"
    assert asked(tmp_path, oath, anna(), oath="HOTP/T30/6 anna - 00\n") == {frozenset({PASSWORD, CODE})}
    assert asked(tmp_path, oath, anna(), oath="HOTP/T30/6 bert - 00\n") == set()
    key = f"{COMMON}auth required pam_u2f.so authfile={SECRETS}/u2f\n"
    assert asked(tmp_path, key, anna(), u2f="anna:key,more\n") == {frozenset({PASSWORD, HARDWARE})}
    assert asked(tmp_path, key, anna(), u2f="annabel:key\n") == set()
    lenient = f"{COMMON}auth required pam_u2f.so nouserok authfile={SECRETS}/u2f\n"
    assert asked(tmp_path, lenient, anna(), u2f="bert:key\n") == {frozenset({PASSWORD})}
    assert asked(tmp_path, "auth required pam_u2f.so alwaysok\n", anna()) == {frozenset()}


def test_a_secret_in_the_home_is_found_there(tmp_path: Path) -> None:
    files = {**made_pam.DEBIAN, "/etc/pam.d/made": f"{COMMON}auth required {GOOGLE}\n"}
    stacks = Stacks(made_reader(tmp_path, {**files, "/home/anna/.google_authenticator": "SECRET\n"}))
    assert stacks.proofs("made", anna()) == {frozenset({PASSWORD, CODE})}
    assert stacks.enrolled("made", anna()) == [CODE]
    assert stacks.enrolled("sshd", anna()) == []


IN_SUBSTACK = f"auth requisite {GOOGLE} secret={SECRETS}/anna\n"


@pytest.mark.parametrize(
    ("stack", "ways"),
    [
        # A substack that ends in a no may be forgotten by what comes after it.
        (
            "auth substack inner\nauth [success=reset default=reset] pam_permit.so\nauth required pam_unix.so\n",
            {frozenset({PASSWORD})},
        ),
        # By eq and ne numbers are compared: of a name it never holds.
        (
            f"auth [success=ignore default=1] pam_succeed_if.so user eq anna\n{IN_SUBSTACK}auth required pam_unix.so\n",
            {frozenset({PASSWORD})},
        ),
        # Whom another file names is not known here.
        (
            f"auth [success=ignore default=1] pam_localuser.so file=/x\n{IN_SUBSTACK}auth required pam_unix.so\n",
            {frozenset({PASSWORD})},
        ),
        # There may be blanks around the sign.
        (
            f"auth [success = 1 default = ignore] pam_succeed_if.so user = anna\n{IN_SUBSTACK}"
            "auth required pam_unix.so\n",
            {frozenset({PASSWORD})},
        ),
    ],
)
def test_a_way_around_the_code_is_told(tmp_path: Path, stack: str, ways: set[Proved]) -> None:
    host = {**made_pam.DEBIAN, "/etc/pam.d/made": stack, "/etc/pam.d/inner": IN_SUBSTACK, f"{SECRETS}/anna": "SECRET\n"}
    assert set(Stacks(made_reader(tmp_path, host)).proofs("made", anna())) == ways


def test_somebody_of_a_directory_is_denied_by_what_asks_for_the_hosts_own(tmp_path: Path) -> None:
    """By the very answer that pam_localuser gives: what a control makes of another one is no matter."""
    stack = f"auth [success=ignore perm_denied=1 default=die] pam_localuser.so\n{IN_SUBSTACK}auth required pam_sss.so\n"
    assert asked(tmp_path, stack, anna(NONE, local=False), anna="SECRET\n") == {frozenset({PASSWORD})}


def test_what_is_in_no_known_form_is_an_error_and_no_way(tmp_path: Path) -> None:
    for stack in ("auth sometimes pam_unix.so\n", "auth [success=fine] pam_unix.so\n", "auth [success] pam_unix.so\n"):
        with pytest.raises(Unmeasurable):
            asked(tmp_path, stack, anna())
    with pytest.raises(Absent):
        Stacks(made_reader(tmp_path, {})).proofs("gdm-password", anna())


def test_a_file_that_is_not_named_by_its_whole_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        asked(tmp_path, f"auth required {GOOGLE} secret=codes/anna\n", anna())


# The rules of pam.conf(5), held against a second way to go through a stack: one answer after the other, as PAM does.

CONTROLS = ["required", "requisite", "sufficient", "optional", "[success=1 default=ignore]", "[success=2 default=die]"]
CONTROLS += ["[success=done default=bad]", "[success=ok default=die]", "[default=1]", "[success=ok auth_err=ignore]"]
LINES = st.builds(
    lambda control, name: pam.Line(control, f"pam_{name}.so", (), ()),
    st.sampled_from(CONTROLS),
    st.sampled_from("abcd"),
)


def walked(lines: list[pam.Line], yes: dict[str, bool]) -> Proved | None:
    """What is proved when each module gives this answer; None where the stack refuses."""
    place, said, shown = 0, None, set()
    while place < len(lines):
        line = lines[place]
        answer = yes[line.module]
        (action,) = access_pam.actions(line.control, SUCCESS if answer else REFUSED)
        if answer:
            shown.add(line.module)
        place += 1
        if action.isdigit():
            place += int(action)
        elif action == "die":
            return None
        elif action == "bad":
            said = False
        elif action in ("ok", "done"):
            said = answer if said is not False else False
            if action == "done" and said:
                break
    return frozenset(shown) if said else None


@given(st.lists(LINES, max_size=6))
def test_every_way_through_a_stack_is_found_and_no_other(lines: list[pam.Line]) -> None:
    modules = sorted({line.module for line in lines})
    found = set()
    for number in range(2 ** len(modules)):
        yes = {module: bool(number >> place & 1) for place, module in enumerate(modules)}
        ways = walked(lines, yes)
        if ways is not None:
            found.add(ways)

    def does(line: pam.Line) -> list[tuple[str, Proved]]:
        return [(SUCCESS, frozenset({line.module})), (REFUSED, frozenset())]

    told = access_pam.proofs(tuple(lines), does)
    # A module that stands twice may be followed as if it answered once yes and once no: told too often at most.
    assert all(any(one <= other for one in told) for other in found)
    if len(modules) == len(lines):
        assert told == access_pam.least(found)


@given(st.lists(LINES, max_size=5))
def test_what_must_say_yes_first_is_proved_by_every_way(lines: list[pam.Line]) -> None:
    def does(line: pam.Line) -> list[tuple[str, Proved]]:
        return [(SUCCESS, frozenset({line.module})), (REFUSED, frozenset())]

    more = pam.Line("required", "pam_more.so", (), ())
    assert all("pam_more.so" in way for way in access_pam.proofs((more, *lines), does))


def test_any_refusal_may_be_taken_as_each_that_is_named() -> None:
    control = "[success=ok user_unknown=ignore default=die]"
    assert set(access_pam.actions(control, ANY)) == {"ignore", "die"}
    assert access_pam.actions(control, REFUSED) == ["die"]
