# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Until when makers look after their software, out of a dated file of endoflife.date. Pure: no I/O.

The file is what https://endoflife.date/api/v1/products/full gives, or one product of it. What a distribution ships is
looked after by the distribution, until its own end; only what came from elsewhere is held against the maker's dates. A
package that the file does not know by name, or a version that is in none of its releases, is not judged: nothing is
guessed.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Broken, Empty, Undated

# After this many days the file is old: dates are added with every release of a product.
MAX_AGE = 90
_PURL = re.compile(r"pkg:(?:deb|rpm)/(?:[^/@]+/)?([^/@?#]+)")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")

# How the operating systems of audits are called by endoflife.date.
SYSTEMS = {
    "debian": "debian",
    "ubuntu": "ubuntu",
    "rhel": "rhel",
    "centos": "centos",
    "centos-stream": "centos-stream",
    "rocky": "rocky-linux",
    "almalinux": "almalinux",
    "ol": "oracle-linux",
    "amzn": "amazon-linux",
    "fedora": "fedora",
}
# Support after the ordinary end that costs nothing: Debian's long-term support is in the same archive.
FREE_EXTENSION = ("debian",)
# Packages of makers' own repositories, whose names say more or less than the product's.
PACKAGES: tuple[tuple[str, str], ...] = (
    (r"postgresql-\d+(\.\d+)?", "postgresql"),
    (r"postgresql\d+-server", "postgresql"),
    (r"php\d+\.\d+(-(fpm|cli|cgi|common))?", "php"),
    (r"php(-(fpm|cli|common))", "php"),
    (r"nginx", "nginx"),
    (r"(mysql-server(-\d+\.\d+)?|mysql-community-server)", "mysql"),
    (r"mariadb-server(-\d+\.\d+)?|MariaDB-server", "mariadb"),
    (r"mongodb-org-server", "mongodb"),
    (r"redis(-server)?", "redis"),
    (r"nodejs", "nodejs"),
    (r"docker-ce", "docker-engine"),
    (r"containerd\.io", "containerd"),
    (r"kubelet", "kubernetes"),
    (r"elasticsearch", "elasticsearch"),
    (r"kibana", "kibana"),
    (r"logstash", "logstash"),
    (r"grafana(-enterprise)?", "grafana"),
    (r"gitlab-(ce|ee)", "gitlab"),
    (r"haproxy", "haproxy"),
    (r"varnish", "varnish"),
    (r"memcached", "memcached"),
    (r"rabbitmq-server", "rabbitmq"),
    (r"zabbix-(server-(mysql|pgsql)|agent2?)", "zabbix"),
    (r"temurin-\d+-(jdk|jre)", "eclipse-temurin"),
    (r"(dotnet|aspnetcore)-runtime-\d+\.\d+", "dotnet"),
    (r"powershell(-lts)?", "powershell"),
    (r"consul", "consul"),
    (r"vault", "hashicorp-vault"),
)


@dataclass(frozen=True, slots=True)
class Release:
    """A line of versions of a product. ends is the last day but one: from then on nobody looks after it.

    ended where the file says so without a date. longer: until when for those who pay, or for all where that is free.
    """

    name: str
    ends: dt.date | None
    ended: bool
    longer: dt.date | None
    latest: str

    def is_over(self, today: dt.date) -> bool:
        return today >= self.ends if self.ends is not None else self.ended


