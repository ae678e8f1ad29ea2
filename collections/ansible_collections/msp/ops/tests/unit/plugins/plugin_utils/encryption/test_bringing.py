# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of an encrypted volume through crashes at every step: a real LUKS2 header, a real escrow.

After a crash anywhere somebody can take a key out of the escrow that opens the volume, and the next run puts all right.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import header, looking, verdict
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.encryption.made_disk import (
    PLACE,
    YEAR,
    Disk,
)

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="needs cryptsetup-bin"),
]
KEY = "etc/cryptsetup-keys.d/data.key"
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def durable(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSP_DURABLE_PATHS", str(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture
def blank(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "blank")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return Disk(tmp_path_factory.mktemp("once") / "disk").finished()


@pytest.fixture
def disk(once: Disk, tmp_path: Path) -> Disk:
    """One that was made, to be spoiled."""
    return once.copied(tmp_path / "disk")


def head(disk: Disk) -> header.Header:
    return looking.read_header(Tools(), str(disk.file))


def settled(disk: Disk) -> bool:
    """One recovery key, proved, in escrow and marked there; the host's own; nothing else, and nothing left over."""
    now = head(disk)
    (one,) = now.proven
    opens = disk.opening()
    assert not now.in_doubt and not now.strays and not now.idle
    assert opens == [one.version] and disk.tree.held(PLACE)[-1].version == one.version
    assert disk.tree.held(PLACE)[-1].in_force is not None
    assert sorted(map(int, disk.slots())) == sorted({one.slot, *now.host_key})
    return True


def test_a_new_volume_takes_the_key_in_escrow_and_its_hosts_own_and_no_other(blank: Disk) -> None:
    blank.form()

    assert settled(blank)
    key = blank.root / KEY
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777, key.stat().st_size) == (0o400, 0o700, 64)
    assert blank.cryptsetup("open", "--test-passphrase", "--key-file", str(key), str(blank.file)).returncode == 0
    said = blank.cryptsetup("luksDump", str(blank.file)).stdout
    assert said.count("argon2id") == 2 and "aes-xts-plain64" in said and "512 bits" in said


def test_a_second_run_changes_nothing(disk: Disk) -> None:
    before = disk.file.read_bytes()

    assert disk.run() == []
    assert disk.file.read_bytes() == before


def test_a_key_that_is_due_is_renewed_and_the_old_one_opens_nothing_any_more(disk: Disk) -> None:
    ((old, secret),) = disk.in_escrow().items()

    disk.now += YEAR
    assert disk.run() == ["add", "mark", "clear"]

    assert settled(disk)
    assert not disk.opens(secret) and disk.opening() != [old]
    assert disk.run() == []


def test_a_key_that_somebody_was_given_is_renewed(disk: Disk) -> None:
    disk.fetched = disk.now + DAY
    disk.now += 2 * DAY

    assert disk.run() == ["add", "mark", "clear"]
    assert disk.run() == []


def test_a_check_says_what_would_be_done_and_does_nothing(blank: Disk) -> None:
    assert blank.run(dry=True, settle=True) == ["form"]
    assert set(blank.file.read_bytes()) == {0} and blank.tree.held(PLACE) == ()


# -- crashes ------------------------------------------------------------------------------------------------------


def test_a_first_run_that_is_cut_off_at_any_step_is_made_good_by_the_next(blank: Disk, tmp_path: Path) -> None:
    cut = blank.crashes(tmp_path, Disk.form)

    assert len(cut) == 8  # before keep, format, token, proved, the host's key, its token, mark; and at the end
    for number, hit in enumerate(cut, 1):
        # What was encrypted can be opened by somebody who may.
        assert hit.opening() or not hit.slots(), number
        hit.form()
        assert settled(hit), number


def test_a_rotation_that_is_cut_off_at_any_step_locks_nobody_out(disk: Disk, tmp_path: Path) -> None:
    disk.now += YEAR
    cut = disk.crashes(tmp_path, Disk.run)

    assert len(cut) == 8  # before keep, token, slot, proved, mark, the old slot, its token; and at the end
    for number, hit in enumerate(cut, 1):
        assert hit.opening() and hit.host_opens(), number
        hit.run()
        assert settled(hit), number
        assert hit.run() == [], number


def test_a_second_crash_while_the_first_is_made_good_locks_nobody_out_either(disk: Disk, tmp_path: Path) -> None:
    disk.now += YEAR
    # The worst one: the slot is filled, and nobody knows with what.
    filled = disk.crashes(tmp_path, Disk.run)[3]
    assert head(filled).in_doubt and len(filled.slots()) == 3

    (tmp_path / "again").mkdir()
    for number, hit in enumerate(filled.crashes(tmp_path / "again", Disk.run), 1):
        assert hit.opening() and hit.host_opens(), number
        hit.run()
        assert settled(hit), number


