# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of authorized_keys, as sshd reads them."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import authorized_keys
from ansible_collections.msp.ops.plugins.module_utils.standards.authorized_keys import Key, accepted, parse


def blob(kind: str) -> str:
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + b"\0" * 40).decode()


def line(kind: str = "ssh-ed25519", options: str = "", comment: str = "anna@example.com") -> str:
    return f"{options + ' ' if options else ''}{kind} {blob(kind)} {comment}"


def test_a_key_is_told_by_its_fingerprint_and_neither_itself_nor_its_comment_is() -> None:
    # ssh-keygen -lf says the same of this line.
    real = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github"
    assert parse(real) == [Key("ssh-ed25519", "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU")]
    assert "anna" not in str(parse(line())) and blob("ssh-ed25519") not in str(parse(line()))


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ('from="192.0.2.1,10.0.0.0/8"', {"origins": ("192.0.2.1", "10.0.0.0/8")}),
        ('command="echo \\"a, b\\""', {"command": True}),
        ('no-pty,command="x",from="a.example"', {"command": True, "origins": ("a.example",)}),
        ("VERIFY-REQUIRED", {"pin": True}),
        ("no-touch-required", {"touch": False}),
        ('cert-authority,principals="anna"', {"authority": True}),
        ('expiry-time="20270131"', {"until": "20270131"}),
        ('expiry-time="202701310800Z"', {"until": "20270131"}),
        ("restrict", {}),
    ],
)
def test_options_before_a_key_say_what_it_is_limited_to(options: str, changed: dict[str, object]) -> None:
    (plain,), (found,) = parse(line()), parse(line(options=options))
    assert found == plain._replace(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# " + line(),
        "ssh-ed25519",
        "ssh-ed25519 nonsense",
        # The type in the key itself is another.
        "ssh-rsa " + blob("ssh-ed25519"),
        "ssh-unheard-of " + blob("ssh-unheard-of"),
        line(options='from="192.0.2.1'),
    ],
)
def test_what_sshd_takes_for_no_key_is_none(text: str) -> None:
    assert parse(text) == []


def test_every_line_counts() -> None:
    assert [key.kind for key in parse("\n".join(["# me", line(), "", line("ssh-rsa")]))] == ["ssh-ed25519", "ssh-rsa"]


def test_a_fido2_key_is_told_from_others() -> None:
    kinds = ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-ed25519"]
    assert [parse(line(kind))[0].hardware for kind in kinds] == [True, True, False]


def test_which_keys_sshd_takes_is_said_by_its_algorithms() -> None:
    rsa, hard = parse(line("ssh-rsa"))[0], parse(line("sk-ssh-ed25519@openssh.com"))[0]
    only_hard = ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"]
    assert (accepted(rsa, only_hard), accepted(hard, only_hard)) == (False, True)
    assert accepted(rsa, ["rsa-sha2-512"]) and accepted(rsa, [])
    signs = parse(line(options="cert-authority"))[0]
    assert accepted(signs, ["ssh-ed25519-cert-v01@openssh.com"]) and not accepted(signs, ["ssh-ed25519"])


def test_a_key_is_over_when_its_day_is() -> None:
    key = parse(line(options='expiry-time="20270131"'))[0]
    assert [authorized_keys.over(key, day) for day in ("20270130", "20270131", "20270201")] == [False, False, True]
    assert not authorized_keys.over(parse(line())[0], "29990101")
