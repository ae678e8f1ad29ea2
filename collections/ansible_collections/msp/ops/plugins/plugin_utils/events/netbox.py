# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what NetBox's webhook sends, or its change log tells, to an event. Pure.

NetBox 4.7, and 4.5 and 4.6, whose body names the user and the request beside the request itself. A webhook and the
change log tell of the same change with the same request id, so that both make one event of it.
Source: https://netboxlabs.com/docs/netbox/integrations/webhooks/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events.reading import bad, part, time
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import (
    CREATED,
    DELETED,
    NETBOX,
    NETBOX_ACTIONS,
    UPDATED,
    Event,
)

CUSTOM_FIELDS = "custom_fields"
# What the change log calls what a webhook calls otherwise.
LOGGED = {"create": CREATED, "update": UPDATED, "delete": DELETED}
# Changes with every save, and says nothing.
IGNORED = frozenset({"last_updated", "created"})


def of_webhook(body: Mapping[str, Any]) -> Event:
    """The event in a webhook's body."""
    where = "NetBox's webhook"
    action = part(body, "event", str, where)
    if action not in NETBOX_ACTIONS:
        raise bad(f"one of {', '.join(NETBOX_ACTIONS)} as event of {where}", repr(action[:40]))
    data = part(body, "data", dict, where)
    request = body.get("request")
    request = request if isinstance(request, dict) else {}
    # 4.5 and 4.6 named both beside the request; 4.7 in it alone.
    id = request.get("id") or body.get("request_id")
    if not isinstance(id, str) or not id:
        raise bad(f"the id of the request in {where}", "none")
    user = request.get("user") or body.get("username") or ""
    number = part(data, "id", int, f"the data of {where}")
    snapshots = body.get("snapshots")
    return Event(
        source=NETBOX,
        kind=(kind := _object_type(body.get("object_type"), where)),
        object=str(number),
        action=action,
        at=time(body.get("timestamp"), f"timestamp of {where}"),
        identity=(id, kind, str(number), action),
        user=user if isinstance(user, str) else "",
        changed=_changed(snapshots if isinstance(snapshots, dict) else {}),
    )


def of_change(row: Mapping[str, Any]) -> Event:
    """The event in a row of NetBox's change log (/api/core/object-changes/)."""
    where = "NetBox's change log"
    action = row.get("action")
    action = action.get("value") if isinstance(action, dict) else action
    action = LOGGED.get(str(action))
    if action is None:
        raise bad(f"one of {', '.join(LOGGED)} as action of {where}", repr(row.get("action"))[:60])
    number = part(row, "changed_object_id", int, where)
    user = row.get("user_name")
    return Event(
        source=NETBOX,
        kind=(kind := _object_type(row.get("changed_object_type"), where)),
        object=str(number),
        action=action,
        at=time(row.get("time"), f"time of {where}"),
        identity=(part(row, "request_id", str, where), kind, str(number), action),
        user=user if isinstance(user, str) else "",
        changed=_changed({"prechange": row.get("prechange_data"), "postchange": row.get("postchange_data")}),
    )


def _object_type(value: Any, where: str) -> str:
    if not isinstance(value, str) or value.count(".") != 1:
        raise bad(f"an object type such as dcim.device in {where}", repr(value)[:60])
    return value


def _changed(snapshots: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What differs between the two states that NetBox tells; None where it does not tell both."""
    before, after = snapshots.get("prechange"), snapshots.get("postchange")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    return tuple(sorted(_differing(before, after)))


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if name in IGNORED or old == new:
            continue
        if name == CUSTOM_FIELDS and isinstance(old, dict) and isinstance(new, dict):
            yield from (f"{name}.{key}" for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        else:
            yield str(name)
