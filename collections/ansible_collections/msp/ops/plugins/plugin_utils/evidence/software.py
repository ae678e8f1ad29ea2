# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed where, made of the last good audit of each asset, and read. The caller holds the transaction.

It can be made again from the audits at any time (missing, write). An audit that found no package at all could not tell:
it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Installed, Software
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables, views

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# What one package is, on whatever asset.
NAMES = ("name", "version", "architecture", "platform", "origin")
_Package = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """A good audit as far as its packages go. at is in microseconds."""

    customer: str
    asset: str
    at: int
    facts_hash: str


def write(connection: Connection, audits: Iterable[Audited], facts_of: Callable[[str], Mapping[str, Any]]) -> int:
    """Bring the lists of packages up to these audits; returns how many lists are others now.

    facts_of is asked for the facts of a hash, where they are new.
    """
    newest: dict[tuple[str, str], Audited] = {}
    for audit in sorted(audits, key=lambda one: one.at):
        newest[audit.customer, audit.asset] = audit
    fresh = [
        (audit, packages)
        for _key, audit in sorted(newest.items())
        if not _known(connection, audit) and (packages := _packages(facts_of(audit.facts_hash)))
    ]
    wanted: dict[int, frozenset[_Package]] = {}
    for audit, packages in fresh:
        if (list_id := _begun(connection, audit)) is not None:
            wanted[list_id] = packages
    if wanted:
        _replace(connection, wanted)
    return len(wanted)


def _known(connection: Connection, audit: Audited) -> bool:
    """Is the list that of this audit's facts, or of a later audit? The same facts again only make it newer."""
    table = tables().package_lists
    mine = sa.and_(table.c.customer == audit.customer, table.c.asset == audit.asset)
    row = connection.execute(sa.select(table).where(mine)).first()
    if row is None or (row.at < audit.at and row.facts_hash != audit.facts_hash):
        return False
    connection.execute(sa.update(table).where(mine, table.c.at < audit.at).values(at=audit.at))
    return True


def _packages(facts: Mapping[str, Any]) -> frozenset[_Package]:
    return frozenset(tuple(row[name] for name in NAMES) for row in rows.package_rows(facts))


def _begun(connection: Connection, audit: Audited) -> int | None:
    """The number of the asset's list, which is this audit's from now on; None where another was recorded meanwhile."""
    table = tables().package_lists
    statement = writing.insert(connection, table).values(
        customer=audit.customer, asset=audit.asset, at=audit.at, facts_hash=audit.facts_hash
    )
    new = {"at": statement.excluded.at, "facts_hash": statement.excluded.facts_hash}
    update = statement.on_conflict_do_update(
        index_elements=["customer", "asset"], set_=new, where=table.c.at < statement.excluded.at
    )
    return connection.execute(update.returning(table.c.id)).scalar()


def _replace(connection: Connection, wanted: Mapping[int, frozenset[_Package]]) -> None:
    """Put these packages on these lists and take the others off; only what differs is written."""
    known = tables()
    on, packages = known.software, known.packages
    gone: list[tuple[int, int]] = []
    lacking: dict[int, frozenset[_Package]] = {}
    for list_id, mine in sorted(wanted.items()):
        query = sa.select(packages).join_from(on, packages, packages.c.id == on.c.package_id)
        have = {
            tuple(getattr(row, name) for name in NAMES): row.id
            for row in connection.execute(query.where(on.c.list_id == list_id))
        }
        gone += [(list_id, number) for package, number in have.items() if package not in mine]
        lacking[list_id] = mine - have.keys()
    for list_id, number in sorted(gone):
        connection.execute(sa.delete(on).where(on.c.list_id == list_id, on.c.package_id == number))
    numbers = _numbers(connection, sorted(frozenset[_Package]().union(*lacking.values())))
    added = sorted((list_id, numbers[package]) for list_id, mine in lacking.items() for package in mine)
    if added:
        connection.execute(
            writing.insert(connection, on).on_conflict_do_nothing(),
            [{"list_id": list_id, "package_id": number} for list_id, number in added],
        )


