# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ssh server does with a login, with Match blocks and settings that are not in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import ssh_server
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

DUMP = """port 22
port 2222
addressfamily any
permitrootlogin no
passwordauthentication no
ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com
acceptenv LANG
acceptenv LC_*
subsystem sftp /usr/lib/openssh/sftp-server
"""
CONFIG = """Include /etc/ssh/sshd_config.d/*.conf
PermitRootLogin no
Match User deploy Address 10.1.0.0/16
    PasswordAuthentication yes   # for the old scanner
Match Group backup,!staff
    X11Forwarding no
Match all
    MaxAuthTries 3
"""
FILES = {
    "/etc/ssh/sshd_config": CONFIG,
    "/etc/ssh/sshd_config.d/20-in.conf": "Match User carl\n  ChallengeResponseAuthentication=yes\n",
    "/etc/passwd": "root:x:0:0::/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\n",
    "/etc/group": "root:x:0:\nbackup:x:34:anna\nstaff:x:50:\nempty:x:60:\n",
}
# Answers "yes" to the connection that a block is made for.
SSHD = """case "$*" in
*user=deploy*addr=10.1.0.1*) cat <<'THE_END'
permitrootlogin no
passwordauthentication yes
THE_END
;;
*) {printed}
;;
esac"""


def test_what_sshd_prints_is_the_value(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {}, {"sshd": printing(DUMP)})

    found = {name: ssh_server.measure(reader, name) for name in ("PermitRootLogin", "port", "ciphers", "allowusers")}

    assert found == {
        "PermitRootLogin": {"value": "no", "values": ["no"]},
        "port": {"value": "22 2222", "values": ["22", "2222"]},
        "ciphers": {
            "value": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
            "values": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"],
        },
        "allowusers": {"value": "", "values": []},
    }
    assert called(tmp_path) == ["sshd -T"]


def test_a_match_block_that_makes_it_another_is_told(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES, {"sshd": SSHD.format(printed=printing(DUMP))})

    found = ssh_server.measure(reader, "passwordauthentication")

    assert found == {
        "value": "no; yes for Match User deploy Address 10.1.0.0/16",
        "values": ["no", "yes"],
        "each": ["no", "yes"],
        "within_reach": {"value": "no", "values": ["no"]},
        "out_of_reach": {
            "value": ["Match User deploy Address 10.1.0.0/16"],
            "values": ["Match User deploy Address 10.1.0.0/16"],
        },
    }


# sshd as it decides: of the blocks that a user matches the first one that says anything of it counts.
STAFF = """Match User anna
    PasswordAuthentication no
Match Group staff
    PasswordAuthentication yes
"""
STAFF_SSHD = """case "$*" in
*user=bert,*) echo 'passwordauthentication yes' ;;
*) echo 'passwordauthentication no' ;;
esac"""


def staff(group: str = "anna,bert", nsswitch: str = "group: files\n", config: str = STAFF) -> dict[str, str]:
    return {
        "/etc/ssh/sshd_config": config,
        "/etc/passwd": "anna:x:1000:1000::/:/bin/sh\nbert:x:1001:1001::/:/bin/sh\n",
        "/etc/group": f"staff:x:50:{group}\n",
        "/etc/nsswitch.conf": nsswitch,
    }


@pytest.mark.parametrize("config", [STAFF, STAFF.replace("Group staff", "User anna,bert")])
def test_a_block_is_asked_as_somebody_whom_no_block_before_it_is_for(tmp_path: Path, config: str) -> None:
    reader = made_reader(tmp_path, staff(config=config), {"sshd": STAFF_SSHD})

    found = ssh_server.measure(reader, "passwordauthentication")

    assert found["each"] == ["no", "yes"]
    assert [one.partition(",")[0] for one in called(tmp_path)] == [
        "sshd -T",
        "sshd -T -C user=anna",
        "sshd -T -C user=bert",
    ]


def test_a_block_whose_people_all_have_an_earlier_one_decides_nothing(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, staff("anna"), {"sshd": STAFF_SSHD})

    assert ssh_server.measure(reader, "passwordauthentication") == {"value": "no", "values": ["no"]}
    assert len(called(tmp_path)) == 2