# -- what others did ----------------------------------------------------------------------------------------------


def test_a_key_that_somebody_added_by_hand_stays_and_is_found(disk: Disk) -> None:
    theirs = disk.place / "theirs"
    theirs.write_text("a key of somebody", encoding="ascii")
    quick = ("--pbkdf", "pbkdf2", "--iter-time", "10")
    given = ("--key-file", str(disk.root / KEY), str(disk.file), str(theirs))
    assert disk.cryptsetup("luksAddKey", "--batch-mode", *quick, *given).returncode == 0
    (stray,) = head(disk).strays

    disk.now += YEAR
    disk.run()

    assert head(disk).strays == (stray,)
    assert disk.opens("a key of somebody")


def test_a_slot_that_was_given_another_key_since_is_somebodys_and_no_longer_counts(disk: Disk) -> None:
    (one,) = head(disk).proven
    new = disk.place / "new"
    new.write_text("changed by hand", encoding="ascii")
    quick = ("--pbkdf", "pbkdf2", "--iter-time", "10", "--key-slot", str(one.slot), "--key-file", "-")
    key = disk.in_escrow()[one.version]
    assert disk.cryptsetup("luksChangeKey", "--batch-mode", *quick, str(disk.file), str(new), key=key).returncode == 0
    assert disk.opening() == []

    disk.run()

    assert disk.opens("changed by hand")
    assert len(disk.opening()) == 1 and head(disk).strays


def test_a_host_key_that_opens_nothing_keeps_every_recovery_key_in_force(disk: Disk) -> None:
    (disk.root / KEY).chmod(0o600)
    (disk.root / KEY).write_bytes(os.urandom(64))
    disk.now += YEAR

    with pytest.raises(MspError) as caught:
        disk.run()

    assert caught.value.code == "MSP-ENC-013"
    assert disk.opening()


