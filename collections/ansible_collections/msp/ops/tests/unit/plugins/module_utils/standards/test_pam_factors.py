# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PAM asks a person for: every way that lets in counts, and what cannot be told counts as not asked."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import access_pam, pam, pam_factors
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account as Person
from ansible_collections.msp.ops.plugins.module_utils.standards.pam_factors import Asked
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

ANNA = Person("anna", 1000, "/home/anna", frozenset(("anna", "msp-mfa")))
BERT = Person("bert", 1001, "/home/bert", frozenset(("bert",)))
CODE = "pam_google_authenticator.so user=root secret=/var/lib/msp-ops/mfa/${USER}"
INGROUP = "auth [success=ignore default=1] pam_succeed_if.so quiet user ingroup msp-mfa\n"
SSH = f"{INGROUP}auth [success=done default=die] {CODE}\n@include common-auth\n"
LOCAL = f"{INGROUP}auth required {CODE}\n@include common-auth\n"
EVERYBODY = (
    "auth [success=1 default=ignore] pam_succeed_if.so quiet user in bert:carl\n"
    f"auth [success=done default=die] {CODE}\n@include common-auth\n"
)


def ways(tmp_path: Path, stack: str, person: Person, secrets: tuple[str, ...] = ()) -> set[Asked]:
    files = {"/etc/pam.d/common-auth": made_pam.AUTH, "/etc/pam.d/one": stack}
    reader = made_reader(tmp_path, files)
    return set(pam_factors.asked(pam.stack(reader, "one", "auth"), person, secrets.__contains__))


BOTH, CODE_ALONE, PASSWORD, NOTHING = Asked(True, True), Asked(True), Asked(False, True), Asked()


@pytest.mark.parametrize(
    ("stack", "anna", "bert"),
    [
        (SSH, {CODE_ALONE}, {PASSWORD}),
        (LOCAL, {BOTH}, {PASSWORD}),
        (EVERYBODY, {CODE_ALONE}, {PASSWORD}),
        ("@include common-auth\n", {PASSWORD}, {PASSWORD}),
        # What stands before it may let in.
        (f"auth sufficient pam_rootok.so\n{LOCAL}", {NOTHING}, {NOTHING}),
        (f"auth sufficient pam_permit.so\n{LOCAL}", {NOTHING}, {NOTHING}),
        (f"auth [success=done default=ignore] pam_unix.so\n{LOCAL}", {PASSWORD}, {PASSWORD}),
        # A code that may be wrong is none.
        (f"auth optional {CODE}\n@include common-auth\n", {PASSWORD}, {PASSWORD}),
        (f"auth [success=ok default=ignore] {CODE}\nauth required pam_unix.so\n", {PASSWORD}, {PASSWORD}),
        # Two that are each enough, and one that is told to be none of its business.
        (f"auth sufficient {CODE}\nauth required pam_unix.so\n", {CODE_ALONE, PASSWORD}, {CODE_ALONE, PASSWORD}),
        ("auth required pam_sss.so ignore_unknown_user\nauth required pam_permit.so\n", {NOTHING}, {NOTHING}),
        # Nobody said yes.
        ("auth optional pam_deny.so\n", set(), set()),
        (f"auth sufficient {CODE}\nauth required pam_deny.so\n", {CODE_ALONE}, {CODE_ALONE}),
        # A substack that is left early ends no more than itself.
        ("auth substack other\nauth required pam_deny.so\n", set(), set()),
        ("auth required pam_deny.so\n", set(), set()),
        # What has failed before is forgotten again.
        (
            "auth required pam_deny.so\nauth sufficient pam_permit.so\nauth [default=reset] pam_permit.so\n"
            "auth required pam_permit.so\n",
            {NOTHING},
            {NOTHING},
        ),
        # Another module for a second factor.
        ("auth required pam_oath.so usersfile=/etc/users.oath\nauth required pam_unix.so\n", {BOTH}, {BOTH}),
        ("auth required pam_u2f.so cue\nauth required pam_unix.so\n", {BOTH}, {BOTH}),
        # It lets through whoever has none, or everybody.
        ("auth required pam_u2f.so nouserok cue\nauth required pam_unix.so\n", {PASSWORD}, {PASSWORD}),
        ("auth required pam_u2f.so alwaysok\nauth required pam_unix.so\n", {PASSWORD}, {PASSWORD}),
    ],
)
def test_every_way_in_is_told_by_what_it_asks_for(
    tmp_path: Path, stack: str, anna: set[Asked], bert: set[Asked]
) -> None:
    (tmp_path / "etc/pam.d").mkdir(parents=True)
    (tmp_path / "etc/pam.d/other").write_text(f"auth [success=done default=die] {CODE}\n")

    assert ways(tmp_path, stack, ANNA) == anna
    assert ways(tmp_path, stack, BERT) == bert


