# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads are complete or fail; writes are small; errors say what to do and never the token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

DEVICES = "dcim/devices"


def failure(call: Callable[..., Any], *arguments: Any, **options: Any) -> MspError:
    with pytest.raises(MspError) as caught:
        call(*arguments, **options)
    return caught.value


def devices(count: int, step: int = 1) -> list[dict[str, Any]]:
    return [{"id": number * step, "name": f"d{number}"} for number in range(1, count + 1)]


# -- connecting -------------------------------------------------------------------------------------------------------


def test_without_address_and_token_both_are_named(made: Any) -> None:
    error = failure(Register.connect)

    assert error.code == "MSP-REG-001"
    assert "no address and no token" in error.found


def test_address_and_token_come_from_the_environment(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_API", f"{made.url}/api/")
    monkeypatch.setenv("NETBOX_TOKEN", made.token)

    register = Register.connect()

    assert (register.url, register.version) == (made.url, (4, 7, 3))


@pytest.mark.parametrize("address", ["ftp://netbox.example.com", "http://"])
def test_an_address_that_is_none_is_refused(made: Any, address: str) -> None:
    assert failure(Register.connect, address, made.token).code == "MSP-REG-001"


def test_a_wrong_token_is_refused_without_being_shown(made: Any) -> None:
    error = failure(Register.connect, made.url, "nbt_wrong.secret")

    assert error.code == "MSP-REG-003"
    assert "secret" not in str(error)


def test_a_token_that_netbox_repeats_is_masked(made: Any) -> None:
    made.tables[DEVICES] = devices(1)
    register = made.connect()
    made.refusal = (400, {"detail": f"bad {made.token}"})

    error = failure(register.create, DEVICES, [{"name": "x"}])

    assert made.token not in str(error)
    assert "***" in str(error)
    assert made.token not in repr(register)


def test_credentials_in_the_address_are_dropped(made: Any) -> None:
    register = Register.connect(made.url.replace("//", "//user:hidden@"), made.token)

    assert register.url == made.url


def test_a_netbox_that_is_down_is_named_after_a_few_tries() -> None:
    error = failure(Register.connect, "http://127.0.0.1:1", "nbt_a.b", retries=0)

    assert error.code == "MSP-REG-002"
    assert "127.0.0.1:1" in error.expected
    assert "refused" in error.found


@pytest.mark.parametrize("version", ["4.4.10", "3.7.8", "4.0.0"])
def test_an_old_netbox_is_refused_by_its_version(made: Any, version: str) -> None:
    made.version = version

    error = failure(made.connect)

    assert error.code == "MSP-REG-004"
    assert version in error.found


@pytest.mark.parametrize(("text", "version"), [("4.7.3-Docker-3.4.2", (4, 7, 3)), ("v4.5.0", (4, 5, 0))])
def test_a_version_with_decoration_is_understood(made: Any, text: str, version: tuple[int, ...]) -> None:
    made.version = text

    assert made.connect().version == version


def test_the_clocks_are_compared(made: Any) -> None:
    register = made.connect()

    assert abs(register.clock_skew or 99) < 2


def test_a_version_1_token_is_sent_the_old_way(made: Any) -> None:
    made.token = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - made up

    made.connect()

    assert made.headers[-1]["authorization"].startswith("Token ")


def test_netrc_does_not_replace_the_token(made: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))

    made.connect()

    assert made.headers[-1]["authorization"].startswith("Bearer nbt_")


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_table_of_one_page_takes_one_request(made: Any) -> None:
    made.tables[DEVICES] = devices(1000)
    register = made.connect()
    before = len(made.seen)

    rows = register.rows(DEVICES)

    assert len(rows) == 1000
    assert len(made.seen) - before == 1


@pytest.mark.parametrize("version", ["4.5.0", "4.6.2", "4.7.3"])
@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 57])
def test_every_row_is_read_in_every_version_and_number_of_slices(
    made: Any, version: str, slices: int, count: int
) -> None:
    made.version = version
    made.largest_page = 10
    made.tables[DEVICES] = devices(count, step=700)

    rows = made.connect().rows(DEVICES, fields=("name",), slices=slices)

    assert [row["id"] for row in rows] == [row["id"] for row in made.tables[DEVICES]]


def test_an_old_netbox_is_not_asked_for_a_cursor(made: Any) -> None:
    made.version = "4.5.4"
    made.largest_page = 10
    made.tables[DEVICES] = devices(25)

    made.connect().rows(DEVICES, slices=4)

    assert not any("start" in query for _unused, _unused, query in made.seen)


