# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer with something of everything that a report on standards tells of, made by the code that makes any."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.module_utils.standards import software_set
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import (
    Asset,
    Contract,
    Customer,
    SurchargeRule,
    WarrantySource,
)
from ansible_collections.msp.ops.plugins.plugin_utils.effort import surcharge
from ansible_collections.msp.ops.plugins.plugin_utils.effort.surcharge import Support
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack, Place, Side, Uplift
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import controls as told
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import ControlChange, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import (
    compliance,
    end_of_life,
    model,
    quoting,
    report,
    said,
    software,
    standing,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Agreement,
    Assigned,
    AssignedControl,
    Control,
    Source,
    Waiver,
    Words,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import Job
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report import OfSoftware, Report, Wrong
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text, phrase
from ansible_collections.msp.ops.plugins.plugin_utils.standards.software import SoftwareSet

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 6, 20, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
ZONE = ZoneInfo("Europe/Amsterdam")
SLUG = "bakkerij-jansen"
STANDARD = "linux-server"
TITLES = {STANDARD: Words("Linux server", "Linux-server")}
NIS2 = Source("NIS2", "Art. 21(2)(i)")


def _control(id: str, severity: str, minutes: int, en: tuple[str, str], nl: tuple[str, str]) -> Control:
    (title_en, reason_en), (title_nl, reason_nl) = en, nl
    cis = Source("CIS Debian Linux 12 Benchmark v1.1.0", "5.1.20")
    return Control(
        id,
        id.partition("-")[0],
        model.BASELINE,
        Words(title_en, title_nl),
        Words(reason_en, reason_nl),
        severity,
        (cis, NIS2),
        (model.DEBIAN,),
        {},
        (),
        (),
        "",
        minutes,
    )


CONTROLS: Mapping[str, Control] = {
    one.id: one
    for one in (
        _control(
            "ssh-root-login",
            model.HIGH,
            6,
            ("Root can't log in over ssh", "Who did what must be known, and root is nobody."),
            ("Root kan niet inloggen via ssh", "Te zien moet zijn wie wat deed, en root is niemand."),
        ),
        _control(
            "firewall-active",
            model.HIGH,
            20,
            ("A firewall lets in only what is agreed", "What listens by mistake can't be reached then."),
            ("Een firewall laat alleen door wat is afgesproken", "Wat per ongeluk luistert, is dan niet te bereiken."),
        ),
        _control(
            "sudo-nopasswd",
            model.HIGH,
            8,
            ("Nobody becomes root without a password", "A stolen session is not the whole machine then."),
            ("Niemand wordt root zonder wachtwoord", "Een gestolen sessie is dan niet meteen het hele apparaat."),
        ),
        _control(
            "time-synchronised",
            model.MEDIUM,
            5,
            ("The clock is right", "Logs of several machines can only be compared with the same time."),
            ("De klok loopt gelijk", "Logboeken zijn alleen te vergelijken als de tijd gelijk is."),
        ),
        _control(
            "audit-rules",
            model.MEDIUM,
            15,
            ("Changes of accounts are written down", "So it can be seen later who gave whom which rights."),
            ("Wijzigingen van accounts worden vastgelegd", "Zo is later te zien wie wie welke rechten gaf."),
        ),
        _control(
            "software-forbidden",
            model.MEDIUM,
            10,
            ("No software that must not be there", "What sends passwords in the clear is not used any more."),
            ("Geen software die er niet mag zijn", "Wat wachtwoorden onversleuteld verstuurt, hoort er niet."),
        ),
        _control(
            "logging-persistent",
            model.LOW,
            5,
            ("Logs are there after a restart", "After a fault the log says what happened before it."),
            ("Logboeken blijven na een herstart", "Na een storing staat in het logboek wat eraan voorafging."),
        ),
        _control(
            "banner-login",
            model.LOW,
            3,
            ("Who logs in reads whose machine it is", "Nobody can say that he did not know."),
            ("Wie inlogt, leest van wie het apparaat is", "Niemand kan zeggen dat hij het niet wist."),
        ),
    )
}
NAMES = (
    "jansen-srv01",
    "jansen-nas01",
    "till-front",
    "till-back",
    "office-pc01",
    "office-pc02",
    "oven-panel",
)
KEYS = {name: f"device:{number}" for number, name in enumerate(NAMES, 1)}
AGREED = Agreement("B. Jansen", dt.date(2026, 1, 12), "mail of 12 January")
RUNNING = Waiver("The maker of the till allows no firewall", "A. de Vries", dt.date(2027, 3, 31), AGREED)
ENDING = Waiver("The label printer logs in as root", "A. de Vries", dt.date(2026, 7, 15), AGREED)
EXPIRED = Waiver("The scanner still needs telnet", "A. de Vries", dt.date(2026, 5, 31), AGREED)
WAIVERS: Mapping[tuple[str, str], Waiver] = {
    ("till-front", "firewall-active"): RUNNING,
    ("till-back", "firewall-active"): RUNNING,
    ("till-front", "ssh-root-login"): ENDING,
    ("till-back", "software-forbidden"): EXPIRED,
}


def _said(about: Text, desired: Text, found: Text = "") -> tuple[Text, Text]:
    """What judging.py says of one check."""
    line = phrase("line", about=about, text=desired)
    return line, phrase("line", about=about, text=found) if found else ""


WANTED: Mapping[str, tuple[Text, Text]] = {
    "ssh-root-login": _said("permitrootlogin", "no", "yes"),
    "firewall-active": _said(phrase("about.nftables.input_policy"), "drop", "accept"),
    "sudo-nopasswd": _said(phrase("about.sudo.nopasswd"), phrase("nothing"), "deploy: ALL"),
    "time-synchronised": _said(phrase("about.time.synchronised"), phrase("yes"), phrase("no")),
    "software-forbidden": _said(phrase("about.software_forbidden.found"), phrase("nothing"), "telnetd 0.17-44"),
    "audit-rules": _said(phrase("about.audit_rules.loaded"), phrase("with", value="identity")),
}
# By name and control, from how many days ago to how many days ago it was something else than compliant, and what.
COURSE: Mapping[tuple[str, str], tuple[tuple[int, int, str], ...]] = {
    ("jansen-srv01", "ssh-root-login"): ((41, -1, model.DRIFT),),
    ("jansen-srv01", "sudo-nopasswd"): ((8, -1, model.DRIFT),),
    ("jansen-srv01", "time-synchronised"): ((60, 33, model.DRIFT), (20, 12, model.DRIFT)),
    ("jansen-nas01", "audit-rules"): ((30, -1, model.ERROR),),
    ("jansen-nas01", "banner-login"): ((200, -1, model.NOT_APPLICABLE),),
    ("till-front", "firewall-active"): ((200, -1, model.WAIVED),),
    ("till-back", "firewall-active"): ((200, -1, model.WAIVED),),
    ("till-front", "ssh-root-login"): ((200, -1, model.WAIVED),),
    ("till-back", "software-forbidden"): ((200, -1, model.WAIVED),),
    ("oven-panel", "ssh-root-login"): ((70, -1, model.DRIFT),),
    ("oven-panel", "sudo-nopasswd"): ((70, 50, model.DRIFT),),
}


def midnight(days: int) -> dt.datetime:
    """The beginning of the customer's day so many days ago."""
    return dt.datetime.combine(TODAY - days * DAY, dt.time(), ZONE).astimezone(dt.UTC)


def customer(language: str = "nl", name: str = "Bakkerij Jansen") -> Customer:
    rules = (
        SurchargeRule("server", "waived", Decimal("12.50")),
        SurchargeRule("server", "out_of_warranty", Decimal(25)),
        SurchargeRule("workstation", "out_of_support", Decimal(15)),
    )
    terms = Contract(
        "BJ-2025-001",
        dt.date(2025, 1, 1),
        None,
        hourly_rate=Decimal(95),
        language=language,
        timezone="Europe/Amsterdam",
        surcharges=rules,
    )
    return Customer(1, SLUG, name, terms)


def assigned(name: str, **changed: Waiver) -> Assigned:
    controls = tuple(
        AssignedControl(control, {}, changed.get(id.replace("-", "_")) or WAIVERS.get((name, id)))
        for id, control in CONTROLS.items()
    )
    return Assigned(STANDARD, "1.0", "server", controls)


def _status(name: str, control: str, day: int) -> str:
    spans = COURSE.get((name, control), ())
    return next((status for begin, end, status in spans if end < day <= begin), model.COMPLIANT)


def _record(name: str, control: str, day: int) -> dict[str, Any]:
    status = _status(name, control, day)
    desired, other = WANTED.get(control, ("as the standard wants it", ""))
    deviates = status in (model.DRIFT, model.WAIVED)
    return {
        "control": control,
        "severity": CONTROLS[control].severity,
        "status": status,
        "desired": said.kept(desired),
        "found": said.kept(other) if deviates else "",
        "reason": said.kept(phrase("unmeasurable", why="auditctl: exit 1")) if status == model.ERROR else "",
        "waiver": None,
    }


def checks(name: str) -> list[StandardCheck]:
    """A check every four days; the oven's panel has not answered for two weeks, one PC never did."""
    if name == "office-pc02":
        return []
    found = []
    for day in range(120, -1, -4):
        at = NOW - day * DAY - dt.timedelta(hours=3)
        lost = name == "oven-panel" and day < 14
        found.append(
            StandardCheck(
                SLUG,
                KEYS[name],
                f"{name}.{SLUG}",
                at,
                "check",
                "unreachable" if lost else "ok",
                STANDARD,
                "1.0",
                None if lost else tuple(_record(name, control, day) for control in CONTROLS),
                "no route to host" if lost else None,
            )
        )
    return found


def changes(name: str) -> Iterator[ControlChange]:
    """What turned with them, as the store records it."""
    given = [
        told.Check(int(one.at.timestamp() * 1e6), one.phase, one.standard, one.records, one.error or "")
        for one in checks(name)
    ]
    previous: dict[str, str] = {}
    for turn in told.follow({}, given)[0]:
        at = dt.datetime.fromtimestamp(turn.at / 1e6, dt.UTC)
        turned = turn.said
        yield ControlChange(
            SLUG,
            KEYS[name],
            turn.control,
            at,
            turn.phase,
            turned.status,
            previous.get(turn.control),
            turned.standard,
            turned.severity,
            turned.desired,
            turned.found,
            turned.reason,
        )
        previous[turn.control] = turned.status


def jobs(number: int) -> tuple[Job, ...]:
    return tuple(Job(f"run-{n}", 60.0, 50.0 + 10 * (n % 3), (f"row-{n}",)) for n in range(number))


SERVER_WARRANTY: Place = (SLUG, "out_of_warranty", "server")
MEASURED = Uplift(
    SLUG,
    "out_of_warranty",
    "server",
    minutes=22.4,
    low=9.1,
    high=36.8,
    own=31.0,
    error=9.7,
    weight=0.44,
    common=15.6,
    customers=7,
    having=Side(("device:1", "device:2"), 48.0, 1980.0, ("desk 104", "desk 131"), ("row-1", "row-2")),
    lacking=Side(("device:3", "device:4"), 71.5, 730.0, ("desk 98",), ("row-3",)),
)
MEASURES: Mapping[Place, Uplift | Lack] = {
    SERVER_WARRANTY: MEASURED,
    (SLUG, "waived", "server"): Lack("few tickets", 3, 5),
    (SLUG, "out_of_support", "workstation"): Lack("few customers", 2, 3),
}


def _asset(name: str, asset_class: str = "server", warranty: dt.date | None = None) -> Asset:
    sources = (WarrantySource("invoice 2021-118", None, warranty),) if warranty else ()
    number = int(KEYS[name].partition(":")[2])
    return Asset(
        "device", number, name, SLUG, "contracted", asset_class, warranty_end=warranty, warranty_sources=sources
    )


def surcharges(terms: Contract) -> list[surcharge.OfAsset]:
    old = Support("Debian GNU/Linux 10 (buster)", dt.date(2024, 6, 30), "distro-info-data 2026-01-10")
    waived = [("firewall-active", RUNNING), ("ssh-root-login", ENDING)]
    made: Sequence[tuple[Asset, list[tuple[str, Waiver]], Support | None]] = (
        (_asset("jansen-srv01", warranty=dt.date(2026, 2, 28)), [], None),
        (_asset("till-front"), waived, None),
        (_asset("office-pc01", "workstation"), [], old),
    )
    return [
        surcharge.suggested(asset, list(surcharge.causes(asset, agreed, support, TODAY)), terms, MEASURES)
        for asset, agreed, support in made
    ]


def _system(version: str, end: str) -> dict[str, Any]:
    return {"id": "debian", "version": version, "support_end": end}


def _package(name: str, version: str, origin: str | None = "Debian/bookworm") -> dict[str, Any]:
    return {"name": name, "version": version, "architecture": "amd64", "origin": origin}


ENDS = end_of_life.parse(
    [
        json.dumps(
            {
                "generated_at": "2026-06-01T00:00:00+00:00",
                "result": {
                    "name": "redis",
                    "label": "Redis",
                    "releases": [{"name": "6.2", "eolFrom": "2025-03-31", "isEol": True}],
                },
            }
        )
    ],
    NOW,
)
WANTED_SOFTWARE = SoftwareSet(
    required=(software_set.parse("chrony", required=True),),
    forbidden=(software_set.parse("telnetd"),),
    allowed=(software_set.parse("anydesk"),),
    origins=("Debian/*",),
)


def of_software(ends: EndOfLife | None = ENDS) -> OfSoftware:
    """A package of every kind of finding, an old system, and an audit that does not say where packages are from."""
    pending = [{"name": "openssl", "to": "3.0.17-1~deb12u2", "origin": "Debian-Security/bookworm"}]
    openssl, chrony = _package("openssl", "3.0.15-1~deb12u1"), _package("chrony", "4.3-2")
    facts: Mapping[str, dict[str, Any]] = {
        "jansen-srv01": {
            "os": _system("12", "2028-06-30"),
            "packages": [openssl, chrony, _package("redis-server", "6:6.2.14-1", "packages.redis.example")],
            "updates": {"known": True, "pending": pending},
        },
        "till-back": {
            "os": _system("12", "2028-06-30"),
            "packages": [openssl, _package("telnetd", "0.17-44")],
            "updates": {"known": True, "pending": pending},
        },
        "office-pc01": {
            "os": _system("10", "2024-06-30"),
            "packages": [_package("chrony", "3.4-4", None)],
            "updates": {"known": False, "pending": []},
        },
    }
    assets = [software.on_asset(KEYS[name], name, NOW - DAY, told, WANTED_SOFTWARE) for name, told in facts.items()]
    found = [software.judge(one, ends, TODAY) for one in assets]
    return report.software_of(assets, found, ["office-pc02"], ends, TODAY)


def made(job_count: int = 0, **changed: Waiver) -> Report:
    """The customer at noon on 20 June 2026. changed are waivers by control for every asset."""
    held = {name: assigned(name, **changed) for name in NAMES}
    turned = sorted((change for name in NAMES for change in changes(name)), key=lambda change: change.at)
    since = standing.began(turned)
    assets = []
    for name in NAMES:
        of = checks(name)
        good = next((one for one in reversed(of) if one.outcome == "ok"), None)
        both = (good, of[-1] if of else None)
        assets.append(standing.of_asset(KEYS[name], name, held[name], both, since, now=NOW, today=TODAY))
    assets = list(standing.worst_first(assets))
    measured = {KEYS[name]: [one.at for one in checks(name) if one.outcome == "ok"] for name in NAMES}
    moments = [midnight(7 * n) for n in range(13)]
    course = compliance.course(turned, measured, frozenset(KEYS.values()), moments)
    by_key = {KEYS[name]: held[name] for name in NAMES}
    terms = customer().contract
    return Report(
        now=NOW,
        since=midnight(90),
        new_since=midnight(31),
        controls=CONTROLS,
        titles=TITLES,
        assets=tuple(assets),
        without=("label-printer",),
        wrong=(Wrong(("jansen-vpn01",), "MSP-STD-018: expected msp_standard.parameters to be at most 6; found 9."),),
        standards=tuple(report.standards_of(assets, course, CONTROLS)),
        new=compliance.new_drift(turned, midnight(31)),
        top=compliance.top_deviations(report.states_of(SLUG, assets, NOW)),
        waivers=tuple(standing.waivers(((one, by_key[one.asset]) for one in assets), TODAY)),
        software=of_software(),
        quote=quoting.quote(
            {one.asset: report.records_of(one) for one in assets},
            CONTROLS,
            quoting.pace_of(jobs(job_count)),
            today=TODAY,
        ),
        surcharges=tuple(surcharges(terms)) if terms else (),
        names={key: name for name, key in KEYS.items()},
    )


def nobody() -> Report:
    """A customer without a standard, and without a history."""
    return Report(
        now=NOW,
        since=NOW - 90 * DAY,
        new_since=NOW - 31 * DAY,
        controls=CONTROLS,
        titles={},
        assets=(),
        without=(),
        wrong=(),
        standards=(),
        new=(),
        top=(),
        waivers=(),
        software=OfSoftware(),
        quote=quoting.quote({}, CONTROLS, None, today=TODAY),
        surcharges=(),
        names={},
    )
