# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When was what patched: apt's and dpkg's logs (rotated and compressed ones too), or dnf's history database.

The logs have the host's local time and no zone; it is turned into UTC with the host's own rules. Nothing is written.
"""

from __future__ import annotations

import datetime
import re
import time

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

# The newest are kept: a limit by count, because one by age would change the facts of a host that did nothing.
MOST_TRANSACTIONS = 100
_ACTIONS = {
    "Install": "install",
    "Upgrade": "upgrade",
    "Downgrade": "downgrade",
    "Reinstall": "reinstall",
    "Remove": "remove",
    "Purge": "purge",
}
_PACKAGE = re.compile(r"(\S+?)(?::[a-z0-9]+)? \(([^)]*)\)")
_DPKG = re.compile(r"^(\S+ \S+) (install|upgrade|remove|purge) (\S+?)(?::[a-z0-9]+)? (\S+) (\S+)$", re.MULTILINE)
_DNF_HISTORY = "/var/lib/dnf/history.sqlite"
# libdnf's actions of a transaction's item; 3 and 7 are the replaced halves of a downgrade and an upgrade.
_DNF_ACTIONS = {1: "install", 2: "downgrade", 6: "upgrade", 8: "remove"}


def utc(local: str) -> str | None:
    """ "2026-03-01  10:00:00" in the host's zone as ISO time in UTC."""
    try:
        seconds = time.mktime(time.strptime(" ".join(local.split()), "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return None
    return _iso(seconds)


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_apt_history(text: str) -> list[dict]:
    """One entry per action of a transaction; a transaction that ended in an error is kept, and says so."""
    found = []
    for paragraph in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.strip().splitlines())
        at = utc(fields.get("Start-Date", ""))
        if at is None:
            continue
        for title, action in _ACTIONS.items():
            if title in fields:
                entry = {"at": at, "action": action, "packages": _packages(fields[title], action)}
                found.append(dict(entry, error=fields["Error"]) if "Error" in fields else entry)
    return found


def _packages(text: str, action: str) -> list[dict]:
    found = []
    for name, versions in _PACKAGE.findall(text):
        words = [word.strip() for word in versions.split(",") if word.strip() != "automatic"]
        old: str | None = words[0] if words and action != "install" else None
        new: str | None = words[-1] if words and action not in ("remove", "purge") else None
        found.append({"name": name, "from": old, "to": new})
    return sorted(found, key=lambda row: (row["name"], row["to"] or ""))


def parse_dpkg_log(text: str) -> list[dict]:
    """What dpkg did, one entry a minute and action: it has what was installed without apt."""
    grouped: dict[tuple[str, str], list[dict]] = {}
    for local, action, name, old, new in _DPKG.findall(text):
        at = utc(local)
        if at is not None:
            row = {"name": name, "from": _version(old), "to": _version(new)}
            grouped.setdefault((at[:16] + ":00Z", action), []).append(row)
    return [
        {"at": at, "action": action, "packages": sorted(rows, key=lambda row: (row["name"], row["to"] or ""))}
        for (at, action), rows in sorted(grouped.items())
    ]


def _version(text: str) -> str | None:
    return None if text == "<none>" else text


def merge(apt: list[dict], dpkg: list[dict]) -> list[dict]:
    """apt's transactions, and of dpkg's only what no apt transaction names (same package to the same version)."""
    known = {(row["name"], row["to"]) for entry in apt for row in entry["packages"]}
    found = list(apt)
    for entry in dpkg:
        rest = [row for row in entry["packages"] if (row["name"], row["to"]) not in known]
        if rest:
            found.append(dict(entry, packages=rest))
    return found


def result(history: list[dict]) -> dict:
    """Newest first. last is the last time that an installed package was replaced by a newer one without an error."""
    ordered = sorted(history, key=lambda entry: (entry["at"], entry["action"]), reverse=True)
    upgrades = [entry["at"] for entry in ordered if entry["action"] == "upgrade" and "error" not in entry]
    return {"last": upgrades[0] if upgrades else None, "history": ordered[:MOST_TRANSACTIONS]}


def dnf_history(rows: list[tuple]) -> list[dict]:
    """Rows (transaction, time, action, name, version); an upgrade is a new row (6) and the replaced old one (7)."""
    grouped: dict[tuple[int, float, str], list[dict]] = {}
    old = {(row[0], row[3]): row[4] for row in rows if row[2] in (3, 7)}
    for transaction, at, number, name, version in rows:
        action = _DNF_ACTIONS.get(number)
        if action:
            removed = action == "remove"
            row = {
                "name": name,
                "from": version if removed else old.get((transaction, name)),
                "to": None if removed else version,
            }
            grouped.setdefault((transaction, at, action), []).append(row)
    return [
        {"at": _iso(at), "action": action, "packages": sorted(packages, key=lambda row: (row["name"], row["to"] or ""))}
        for (_transaction, at, action), packages in grouped.items()
    ]


def collect(host: Host, manager: str | None) -> dict:
    if manager == "dpkg":
        apt = _logs(host, "/var/log/apt", "history.log", parse_apt_history)
        dpkg = _logs(host, "/var/log", "dpkg.log", parse_dpkg_log)
        if apt is None and dpkg is None:
            host.unknown("patches", "there is neither a log of apt nor one of dpkg")
        return result(merge(apt or [], dpkg or []))
    if manager == "rpm" and host.exists(_DNF_HISTORY):
        return result(dnf_history(_read_dnf(host)))
    host.unknown("patches", "there is no history that this audit can read")
    return result([])


def _logs(host: Host, place: str, name: str, parse: object) -> list[dict] | None:
    """The log and its rotated and compressed forms; None when there is none."""
    pattern = re.compile(re.escape(name) + r"([.-]\d+)?(\.gz)?$")
    found: list[dict] | None = None
    for one in host.names(place):
        if pattern.match(one):
            try:
                found = (found or []) + parse(host.text("%s/%s" % (place, one)))  # type: ignore[operator]
            except (OSError, EOFError) as error:
                host.unknown("patches", "%s/%s: %s" % (place, one, error))
    return found


def _read_dnf(host: Host) -> list[tuple]:
    """Of a copy: opening the database itself would lock it and write beside it. Its log has the latest transactions."""
    import shutil
    import sqlite3
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        for ending in ("", "-wal"):
            if host.exists(_DNF_HISTORY + ending):
                shutil.copyfile(host.path(_DNF_HISTORY + ending), place + "/history.sqlite" + ending)
        connection = sqlite3.connect(place + "/history.sqlite")
        try:
            return connection.execute(
                "SELECT t.id, t.dt_begin, i.action, r.name,"
                " CASE WHEN r.epoch > 0 THEN r.epoch || ':' ELSE '' END || r.version || '-' || r.release"
                " FROM trans t JOIN trans_item i ON i.trans_id = t.id JOIN rpm r ON r.item_id = i.item_id"
                " WHERE t.state = 1 ORDER BY t.id, i.id"
            ).fetchall()
        finally:
            connection.close()