@pytest.mark.parametrize("group", ["anna", ""])
def test_who_is_in_a_group_is_not_known_where_a_directory_has_more_of_them(tmp_path: Path, group: str) -> None:
    reader = made_reader(tmp_path, staff(group, "group: files sss\n"), {"sshd": STAFF_SSHD})

    with pytest.raises(Unmeasurable, match="Match Group staff decides about"):
        ssh_server.measure(reader, "passwordauthentication")


def test_a_match_block_that_says_nothing_of_it_is_not_asked(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES, {"sshd": SSHD.format(printed=printing(DUMP))})

    assert ssh_server.measure(reader, "permitrootlogin") == {"value": "no", "values": ["no"]}
    assert called(tmp_path) == ["sshd -T"]


def test_what_holds_for_one_user_is_asked_as_that_user(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES, {"sshd": printing(DUMP)})

    ssh_server.measure(reader, "permitrootlogin", user="anna")

    assert called(tmp_path) == [
        "sshd -T -C user=anna,host=anywhere.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22",
    ]


MAIN = "/etc/ssh/sshd_config"
EMERGENCY = "Match User glass Address 10.1.0.0/16\n PasswordAuthentication yes\n"
CODE = """case "$*" in
*user=*) echo kbdinteractiveauthentication yes; echo authenticationmethods {0} ;;
*) echo kbdinteractiveauthentication no ;;
esac"""


@pytest.mark.parametrize(
    ("config", "agreed", "seen"),
    [
        (EMERGENCY, ("glass",), False),
        (EMERGENCY, "glass", False),
        (EMERGENCY, (), True),
        (EMERGENCY, ("other",), True),
        # From anywhere, or for others too.
        ("Match User glass\n PasswordAuthentication yes\n", ("glass",), True),
        ("Match User glass,anna Address 10.1.0.0/16\n PasswordAuthentication yes\n", ("glass",), True),
        ("Match User glass Address 0.0.0.0/0\n PasswordAuthentication yes\n", ("glass",), True),
    ],
)
def test_a_password_for_an_emergency_from_some_addresses_alone_can_be_agreed_on(
    tmp_path: Path, config: str, agreed: tuple[str, ...] | str, seen: bool
) -> None:
    answers = 'case "$*" in *user=glass*) echo passwordauthentication yes ;; *) echo passwordauthentication no ;; esac'
    reader = made_reader(tmp_path, {**FILES, MAIN: config}, {"sshd": answers})

    found = ssh_server.measure(reader, "passwordauthentication", agreed=agreed)

    assert found.get("each", [found["value"]]) == (["no", "yes"] if seen else ["no"])


@pytest.mark.parametrize(
    ("methods", "seen"),
    [
        ("publickey,keyboard-interactive:pam", False),
        ("gssapi-with-mic,keyboard-interactive publickey,keyboard-interactive:pam", False),
        ("any", True),
        ("publickey,keyboard-interactive:pam keyboard-interactive:pam", True),
    ],
)
def test_questions_that_come_after_a_key_are_no_way_in_by_themselves(tmp_path: Path, methods: str, seen: bool) -> None:
    config = "Match Group backup\n KbdInteractiveAuthentication yes\n"
    reader = made_reader(tmp_path, {**FILES, MAIN: config}, {"sshd": CODE.format(methods)})

    found = ssh_server.measure(reader, "kbdinteractiveauthentication")

    assert found.get("each", [found["value"]]) == (["no", "yes"] if seen else ["no"])


def test_blocks_are_found_through_includes_with_older_names_of_settings(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, FILES)

    assert ssh_server.blocks(reader.host, "/etc/ssh/sshd_config") == [
        ssh_server.Block("User carl", frozenset({"kbdinteractiveauthentication"}), "/etc/ssh/sshd_config.d/20-in.conf"),
        ssh_server.Block("User deploy Address 10.1.0.0/16", frozenset({"passwordauthentication"}), MAIN),
        ssh_server.Block("Group backup,!staff", frozenset({"x11forwarding"}), MAIN),
        ssh_server.Block("all", frozenset({"maxauthtries"}), MAIN),
    ]


