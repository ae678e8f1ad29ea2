# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dnf 4 itself knows, asked through its Python interface: a program that dnf's own interpreter runs.

patching/dnf.py hands the text of this file to that interpreter, which may be older than the one that runs modules:
Python 3.6 syntax, and the standard library beside dnf. One argument, a JSON request; one JSON answer on the output.

    {"ask": "pending", "scratch": DIRECTORY}
    {"ask": "simulate", "scratch": DIRECTORY, "action": "upgrade" or "downgrade", "nevras": [...]}
    {"ask": "duplicates", "scratch": DIRECTORY}

It reads the cache only: nothing is fetched, no transaction is run. What dnf cannot do without writing goes to the
scratch directory. Of dnf's plugins only versionlock is loaded, since others reach out to the network.
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from typing import Any

MOST_TEXT = 400


class Said(logging.Handler):
    """What dnf warns of, so that it is not lost: a file of repositories that it skips, for instance."""

    def __init__(self) -> None:
        logging.Handler.__init__(self, logging.WARNING)
        self.lines: list = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage()[:MOST_TEXT])


def opened(scratch: str, said: Said, available: bool = True) -> tuple:
    """dnf as this host has it set up, filled from its cache; and its repositories. available: with what they have."""
    import dnf
    import dnf.const

    logger = logging.getLogger("dnf")
    logger.addHandler(said)
    logger.propagate = False
    # Without root's rights dnf makes a directory for its cache and log there, and leaves it behind.
    scratch = tempfile.mkdtemp(dir=scratch)
    dnf.const.TMPDIR = scratch + "/"
    base = dnf.Base()
    if not hasattr(base, "fill_sack_from_repos_in_cache"):
        raise RuntimeError("dnf 4.4 or later is needed, this is %s" % dnf.VERSION)
    conf = base.conf
    conf.read()
    conf.substitutions.update_from_etc(conf.installroot, varsdir=conf.varsdir)
    if conf.cachedir.startswith(scratch):
        conf.cachedir = conf.system_cachedir
    conf.logdir = scratch
    # The history would be opened, and made where there is none. Which modules were there is wanted.
    failsafe = os.path.join(conf.persistdir, "modulefailsafe")
    conf.persistdir = scratch + "/persist"
    if os.path.isdir(failsafe):
        shutil.copytree(failsafe, conf.persistdir + "/modulefailsafe")
    conf.install_weak_deps = False
    base.init_plugins(disabled_glob=["*"], enable_plugins=["versionlock"])
    base.pre_configure_plugins()
    base.read_all_repos()
    base.configure_plugins()
    if not available:
        base.repos.all().disable()
    enabled = list(base.repos.iter_enabled())
    optional = {repo.id: bool(repo.skip_if_unavailable) for repo in enabled}
    for repo in enabled:
        # So that one without a cache is left out rather than the end of everything; it is told below.
        repo.skip_if_unavailable = True
    base.fill_sack_from_repos_in_cache(load_system_repo=True)
    return base, [described(repo, optional[repo.id]) for repo in enabled]


def described(repo: Any, optional: bool) -> dict:
    """A repository: was it in the cache, when was it renewed, and does it say what its updates are about.

    updateinfo is "read", "none" (the repository has none) or "not fetched" (it has, and the cache has not).
    """
    loaded = bool(repo.enabled)
    found = {"id": repo.id, "loaded": loaded, "optional": optional, "renewed": None, "updateinfo": "none"}
    if loaded:
        found["renewed"] = repo._repo.getTimestamp()
        if repo.get_metadata_path("updateinfo"):
            found["updateinfo"] = "read"
        elif any(kind == "updateinfo" for kind, _place in repo._repo.getMetadataLocations()):
            found["updateinfo"] = "not fetched"
    return found


def unreadable(base: Any) -> list:
    """Files of repositories that this user may not read: dnf leaves their repositories out."""
    names = []
    for place in base.conf.reposdir:
        if os.path.isdir(place):
            names += [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".repo")]
    return [name for name in names if not os.access(name, os.R_OK)]