def test_a_key_that_does_not_open_the_volume_counts_for_nothing(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk, or the memory on the way to it, changes a bit."""
    plain = Tools.change

    def change(self: Tools, *argv: str, keys: dict[str, bytes] | None = None) -> None:
        spoiled = {**(keys or {}), "new": b"another"} if "luksAddKey" in argv else keys
        plain(self, *argv, keys=spoiled)

    monkeypatch.setattr(Tools, "change", change)
    disk.now += YEAR
    before = disk.opening()

    with pytest.raises(MspError) as caught:
        disk.run()

    assert caught.value.code == "MSP-ENC-007"
    assert disk.opening() == before
    monkeypatch.undo()
    disk.run()
    assert settled(disk) and not disk.opens("another")


def test_an_escrow_that_lacks_the_key_is_filled_anew_only_where_a_person_says_that_it_is_lost(disk: Disk) -> None:
    shutil.rmtree(disk.tree.root)
    disk.tree = type(disk.tree)(disk.place / "another")

    before = disk.file.read_bytes()
    with pytest.raises(MspError) as caught:
        disk.run()
    assert caught.value.code == "MSP-ENC-015" and disk.file.read_bytes() == before
    version = head(disk).proven[0].version
    assert version in caught.value.found and version in caught.value.action
    assert disk.run(escrow_lost={"data": version}) == ["add", "mark", "clear"]
    assert settled(disk)
    # Of the one that is in force now it says nothing.
    assert disk.run(escrow_lost={"data": version}) == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda key: key.chmod(0o440), "others than root can read its key file"),
        (lambda key: (key.chmod(0o600), key.write_bytes(b"x" * 64), key.chmod(0o400)), "not the key that it was given"),
        (lambda key: (key.chmod(0o600), key.write_bytes(key.read_bytes()[:32]), key.chmod(0o400)), "not the key"),
    ],
)
def test_a_key_file_that_will_not_open_it_at_the_next_start_or_that_others_read_is_told(
    disk: Disk, spoil: Callable[[Path], object], fault: str
) -> None:
    def faults() -> list[str]:
        seen = looking.look(Tools(), Host(str(disk.root)), disk.volume)
        return [one for one in verdict.wrong(disk.volume, seen) if "key file" in one]

    assert faults() == []
    spoil(disk.root / KEY)
    (found,) = faults()
    assert fault in found


def test_the_digest_of_a_key_that_somebody_thought_of_is_in_no_header(blank: Disk) -> None:
    """It could be guessed by it."""
    quick = ("--pbkdf", "argon2id", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4")
    blank.cryptsetup("luksFormat", "--batch-mode", *quick, "--key-file", "-", str(blank.file), key="theirs")
    (blank.root / KEY).parent.mkdir(parents=True)
    (blank.root / KEY).write_text("theirs")
    (blank.root / KEY).chmod(0o400)
    blank.form()
    assert head(blank).host_key and head(blank).host_digests == ()


def test_a_person_opens_what_only_a_person_can_open(tmp_path: Path) -> None:
    disk = Disk(tmp_path, unlock="by-hand").finished()
    assert not (disk.root / KEY).exists() and len(disk.slots()) == 1
    disk.now += YEAR
    ((_version, key),) = disk.in_escrow().items()

    with pytest.raises(MspError) as caught:
        disk.run()
    assert caught.value.code == "MSP-ENC-013"
    assert disk.run(open_with={"data": key}) == ["add", "mark", "clear"]
    assert settled(disk)


def test_a_wrong_key_of_a_person_changes_nothing_that_counts(tmp_path: Path) -> None:
    disk = Disk(tmp_path, unlock="by-hand").finished()
    disk.now += YEAR
    before = disk.opening()

    with pytest.raises(MspError) as caught:
        disk.run(open_with={"data": "wrong"})

    assert caught.value.code == "MSP-ENC-008"
    assert disk.opening() == before


def test_what_a_crash_left_in_somebody_elses_volume_goes_by_a_key_of_a_person(blank: Disk, tmp_path: Path) -> None:
    disk = blank
    disk.volume = disk.volume._replace(unlock="by-hand")
    quick = ("--pbkdf", "argon2id", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4")
    disk.cryptsetup("luksFormat", "--batch-mode", *quick, "--key-file", "-", str(disk.file), key="theirs")
    filled = disk.crashes(tmp_path, lambda one, steps: one.run(steps, open_with={"data": "theirs"}))[3]
    assert head(filled).in_doubt

    with pytest.raises(MspError) as caught:
        filled.run()
    assert caught.value.code == "MSP-ENC-010"
    assert filled.run(open_with={"data": "theirs"}) == ["clear", "add", "mark"]
    assert filled.opens("theirs") and len(filled.opening()) == 1 and len(filled.slots()) == 2


# -- what may not be lost -----------------------------------------------------------------------------------------


def refused(disk: Disk) -> MspError:
    before = disk.file.read_bytes()
    with pytest.raises(MspError) as caught:
        disk.form()
    assert disk.file.read_bytes() == before
    return caught.value


def test_a_disk_with_a_file_system_is_refused_and_with_a_backup_it_is_not(blank: Disk) -> None:
    os.system(f"mke2fs -q -t ext4 {blank.file}")  # noqa: S605 - a path of the test's own
    error = refused(blank)
    assert error.code == "MSP-ENC-003"
    known_as = error.found.removeprefix("ext4, which is known as ")
    assert re.fullmatch("[0-9a-f]{8}", known_as), error.found

    blank.volume = blank.volume._replace(backup="restic, snapshot 4bba301e")
    assert "of something else" in refused(blank).found
    blank.volume = blank.volume._replace(backup=f"{known_as} restic, snapshot 4bba301e")
    # Another machine with a copy of the disk, and the same machine with another file system on it.
    (blank.root / "etc/machine-id").write_text("1\n")
    assert "of something else" in refused(blank).found
    (blank.root / "etc/machine-id").unlink()
    os.system(f"mke2fs -q -F -t ext4 {blank.file}")  # noqa: S605 - a path of the test's own
    assert "of something else" in refused(blank).found

    known_as = refused(blank).found.split(";")[0].split()[-1]
    blank.volume = blank.volume._replace(backup=f"{known_as} restic, snapshot 4bba301e")
    blank.form()
    assert settled(blank)


@pytest.mark.parametrize("table", ["label: gpt\\n,,L\\n", ",,L\\n"])
def test_the_backup_of_one_disk_with_partitions_is_not_that_of_another(blank: Disk, table: str) -> None:
    """wipefs has no name for a table of partitions, as it has for a file system."""
    found = set()
    for _disk in range(2):
        os.system(f"printf '{table}' | sfdisk -q -w always -W always {blank.file}")  # noqa: S605 - a path of the test's
        error = refused(blank)
        assert error.code == "MSP-ENC-003"
        found.add(error.found)

    assert len(found) == 2


def test_what_a_mount_would_hide_is_told_and_nothing_is_done(blank: Disk) -> None:
    """Homes, for one, and with them everybody's keys."""
    (blank.root / "srv/data/anna").mkdir(parents=True)
    error = refused(blank)
    assert error.code == "MSP-ENC-004" and "/srv/data is not empty" in error.found

    (blank.root / "srv/data/anna").rmdir()
    blank.form()
    assert settled(blank)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.integers(0, 20 * 1024 * 1024 - 1))
