# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""PAM's configuration: through its includes, and every way that a stack may go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import pam
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader


def modules(steps: tuple[pam.Step, ...]) -> list[str]:
    return [line.module for line in pam.lines(steps)]


def seen(*lines: str) -> set[frozenset[str]]:
    """Which modules may have been asked when a session of these lines was opened."""
    steps = tuple(
        pam.Line(control, module, tuple(words), ())
        for _type, control, (module, *words) in filter(None, (pam.parse_line(one) for one in lines))
    )

    def does(line: pam.Line, before: frozenset[str]) -> frozenset[frozenset[str]]:
        return frozenset((before | {line.module},))

    return set(pam.outcomes(steps, frozenset((frozenset(),)), does))


def test_a_stack_is_what_its_files_and_those_that_they_include_say_of_the_type(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, made_pam.DEBIAN)

    assert modules(pam.stack(reader, "sshd", "session")) == [
        *("pam_selinux.so", "pam_loginuid.so", "pam_permit.so", "pam_deny.so", "pam_permit.so", "pam_unix.so"),
        *("pam_systemd.so", "pam_mail.so", "pam_env.so"),
    ]
    assert modules(pam.stack(reader, "sshd", "password")) == ["pam_unix.so", "pam_deny.so", "pam_permit.so"]
    (first, *_others) = pam.lines(pam.stack(reader, "passwd", "password"))
    assert first == pam.Line(
        "[success=1 default=ignore]", "pam_unix.so", ("obscure", "yescrypt"), ("passwd", "common-password")
    )
    (mail,) = (one for one in pam.lines(pam.stack(reader, "sshd", "session")) if one.module == "pam_mail.so")
    assert mail.arguments == ("standard", "noenv")


def test_what_etc_has_not_is_taken_from_the_distributions_own_place(tmp_path: Path) -> None:
    files = {"/usr/lib/pam.d/a": "session required pam_a.so\n", "/usr/lib/pam.d/b": "session required pam_b.so\n"}
    reader = made_reader(tmp_path, {**files, "/etc/pam.d/b": "session include a\n"})

    assert modules(pam.stack(reader, "b", "session")) == ["pam_a.so"]
    with pytest.raises(Absent):
        pam.stack(reader, "c", "session")


@pytest.mark.parametrize(
    "text",
    [
        "@include gone\n",
        "session include one\n",
        "session required\n",
        "sessions required pam_a.so\n",
        "session [broken pam_a.so\n",
    ],
)
def test_what_cannot_be_followed_is_never_passed_over(tmp_path: Path, text: str) -> None:
    reader = made_reader(tmp_path, {"/etc/pam.d/one": text})
    with pytest.raises(Unmeasurable):
        pam.ways(next(pam.lines(pam.stack(reader, "one", "session"))))


def test_a_line_goes_on_after_a_backslash_and_a_word_may_stand_in_brackets(tmp_path: Path) -> None:
    text = "-session optional \\\n  /lib/security/pam_x.so [a b\\]] c # d\n"
    (line,) = pam.lines(pam.stack(made_reader(tmp_path, {"/etc/pam.d/one": text}), "one", "session"))
    assert line == pam.Line("optional", "pam_x.so", ("a b]", "c"), ("one",))


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        (("session required a.so", "session optional b.so"), {"a.so b.so"}),
        (("session sufficient a.so", "session optional b.so"), {"a.so", "a.so b.so"}),
        (("session [success=1 default=ignore] a.so", "session optional b.so"), {"a.so", "a.so b.so"}),
        (("session [default=1] pam_permit.so", "session requisite pam_deny.so"), {"pam_permit.so"}),
        (("session [success=done default=die] a.so", "session optional b.so"), {"a.so"}),
        (("session requisite pam_deny.so", "session optional b.so"), set()),
        (("session sufficient pam_deny.so", "session optional b.so"), {"pam_deny.so b.so"}),
        (("session [success=7] pam_permit.so", "session optional b.so"), {"pam_permit.so"}),
    ],
)
def test_every_way_that_a_stack_may_go_is_followed(lines: tuple[str, ...], after: set[str]) -> None:
    assert seen(*lines) == {frozenset(one.split()) for one in after}


def test_what_ends_a_substack_ends_nothing_else(tmp_path: Path) -> None:
    files = {
        "/etc/pam.d/one": "session substack two\nsession optional pam_b.so\n",
        "/etc/pam.d/two": "session [success=done default=ignore] pam_permit.so\nsession optional pam_a.so\n",
    }
    steps = pam.stack(made_reader(tmp_path, files), "one", "session")

    def does(line: pam.Line, before: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
        return frozenset(((*before, line.module),))

    assert pam.outcomes(steps, frozenset(((),)), does) == {("pam_permit.so", "pam_b.so")}


ACTIONS = ("ignore", "ok", "bad", "done", "die", "1", "2")


@given(
    st.lists(
        st.one_of(
            st.sampled_from(("required", "requisite", "sufficient", "optional")),
            st.tuples(st.sampled_from(ACTIONS), st.sampled_from(ACTIONS)).map(
                lambda two: "[success={} default={}]".format(*two)
            ),
        ),
        max_size=6,
    ),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_no_way_that_modules_can_make_it_go_is_forgotten(controls: list[str], answers: list[bool]) -> None:
    """Against a stack that is run once, with the answer of each module, as pam.conf(5) has it."""
    place, asked = 0, []
    while place < len(controls):
        asked.append(f"{place}.so")
        good, control = answers[place], controls[place]
        action = (
            {"required": "ok", "requisite": "ok", "sufficient": "done", "optional": "ok"}.get(control)
            if good
            else ({"required": "bad", "requisite": "die", "sufficient": "ignore", "optional": "ignore"}.get(control))
        )
        if action is None:
            action = control[1:-1].split()[0 if good else 1].split("=")[1]
        if action == "die":
            return
        place = len(controls) if action == "done" else place + 1 + (int(action) if action.isdigit() else 0)
    lines = [f"session {control} {number}.so" for number, control in enumerate(controls)]

    assert frozenset(asked) in seen(*lines)


def test_of_two_lines_of_a_name_the_first_counts_in_either_case(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/etc/login.defs": "# UMASK 000\n umask=\t027 # ours\nUMASK 022\n"})
    assert (pam.login_defs(reader, "UMASK") or "").strip() == "027"
    assert pam.login_defs(reader, "GONE") is None
