# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The contract file: read exactly, or every error in it named at once with its line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import document
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import Document

GOOD = """\
customer:
  slug: bakkerij-jansen
  name: Bakkerij Jansen
contract:
  id: BJ-1
  start: 2026-01-01
  end: 2027-12-31
  monthly_fee: "1.250,00"
  included_hours: 7.5
  currency: EUR
  language: nl
  timezone: Europe/Amsterdam
sites:
  - slug: winkel
    name: De winkel
    prefixes:
      - {prefix: 192.0.2.0/24, scan: true, exclude: [192.0.2.1, 192.0.2.8/29, 192.0.2.20-192.0.2.30]}
scope:
  server: {covered: true, hours: 24x7}
  mobile: {covered: true, in_use: mdm, in_use_days: 30}
assets:
  - file: a.csv
    defaults: {site: winkel}
"""


def errors_of(text: str) -> list[MspError]:
    found = document.examine(text, "contract.yml")
    assert found.document is None
    return list(found.errors)


def read(text: str) -> Document:
    found = document.examine(text, "contract.yml")
    assert found.errors == ()
    assert found.document is not None
    return found.document


def only_error(old: str, new: str) -> MspError:
    """The one error of the good file with a piece replaced."""
    assert GOOD.count(old) == 1
    [error] = errors_of(GOOD.replace(old, new))
    return error


def test_a_good_file_is_read_exactly() -> None:
    found = read(GOOD)

    assert found.contract.start == dt.date(2026, 1, 1)
    assert found.contract.monthly_fee == Decimal("1250.00")
    assert found.contract.included_hours == Decimal("7.5")
    assert found.contract.hourly_rate is None
    assert [(rule.asset_class, rule.in_use_days) for rule in found.contract.scope] == [("mobile", 30), ("server", None)]
    assert found.sites[0].prefixes[0].excluded == ("192.0.2.1", "192.0.2.8/29", "192.0.2.20-192.0.2.30")


TABLE = GOOD.replace(
    "  currency: EUR\n",
    "  currency: EUR\n  surcharges:\n    server: {out_of_warranty: 25.00, waived: '12,50'}\n"
    "    mobile: {out_of_support: 3}\n",
)


def test_surcharges_are_exact_amounts_by_class_and_reason() -> None:
    found = read(TABLE).contract

    assert found.surcharge("server", "out_of_warranty") == Decimal("25.00")
    assert found.surcharge("server", "waived") == Decimal("12.50")
    assert found.surcharge("mobile", "out_of_support") == Decimal(3)
    assert found.surcharge("server", "out_of_support") is None
    assert found.surcharge(None, "waived") is None
    assert read(GOOD).contract.surcharges == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("server: {out", "servers: {out", "MSP-CON-003", "did you mean server?"),
        ("out_of_support: 3", "out_of_suport: 3", "MSP-CON-003", "did you mean out_of_support?"),
        ("out_of_support: 3", "out_of_support: -3", "MSP-CON-005", "contract.surcharges.mobile.out_of_support"),
        ("out_of_support: 3", "out_of_support: three", "MSP-CON-005", "contract.surcharges.mobile.out_of_support"),
        ("out_of_support: 3", "out_of_support: [3]", "MSP-CON-005", "contract.surcharges.mobile.out_of_support"),
        ("{out_of_support: 3}", "{}", "MSP-CON-005", "contract.surcharges.mobile"),
        ("{out_of_support: 3}", "3", "MSP-CON-005", "contract.surcharges.mobile"),
    ],
)
def test_a_surcharge_that_can_not_be_read_is_named_with_its_line(old: str, new: str, code: str, words: str) -> None:
    assert TABLE.count(old) == 1
    [error] = errors_of(TABLE.replace(old, new))

    assert error.code == code
    assert words in str(error)
    assert "contract.yml:" in error.found


@pytest.mark.parametrize("word", ["winkel", "De Winkel"])
def test_lists_know_their_sites_by_slug_and_by_name(word: str) -> None:
    lists = document.examine(GOOD.replace("{site: winkel}", f"{{site: {word}}}"), "contract.yml").lists

    assert lists is not None
    assert (lists.sites[0].slug, lists.site(word)) == ("winkel", lists.sites[0])
    assert [(entry.file, entry.source, entry.defaults) for entry in lists.files] == [
        ("a.csv", "asset list", {"site": "winkel"})
    ]


