"""The repositories that the tests of dnf stand on, and what a host that installed the first versions has to be told.

Pure: a table. "base" and "extra" have no updateinfo, as a distribution's first release and many vendors' repositories
have none; "updates" has errata of all severities and types.
"""

from __future__ import annotations

from dataclasses import replace

from lab.rpms import Notice, Rpm, stream


def first(name: str, **values: object) -> Rpm:
    return replace(Rpm(name, "1.0"), **values)  # type: ignore[arg-type]


def then(name: str, version: str = "1.1", **values: object) -> Rpm:
    return replace(first(name, **values), version=version)


NAMES = (
    "lab-web", "lab-mail", "lab-print", "lab-clock", "lab-notes", "lab-firmware", "dbus-broker", "lab-plain",
    "lab-locked", "lab-barred", "lab-stuck", "lab-app", "lab-old", "lab-gone", "lab-current", "lab-half",
    "lab-broken", "lab-clumsy",
)  # fmt: skip
DB = first("lab-db", epoch="1", architecture="x86_64", weight=4096)
CORE = first("lab-core")
RUNTIME = (first("lab-runtime"), then("lab-runtime", "2.0"))
BASE = (*(first(name) for name in NAMES), DB, CORE, *RUNTIME)
INSTALLED = tuple(rpm for rpm in BASE if rpm != RUNTIME[1])
MODULES = stream("runtime", "1", RUNTIME[:1], default=True) + stream("runtime", "2", RUNTIME[1:])

UPDATES = {
    rpm.nevra: rpm
    for rpm in (
        then("lab-web", "1.1"),
        then("lab-web", "1.2"),
        replace(DB, version="1.1", weight=200_000),
        then("lab-mail"),
        then("lab-print"),
        then("lab-clock"),
        then("lab-notes"),
        then("lab-firmware"),
        then("dbus-broker"),
        then("lab-locked"),
        then("lab-barred"),
        then("lab-stuck", requires=("lab-absent",)),
        then("lab-app", requires=("lab-library",)),
        Rpm("lab-library", "1.0"),
        Rpm("lab-new", "1.0", obsoletes=("lab-old < 2",), provides=("lab-old = 2",)),
        then("lab-gone", "1.2"),
        then("lab-core"),
        then("lab-half", "1.1"),
        then("lab-broken", fails="pre"),
        then("lab-clumsy", fails="post"),
        then("lab-half", "1.2", requires=("lab-absent",)),
    )
}
EXTRA = (then("lab-plain"),)


def _of(name: str, version: str = "1.1") -> Rpm:
    return next((rpm for rpm in UPDATES.values() if (rpm.name, rpm.version) == (name, version)), then(name, version))


NOTICES = (
    Notice("LAB-SA-2026:0001", "security", "Critical", (_of("lab-db"),), ("CVE-2026-1001",)),
    Notice("LAB-SA-2026:0002", "security", "Important", (_of("lab-web"),), ("CVE-2026-1002", "CVE-2026-1003")),
    Notice("LAB-BA-2026:0003", "bugfix", "None", (_of("lab-web", "1.2"),)),
    Notice("LAB-SA-2026:0004", "security", "Moderate", (_of("lab-mail"),), ("CVE-2026-1004",)),
    Notice("LAB-SA-2026:0005", "security", "Low", (_of("lab-print"), _of("lab-app")), ("CVE-2026-1005",)),
    Notice("LAB-SA-2026:0006", "security", "None", (_of("lab-clock"),), ("CVE-2026-1006",)),
    Notice("LAB-EA-2026:0007", "enhancement", "", (_of("lab-notes"),)),
    Notice("LAB-EA-2026:0008", "enhancement", "None", (_of("lab-firmware"),), reboot=True),
    Notice("LAB-SA-2026:0009", "security", "Important", (_of("lab-locked"), _of("lab-barred")), ("CVE-2026-1009",)),
    # 1.1 is in no repository any more; who goes from 1.0 to 1.2 gets its fix all the same.
    Notice("LAB-SA-2026:0010", "security", "Critical", (_of("lab-gone", "1.1"),), ("CVE-2026-1010",)),
    Notice("LAB-BA-2026:0011", "bugfix", "None", (_of("lab-gone", "1.2"),)),
    # Two advisories of one version; the worse one counts.
    Notice("LAB-SA-2026:0012", "security", "Low", (_of("lab-core"),), ("CVE-2026-1012",)),
    Notice("LAB-SA-2026:0013", "security", "Important", (_of("lab-core"),), ("CVE-2026-1013",)),
    # Installed already, and not for the version that is installed.
    Notice("LAB-SA-2026:0014", "security", "Critical", (first("lab-current"), first("lab-notes")), ("CVE-2026-1014",)),
    Notice("LAB-BA-2026:0015", "bugfix", "None", (_of("lab-half"),)),
    Notice("LAB-SA-2026:0016", "security", "Critical", (_of("lab-half", "1.2"),), ("CVE-2026-1016",)),
)
MAIN = {"excludepkgs": "lab-barred", "installonlypkgs": "lab-core"}
LOCKED = "lab-locked-0:1.0-1.*\n"