def test_a_last_page_that_is_full_is_known_to_be_the_last(made: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(30)
    assert len(made.connect().rows(DEVICES)) == 30
    assert sum("start" in query for _unused, _unused, query in made.seen) == 2


def test_a_row_added_during_the_read_is_no_error(made: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(30)
    register = made.connect()

    def grow(path: str, query: dict[str, Any], answer: Any) -> Any:
        if query.get("start") == ["11"]:
            made.tables[DEVICES].append({"id": 31, "name": "new"})
        return answer

    made.spoil = grow

    assert len(register.rows(DEVICES)) in (30, 31)


def test_a_row_deleted_during_the_read_is_no_error(made: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(30)
    register = made.connect()

    def shrink(path: str, query: dict[str, Any], answer: Any) -> Any:
        if query.get("start") == ["21"] and len(made.tables[DEVICES]) == 30:
            made.tables[DEVICES].pop(0)
        return answer

    made.spoil = shrink

    assert len(register.rows(DEVICES)) in (29, 30)


def cut(path: str, query: dict[str, Any], answer: Any) -> Any:
    """A proxy that forgets the end of a long answer."""
    return {**answer, "results": answer["results"][:5]} if "start" in query else answer


def lost_end(path: str, query: dict[str, Any], answer: Any) -> Any:
    """A page that says it is the last one."""
    return {**answer, "next": None} if "start" in query else answer


def wrong_order(path: str, query: dict[str, Any], answer: Any) -> Any:
    return {**answer, "results": answer["results"][::-1]} if "start" in query else answer


def one_row_twice(path: str, query: dict[str, Any], answer: Any) -> Any:
    """As many rows as there should be, and still one of them missing."""
    rows = answer["results"]
    return {**answer, "results": [rows[0], *rows[:1], *rows[2:]]} if "start" in query and rows else answer


def no_count(path: str, query: dict[str, Any], answer: Any) -> Any:
    return {**answer, "count": None}


def graphql_like(path: str, query: dict[str, Any], answer: Any) -> Any:
    return {"data": answer["results"]}


def short_first_page(path: str, query: dict[str, Any], answer: Any) -> Any:
    return {**answer, "results": answer["results"][:-1], "next": None}


@pytest.mark.parametrize("spoil", [lost_end, wrong_order, one_row_twice, no_count, graphql_like, short_first_page])
def test_a_truncated_answer_is_an_error_and_never_fewer_rows(made: Any, spoil: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(30)
    register = made.connect()
    made.spoil = spoil

    error = failure(register.rows, DEVICES)

    assert error.code == "MSP-REG-005"


def test_a_page_shorter_than_asked_for_is_followed_to_the_end(made: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(30)
    register = made.connect()
    made.spoil = cut

    assert len(register.rows(DEVICES)) == 30


@pytest.mark.parametrize("slices", [1, 2])
def test_a_403_for_devices_is_an_error_that_names_the_permission(made: Any, slices: int) -> None:
    made.tables[DEVICES] = devices(3)
    register = made.connect()
    made.forbidden.add(DEVICES)

    error = failure(register.rows, DEVICES, slices=slices)

    assert error.code == "MSP-REG-003"
    assert "dcim.view_device" in error.expected


def test_a_403_in_the_middle_of_a_parallel_read_is_an_error(made: Any) -> None:
    made.largest_page = 10
    made.tables[DEVICES] = devices(60, step=1000)
    register = made.connect()

    def close(path: str, query: dict[str, Any], answer: Any) -> Any:
        if "start" in query:
            made.forbidden.add(DEVICES)
        return answer

    made.spoil = close

    assert failure(register.rows, DEVICES, slices=2).code == "MSP-REG-003"


def test_a_gateway_that_stumbles_is_asked_again(made: Any) -> None:
    made.tables[DEVICES] = devices(3)
    register = made.connect()
    made.failures = [502, 503]

    assert len(register.rows(DEVICES)) == 3


def test_a_write_is_never_sent_twice(made: Any) -> None:
    made.tables[DEVICES] = []
    register = made.connect()
    made.failures = [503]

    error = failure(register.create, DEVICES, [{"name": "x"}])

    assert error.code == "MSP-REG-002"
    assert "may or may not have been written" in error.found
    assert made.written == []


def test_a_netbox_that_goes_down_during_a_run_is_named(made: Any) -> None:
    made.tables[DEVICES] = devices(3)
    register = made.connect(retries=0)
    register.close()
    made.stop()

    error = failure(register.rows, DEVICES)

    assert error.code == "MSP-REG-002"


def test_a_field_that_netbox_does_not_have_is_an_error(made: Any) -> None:
    made.tables[DEVICES] = devices(3)

    error = failure(made.connect().rows, DEVICES, fields=("name", "serail"))

    assert error.code == "MSP-REG-010"
    assert "serail" in error.found


def test_an_object_that_is_not_there_is_named(made: Any) -> None:
    made.tables[DEVICES] = devices(3)

    error = failure(made.connect().row, DEVICES, 99)

    assert (error.code, error.expected) == ("MSP-REG-009", "dcim.device 99 in NetBox, visible to this token")


# -- filters ----------------------------------------------------------------------------------------------------------


def test_an_unknown_filter_is_named_with_the_nearest_ones_and_never_sent(made: Any) -> None:
    made.tables[DEVICES] = devices(3)
    made.filters[DEVICES] = ["tenant", "tenant_id"]
    register = made.connect()

    error = failure(register.rows, DEVICES, filters={"tennant": "x"})

    assert error.code == "MSP-REG-006"
    assert "'tennant' (near: tenant" in error.found
    assert not any(endpoint == DEVICES for _unused, endpoint, _unused in made.seen)


def test_the_schema_is_read_once_and_kept_on_disk(made: Any) -> None:
    made.tables[DEVICES] = devices(3)
    made.filters[DEVICES] = ["airflow"]

    for _unused in range(3):
        made.connect().rows(DEVICES, filters={"airflow": "None"})

    assert sum(endpoint == "schema" for _unused, endpoint, _unused in made.seen) == 1


@pytest.mark.parametrize("value", [[], "", None, ["a", ""], [None]])
def test_a_filter_without_a_value_is_refused_because_netbox_would_ignore_it(made: Any, value: Any) -> None:
    made.tables[DEVICES] = devices(3)

    error = failure(made.connect().rows, DEVICES, filters={"tenant": value})

    assert error.code == "MSP-REG-006"


@pytest.mark.parametrize("name", ["limit", "start", "offset", "ordering", "brief", "fields"])
def test_paging_is_not_a_filter(made: Any, name: str) -> None:
    made.tables[DEVICES] = devices(3)
    made.filters[DEVICES] = [name]

    assert failure(made.connect().rows, DEVICES, filters={name: 1}).code == "MSP-REG-006"


def field(name: str, kind: str = "text", logic: str = "exact", on: str = "dcim.device") -> dict[str, Any]:
    return {
        "id": 1,
        "name": name,
        "type": {"value": kind, "label": kind},
        "object_types": [on],
        "filter_logic": {"value": logic, "label": logic},
    }


@pytest.mark.parametrize(
    ("filter_name", "row", "known"),
    [
        ("cf_a", field("a"), True),
        ("cf_a__ic", field("a"), True),
        ("cf_a__gte", field("a"), False),
        ("cf_a__gte", field("a", "date"), True),
        ("cf_b", field("a"), False),
        ("cf_a", field("a", on="dcim.rack"), False),
        ("cf_a", field("a", logic="disabled"), False),
        ("cf_a", field("a", "json"), False),
    ],
)
def test_a_custom_field_filters_only_where_netbox_makes_a_filter_of_it(
    made: Any, filter_name: str, row: dict[str, Any], known: bool
) -> None:
    made.tables[DEVICES] = devices(3)
    made.filters[DEVICES] = [filter_name]
    made.tables["extras/custom-fields"] = [row]
    register = made.connect()

    if known:
        assert register.rows(DEVICES, filters={filter_name: "x"}) == []
    else:
        assert failure(register.rows, DEVICES, filters={filter_name: "x"}).code == "MSP-REG-006"


@pytest.mark.thorough
def test_a_long_list_is_asked_for_in_parts_and_each_row_returned_once(made: Any) -> None:
    made.tables[DEVICES] = devices(3000)
    register = made.connect()
    before = len(made.seen)

    rows = register.rows(DEVICES, filters={"id": list(range(1, 3001))})

    assert [row["id"] for row in rows] == list(range(1, 3001))
    assert len(made.seen) - before > 5


# -- writing ----------------------------------------------------------------------------------------------------------


def test_writes_go_in_batches_of_at_most_a_hundred_with_the_message(made: Any) -> None:
    register = made.connect()

    register.update(DEVICES, [{"id": n, "serial": "x"} for n in range(250)], message="audit")

    assert [len(data) for _unused, _unused, data in made.written] == [100, 100, 50]
    assert all(row["changelog_message"] == "audit" for _unused, _unused, data in made.written for row in data)


def test_a_change_asks_netbox_for_no_more_than_it_changes_and_for_the_message_that_goes_with_it(made: Any) -> None:
    register = made.connect()

    register.update(DEVICES, [{"id": 1, "serial": "x"}, {"id": 2, "name": "srv02"}], message="audit")

    (fields,) = made.seen[-1][2]["fields"]
    assert set(fields.split(",")) == {"id", "serial", "name", "last_updated", "changelog_message"}


def test_nothing_to_write_makes_no_request(made: Any) -> None:
    register = made.connect()
    before = len(made.seen)

    assert register.update(DEVICES, []) == []
    assert len(made.seen) == before


def test_a_refused_row_is_named_in_netboxs_words(made: Any) -> None:
    register = made.connect()
    made.refusal = (400, [{}, {"name": ["Too long."]}])

    error = failure(register.create, DEVICES, [{"name": "a"}, {"name": "b"}])

    assert error.code == "MSP-REG-007"
    assert 'name \'b\': {"name": ["Too long."]}' in error.found


def test_of_new_objects_netbox_is_asked_for_no_more_than_is_wanted(made: Any) -> None:
    """Custom fields always: NetBox gives them their defaults only then."""
    register = made.connect()

    register.create(DEVICES, [{"name": "a"}, {"name": "b", "serial": "x"}], message="why", returns=("primary_ip4",))
    register.create(DEVICES, [{"name": "c"}])

    (_post, _endpoint, few), (_again, _same, all) = made.seen[-2:]
    assert few == {"fields": ["id,name,serial,primary_ip4,custom_fields,last_updated,changelog_message"]}
    assert all == {}


def test_a_refused_change_is_named_by_its_id(made: Any) -> None:
    register = made.connect()
    made.refusal = (400, {"detail": "no", "errors": [{"id": 7, "errors": {"serial": ["Bad."]}}]})

    error = failure(register.update, DEVICES, [{"id": 5}, {"id": 7}])

    assert 'id 7: {"serial": ["Bad."]}' in error.found


def test_a_change_underneath_is_refused(made: Any) -> None:
    register = made.connect()
    made.refusal = (412, {"detail": "Precondition failed."})

    error = failure(register.update_if_unchanged, DEVICES, {"id": 1, "serial": "x"}, 'W/"0"')

    assert error.code == "MSP-REG-008"
    assert made.headers[-1]["if-match"] == 'W/"0"'


def test_the_precondition_is_not_sent_with_the_next_request(made: Any) -> None:
    made.tables[DEVICES] = devices(1)
    register = made.connect()
    register.update_if_unchanged(DEVICES, {"id": 1, "serial": "x"}, 'W/"0"')

    register.rows(DEVICES)

    assert "if-match" not in made.headers[-1]


READ = "2026-03-02T10:00:00.25+01:00"


@pytest.mark.parametrize("own", ['W/"2026-03-02T09:00:00.250000+00:00"', 'W/"something else"'])
def test_an_unchanged_object_is_changed_whatever_its_etag_is_made_of(made: Any, own: str) -> None:
    """NetBox makes it of last_updated, and so do we: it is asked for only where it is not that."""
    made.etag = own
    made.tables[DEVICES] = [{"id": 1, "last_updated": READ}]
    register = made.connect()
    before = len(made.seen)

    row = register.update_if_unchanged(DEVICES, {"id": 1, "serial": "x"}, READ, message="why")

    asked = made.seen[before:]
    assert [method for method, _unused, _query in asked] == (["PATCH"] if "2026" in own else ["PATCH", "GET", "PATCH"])
    assert row["serial"] == "x"
    assert made.written == [("PATCH", f"{DEVICES}/1", {"serial": "x", "changelog_message": "why"})]
    assert asked[-1][2] == {"fields": ["id,serial,last_updated,changelog_message"]}


def test_a_newer_last_updated_is_a_change_underneath_and_nothing_is_written(made: Any) -> None:
    made.etag = 'W/"2026-03-02T10:00:00+00:00"'
    made.tables[DEVICES] = [{"id": 1, "last_updated": "2026-03-02T10:00:00Z"}]
    register = made.connect()

    error = failure(register.update_if_unchanged, DEVICES, {"id": 1, "serial": "x"}, "2026-03-02T09:00:00+00:00")

    assert error.code == "MSP-REG-008"
    assert made.written == []


def test_rights_are_what_netbox_offers_and_lets_read(made: Any) -> None:
    made.tables[DEVICES] = devices(1)
    made.rights = {DEVICES: {"POST"}, "ipam/prefixes": {"PUT"}}
    made.forbidden.add("ipam/prefixes")
    register = made.connect()

    assert register.allowed(DEVICES) == {"view", "add"}
    assert register.allowed("ipam/prefixes") == {"change"}


def test_dates_are_sent_as_netbox_reads_them(made: Any) -> None:
    made.tables[DEVICES] = []
    register = made.connect()

    register.rows(
        DEVICES, filters={"last_updated__gte": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "has_primary_ip": True}
    )

    assert made.seen[-1][2]["last_updated__gte"] == ["2026-01-02T00:00:00+00:00"]
    assert made.seen[-1][2]["has_primary_ip"] == ["true"]