def test_an_include_in_a_block_is_part_of_the_block(tmp_path: Path) -> None:
    files = {
        "/etc/ssh/sshd_config": "Match User anna\n Include more\n PermitTTY no\n",
        "/etc/ssh/more": "Banner none\nMatch User bert\nX11Forwarding yes\n",
    }

    assert ssh_server.blocks(made_reader(tmp_path, files).host, "/etc/ssh/sshd_config") == [
        ssh_server.Block("User anna", frozenset({"banner", "permittty"}), MAIN),
        ssh_server.Block("User bert", frozenset({"x11forwarding"}), "/etc/ssh/more"),
    ]


def test_files_that_include_each_other_come_to_an_end(tmp_path: Path) -> None:
    files = {"/etc/ssh/sshd_config": "Include a\n", "/etc/ssh/a": "Include sshd_config\n"}

    with pytest.raises(Unmeasurable, match="more files than can be read"):
        ssh_server.blocks(made_reader(tmp_path, files).host, "/etc/ssh/sshd_config")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PermitRootLogin no", ["permitrootlogin", "no"]),
        ("  PermitRootLogin = no", ["permitrootlogin", "no"]),
        ('Banner "/etc/issue net" # x', ["banner", "/etc/issue net"]),
        ("# PermitRootLogin yes", []),
        ("", []),
        ('Banner "open', ["banner", '"open']),
    ],
)
def test_a_line_is_read_as_sshd_reads_it(line: str, expected: list[str]) -> None:
    assert ssh_server.words(line) == expected


@pytest.mark.parametrize(
    ("cmdline", "expected"),
    [
        ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", []),
        (
            "sshd: /usr/sbin/sshd -D -oPermitRootLogin=yes -f /root/x [listener] 0 of 10-100 startups",
            ["-o", "PermitRootLogin=yes", "-f", "/root/x"],
        ),
        ("sshd: anna [priv]", []),
        ("/usr/sbin/sshd -D", []),
    ],
)
def test_settings_on_the_command_line_are_in_force_too(cmdline: str, expected: list[str]) -> None:
    assert ssh_server.running_options(cmdline) == expected


def test_sshd_is_asked_with_the_command_line_of_the_one_that_runs(tmp_path: Path) -> None:
    files = {
        "/proc/9/comm": "sshd\n",
        "/proc/9/cmdline": "sshd: /usr/sbin/sshd -D -o PermitRootLogin=yes [listener] 0 of 10-100 startups\0",
        "/proc/11/comm": "sshd\n",
        "/proc/11/cmdline": "sshd: anna [priv]\0",
    }
    started = f'case "$*" in *PermitRootLogin=yes*) echo permitrootlogin yes ;; *) {printing(DUMP)}\n;; esac'
    reader = made_reader(tmp_path, files, {"sshd": started})

    ssh_server.prepare(reader)
    found = ssh_server.measure(reader, "permitrootlogin")
    ssh_server.measure(reader, "maxauthtries")

    # What a role writes is as it should be, and is not in force.
    assert found == {
        "value": "yes",
        "values": ["yes"],
        "within_reach": {"value": "no", "values": ["no"]},
        "out_of_reach": {"value": ["-o PermitRootLogin=yes"], "values": ["-o PermitRootLogin=yes"]},
    }
    assert called(tmp_path) == ["sshd -T -o PermitRootLogin=yes", "sshd -T"]


def test_without_a_server_it_is_absent_and_one_that_refuses_its_file_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        ssh_server.measure(made_reader(tmp_path / "a", {}), "port")
    broken = made_reader(
        tmp_path / "b", {}, {"sshd": "echo '/etc/ssh/sshd_config line 3: Bad option: Prot' >&2; exit 255"}
    )
    with pytest.raises(Unmeasurable, match="line 3: Bad option"):
        ssh_server.measure(broken, "port")


def test_root_without_a_password_is_called_as_the_manual_calls_it() -> None:
    assert ssh_server.parse_settings("permitrootlogin without-password\nbanner without-password\n") == {
        "permitrootlogin": ["prohibit-password"],
        "banner": ["without-password"],
    }