def reboots(base: Any) -> set:
    """(advisory, package) for which a vendor suggests a reboot; dnf's interface has no word for it.

    The file is large and the word is rare, so it is parsed only where the word is in it.
    """
    from xml.etree import ElementTree

    found = set()
    for repo in base.repos.iter_enabled():
        text = repo.get_metadata_content("updateinfo") if repo.get_metadata_path("updateinfo") else ""
        if not text or ("reboot_suggested" if isinstance(text, str) else b"reboot_suggested") not in text:
            continue
        # The vendor's own metadata, which dnf has parsed before.
        for update in ElementTree.fromstring(text).iter("update"):  # noqa: S314
            identity = update.findtext("id")
            whole = positive(update.findtext("reboot_suggested"))
            for package in update.iter("package"):
                if whole or positive(package.findtext("reboot_suggested")):
                    found.add((identity, package.get("name")))
    return found


def positive(text: Any) -> bool:
    return str(text).strip().lower() in ("true", "1")


def pending(request: dict) -> dict:
    """Every package with a newer version, what lies between, and what a transaction of all of them would do."""
    import dnf
    import hawkey

    said = Said()
    base, repositories = opened(request["scratch"], said)
    sack = base.sack
    free = latest(sack.query().filterm(upgrades_by_priority=True))
    # Excluded by configuration or locked, but not what a module's stream hides: that is not meant for this host.
    every = latest(sack.query(flags=hawkey.IGNORE_REGULAR_EXCLUDES).filterm(upgrades_by_priority=True))
    beyond = latest(sack.query(flags=hawkey.IGNORE_EXCLUDES).filterm(upgrades_by_priority=True))
    moved, transaction = all_at_once(base)
    notices = advisories(base, list(every.values()))
    configured = excluded(base)
    rows = [
        told(base.sack, {"newest": newest, "free": free.get(place), "reached": moved.get(place)}, configured, notices)
        for place, newest in sorted(every.items())
    ]
    hidden = sorted({place[0] for place in beyond if place not in every})
    return {
        "dnf": dnf.VERSION,
        "repositories": repositories,
        "unreadable": unreadable(base),
        "said": said.lines,
        "hidden": hidden,
        "rows": [row for row in rows if row],
        "transaction": transaction,
    }


def told(sack: Any, found: dict, configured: set, notices: dict) -> Any:
    """One update. Its candidate is what dnf can get to, else what nothing excludes, else the newest there is.

    blocked says why dnf does not get to the newest: "excluded", "versionlock", "dependencies"; moves: it gets to some.
    """
    newest, free, reached = found["newest"], found["free"], found["reached"]
    installed = installed_of(sack, newest)
    if installed is None:
        return None
    target = reached or free or newest
    said = between(sack, notices, installed, target)
    beyond = between(sack, notices, target, newest)
    why = "dependencies"
    if free is None or free.evr != newest.evr:
        named = (newest.name, newest.evr, newest.arch) in configured or None in configured
        why = "excluded" if named else "versionlock"
    return {
        "name": target.name,
        "architecture": target.arch,
        "installed": installed.evr,
        "candidate": target.evr,
        "repository": target.repoid,
        "newest": newest.evr,
        "moves": reached is not None,
        "blocked": "" if reached and reached.evr == newest.evr else why,
        "left_open": sorted({one["id"] for one in beyond if one["type"] == "security"}),
        "versions": versions(sack, installed, target, {one["version"] for one in said}),
        "notices": said,
    }


def latest(query: Any) -> dict:
    """The newest of each (name, architecture)."""
    return {(package.name, package.arch): package for package in query.latest()}


def installed_of(sack: Any, package: Any) -> Any:
    """The installed package that this one replaces, the newest where several versions are kept beside each other.

    A package may become one for all architectures, or the other way round.
    """
    import hawkey

    # What is excluded is excluded where it is installed, too.
    named = sack.query(flags=hawkey.IGNORE_EXCLUDES).installed().filterm(name=package.name)
    same = list(named.filter(arch=package.arch).latest())
    others = [one for one in named if "noarch" in (one.arch, package.arch)]
    return (same or others or [None])[0]


