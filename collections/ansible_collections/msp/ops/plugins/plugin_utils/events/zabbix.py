# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what Zabbix's webhook sends to an event. Pure.

Zabbix has no body of its own: a media type's script makes one of macros. Ours is in docs/events.md, with a macro for
each of the names below; Zabbix fills in what it knows, and leaves a macro as it is where it knows nothing.
Source: https://www.zabbix.com/documentation/current/en/manual/appendix/macros/supported_by_location
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events.reading import bad, part
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import FIRING, RESOLVED, ZABBIX, Event

PROBLEM, RECOVERY, UPDATE = VALUES = ("1", "0", "2")


def of_webhook(body: Mapping[str, Any]) -> list[Event]:
    """The event in a webhook's body; none for an update, by which a person comments on a problem.

    event_id is {EVENT.ID}, which a recovery has too: event_value ({EVENT.VALUE}) tells them apart. event_time is
    {EVENT.TIMESTAMP} (of a recovery {EVENT.RECOVERY.TIMESTAMP}), seconds since 1970. host is {HOST.HOST}, tags is
    {EVENT.TAGSJSON}: a list of {"tag": ..., "value": ...}.
    """
    where = "Zabbix's webhook"
    value = part(body, "event_value", str, where)
    if value not in VALUES:
        raise bad(f"one of {', '.join(VALUES)} as event_value of {where}", repr(value[:40]))
    id = part(body, "event_id", str, where)
    if not id.isascii() or not id.isdigit():
        raise bad(f"a number as event_id of {where}", repr(id[:40]))
    host = part(body, "host", str, where)
    labels = {tag: said for one in part(body, "tags", list, where) for tag, said in (_tag(one, where),)}
    at = _seconds(body.get("event_time"), where)
    if value == UPDATE:
        return []
    action = FIRING if value == PROBLEM else RESOLVED
    named = {**labels, "alertname": str(body.get("name") or "")[:200]}
    return [
        Event(
            source=ZABBIX,
            kind="host",
            object=host,
            action=action,
            at=at,
            identity=(id, action),
            labels=named,
        )
    ]


def _tag(one: Any, where: str) -> tuple[str, str]:
    if not isinstance(one, dict):
        raise bad(f"a mapping for each of the tags of {where}", type(one).__name__)
    return part(one, "tag", str, f"a tag of {where}"), part(one, "value", str, f"a tag of {where}")


def _seconds(value: Any, where: str) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(int(str(value)), dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise bad(f"seconds since 1970 as event_time of {where}", repr(value)[:40]) from None
