# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host answered, as far as it may be relied on, and what was done to its volumes, in words. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.encryption import verdict
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.encryption.stepping import FORM, WORDS

_LISTS = ("content", "busy", "mounted", "taken")
_TRUTHS = ("there", "mapped", "crypttab", "fstab", "key_file")
_ERROR = ("code", "expected", "found", "action")


def answered(said: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The facts of a host's volumes, by name. Raises the host's own MspError, or MSP-ENC-016 for what is no answer."""
    error = said.get("error")
    if isinstance(error, Mapping) and all(isinstance(error.get(key), str) for key in _ERROR):
        raise MspError(*(str(error[key])[:500] for key in _ERROR))
    seen = said.get("seen")
    if said.get("failed") or not isinstance(seen, Mapping) or not all(_is_seen(one) for one in seen.values()):
        raise MspError(
            "MSP-ENC-016",
            "the host to say how its volumes stand",
            str(said.get("msg") or said.get("module_stderr") or "something else")[:300],
            "see whether Ansible's modules run there at all (ansible -m ping), and as root",
        )
    return {str(name): one for name, one in seen.items()}


def _is_seen(one: Any) -> bool:
    if not isinstance(one, Mapping) or not all(isinstance(one.get(key), bool) for key in _TRUTHS):
        return False
    if not all(isinstance(one.get(key), str) for key in ("content_id", "key_fault")):
        return False
    if not all(isinstance(one.get(key), Sequence) and not isinstance(one.get(key), str) for key in _LISTS):
        return False
    try:
        verdict.head_of(one)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def told(
    volumes: Iterable[Volume], before: Mapping[str, Mapping[str, Any]], done: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The result of a task: what was done (in a check: what would be first), and what each volume was before."""
    rows = {volume.name: (volume, before[volume.name], done.get(volume.name, ())) for volume in volumes}
    steps = {name: [WORDS[one] for one in each] for name, (_volume, _seen, each) in rows.items() if each}
    was = {name: verdict.wrong(volume, seen) for name, (volume, seen, each) in rows.items() if each}
    lost = {
        name: list(seen["content"]) for name, (_volume, seen, each) in rows.items() if FORM in each and seen["content"]
    }
    lines = [f"{name}: everything on the disk is lost: {', '.join(map(str, one))}" for name, one in lost.items()]
    return {
        "changed": bool(steps),
        "steps": steps,
        "lost": lost,
        "diff": {
            "before_header": "encrypted volumes",
            "after_header": "encrypted volumes",
            "before": _text(line for each in was.values() for line in each),
            "after": _text([*lines, *(f"{name}: {line}" for name, each in steps.items() for line in each)]),
        },
    }


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def without_pipelining() -> MspError:
    return MspError(
        "MSP-ENC-009",
        "a connection with pipelining, so that a key is never in a file on the host",
        "pipelining is off, or ANSIBLE_KEEP_REMOTE_FILES is set",
        "set pipelining = true in ansible.cfg (it is in ours), and do not keep remote files",
    )