def excluded(base: Any) -> set:
    """(name, evr, architecture) that the configuration excludes or does not include; the rest is versionlock's."""
    import dnf.subject
    import hawkey

    def matched(patterns: list, repository: str) -> set:
        found = set()
        for pattern in set(patterns):
            names = {"with_nevra": True, "with_provides": False, "with_filenames": False}
            for package in dnf.subject.Subject(pattern).get_best_query(everything, **names):
                if not repository or package.repoid == repository:
                    found.add((package.name, package.evr, package.arch))
        return found

    # A subject is looked up among what is not excluded: so the excludes are taken off for a moment.
    everything = base.sack
    whole = everything.query(flags=hawkey.IGNORE_EXCLUDES)
    kept = whole.difference(everything.query(flags=hawkey.IGNORE_MODULAR_EXCLUDES))
    everything.reset_excludes()
    try:
        found = matched(base.conf.excludepkgs, "")
        for repo in base.repos.iter_enabled():
            found |= matched(repo.excludepkgs, repo.id)
    finally:
        everything.add_excludes(kept)
    included = bool(base.conf.includepkgs) or any(repo.includepkgs for repo in base.repos.iter_enabled())
    return {None} | found if included else found


def all_at_once(base: Any) -> tuple:
    """What dnf would do if everything were upgraded that can be: by (name, architecture), and the whole of it."""
    import dnf

    base.conf.best = False
    try:
        base.upgrade_all()
        base.resolve()
    except dnf.exceptions.Error as error:
        return {}, {"installs": [], "removes": [], "problem": str(error)[:MOST_TEXT]}
    names = {package.name for package in base.sack.query().installed()}
    coming = list(base.transaction.install_set)
    going = [one for one in base.transaction.remove_set if one.name not in {package.name for package in coming}]
    fresh = [package for package in coming if package.name not in names]
    moved = {(package.name, package.arch): package for package in coming if package.name in names}
    return moved, {
        "installs": [dict(plain(one), wanted_by=wanted_by(base, one, coming)) for one in fresh],
        "removes": [dict(plain(one), replaced_by=replaced_by(base, one, coming)) for one in going],
        "problem": None,
    }


def plain(package: Any) -> dict:
    return {
        "name": package.name,
        "architecture": package.arch,
        "version": package.evr,
        "repository": package.repoid,
        "installed_bytes": package.installsize,
    }


def wanted_by(base: Any, fresh: Any, coming: list) -> list:
    """Whose requirements it meets, of the packages that come with it."""
    one = base.sack.query().filterm(pkg=[fresh])
    names = {
        other.name for other in coming if other != fresh and other.requires and one.filter(provides=other.requires)
    }
    return sorted(names)


def replaced_by(base: Any, old: Any, coming: list) -> list:
    others = base.sack.query().filterm(pkg=coming)
    return sorted({package.name for package in others.filterm(obsoletes=[old])})


def advisories(base: Any, newest: list) -> dict:
    """(name, architecture): what the advisories of this package say, of any version."""
    import hawkey

    query = base.sack.query(flags=hawkey.IGNORE_EXCLUDES).installed().latest(1)
    query = query.union(base.sack.query(flags=hawkey.IGNORE_EXCLUDES).filterm(pkg=newest))
    suggested = reboots(base)
    found: dict = {}
    for one in query.get_advisory_pkgs(hawkey.LT | hawkey.EQ | hawkey.GT):
        found.setdefault((one.name, one.arch), {}).setdefault(one.evr, []).append(one)
    return {"packages": found, "reboots": suggested}


def between(sack: Any, notices: dict, installed: Any, target: Any) -> list:
    """The advisories of the versions above the installed one, up to the target."""
    found = {}
    for architecture in sorted({installed.arch, target.arch}):
        for evr, ones in notices["packages"].get((target.name, architecture), {}).items():
            if sack.evr_cmp(evr, installed.evr) > 0 and sack.evr_cmp(evr, target.evr) <= 0:
                for one in ones:
                    advisory = one.get_advisory(sack)
                    found[advisory.id, evr] = notice(advisory, evr, (advisory.id, target.name) in notices["reboots"])
    return [found[key] for key in sorted(found)]


def notice(advisory: Any, evr: str, reboot: bool) -> dict:
    import hawkey

    kinds = {
        hawkey.ADVISORY_SECURITY: "security",
        hawkey.ADVISORY_BUGFIX: "bugfix",
        hawkey.ADVISORY_ENHANCEMENT: "enhancement",
        hawkey.ADVISORY_NEWPACKAGE: "newpackage",
    }
    return {
        "id": advisory.id,
        "type": kinds.get(advisory.type, "unknown"),
        "severity": advisory.severity or "",
        "cves": sorted({one.id for one in advisory.references if one.type == hawkey.REFERENCE_CVE}),
        "reboot": reboot,
        "version": evr,
    }


