# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the client asks and what NetBox's answers mean: addresses, parameters, id ranges, and what is wrong with a page.

Pure: no I/O, and no HTTP library.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import filters as known_filters
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import Filters, object_type

PAGE = 1000

Row = dict[str, Any]


def ranges(lowest: int, highest: int, slices: int) -> list[tuple[int, int | None]]:
    """Id ranges [start, below) that cover everything from lowest on; the last has no end, so new rows are not lost.

    Four for each reader, so that an uneven spread of ids does not leave one reader with all the work.
    """
    width = max(PAGE, -(-(highest - lowest + 1) // (slices * 4)))
    starts = list(range(lowest, highest + 1, width)) or [lowest]
    return [*zip(starts, [*starts[1:], None], strict=True)]


def plain(custom_fields: Mapping[str, Any]) -> dict[str, Any]:
    """Custom fields as they are written: a select reads as {value, label}, an object as its whole nested self."""

    def value_of(value: Any) -> Any:
        if isinstance(value, list):
            return [value_of(item) for item in value]
        if isinstance(value, Mapping):
            if set(value) == {"value", "label"}:
                return value["value"]
            if isinstance(value.get("id"), int) and "url" in value:
                return value["id"]
        return value

    return {name: value_of(value) for name, value in custom_fields.items()}


def base_url(url: str) -> str:
    """The address without credentials, query, a trailing slash or the /api that other tools put behind it."""
    split = urlsplit(url if "://" in url else f"https://{url}")
    if split.scheme not in ("http", "https") or not split.hostname:
        raise MspError(
            "MSP-REG-001",
            "an address such as https://netbox.example.com",
            "something else in NETBOX_API",
            "set NETBOX_API to NetBox's address",
        )
    path = re.sub(r"/+(api/*)?$", "", split.path)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], path, "", ""))


def bare_url(url: str) -> str:
    split = urlsplit(url)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version[:2])


def field_list(fields: Sequence[str]) -> str:
    return ",".join(dict.fromkeys(("id", *fields)))


def query(filters: Filters) -> dict[str, Any]:
    def text(value: Any) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (list, tuple, set, frozenset)):
            return [text(item) for item in value]
        if isinstance(value, (dt.datetime, dt.date)):
            return value.isoformat()
        return value

    return {name: text(value) for name, value in filters.items()}


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def count_in(endpoint: str, page: Row) -> int:
    count = page.get("count")
    if not isinstance(count, int):
        raise not_a_page(endpoint)
    return count


def choice_value(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return str(value["value"] if isinstance(value, Mapping) else value)


def check_fields(endpoint: str, rows: Sequence[Row], fields: Sequence[str]) -> None:
    """NetBox leaves a field it doesn't know out without a word."""
    if rows and (absent := [name for name in fields if name not in rows[0]]):
        raise MspError(
            "MSP-REG-010",
            f"the fields {', '.join(fields)} of {endpoint}",
            f"no {', '.join(absent)} in NetBox's answer",
            "correct the field names; a NetBox before 4.7 may lack some",
        )


def filters_in(schema: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, item in mapping(mapping(schema).get("paths")).items():
        if path.startswith("/api/") and "{" not in path and "get" in item:
            names = {p["name"] for p in item["get"].get("parameters", ()) if p.get("in") == "query"}
            found[path.removeprefix("/api/").strip("/")] = sorted(names - known_filters.PAGING)
    return found


def same_moment(one: str, other: str) -> bool:
    try:
        return dt.datetime.fromisoformat(one) == dt.datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return one == other


def etag(last_updated: str) -> str:
    """The ETag that NetBox makes of an object's last update, in UTC whatever its own time zone; "" of anything else."""
    try:
        return f'W/"{dt.datetime.fromisoformat(last_updated).astimezone(dt.UTC).isoformat()}"'
    except ValueError:
        return ""


def explained(answer: Any, rows: Sequence[Mapping[str, Any]], words: str) -> str:
    """NetBox's words, with our names for the rows where it only gives a position or an id."""
    return "; ".join(problems(answer, rows)) or words


def problems(answer: Any, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    try:
        body = answer.json()
    except ValueError:
        return
    entries = body if isinstance(body, list) else body.get("errors") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict) or not entry:
            continue
        details = {key: value for key, value in entry.items() if key not in ("id", "index")}
        index = entry.get("index", position)
        row = next((row for row in rows if "id" in entry and row.get("id") == entry["id"]), None)
        if row is None and isinstance(index, int) and index < len(rows):
            row = rows[index]
        if details:
            yield f"{label_of(row)}: {json.dumps(details.get('errors', details), ensure_ascii=False)[:400]}"


def label_of(row: Mapping[str, Any] | None) -> str:
    for key in ("name", "slug", "address", "prefix", "model", "username", "id"):
        if row and row.get(key):
            return f"{key} {row[key]!r}"
    return "a row"


def not_a_page(endpoint: str) -> MspError:
    return MspError(
        "MSP-REG-005",
        f"a complete page of {endpoint} as NetBox writes it",
        "an answer without results, out of order or cut short",
        "run again; if it stays, look whether a proxy or plugin changes NetBox's answers",
    )


def not_a_row(endpoint: str, id: int) -> MspError:
    return MspError(
        "MSP-REG-009",
        f"{object_type(endpoint)} {id} in NetBox, visible to this token",
        "nothing there that this token may see",
        "check the id, and the constraints of the token's permissions",
    )


def changed_underneath(endpoint: str, id: int | None) -> MspError:
    return MspError(
        "MSP-REG-008",
        f"{object_type(endpoint)} {id} as it was read",
        "somebody changed it since",
        "read it again, decide again, then write",
    )