@dataclass(frozen=True, slots=True)
class Product:
    """names: how packages of dpkg and rpm are called by which the file knows the product."""

    name: str
    label: str
    names: frozenset[str]
    releases: tuple[Release, ...]

    def release(self, version: str) -> Release | None:
        """The line that a version is of: the longest name that it begins with, number by number."""
        numbers = _upstream(version)
        fits = [one for one in self.releases if (own := _parts(one.name)) and numbers[: len(own)] == own]
        return max(fits, key=lambda one: len(_parts(one.name)), default=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the file says of one version: the product and release, when it ends or ended, and what is the latest."""

    product: str
    release: str
    ends: dt.date | None
    over: bool
    latest: str


@dataclass(frozen=True, slots=True)
class EndOfLife:
    """The file. date is when it was made; by_package has the product of a package's name, where the file says it."""

    date: dt.datetime
    products: Mapping[str, Product]
    by_package: Mapping[str, str]

    def of_package(self, name: str, version: str, today: dt.date) -> Verdict | None:
        """What a maker says of a package of its own; None where the file knows the package or its version not."""
        product = self.products.get(self._product(name) or "")
        return _verdict(product, version, today) if product else None

    def of_system(self, system: str, version: str, today: dt.date) -> Verdict | None:
        """Of an operating system, by the id and version of its os-release."""
        product = self.products.get(SYSTEMS.get(system, ""))
        return _verdict(product, version, today) if product else None

    def _product(self, package: str) -> str | None:
        if package in self.by_package:
            return self.by_package[package]
        return next((product for pattern, product in PACKAGES if re.fullmatch(pattern, package)), None)

    def warning(self, now: dt.datetime, max_age: int = MAX_AGE) -> str | None:
        """What a person should know of a file that is old: it can only lack ends."""
        age = (now - self.date).days
        if age <= max_age:
            return None
        return (
            f"endoflife.date of {self.date:%Y-%m-%d} is {age} days old ({max_age} allowed): newer releases are missing"
        )


def _verdict(product: Product, version: str, today: dt.date) -> Verdict | None:
    release = product.release(version)
    if release is None:
        return None
    return Verdict(product.label, release.name, release.ends, release.is_over(today), release.latest)


def _upstream(version: str) -> tuple[str, ...]:
    """The numbers that a version begins with, without its epoch: 5, 28 of "5:28.3.0-1" is 28, 3, 0."""
    _epoch, colon, rest = version.partition(":")
    return _parts(rest if colon else version)


def _parts(text: str) -> tuple[str, ...]:
    found = _NUMBERS.match(text)
    return tuple(str(int(part)) for part in found.group().split(".")) if found else ()


def parse(texts: Iterable[str], now: dt.datetime, given: dt.datetime | None = None) -> EndOfLife:
    """The file. Broken, Empty or Undated where it is not what it should be.

    texts are its documents. given is the date that somebody gives it: the older of that and its own is taken.
    """
    products: dict[str, Product] = {}
    aliases: dict[str, str] = {}
    dates = [] if given is None else [given]
    for text in texts:
        document = _document(text)
        dates += [_date(document["generated_at"])] if "generated_at" in document else []
        for row in _rows(document):
            product = _product(row)
            products[product.name] = product
            aliases |= {str(alias): product.name for alias in row.get("aliases") or ()}
    if not products:
        raise Empty("it has no product")
    if not dates:
        raise Undated("it has no generated_at, and no date is given")
    date = min(dates)
    if date > now + dt.timedelta(days=1):
        raise Undated(f"it is dated {date:%Y-%m-%d}, which is to come")
    by_package = {name: product.name for product in products.values() for name in sorted(product.names)}
    known = {alias: products[name] for alias, name in aliases.items() if alias not in products} | products
    return EndOfLife(date, MappingProxyType(known), MappingProxyType(by_package))


def _document(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Broken(f"it is no JSON: {error}") from error
    if not isinstance(found, dict) or "result" not in found:
        raise Broken("it has no result: fetch https://endoflife.date/api/v1/products/full, not a list of cycles")
    return found


def _rows(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    result, total = document["result"], document.get("total")
    rows = result if isinstance(result, list) else [result]
    if isinstance(total, int) and isinstance(result, list) and total != len(rows):
        raise Broken(f"it says that it has {total} products and has {len(rows)}: it is cut off")
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise Broken("a product has no name")
        if not isinstance(row.get("releases"), list):
            raise Broken(f"{row['name'][:40]} has no releases: it is a summary, fetch .../products/full")
        yield row


def _product(row: Mapping[str, Any]) -> Product:
    name = str(row["name"])
    told = [
        one.get("id") for one in row.get("identifiers") or () if isinstance(one, dict) and one.get("type") == "purl"
    ]
    names = frozenset(match.group(1) for match in (_PURL.fullmatch(str(text)) for text in told) if match)
    return Product(name, str(row.get("label") or name), names, tuple(_releases(name, row["releases"])))


def _releases(product: str, rows: Sequence[Any]) -> Iterator[Release]:
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise Broken(f"a release of {product[:40]} has no name")
        latest = row.get("latest")
        ends, longer = (_day(product, row.get(key)) for key in ("eolFrom", "eoesFrom"))
        if product in FREE_EXTENSION and longer is not None:
            ends = max(ends or longer, longer)
        yield Release(
            name=row["name"],
            ends=ends,
            ended=row.get("isEol") is True,
            longer=longer,
            latest=str(latest.get("name") or "") if isinstance(latest, dict) else "",
        )


def _day(product: str, value: object) -> dt.date | None:
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise Broken(f"a release of {product[:40]} ends on {str(value)[:40]!r}, which is no day") from None


def _date(value: object) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise Broken(f"it is dated {str(value)[:40]!r}, which is no time") from None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
