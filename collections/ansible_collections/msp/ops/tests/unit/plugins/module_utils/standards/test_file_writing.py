# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many files in one go: what is written, what only gets rights, what a check says of it. With Ansible's own module."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import (
    FileWriting,
    NotValid,
    Replacement,
    by_path,
)

ONLY_ROOT = {"mode": "0600"}
NOT_OTHERS = {"mode": "o-rwx"}


@pytest.fixture(params=[False, True], ids=["apply", "check"])
def check(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def writing(check: bool) -> Callable[[], FileWriting]:
    """One run: a module of Ansible's, in check mode or not."""

    def begin() -> FileWriting:
        with patch_module_args({"_ansible_check_mode": check}):
            return FileWriting(basic.AnsibleModule({}, supports_check_mode=True))

    return begin


def rights(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:04o}"


def test_a_file_is_written_with_its_rights_and_nothing_is_left_beside_it(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    path = tmp_path / "new.conf"
    run = writing()

    run.write(str(path), "a line\n", ONLY_ROOT)

    assert run.changed == [str(path)]
    assert run.differences[0]["before"] == "" and run.differences[0]["after"] == "a line\n"
    assert os.listdir(tmp_path) == ([] if check else ["new.conf"])
    if not check:
        assert (path.read_text(), rights(path)) == ("a line\n", "0600")


def test_another_text_is_replaced_and_a_check_leaves_it(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    path = tmp_path / "old.conf"
    path.write_text("old\n")
    run = writing()

    run.write(str(path), "new\n", ONLY_ROOT)

    assert run.changed == [str(path)]
    assert path.read_text() == ("old\n" if check else "new\n")


def test_what_is_as_it_should_be_is_no_change(writing: Callable[[], FileWriting], tmp_path: Path) -> None:
    path = tmp_path / "right.conf"
    path.write_text("right\n")
    path.chmod(0o600)
    before = path.stat()
    run = writing()

    run.write(str(path), "right\n", ONLY_ROOT)
    run.shield(str(path), NOT_OTHERS)
    run.make(str(tmp_path), {})

    assert (run.changed, run.differences) == ([], [])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_right_text_with_the_wrong_rights_only_gets_the_rights(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    path = tmp_path / "open.conf"
    path.write_text("right\n")
    path.chmod(0o666)
    run = writing()

    run.write(str(path), "right\n", ONLY_ROOT)

    assert run.differences[0]["before"] == {"mode": "0666"} and run.differences[0]["after"] == {"mode": "0600"}
    assert rights(path) == ("0666" if check else "0600")


def test_a_directory_is_made_where_it_is_not_there(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    path = tmp_path / "made.d"
    run = writing()

    run.make(str(path), {"mode": "0750"})

    assert run.changed == [str(path)]
    assert path.is_dir() is not check
    if not check:
        assert rights(path) == "0750"


def test_what_a_link_leads_to_is_somebody_elses(writing: Callable[[], FileWriting], tmp_path: Path) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.write_text("theirs\n")
    theirs.chmod(0o666)
    link.symlink_to(theirs)
    run = writing()

    run.shield(str(link), NOT_OTHERS)

    assert (run.changed, rights(theirs)) == ([], "0666")


def test_a_link_makes_room_for_a_file_that_is_written(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.write_text("ours\n")
    theirs.chmod(0o666)
    link.symlink_to(theirs)
    run = writing()

    run.write(str(link), "ours\n", ONLY_ROOT)

    assert (theirs.read_text(), rights(theirs)) == ("ours\n", "0666")
    assert link.is_symlink() is check
    assert run.changed == [str(link)]


def test_a_name_with_a_variable_in_it_is_that_name(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere"))
    path = tmp_path / "$PLACE"
    path.write_text("a line\n")
    path.chmod(0o666)
    run = writing()

    run.shield(str(path), NOT_OTHERS)

    assert (run.changed, rights(path)) == ([str(path)], "0666" if check else "0660")


def test_what_is_not_there_gets_no_rights_but_an_error(tmp_path: Path) -> None:
    with patch_module_args({}):
        run = FileWriting(basic.AnsibleModule({}, supports_check_mode=True))
    gone: Any = str(tmp_path / "gone")
    with pytest.raises(OSError, match="gone"):
        run.shield(gone, ONLY_ROOT)


@pytest.mark.parametrize(("command", "written"), [("grep -q good %s", True), ("grep -q bad %s", False)])
def test_a_file_takes_its_place_only_when_its_validation_ends_well(command: str, written: bool, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("old\n")
    with patch_module_args({}):
        run = FileWriting(basic.AnsibleModule({}), validate=command)

    with contextlib.nullcontext() if written else pytest.raises(NotValid, match="rules"):
        run.write(str(path), "good\n", ONLY_ROOT)

    assert path.read_text() == ("good\n" if written else "old\n")
    assert os.listdir(tmp_path) == ["rules"]


def test_changes_of_a_file_are_made_one_after_another_and_it_keeps_its_rights(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    path = tmp_path / "rules"
    path.write_text("one\ntwo\n")
    path.chmod(0o440)
    run = writing()

    run.rewrite(str(path), [Replacement("^one$", "two"), Replacement("^two$", "three")])

    assert (run.changed, run.differences[0]["after"]) == ([str(path)], "three\nthree\n")
    assert (path.read_text(), rights(path)) == ("one\ntwo\n" if check else "three\nthree\n", "0440")
    assert os.listdir(tmp_path) == ["rules"]


def test_a_copy_of_what_is_changed_stays_beside_it_and_of_nothing_else(
    writing: Callable[[], FileWriting], check: bool, tmp_path: Path
) -> None:
    changed, same = tmp_path / "changed", tmp_path / "same"
    changed.write_text("one\n")
    same.write_text("two\n")
    run = writing()

    for path in (changed, same):
        run.rewrite(str(path), [Replacement("one", "three")], backup=True)

    copies = [tmp_path / name for name in os.listdir(tmp_path) if name not in ("changed", "same")]
    assert [copy.read_text() for copy in copies] == ([] if check else ["one\n"])
    assert run.changed == [str(changed)]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [("a=1\n[x]\na=2\n", "a=1\n[x]\n# a=2\n"), ("a=1\na=2\n", "a=1\na=2\n"), ("a=1\n[x]", "a=1\n[x]")],
)
def test_only_what_follows_is_looked_at_and_where_nothing_does_nothing_is_replaced(text: str, becomes: str) -> None:
    assert Replacement("^(a=)", r"# \1", after=r"\[x\]").of(text) == becomes


def test_what_is_no_utf_8_and_how_lines_end_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes(b"# caf\xe9\r\none\r\n")
    with patch_module_args({}):
        run = FileWriting(basic.AnsibleModule({}))

    run.rewrite(str(path), [Replacement("^one", "two")])

    assert path.read_bytes() == b"# caf\xe9\r\ntwo\r\n"


def test_a_link_stays_one_and_what_it_leads_to_is_changed(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("one\n")
    link.symlink_to(file)
    with patch_module_args({}):
        run = FileWriting(basic.AnsibleModule({}))

    run.rewrite(str(link), [Replacement("one", "two")])

    assert link.is_symlink() and file.read_text() == "two\n"
    assert run.changed == [str(file)]


def test_a_file_whose_changes_are_not_valid_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("good\n")
    with patch_module_args({}):
        run = FileWriting(basic.AnsibleModule({}), validate="grep -q good %s")

    with pytest.raises(NotValid, match="rules"):
        run.rewrite(str(path), [Replacement("good", "bad")])

    assert path.read_text() == "good\n"


def test_each_file_gets_its_changes_in_the_order_in_which_they_were_asked_for() -> None:
    asked: list[dict[str, Any]] = [
        {"paths": ["a", "b"], "regexp": "1", "replace": "2", "after": None},
        {"paths": ["b"], "regexp": "2", "replace": "3", "after": "x"},
    ]
    assert by_path(asked) == {
        "a": [Replacement("1", "2")],
        "b": [Replacement("1", "2"), Replacement("2", "3", "x")],
    }


def test_a_check_has_what_would_be_written_validated_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("good\n")
    with patch_module_args({"_ansible_check_mode": True}):
        run = FileWriting(basic.AnsibleModule({}, supports_check_mode=True), validate="grep -q good %s")

    run.write(str(path), "good again\n", ONLY_ROOT)
    with pytest.raises(NotValid, match="rules"):
        run.write(str(path), "bad\n", ONLY_ROOT)

    assert (path.read_text(), os.listdir(tmp_path)) == ("good\n", ["rules"])


def test_a_check_before_the_program_is_there_does_without_it(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    with patch_module_args({"_ansible_check_mode": True}):
        run = FileWriting(basic.AnsibleModule({}, supports_check_mode=True), validate="no-such-program -c %s")

    run.write(str(path), "new\n", ONLY_ROOT)

    assert (run.changed, path.exists()) == ([str(path)], False)


def test_a_replacement_is_repeated_until_nothing_changes_and_one_that_never_ends_is_refused() -> None:
    assert Replacement("^a", "", repeat=True).of("aaab\n") == "b\n"
    assert Replacement("^a", "").of("aaab\n") == "aab\n"
    with pytest.raises(NotValid, match="never ends"):
        Replacement("^a", "aa", repeat=True).of("a\n")


# -- texts that are proven together ---------------------------------------------------------------------------------


def proving(tmp_path: Path, **more: Any) -> FileWriting:
    with patch_module_args({}):
        return FileWriting(basic.AnsibleModule({}, supports_check_mode=True), **more)


def noting(tmp_path: Path, ending: str = "true") -> list[list[str]]:
    """Two commands: the first writes down what it sees, the second ends so."""
    script = f"cat {tmp_path}/rules {tmp_path}/new 2>/dev/null | tr '\\n' ' ' >>{tmp_path}/seen; echo >>{tmp_path}/seen"
    return [["sh", "-c", script], ["sh", "-c", ending]]


def test_what_is_proven_stays(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("one\n")
    run = proving(tmp_path)
    run.rewrite(str(path), [Replacement("one", "two")])

    run.prove(noting(tmp_path))

    assert (path.read_text(), (tmp_path / "seen").read_text()) == ("two\n", "two \n")


def test_where_a_proof_fails_every_text_is_put_back_with_its_rights_and_what_reads_them_is_told(tmp_path: Path) -> None:
    path, link, new = tmp_path / "rules", tmp_path / "link", tmp_path / "new"
    path.write_text("one\n")
    path.chmod(0o640)
    link.symlink_to(path)
    run = proving(tmp_path)
    run.write(str(new), "new\n", ONLY_ROOT)
    run.rewrite(str(link), [Replacement("one", "two")])
    run.rewrite(str(path), [Replacement("two", "three")])

    with pytest.raises(NotValid) as caught:
        run.prove(noting(tmp_path, "echo it is wrong >&2; exit 3"))

    assert "ended with status 3: it is wrong; what was there before was put back" in str(caught.value)
    assert (path.read_text(), rights(path), link.is_symlink(), new.exists()) == ("one\n", "0640", True, False)
    assert (tmp_path / "seen").read_text() == "three new \none \n"


def test_what_does_not_even_work_as_it_was_is_said_too(tmp_path: Path) -> None:
    run = proving(tmp_path)
    run.write(str(tmp_path / "new"), "new\n", ONLY_ROOT)
    with pytest.raises(NotValid, match=r"put back \(.*new\); after that: false ended with status 1"):
        run.prove([["false"]])


def test_nothing_is_proven_where_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("one\n")
    path.chmod(0o600)
    run = proving(tmp_path)
    run.write(str(path), "one\n", ONLY_ROOT)
    run.rewrite(str(path), [Replacement("no", "two")])
    run.prove([["false"]])
    assert path.read_text() == "one\n"


def test_copies_can_go_where_nobody_reads_them(tmp_path: Path) -> None:
    path, kept = tmp_path / "rules", tmp_path / "kept" / "here"
    path.write_text("one\n")
    run = proving(tmp_path, backups=str(kept))
    run.rewrite(str(path), [Replacement("one", "two")], backup=True)

    (copy,) = kept.iterdir()
    assert copy.read_text() == "one\n" and copy.name.startswith(str(path).strip("/").replace("/", "%") + ".")
    assert rights(kept) == "0700" and sorted(os.listdir(tmp_path)) == ["kept", "rules"]


def test_a_difference_can_be_of_nothing_but_the_lines_that_differ(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("secret\none\nsecret too\n")
    run = proving(tmp_path, only_lines=True)
    run.rewrite(str(path), [Replacement("one", "two")])

    (shown,) = run.differences
    assert (shown["before"], shown["after"]) == ("one\n", "two\n")
    assert path.read_text() == "secret\ntwo\nsecret too\n"