def _numbers(connection: Connection, wanted: Sequence[_Package]) -> dict[_Package, int]:
    """The numbers of packages, which are added where nobody had them."""
    table = tables().packages
    found = _find(connection, wanted)
    new = [dict(zip(NAMES, package, strict=True)) for package in wanted if package not in found]
    if new:
        connection.execute(writing.insert(connection, table).on_conflict_do_nothing(), new)
        found |= _find(connection, [package for package in wanted if package not in found])
    return found


def _find(connection: Connection, wanted: Sequence[_Package]) -> dict[_Package, int]:
    table = tables().packages
    columns = [table.c[name] for name in NAMES]
    return {
        tuple(getattr(row, name) for name in NAMES): row.id
        for part in batched(wanted, writing.BATCH)
        for row in connection.execute(writing.with_keys(connection, sa.select(table.c.id, *columns), part, *columns))
    }


def missing(connection: Connection) -> list[Audited]:
    """The last good audits of assets that have no list yet."""
    known, good = tables(), views().last_good_audits
    lists = known.package_lists
    query = (
        sa.select(good.c.customer, good.c.asset, good.c.at, known.facts.c.hash)
        .join_from(good, known.facts, known.facts.c.id == good.c.facts_id)
        .outerjoin(lists, sa.and_(lists.c.customer == good.c.customer, lists.c.asset == good.c.asset))
        .where(lists.c.id.is_(None))
    )
    found = connection.execute(query.order_by(good.c.customer, good.c.asset))
    return [Audited(row.customer, row.asset, row.at, row.hash) for row in found]


def _joined() -> Any:
    """Every package with the list that it is on."""
    known = tables()
    packages, lists, on = known.packages, known.package_lists, known.software
    return packages.join(on, on.c.package_id == packages.c.id).join(lists, lists.c.id == on.c.list_id)


def _listed() -> Any:
    """The same, with what the asset was called in the audit that the list is of."""
    known = tables()
    packages, lists, audits = known.packages.c, known.package_lists.c, known.audits
    columns = (lists.customer, lists.asset, audits.c.host, lists.at, *(packages[name] for name in NAMES))
    told = [audits.c[name] == lists[name] for name in ("customer", "asset", "at")]
    return sa.select(*columns).select_from(_joined().outerjoin(audits, sa.and_(*told, audits.c.outcome == "ok")))


def who_has(
    connection: Connection, name: str, meets: Callable[[str, str], bool] | None, customer: str | None
) -> Installed:
    """Who has a package of this name, in a version that meets on its platform."""
    packages = tables().packages.c
    kinds = connection.execute(sa.select(packages.id, packages.version, packages.platform).where(packages.name == name))
    wanted = [kind.id for kind in kinds if meets is None or meets(kind.version, kind.platform)]
    found = [
        rows.software(row)
        for part in batched(wanted, writing.BATCH)
        for row in connection.execute(_of(_listed().where(packages.id.in_(part)), customer))
    ]
    found.sort(key=lambda one: (one.customer, one.asset, one.version, one.architecture))
    return Installed(tuple(found), _having(connection, name, customer))


def _having(connection: Connection, name: str, customer: str | None) -> int:
    """How many assets have a package of this name."""
    known = tables()
    query = sa.select(sa.func.count(known.software.c.list_id.distinct())).join_from(known.software, known.packages)
    if customer is not None:  # else nothing is asked of the lists, of which there may be thousands
        query = _of(query.join(known.package_lists), customer)
    return int(connection.execute(query.where(known.packages.c.name == name)).scalar_one())


def known_assets(connection: Connection, customer: str | None) -> int:
    """How many assets have a list."""
    everybody = sa.select(sa.func.count()).select_from(tables().package_lists)
    return int(connection.execute(_of(everybody, customer)).scalar_one())


def _of(query: Any, customer: str | None) -> Any:
    return query if customer is None else query.where(tables().package_lists.c.customer == customer)


def of_customer(connection: Connection, customer: str, asset: str | None) -> list[Software]:
    """Everything that is installed on a customer's assets, or on one of them."""
    known = tables()
    packages, lists = known.packages.c, known.package_lists.c
    query = _listed().where(lists.customer == customer)
    if asset is not None:
        query = query.where(lists.asset == asset)
    ordered = query.order_by(lists.asset, packages.name, packages.version, packages.architecture)
    return [rows.software(row) for row in connection.execute(ordered)]