@pytest.mark.parametrize(
    ("old", "new", "files"),
    [
        ("currency: EUR", "currency: EUX", ["a.csv"]),
        ("192.0.2.0/24", "192.0.2.0/33", ["a.csv"]),
        ("  - file: a.csv", "  - {file: b.csv, sheets: x}\n  - file: a.csv", ["a.csv"]),
        ("    name: De winkel\n", "", None),
    ],
)
def test_a_file_with_an_error_says_where_its_lists_are_unless_its_sites_are_in_doubt(
    old: str, new: str, files: list[str] | None
) -> None:
    found = document.examine(GOOD.replace(old, new), "contract.yml")

    assert found.document is None
    assert found.customer == "bakkerij-jansen"
    assert (found.lists and [entry.file for entry in found.lists.files]) == files
    assert found.lists is None or found.lists.complete is ("sheets" not in new)


@pytest.mark.parametrize("slug", ["Bakkerij Jansen", "3", "[]"])
def test_a_slug_that_is_none_names_no_customer(slug: str) -> None:
    assert document.examine(GOOD.replace("slug: bakkerij-jansen", f"slug: {slug}"), "contract.yml").customer is None


def test_a_contract_without_an_end_runs_on() -> None:
    assert read(GOOD.replace("  end: 2027-12-31\n", "")).contract.end is None


def test_five_errors_are_reported_at_once_each_with_its_line() -> None:
    text = (
        GOOD.replace("  end: 2027", "  end: 2025")
        .replace("currency: EUR", "curency: EUR")
        .replace("Europe/Amsterdam", "Europe/Amsterdm")
        .replace("192.0.2.0/24, scan: true", "192.0.2.1/24, scan: maybe")
    )

    found = errors_of(text)

    assert sorted(error.code for error in found) == [
        *("MSP-CON-003", "MSP-CON-004", "MSP-CON-005", "MSP-CON-005", "MSP-CON-006", "MSP-CON-007")
    ]
    assert all("contract.yml:" in error.found for error in found)


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    error = only_error("hours: 24x7", "ours: 24x7")

    assert error.code == "MSP-CON-003"
    assert "scope.server" in error.expected
    assert "contract.yml:19" in error.found
    assert "did you mean hours?" in error.action


def test_a_plural_class_is_told_its_name() -> None:
    assert "did you mean server?" in only_error("  server: {covered", "  servers: {covered").action


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("  slug: bakkerij-jansen\n", "", "MSP-CON-004", "customer.slug"),
        ("slug: bakkerij-jansen", "slug: Bakkerij_Jansen", "MSP-CON-005", "customer.slug"),
        ("start: 2026-01-01", "start: 01-01-2026", "MSP-CON-005", "contract.start"),
        ("start: 2026-01-01", "start: 2026-02-30", "MSP-CON-005", "contract.start"),
        ("end: 2027-12-31", "end: 2025-12-31", "MSP-CON-006", "contract.end"),
        ("included_hours: 7.5", "included_hours: -7.5", "MSP-CON-005", "contract.included_hours"),
        ("included_hours: 7.5", "included_hours: 1.250", "MSP-CON-005", "contract.included_hours"),
        ('"1.250,00"', "1.25000001", "MSP-CON-005", "contract.monthly_fee"),
        ('"1.250,00"', "yes", "MSP-CON-005", "contract.monthly_fee"),
        ("currency: EUR", "currency: EUX", "MSP-CON-007", "contract.currency"),
        ("currency: EUR", "currency: euro", "MSP-CON-005", "contract.currency"),
        ("currency: EUR", "currency: EUR\n  report_contact: Jan", "MSP-CON-005", "contract.report_contact"),
        ("currency: EUR", "currency: EUR\n  report_contact: ''", "MSP-CON-005", "contract.report_contact"),
        ("language: nl", "language: fr", "MSP-CON-005", "contract.language"),
        ("Europe/Amsterdam", "Europe/Rotterdam", "MSP-CON-007", "contract.timezone"),
        ("192.0.2.0/24", "192.0.2.0/33", "MSP-CON-005", "sites[0].prefixes[0].prefix"),
        ("[192.0.2.1,", "[198.51.100.1,", "MSP-CON-006", "sites[0].prefixes[0].exclude[0]"),
        ("192.0.2.20-192.0.2.30", "192.0.2.30-192.0.2.20", "MSP-CON-005", "sites[0].prefixes[0].exclude[2]"),
        ("192.0.2.8/29", "192.0.2.9/29", "MSP-CON-005", "sites[0].prefixes[0].exclude[1]"),
        ("in_use: mdm, ", "", "MSP-CON-006", "scope.mobile.in_use_days"),
        ("in_use_days: 30", "in_use_days: 0", "MSP-CON-005", "scope.mobile.in_use_days"),
        ("{site: winkel}", "{site: winkl}", "MSP-CON-006", "assets[0].defaults.site"),
        ("  - file: a.csv", "  - file: ''", "MSP-CON-005", "assets[0].file"),
    ],
)
def test_a_wrong_value_is_named_with_its_path_once(old: str, new: str, code: str, path: str) -> None:
    error = only_error(old, new)

    assert error.code == code
    assert path in error.expected
    assert "contract.yml:" in error.found