def versions(sack: Any, installed: Any, target: Any, named: set) -> list:
    """[version, repository] of all above the installed version, up to the target, oldest first.

    A version that only an advisory names is in no repository any more: null.
    """
    import functools

    import hawkey

    query = sack.query(flags=hawkey.IGNORE_REGULAR_EXCLUDES).available().filterm(name=target.name, arch=target.arch)
    found: dict = {target.evr: target.repoid}
    for one in sorted(query, key=lambda package: package.repoid):
        if sack.evr_cmp(one.evr, installed.evr) > 0 and sack.evr_cmp(one.evr, target.evr) <= 0:
            found.setdefault(one.evr, one.repoid)
    for evr in named:
        found.setdefault(evr, None)
    return [[evr, found[evr]] for evr in sorted(found, key=functools.cmp_to_key(sack.evr_cmp))]


def simulate(request: dict) -> dict:
    """What dnf would do for exactly these packages: every package that comes or goes, with sizes; or why it cannot.

    missing: what it does not find; blocked: those of them that are there, by what hides them ("versionlock",
    "excluded"). Of what comes, beside says that its older versions stay, reboot that its vendor suggests one.
    """
    import dnf

    said = Said()
    base, repositories = opened(request["scratch"], said)
    base.conf.best = True
    missing, problem = [], None
    for nevra in request["nevras"]:
        try:
            (base.upgrade if request["action"] == "upgrade" else base.downgrade)(nevra)
        except dnf.exceptions.MarkingError:
            missing.append(nevra)
    try:
        base.resolve()
    except dnf.exceptions.Error as error:
        problem = str(error)[:MOST_TEXT]
    transaction = None if problem else base.transaction
    coming = sorted(transaction.install_set) if transaction else []
    going = sorted(transaction.remove_set) if transaction else []
    kept = set(base._get_installonly_query(base.sack.query().filterm(pkg=coming)))
    suggested = reboots_of(base, coming) if coming else set()
    return {
        "dnf": dnf.VERSION,
        "repositories": repositories,
        "said": said.lines,
        "missing": missing,
        "blocked": blocked(base, missing) if missing else {},
        "problem": problem,
        "comes": [
            dict(
                plain(one),
                fetch_bytes=0 if cached(one) else one.downloadsize,
                beside=one in kept,
                reboot=one.name in suggested,
            )
            for one in coming
        ],
        "goes": [plain(one) for one in going],
    }


def blocked(base: Any, nevras: list) -> dict:
    """Those that a repository has, and that the host's configuration hides; by why."""
    import hawkey

    configured = excluded(base)
    found = {}
    for text in nevras:
        one = hawkey.split_nevra(text)
        query = base.sack.query(flags=hawkey.IGNORE_REGULAR_EXCLUDES).available()
        query.filterm(name=one.name, epoch=one.epoch or 0, version=one.version, release=one.release, arch=one.arch)
        for package in query:
            named = (package.name, package.evr, package.arch) in configured or None in configured
            found[text] = "excluded" if named else "versionlock"
    return found


def reboots_of(base: Any, coming: list) -> set:
    """The names of packages that come with an advisory whose vendor suggests a reboot."""
    notices = advisories(base, coming)
    found = set()
    for package in coming if notices["reboots"] else ():
        installed = installed_of(base.sack, package)
        if installed and any(one["reboot"] for one in between(base.sack, notices, installed, package)):
            found.add(package.name)
    return found


def duplicates(request: dict) -> dict:
    """What is installed in several versions although dnf keeps no such packages beside each other."""
    import dnf
    import hawkey

    base, _repositories = opened(request["scratch"], Said(), available=False)
    installed = base.sack.query(flags=hawkey.IGNORE_EXCLUDES).installed()
    kept = set(base._get_installonly_query(installed))
    found: dict = {}
    for package in installed:
        if package not in kept:
            found.setdefault((package.name, package.arch), []).append(package)
    return {
        "dnf": dnf.VERSION,
        "duplicates": [plain(one) for same in found.values() if len(same) > 1 for one in same],
    }


def cached(package: Any) -> bool:
    """The whole file is there already: kept by dnf, or of a repository on a disk of this host."""
    try:
        return bool(os.path.getsize(package.localPkg()) == package.downloadsize)
    except OSError:
        return False


ASKED = {"pending": pending, "simulate": simulate, "duplicates": duplicates}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(ASKED[asked["ask"]](asked), sort_keys=True))
