# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes an encrypted volume, a step at a time. A step that was cut off anywhere is told by the header itself.

Of the keys that open a volume none goes before another was seen to open it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import header, looking, tables, verdict
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import PROVEN, SETTING, Header, Recovery
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import BY_HAND, KEY_FILE, Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

KEY_BYTES = 64


class Changing:
    """One volume of a host. place: where the tables and keys are, but for a test "/"."""

    def __init__(self, tools: Tools, host: Host, volume: Volume) -> None:
        self.tools = tools
        self.host = host
        self.volume = volume
        self.device = host.path(volume.device)

    def look(self) -> dict[str, Any]:
        return looking.look(self.tools, self.host, self.volume)

    def header(self) -> Header:
        return looking.read_header(self.tools, self.device)

    # -- the whole volume -----------------------------------------------------------------------------------------

    def form(self, version: str, key: str, current: str | None) -> None:
        """Encrypt the device, with the recovery key that is in escrow under this version, and with the host's own key.

        All that is on it is lost, so it is looked at once more. Until settle() has come to its end the header says that
        the volume is being made. Raises MspError for what may not be lost.
        """
        seen = self.look()
        error = verdict.refusal(self.volume, seen, current)
        if error is not None:
            raise error
        if not verdict.to_format(seen):
            raise _unlike("a volume that is yet to be made", "an encrypted one")
        slot = header.SLOTS - 1
        self.tools.change(
            *("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--label", self.volume.name),
            *("--subsystem", header.MAKING, "--cipher", self.volume.cipher, "--key-size", str(self.volume.key_size)),
            *(*self._derivation, "--key-slot", str(slot), "--key-file", "{new}", self.device),
            keys={"new": key.encode()},
        )
        one = Recovery(header.SLOTS - 1, version, slot, SETTING)
        self._token(header.recovery_token(one), one.token)
        self._prove(one, key)
        self.give_host_key(key)

    def give_host_key(self, key: str | None) -> None:
        """The host's own key in a file, which opens the volume when the host starts. key: one that opens it now."""
        if self.volume.unlock == BY_HAND:
            return
        path = self.host.path(self.volume.key_path)
        if os.path.exists(path):
            os.chown(path, os.geteuid(), -1)
            os.chmod(path, 0o400)
        head = self.header()
        weak = set(verdict.weak_slots(self.volume, head))
        if head.host_key and not weak & set(head.host_key) and self._host_opens(head):
            return
        self._host_key(head, key, weak)
        # Only now: what was there before opens nothing any more, or is too weak.
        self._drop(head.host_key)

    def _host_key(self, head: Header, key: str | None, weak: set[int]) -> None:
        """A file that opens the volume stays as it is, also where its slot is too weak: it gets another one."""
        path = self.host.path(self.volume.key_path)
        found = self._opened_slot(path) if os.path.exists(path) else None
        made = None
        if found is None or found in weak:
            given, keys = (self._own_way, {}) if found is not None else self._way_in(head, key)
            if found is None:
                made = secrets.token_bytes(KEY_BYTES)
                write_key(path, made)
            found = next(number for number in range(header.SLOTS) if head.slot(number) is None)
            self._add(found, given, path, keys)
        if not self._opens("--key-slot", str(found), "--key-file", path):
            raise _unproven(self.volume)
        self._token(header.host_key_token(found, made), head.free_token)

    def _drop(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._kill(slot)
        for token in self.header().idle:
            self._forget(token)

    def _drop_host_key(self, head: Header) -> None:
        """What a volume had that is unlocked in another way now."""
        if not head.proven:
            raise _last_way_in(self.volume, "no recovery key is proved to open it")
        self._drop(head.host_key)
        path = self.host.path(self.volume.key_path)
        if os.path.exists(path):
            os.unlink(path)

    def settle(self, key: str | None) -> None:
        """Open it, give it a file system where it has none, have it opened and mounted at every start, and mount it."""
        volume = self.volume
        seen = self.look()
        head = verdict.head_of(seen)
        if head is None:
            raise _unlike("an encrypted volume", "none")
        self.give_host_key(key)
        if self.volume.unlock != KEY_FILE and head.host_key:
            self._drop_host_key(head)
        if not seen["mapped"]:
            self._open(key)
        mapped = self.host.path(volume.mapped)
        if not head.finished:
            self._finish(mapped)
        self._write(tables.CRYPTTAB, tables.crypttab_line(volume, head.uuid), 0o600)
        self._write(tables.FSTAB, tables.fstab_line(volume), 0o644)
        self.tools.change("systemctl", "daemon-reload")
        if not seen["mounted"]:
            os.makedirs(self.host.path(volume.mount), exist_ok=True)
            self.tools.change("mount", volume.mount)

    def _finish(self, mapped: str) -> None:
        """Before anybody can mount it: what was never finished may be made anew."""
        volume = self.volume
        if not looking.lying_on(self.tools, mapped):
            few = ("-m", "0") if volume.filesystem == "ext4" else ()
            self.tools.change("mkfs." + volume.filesystem, "-q", *few, mapped)
        # cryptsetup forgets the one of the two that it is not told.
        self.tools.change("cryptsetup", "config", "--label", volume.name, "--subsystem", header.MADE, self.device)

    def _open(self, key: str | None) -> None:
        given, keys = self._way_in(self.header(), key)
        self.tools.change("cryptsetup", "open", *given, self.device, self.volume.name, keys=keys)

    def _write(self, path: str, line: tables.Line, mode: int) -> None:
        place = self.host.path(path)
        text = self.host.text(path) if os.path.exists(place) else ""
        if not tables.has(text, line):
            keep = os.stat(place).st_mode & 0o777 if os.path.exists(place) else mode
            write_whole(place, tables.with_line(text, line).encode("utf-8"), keep)

    # -- recovery keys --------------------------------------------------------------------------------------------

    def add(self, version: str, key: str, by: str | None = None) -> None:
        """Have the volume take a recovery key that is in escrow. by: a key that opens it, else the host's own does.

        Which slot it will be is written down before it is filled, and that it opens once it did.
        """
        head = self.header()
        if head.in_doubt:
            raise _unlike("no recovery key that was begun and not proved", "version %s" % head.in_doubt[0].version)
        slot, number = head.free_slot, head.free_token
        if slot is None or number is None:
            raise _unlike("a free key slot and a free token", "none")
        given, keys = self._way_in(head, by)
        one = Recovery(number, version, slot, SETTING)
        self._token(header.recovery_token(one), number)
        self._add(slot, given, "{new}", {**keys, "new": key.encode()})
        self._prove(one, key)

    def clear(self, keep: str | None, by: str | None = None) -> None:
        """Take out what a crash left in doubt; with keep, also every recovery key that was proved but this version.

        keep is in escrow. Nothing goes before a key was seen to open the volume: it was proved, or is tried now (by, or
        the host's own).
        """
        head = self.header()
        kept = [one for one in head.proven if keep is None or one.version == keep][:1]
        if not kept and (keep is not None or not self._is_open_to(head, by)):
            raise _last_way_in(self.volume, "none" if keep is None else "version %s is not in force" % keep)
        for one in head.in_doubt:
            # A slot that was proved and has another salt since is somebody's: it is left, and found as a stray.
            if one.state == SETTING and head.slot(one.slot) is not None and one.slot not in head.host_key:
                self._kill(one.slot)
            self._forget(one.token)
        if keep is not None:
            for one in head.proven:
                if one not in kept:
                    self._kill(one.slot)
                    self._forget(one.token)

    def _prove(self, one: Recovery, key: str) -> None:
        """See that what was kept opens this very slot, and write that down. Raises MspError (MSP-ENC-007)."""
        done = self.tools.ask(
            *(
                "cryptsetup",
                "open",
                "--test-passphrase",
                "--key-slot",
                str(one.slot),
                "--key-file",
                "{key}",
                self.device,
            ),
            keys={"key": key.encode()},
        )
        filled = self.header().slot(one.slot)
        if done.status or filled is None:
            raise _unproven(self.volume)
        self._token(header.recovery_token(one._replace(state=PROVEN, salt=filled.salt)), one.token, again=True)

    def _way_in(self, head: Header, key: str | None) -> tuple[tuple[str, ...], dict[str, bytes]]:
        """How cryptsetup is let in: by a key that was given, else by the host's. Raises MspError (MSP-ENC-013)."""
        if key is not None:
            return ("--key-file", "{key}"), {"key": key.encode()}
        if not self._host_opens(head):
            raise _no_way_in(self.volume)
        return self._own_way, {}

    @property
    def _own_way(self) -> tuple[str, ...]:
        return ("--key-file", self.host.path(self.volume.key_path))

    def _is_open_to(self, head: Header, key: str | None) -> bool:
        if key is None:
            return self._host_opens(head)
        words = ("cryptsetup", "open", "--test-passphrase", "--key-file", "{key}", self.device)
        return self.tools.ask(*words, keys={"key": key.encode()}).status == 0

    def _host_opens(self, head: Header) -> bool:
        """Whether what the host has opens the volume. It is tried."""
        there = self.volume.unlock == KEY_FILE and os.path.exists(self.host.path(self.volume.key_path))
        return bool(there and head.slots and self._opens(*self._own_way))

    def _opens(self, *by: str) -> bool:
        return self.tools.ask("cryptsetup", "open", "--test-passphrase", *by, self.device).status == 0

    def _opened_slot(self, path: str) -> int | None:
        """Which slot a key in a file opens."""
        for slot in self.header().slots:
            if self._opens("--key-slot", str(slot.number), "--key-file", path):
                return slot.number
        return None

    def _add(self, slot: int, given: tuple[str, ...], new: str, keys: dict[str, bytes]) -> None:
        """new: the path of a file with a key, or the place of one of the keys."""
        self.tools.change(
            *("cryptsetup", "luksAddKey", "--batch-mode", *self._derivation, "--key-slot", str(slot)),
            *(*given, self.device, new),
            keys=keys,
        )

    def _kill(self, slot: int) -> None:
        self.tools.change("cryptsetup", "luksKillSlot", "--batch-mode", self.device, str(slot))

    def _forget(self, token: int) -> None:
        self.tools.change("cryptsetup", "token", "remove", "--token-id", str(token), self.device)

    def _token(self, text: str, number: int | None, *, again: bool = False) -> None:
        """A token is no secret, and is written in one piece with the whole header."""
        if number is None:
            raise _unlike("a free token", "none")
        replace = ("--token-replace",) if again else ()
        self.tools.change(
            *(
                "cryptsetup",
                "token",
                "import",
                "--token-id",
                str(number),
                *replace,
                "--json-file",
                "{text}",
                self.device,
            ),
            keys={"text": text.encode("ascii")},
        )

    @property
    def _derivation(self) -> tuple[str, ...]:
        memory, time = str(self.volume.memory), str(self.volume.time)
        return ("--pbkdf", "argon2id", "--pbkdf-memory", memory, "--iter-time", time)


def write_key(path: str, key: bytes) -> None:
    """For root only, and on the disk before anything relies on it."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_whole(path, key, 0o400)


def write_whole(path: str, content: bytes, mode: int) -> None:
    """A file is the old one or the new one, whenever the host stops."""
    partial = "%s.msp-new" % path
    number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(number, "wb") as stream:
        os.fchmod(number, mode)
        stream.write(content)
        stream.flush()
        os.fsync(number)
    os.replace(partial, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unlike(expected: str, found: str) -> MspError:
    return MspError("MSP-ENC-012", expected, found, "run this again: it looks anew and goes on from there")


def _unproven(volume: Volume) -> MspError:
    return MspError(
        "MSP-ENC-007",
        "the key that was kept to open the volume %s" % volume.name,
        "it does not, and no other key was taken out",
        "run this again: it makes a new one. Where that happens twice, look at the disk",
    )


def _last_way_in(volume: Volume, found: str) -> MspError:
    return MspError(
        "MSP-ENC-010",
        "a key that is known to open the volume %s before another one is taken out" % volume.name,
        found,
        "open it with the recovery key from the escrow (docs/disk_encryption.md), and run this again",
    )


def _no_way_in(volume: Volume) -> MspError:
    return MspError(
        "MSP-ENC-013",
        "a key on the host that opens the volume %s" % volume.name,
        "none",
        "give one that does (open_with), as ./msp escrow fetch tells it; docs/disk_encryption.md",
    )