@pytest.mark.parametrize("other", ["192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"])
def test_prefixes_that_overlap_are_refused_across_sites(other: str) -> None:
    second = f"  - {{slug: b, name: B, prefixes: [{{prefix: {other}, scan: false}}]}}\nscope:"

    error = only_error("scope:", second)

    assert error.code == "MSP-CON-006"
    assert "sites[1].prefixes[0].prefix" in error.expected
    assert "192.0.2.0/24" in error.found


def scanning(network: str, scan: str = "true") -> str:
    site = f"  - {{slug: b, name: B, prefixes: [{{prefix: '{network}', scan: {scan}}}]}}\n"
    return GOOD.replace("scope:", f"{site}scope:")


@pytest.mark.parametrize(
    ("network", "found"),
    [
        *((large, large) for large in ("0.0.0.0/0", "::/0", "10.0.0.0/8", "172.16.0.0/15", "2001:db8::/119")),
        *(("0.1.0.0/16", "no address"), ("::/120", "no address")),
        *(("127.0.0.1/32", "loopback"), ("127.0.0.0/16", "loopback"), ("::1/128", "loopback")),
        *(("::ffff:7f00:0/120", "loopback"), ("169.254.0.0/16", "link-local"), ("fe80::/120", "link-local")),
        *(("224.0.0.0/24", "multicast"), ("ff02::/120", "multicast"), ("255.255.255.255/32", "broadcast")),
    ],
)
def test_a_scan_of_what_no_customer_can_allow_is_refused(network: str, found: str) -> None:
    error, *_overlaps = errors_of(scanning(network))

    assert error.code == "MSP-CON-006"
    assert "sites[1].prefixes[0].prefix" in error.expected
    assert found in error.found


@pytest.mark.parametrize("network", ["10.1.0.0/16", "203.0.113.7/32", "2001:db8::/120", "fd00::100/128"])
def test_a_network_as_large_as_a_customers_may_be_scanned(network: str) -> None:
    assert read(scanning(network)).sites[1].prefixes[0].scan


@pytest.mark.parametrize("network", ["10.0.0.0/8", "fe80::/64"])
def test_a_network_that_is_not_scanned_may_be_any(network: str) -> None:
    assert not read(scanning(network, "false")).sites[1].prefixes[0].scan


def test_two_sites_of_one_name_are_refused() -> None:
    assert only_error("scope:", "  - {slug: b, name: de winkel}\nscope:").code == "MSP-CON-006"


@pytest.mark.parametrize("text", ["[]", "text", "customer: []\nsites: 3\nscope: x\ncontract: null\nassets: {}"])
def test_a_file_of_another_form_is_refused_without_failing(text: str) -> None:
    assert {error.code for error in errors_of(text)} <= {"MSP-CON-004", "MSP-CON-005"}


def test_exclusions_become_networks() -> None:
    found = document.excluded_networks("192.0.2.0 - 192.0.2.4")

    assert [str(network) for network in found] == ["192.0.2.0/30", "192.0.2.4/32"]
