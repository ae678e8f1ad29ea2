# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings NetBox up to the model: read everything once, plan, check the rights, write section by section.

It touches nothing that is not ours, deletes nothing, and writes nothing at all when a right is missing or something
stands in the way. Killed half way, the next run goes on from what NetBox has.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.register import model, model_events, names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import Row
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import Section
from ansible_collections.msp.ops.plugins.plugin_utils.register.difference import body
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type
from ansible_collections.msp.ops.plugins.plugin_utils.register.plan import Plan, Step, plan

MESSAGE = "msp.ops netbox_model"
TOKENS = "users/tokens"


@dataclass(slots=True)
class Outcome:
    """What was (or in check mode would be) written. token is "absent", "present" or "created"; never the token."""

    plan: Plan
    token: str

    @property
    def changed(self) -> bool:
        return bool(self.plan.steps) or self.token == "created"  # noqa: S105 - a word, not a token


def read(register: Register, sections: Iterable[Section]) -> dict[str, list[Row]]:
    """All rows of each section, one request each; every permission that is missing in one error."""
    rows: dict[str, list[Row]] = {}
    missing: list[str] = []
    for section in sections:
        try:
            rows[section.name] = register.rows(section.endpoint)
        except MspError as error:
            if error.code != "MSP-REG-003":
                raise
            missing += _missing(register, section, {"view", "add", "change"})
    if missing:
        raise _unpermitted(missing)
    return rows


def look(register: Register, today: dt.date, wanted: Sequence[str] = ()) -> Plan:
    """The plan, with nothing written."""
    sections = model.sections(today, _known(wanted))
    return plan(sections, read(register, sections))


def apply(
    register: Register,
    today: dt.date,
    *,
    wanted: Sequence[str] = (),
    token_file: str | None = None,
    receiver: model_events.Receiver | None = None,
    check: bool = False,
) -> Outcome:
    """Write what the plan says; in check mode only what would be written is returned."""
    sections = model.sections(today, _known(wanted), receiver, register.version)
    rows = read(register, sections)
    made = plan(sections, rows)
    if made.refusals:
        raise MspErrors(made.refusals)
    tokens = _tokens(register, token_file)
    _demand_rights(register, sections, made, need_token=tokens is False)
    if check:
        return Outcome(made, "absent" if token_file is None else "present" if tokens else "created")
    ids = {section.name: {row[section.key]: row["id"] for row in rows[section.name]} for section in sections}
    for section in sections:
        _write(register, section, made, ids)
    return Outcome(made, _ensure_token(register, token_file, present=bool(tokens)))


def _known(wanted: Sequence[str]) -> Sequence[str]:
    if unknown := sorted(set(wanted) - set(model.SECTION_NAMES)):
        raise MspError(
            "MSP-MOD-001",
            f"sections of {', '.join(model.SECTION_NAMES)}",
            ", ".join(unknown),
            "correct the name, or leave sections out for all",
        )
    return wanted


def _demand_rights(register: Register, sections: Iterable[Section], made: Plan, *, need_token: bool) -> None:
    """Ask NetBox before the first write; only for what will be written."""
    missing = [
        right for section in sections if (need := made.rights(section)) for right in _missing(register, section, need)
    ]
    if need_token and "add" not in register.allowed(TOKENS):
        missing += ["users.add_token", "users.grant_token"]
    if missing:
        raise _unpermitted(missing)


def _missing(register: Register, section: Section, need: set[str]) -> list[str]:
    app, _unused, kind = object_type(section.endpoint).partition(".")
    return [f"{app}.{right}_{kind}" for right in sorted(need - register.allowed(section.endpoint))]


def _unpermitted(missing: Sequence[str]) -> MspError:
    return MspError(
        "MSP-MOD-002",
        "a token that may read and write what this declares",
        f"no permission for {', '.join(missing)}; or the token is not enabled for writing",
        "give the token's user these permissions, or use an administrator's token for this once; nothing was written",
    )


def _write(register: Register, section: Section, made: Plan, ids: dict[str, dict[str, int]]) -> None:
    message = MESSAGE if section.changelog else ""
    steps = [step for step in made.steps if step.section == section.name]
    fresh = [step for step in steps if step.id is None]
    for row in register.create(section.endpoint, [_body(section, step, ids) for step in fresh], message=message):
        ids[section.name][row[section.key]] = row["id"]
    changed = [step for step in steps if step.id is not None]
    register.update(section.endpoint, [{"id": s.id, **_body(section, s, ids)} for s in changed], message=message)
    for step in changed:
        ids[section.name][step.key] = step.id or 0


def _body(section: Section, step: Step, ids: dict[str, dict[str, int]]) -> dict[str, Any]:
    sent = body(step.changes)
    for name, target in section.references.items():
        if name in sent:
            sent[name] = _resolve(sent[name], ids.get(target, {}), target)
    if section.name == "users" and step.id is None:
        # NetBox asks for one; nobody is to log in with it.
        sent["password"] = f"Aa1-{secrets.token_urlsafe(48)}"
    return sent


def _resolve(value: Any, ids: dict[str, int], section: str) -> Any:
    if isinstance(value, list):
        return [_resolve(item, ids, section) for item in value]
    if not isinstance(value, str):
        return value
    if value not in ids:
        raise MspError(
            "MSP-MOD-005",
            f"{section} {value!r} in NetBox",
            "it is not there, and its section was not asked for",
            f"add {section} to sections, or leave sections out for all",
        )
    return ids[value]


def _tokens(register: Register, token_file: str | None) -> bool | None:
    """Does the file hold a token of the automation that NetBox still has and accepts? None when none is asked for."""
    if token_file is None:
        return None
    path = Path(token_file).expanduser()
    if not path.exists():
        return False
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise MspError("MSP-MOD-006", f"{path} readable by its owner only", "others may read it", f"chmod 600 {path}")
    key = path.read_text(encoding="utf-8").strip().removeprefix("nbt_").partition(".")[0]
    users = register.rows("users/users", filters={"username": [names.AUTOMATION]})
    if not users:
        return False
    rows = register.rows(TOKENS, filters={"user_id": [users[0]["id"]]})
    return any(row.get("key") == key and row.get("enabled") for row in rows)


def _ensure_token(register: Register, token_file: str | None, *, present: bool) -> str:
    if token_file is None:
        return "absent"
    if present:
        return "present"
    path = Path(token_file).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    users = register.rows("users/users", filters={"username": [names.AUTOMATION]})
    if not users:
        raise MspError(
            "MSP-MOD-005", f"the user {names.AUTOMATION} in NetBox", "it is not there", "add users to sections"
        )
    # The file comes first: a token that can't be kept is not made.
    temporary = path.with_name(f".{path.name}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        wanted = {"user": users[0]["id"], "version": 2, "write_enabled": True, "description": "msp.ops automation"}
        made = register.create(TOKENS, [wanted])[0]
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"nbt_{made['key']}.{made['token']}\n")
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return "created"
