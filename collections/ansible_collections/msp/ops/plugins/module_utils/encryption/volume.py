# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A data volume as it is to be: which device, how it is encrypted, what unlocks it, where it is mounted.

Pure: no I/O. All of it came over the network and ends up in arguments of programs and in lines of tables, so what could
be an option, a second field or a second line is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors

# What opens a volume when the host starts: a key in a file of the host's, or nothing but a person.
KEY_FILE, BY_HAND = UNLOCKS = ("key-file", "by-hand")
CIPHERS = ("aes-xts-plain64", "xchacha20,aes-adiantum-plain64")
# Of argon2id, in KiB. With much less cryptsetup's benchmark ends in a division by zero on a quick machine. By itself it
# never goes below the last one.
LEAST_MEMORY, MOST_MEMORY = 16 * 1024, 4 * 1024 * 1024
BENCHMARK_LEAST = 64 * 1024
_TEXT = r"[^\x00-\x1f\x7f]{1,200}"
_PART = r"(?!\.\.?(?:/|\Z))[A-Za-z0-9_][A-Za-z0-9_.@+-]*"
# By a name that stays with the disk: /dev/sdb is another one after the next start.
_DEVICE = r"/dev/disk/by-(?:id|path|partuuid|partlabel)/[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,200}|/dev/mapper/%s" % _PART
_NAME = r"[a-z][a-z0-9_]{0,31}"

# Each key of a volume: the form of its text, that in words, and what holds where it is left out (None: needed).
KEYS = {
    "device": (
        _DEVICE,
        "a device below /dev/disk/by-id, by-path, by-partuuid, by-partlabel or /dev/mapper",
        None,
    ),
    "mount": (r"(?:/%s)+" % _PART, "the directory where it is mounted", None),
    "filesystem": ("ext4|xfs", "ext4 or xfs", "ext4"),
    "options": (r"[a-z0-9_=.-]+(?:,[a-z0-9_=.-]+)*", "options of a mount with commas between them", "nodev,nosuid"),
    "unlock": ("|".join(UNLOCKS), "one of " + ", ".join(UNLOCKS), KEY_FILE),
    "cipher": ("|".join(map(re.escape, CIPHERS)), "one of " + "; ".join(CIPHERS), CIPHERS[0]),
    "key_size": ("256|512", "256 or 512", "512"),
    "memory": ("[1-9][0-9]{1,6}", "KiB of memory, from %d to %d" % (LEAST_MEMORY, MOST_MEMORY), "1048576"),
    "time": ("[1-9][0-9]{1,4}", "milliseconds, from 10", "2000"),
    "backup": (
        _TEXT,
        "by what is on the disk now is known (MSP-ENC-003 says it), a space, and where the backup of it is",
        "",
    ),
    "replaced": (_TEXT, "the version of the recovery key of the disk that is gone", ""),
}
_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/usr")


class Volume(NamedTuple):
    """One volume; its name is that of the mapping too. memory (KiB) and time (ms) are the most that argon2id takes.

    backup names what lies on the disk now, and where it is kept: only then it may be lost. replaced names the version
    of the recovery key of a disk that is gone, whose place this one takes.
    """

    name: str
    device: str
    mount: str
    filesystem: str = "ext4"
    options: str = "nodev,nosuid"
    unlock: str = KEY_FILE
    cipher: str = CIPHERS[0]
    key_size: int = 512
    memory: int = 1048576
    time: int = 2000
    backup: str = ""
    replaced: str = ""

    @property
    def key_path(self) -> str:
        return "/etc/cryptsetup-keys.d/%s.key" % self.name

    @property
    def mapped(self) -> str:
        return "/dev/mapper/" + self.name


def parse_all(given: Mapping) -> list[Volume]:
    """All volumes of a host by their names. Everything that is wrong with them is raised at once (MSP-ENC-001)."""
    errors: list[MspError] = []
    found: list[Volume] = []
    for name in sorted(given, key=str):
        volume = _parsed(str(name), given[name], errors)
        if volume is not None:
            found.append(volume)
    for what in ("device", "mount"):
        values = [getattr(one, what) for one in found]
        twice = sorted({value for value in values if values.count(value) > 1})
        errors += [_wrong("%s of its own for every volume" % what, value) for value in twice]
    if errors:
        raise MspErrors(errors)
    return found


def _parsed(name: str, given: object, errors: list[MspError]) -> Volume | None:
    if not re.fullmatch(_NAME, name) or not isinstance(given, Mapping):
        errors.append(_wrong("a volume's name to be of lower-case letters, digits and _, with a map", "%.60r" % name))
        return None
    before = len(errors)
    texts = {}
    for key in sorted(given, key=str):
        if key not in KEYS:
            errors.append(_wrong("keys of the volume %s among %s" % (name, ", ".join(KEYS)), "%.60r" % (key,)))
    for key, (pattern, what, default) in KEYS.items():
        text = given.get(key, default)
        if isinstance(text, int) and not isinstance(text, bool):
            text = str(text)
        if text is None or not isinstance(text, str) or not (text == default or re.fullmatch(pattern, text)):
            errors.append(_wrong("%s of the volume %s: %s" % (key, name, what), "%.100r" % (text,)))
            continue
        texts[key] = text
    if len(errors) == before:
        return _checked(name, texts, errors)
    return None


def _checked(name: str, texts: dict[str, str], errors: list[MspError]) -> Volume | None:
    """What the forms alone do not say."""
    memory, mount = int(texts["memory"]), texts["mount"]
    if not LEAST_MEMORY <= memory <= MOST_MEMORY:
        errors.append(_wrong("memory of the volume %s: %s" % (name, KEYS["memory"][1]), str(memory)))
    elif any(mount == tree or mount.startswith(tree + "/") for tree in _TREES):
        errors.append(_wrong("the volume %s mounted where data is, outside %s" % (name, ", ".join(_TREES)), mount))
    elif texts["device"] == "/dev/mapper/" + name:
        errors.append(_wrong("a device of the volume %s that is not its own mapping" % name, texts["device"]))
    else:
        numbers: dict[str, Any] = {key: int(texts.pop(key)) for key in ("key_size", "memory", "time")}
        rest: dict[str, Any] = texts
        return Volume(name=name, **numbers, **rest)
    return None


def _wrong(expected: str, found: str) -> MspError:
    return MspError("MSP-ENC-001", expected, found, "correct it in the parameters of encryption-volumes")
