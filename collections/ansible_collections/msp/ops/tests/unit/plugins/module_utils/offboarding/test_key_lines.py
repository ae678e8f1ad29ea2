# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of our keys go, and of nobody else's: a table of odd lines, and what holds for every file there can be."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding import key_lines
from ansible_collections.msp.ops.plugins.module_utils.standards import authorized_keys


def body(seed: bytes, kind: bytes = b"ssh-ed25519") -> bytes:
    return len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + seed * 32


OURS, THEIRS = body(b"o"), body(b"t")
OUR, THEIR = base64.b64encode(OURS), base64.b64encode(THEIRS)


@pytest.mark.parametrize(
    "line",
    [
        b"ssh-ed25519 %s",
        b"ssh-ed25519 %s automation@msp.example.com",
        b"  \t ssh-ed25519 \t %s",
        b"no-pty ssh-ed25519 %s",
        b'from="192.0.2.0/24",command="echo \\"a b\\" # x" ssh-ed25519 %s us',
        b"cert-authority ssh-ed25519 %s",
        b"ssh-ed25519 %s\r",
        b"ssh-ed25519 %s \xff\xfe",
        b"an-option-that-nobody-knows ssh-ed25519 %s",
    ],
)
def test_a_line_of_our_key_is_found_whatever_stands_about_it(line: bytes) -> None:
    assert key_lines.without(line.replace(b"%s", OUR), {OURS}).kept == b""
    assert key_lines.without(line.replace(b"%s", THEIR), {OURS}).kept == line.replace(b"%s", THEIR)


@pytest.mark.parametrize(
    "line",
    [
        b"# ssh-ed25519 %s",
        b"  # ssh-ed25519 %s",
        b"ssh-ed25519 " + THEIR + b" %s",
        b"ssh-ed25519 " + THEIR + b" ssh-ed25519 %s",
        b'command="ssh-ed25519 %s" ssh-ed25519 ' + THEIR,
        b"%s",
        b"ssh-rsa %s",
        b"no-pty no-x ssh-ed25519 %s",
        b"ssh-ed25519 %s".replace(b"%s", OUR[:-8]),
        b"",
        b"\x00",
    ],
)
def test_a_line_that_does_not_let_our_key_in_stays(line: bytes) -> None:
    line = line.replace(b"%s", OUR)

    assert key_lines.without(line, {OURS}) == (line, [])


words = st.sampled_from(
    (
        b" ",
        b"\t",
        b"#",
        b'"',
        b'\\"',
        b"\r",
        b"\n",
        b"no-pty",
        b'from="*"',
        b"ssh-ed25519",
        b"ssh-rsa",
        OUR,
        THEIR,
        b"x",
    )
)
files = st.lists(words | st.binary(max_size=3), max_size=40).map(b"".join)
whole = st.sampled_from((b"ssh-ed25519 " + OUR, b"ssh-ed25519 " + THEIR, b'from="a b" ssh-ed25519 ' + OUR, b"# x", b""))
lined = st.lists(whole, max_size=8).map(b"\n".join)


@pytest.mark.thorough
@given(files | lined)
def test_what_stays_are_the_other_lines_in_their_order_and_to_the_byte(text: bytes) -> None:
    parted = key_lines.without(text, {OURS})

    left = iter(parted.kept.split(b"\n"))
    for line in text.split(b"\n"):
        if OUR not in line:
            assert line in left, "a line that has nothing of our key in it is gone or changed"
    assert len(parted.taken) >= text.count(b"\n") - parted.kept.count(b"\n")
    assert key_lines.without(text, {body(b"n")}) == (text, [])


@pytest.mark.thorough
@given(files | lined)
def test_no_key_of_ours_is_left_by_another_reader_and_everybody_elses_is(text: bytes) -> None:
    def fingerprints(data: bytes) -> list[str]:
        # By line feeds alone, as sshd tells lines apart.
        lines = data.decode("latin-1").split("\n")
        return [key.fingerprint for line in lines for key in authorized_keys.parse(line.replace("\r", " "))]

    ours = key_lines.PublicKey(OURS, "ssh-ed25519", "").fingerprint
    before, after = fingerprints(text), fingerprints(key_lines.without(text, {OURS}).kept)

    assert after == [one for one in before if one != ours]


@pytest.mark.thorough
@given(files | lined)
def test_a_second_time_takes_nothing(text: bytes) -> None:
    kept = key_lines.without(text, {OURS}).kept

    assert key_lines.without(kept, {OURS}) == (kept, [])


def test_keys_are_read_once_each_with_their_words() -> None:
    text = f"# ours\n\nssh-ed25519 {OUR.decode()} automation@msp.example.com\n"

    (key,) = key_lines.parse([text, text])

    assert key.body == OURS
    assert key.told() == f"{key.fingerprint} (automation@msp.example.com)"


@pytest.mark.parametrize(
    "text",
    ["", "# nothing", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA", "no key at all"],
)
def test_what_is_no_public_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(MspError) as caught:
        key_lines.parse([text])

    assert caught.value.code == "MSP-OFF-001"
    assert "b3Blb" not in str(caught.value)


def test_a_comment_shows_nothing_that_a_screen_would_obey() -> None:
    (key,) = key_lines.parse([f"ssh-ed25519 {OUR.decode()} a\x1b[2Jb"])

    assert key.comment == "a?[2Jb"