def test_a_single_byte_anywhere_is_content(blank: Disk, where: int) -> None:
    with blank.file.open("r+b") as stream:
        stream.seek(where)
        stream.write(b"x")
        stream.flush()
        assert looking._not_blank(str(blank.file)) != b""
        stream.seek(where)
        stream.write(b"\0")
    assert looking._not_blank(str(blank.file)) == b""


def test_on_a_disk_too_large_to_be_read_whole_what_fills_two_of_its_parts_is_found(
    blank: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_WHOLE", 1024 * 1024)
    monkeypatch.setattr(looking, "_PIECE", 512)
    part = 20 * 1024 * 1024 // looking._PLACES
    for number in range(0, looking._PLACES - 3, 97):
        with blank.file.open("r+b") as stream:
            stream.seek(number * part + part // 3)
            stream.write(b"x" * 2 * part)
            stream.flush()
            assert looking._not_blank(str(blank.file)) != b"", number
            stream.seek(number * part + part // 3)
            stream.write(b"\0" * 2 * part)


@pytest.mark.parametrize(
    ("what", "command"),
    [
        ("dos", "echo ',,L' | sfdisk -q {}"),
        ("gpt", "printf 'label: gpt\n,,L\n' | sfdisk -q {}"),
        ("swap", "mkswap -q {}"),
        ("data of an unknown kind", "printf x | dd of={} bs=1 seek=10485760 conv=notrunc status=none"),
    ],
)
def test_whatever_lies_on_a_disk_is_told_and_nothing_is_done(blank: Disk, what: str, command: str) -> None:
    blank.file.chmod(0o600)
    assert os.system(command.format(blank.file)) == 0  # noqa: S605 - a path of the test's own
    error = refused(blank)
    assert error.code == "MSP-ENC-003" and what in error.found


def test_a_volume_that_lost_its_header_is_not_made_anew_but_where_its_disk_was_replaced(disk: Disk) -> None:
    ((version, _key),) = disk.in_escrow().items()
    with disk.file.open("wb") as stream:
        stream.truncate(20 * 1024 * 1024)

    error = refused(disk)
    assert error.code == "MSP-ENC-005" and version in error.expected
    disk.volume = disk.volume._replace(backup="2f6e0b1c there is one")
    assert refused(disk).code == "MSP-ENC-005"

    disk.volume = disk.volume._replace(replaced=version)
    disk.form()
    assert settled(disk)
    # It names the disk that is gone: of the new one it says nothing.
    with disk.file.open("wb") as stream:
        stream.truncate(20 * 1024 * 1024)
    assert refused(disk).code == "MSP-ENC-005"


def test_a_volume_of_somebody_elses_is_taken_as_it_is_and_given_a_recovery_key(blank: Disk) -> None:
    quick = ("--pbkdf", "argon2id", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4")
    blank.cryptsetup("luksFormat", "--batch-mode", *quick, "--key-file", "-", str(blank.file), key="theirs")
    segments = blank.cryptsetup("luksDump", str(blank.file)).stdout.split("Keyslots:\n")[0]

    with pytest.raises(MspError) as caught:
        blank.run()
    assert caught.value.code == "MSP-ENC-013"
    assert blank.run(open_with={"data": "theirs"}) == ["add", "mark"]

    assert len(blank.opening()) == 1 and blank.opens("theirs") and head(blank).strays == (0,)
    assert (
        blank.cryptsetup("luksDump", str(blank.file))
        .stdout.split("Data segments:")[1]
        .startswith(segments.split("Data segments:")[1])
    )


def test_a_volume_with_another_cipher_or_luks1_is_left_to_a_person(disk: Disk) -> None:
    disk.volume = disk.volume._replace(key_size=256)
    assert refused(disk).code == "MSP-ENC-006"
    quick = ("--type", "luks1", "--iter-time", "10")
    disk.cryptsetup("luksFormat", "--batch-mode", *quick, "--key-file", "-", str(disk.file), key="theirs")
    assert refused(disk).code == "MSP-ENC-006"


def test_no_key_is_ever_an_argument_or_in_a_file_but_the_hosts_own(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    plain = Tools._run

    def seen(self: Tools, argv: tuple[str, ...], keys: dict[str, bytes]) -> object:
        ran.extend(argv)
        return plain(self, argv, keys)

    monkeypatch.setattr(Tools, "_run", seen)
    disk.finished()
    disk.now += YEAR
    secrets = list(disk.in_escrow().values())
    disk.run()
    secrets += disk.in_escrow().values()

    assert len(set(secrets)) == 2 and "luksAddKey" in ran
    assert not [word for word in ran for secret in secrets if secret in word]
    files = [path for path in disk.place.rglob("*") if path.is_file() and path != disk.file]
    assert not [path for path in files for secret in secrets if secret.encode() in path.read_bytes()]