@pytest.mark.parametrize(
    ("module", "secret"),
    [
        ("pam_google_authenticator.so nullok", "/home/anna/.google_authenticator"),
        ("pam_google_authenticator.so nullok secret=~/.code", "/home/anna/.code"),
        ("pam_google_authenticator.so nullok secret=/etc/codes/${USER}", "/etc/codes/anna"),
        ("pam_google_authenticator.so nullok secret=%h/%u", "/home/anna/anna"),
    ],
)
def test_where_those_without_a_secret_are_let_through_it_is_asked_of_those_who_have_one(
    tmp_path: Path, module: str, secret: str
) -> None:
    stack = f"auth required {module}\nauth required pam_unix.so\n"

    assert ways(tmp_path, stack, ANNA, (secret,)) == {BOTH}
    assert ways(tmp_path, stack, ANNA) == {PASSWORD}


@pytest.mark.parametrize(
    ("words", "anna", "bert"),
    [
        ("user = anna", True, False),
        ("quiet user != anna", False, True),
        ("user in carl:anna", True, False),
        ("user notin carl:anna quiet_success", False, True),
        ("user ingroup wheel:msp-mfa", True, False),
        ("user notingroup msp-mfa", False, True),
        ("uid >= 1001", False, True),
        ("uid < 1001 user = anna", True, False),
        ("user = anna uid = 5", False, False),
        ("service in sshd", None, None),
        ("user = anna service in sshd", None, False),
        ("use_uid user = anna", None, None),
        ("user =", None, None),
        ("", None, None),
    ],
)
def test_a_condition_is_known_for_a_person_or_not_at_all(words: str, anna: bool | None, bert: bool | None) -> None:
    line = pam.Line("required", "pam_succeed_if.so", tuple(words.split()), ())
    assert access_pam.holds(line, ANNA) is anna
    assert access_pam.holds(line, BERT) is bert


@pytest.mark.parametrize("control", ["sometimes", "[success=perhaps default=bad]"])
def test_a_control_that_is_not_known_is_said(tmp_path: Path, control: str) -> None:
    with pytest.raises(Unmeasurable, match="not known"):
        ways(tmp_path, f"auth {control} pam_unix.so\n", ANNA)


MODULES = ("pam_unix.so", CODE, "pam_permit.so", "pam_deny.so", "pam_faildelay.so")
ACTIONS = ("ok", "done", "bad", "die", "ignore", "1", "2")
CONTROLS = st.one_of(
    st.sampled_from(("required", "requisite", "sufficient", "optional")),
    st.builds("[success={} default={}]".format, st.sampled_from(ACTIONS), st.sampled_from(ACTIONS)),
)


def walked(lines: list[tuple[str, str]], answers: tuple[bool, ...]) -> Asked | None:
    """What one login with these answers of the modules gave, and None where it is refused: PAM's rules once more."""
    code = password = False
    said: bool | None = None
    place = 0
    while place < len(lines):
        control, module = lines[place]
        works = {"pam_permit.so": True, "pam_deny.so": False}.get(module, answers[place])
        if works:
            code, password = code or module == CODE, password or module == "pam_unix.so"
        actions = {
            "required": ("ok", "bad"),
            "requisite": ("ok", "die"),
            "sufficient": ("done", "ignore"),
            "optional": ("ok", "ignore"),
        }.get(control) or tuple(part.split("=")[1] for part in control[1:-1].split())
        action = actions[0 if works else 1]
        place += 1 + (int(action) if action.isdigit() else 0)
        if action == "die":
            return None
        if action == "bad":
            said = False
        elif action in ("ok", "done") and said is not False:
            # A no that counts is the stack's.
            said = works
            if action == "done" and works:
                break
    return Asked(code, password) if said else None


@given(st.lists(st.tuples(CONTROLS, st.sampled_from(MODULES)), min_size=1, max_size=5))
def test_whatever_a_stack_is_made_of_its_ways_are_the_least_of_all_logins_that_there_can_be(
    lines: list[tuple[str, str]],
) -> None:
    steps = tuple(
        pam.Line(control, module.split()[0], tuple(module.split()[1:]), ("one",)) for control, module in lines
    )
    every = itertools.product((True, False), repeat=len(lines))
    ways = {way for answers in every if (way := walked(lines, answers)) is not None}
    # But for those that give more than another one has to.
    expected = {way for way in ways if not any(less != way and within(less, way) for less in ways)}

    assert set(pam_factors.asked(steps, ANNA, lambda _path: True)) == expected


def within(less: Asked, more: Asked) -> bool:
    return less.code <= more.code and less.password <= more.password
