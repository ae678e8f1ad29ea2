"""The register's client against a real NetBox: complete reads, proven filters, careful writes, refusals in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import client
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import PAGING, WELL_KNOWN, FieldFilter
from lab.api import NetBox

pytestmark = pytest.mark.lab

TAGS = "extras/tags"
MANUFACTURERS = "dcim/manufacturers"


@pytest.fixture(scope="module")
def empty(fresh_netbox: NetBox) -> NetBox:
    return fresh_netbox


@pytest.fixture
def register(empty: NetBox, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    with Register.connect(empty.url, empty.token) as connected:
        yield connected


@pytest.fixture(scope="module")
def tags(empty: NetBox) -> list[str]:
    slugs = [f"tag-{number:03d}" for number in range(57)]
    empty.create("extras/tags/", [{"name": slug, "slug": slug, "color": "ffffff"} for slug in slugs])
    return slugs


def failure(call: Callable[..., Any], *arguments: Any, **options: Any) -> MspError:
    with pytest.raises(MspError) as caught:
        call(*arguments, **options)
    return caught.value


@pytest.mark.parametrize("slices", [1, 3])
def test_all_pages_are_read(register: Register, tags: list[str], monkeypatch: pytest.MonkeyPatch, slices: int) -> None:
    monkeypatch.setattr(client, "PAGE", 10)

    rows = register.rows(TAGS, fields=("slug",), slices=slices)

    assert [row["slug"] for row in rows] == tags
    assert set(rows[0]) == {"id", "slug"}


def test_all_pages_are_read_the_way_before_4_6(
    register: Register, tags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 10)
    register.version = (4, 5, 0)

    assert [row["slug"] for row in register.rows(TAGS, fields=("slug",))] == tags


def test_a_table_of_one_page_takes_one_request(register: Register, tags: list[str]) -> None:
    before = register.requests

    register.rows(TAGS)

    assert register.requests - before == 1


def test_every_well_known_filter_is_in_netboxs_schema(register: Register) -> None:
    schema = register._schema_filters()

    unknown = {name: sorted(set(known) - set(schema[name])) for name, known in WELL_KNOWN.items()}

    assert {name: missing for name, missing in unknown.items() if missing} == {}
    assert not any(PAGING & known for known in WELL_KNOWN.values())


def test_a_filter_from_the_schema_is_sent_and_an_unknown_one_is_not(register: Register, tags: list[str]) -> None:
    assert register.count(TAGS, {"slug__isw": "tag-00"}) == 10
    assert failure(register.rows, TAGS, filters={"slugg": "tag-001"}).code == "MSP-REG-006"


VALUES: dict[str, Any] = {
    "text": "zz",
    "longtext": "zz",
    "url": "http://zz.example.com",
    "integer": 1,
    "decimal": 1,
    "boolean": True,
    "date": "2020-01-01",
    "datetime": "2020-01-01T00:00:00Z",
    "select": "nl",
    "multiselect": ["nl"],
    "object": None,
    "multiobject": None,
    "json": {"a": 1},
}
# Values of which at least one makes any real filter choose less than everything, or makes NetBox refuse it.
PROBES = ("true", "false", "http://zz.example.com", "zz", "nl", "1", "2", "1990-01-01", "2035-01-01")


def test_every_lookup_believed_of_a_custom_field_is_one_that_netbox_does_not_ignore(
    empty: NetBox, register: Register
) -> None:
    choices = empty.create("extras/custom-field-choice-sets/", {"name": "probe", "extra_choices": [["nl", "nl"]]})
    fields = [
        {"name": f"p_{kind}_{logic}", "type": kind, "object_types": ["dcim.manufacturer"], "filter_logic": logic}
        | ({"choice_set": choices["id"]} if "select" in kind else {})
        | ({"related_object_type": "dcim.site"} if "object" in kind else {})
        for kind in VALUES
        for logic in ("exact", "loose")
        if logic == "exact" or kind in ("text", "select")
    ]
    empty.create("extras/custom-fields/", fields)
    values = {field["name"]: VALUES[str(field["type"])] for field in fields}
    empty.create(
        "dcim/manufacturers/", [{"name": "a", "slug": "a", "custom_fields": values}, {"name": "b", "slug": "b"}]
    )

    def ignored(name: str) -> bool:
        for value in PROBES:
            try:
                if register._count(MANUFACTURERS, {name: value}) != 2:
                    return False
            except MspError:
                return False
        return True

    believed = [
        name
        for field in fields
        for name in FieldFilter(str(field["name"]), str(field["type"]), frozenset(), str(field["filter_logic"])).names()
    ]

    assert [name for name in believed if ignored(name)] == []


def test_a_custom_field_is_filtered_where_it_is_and_nowhere_else(empty: NetBox, register: Register) -> None:
    empty.create("extras/custom-fields/", {"name": "here", "type": "text", "object_types": ["dcim.site"]})

    assert register.rows("dcim/sites", filters={"cf_here": "x"}) == []
    assert failure(register.rows, "dcim/devices", filters={"cf_here": "x"}).code == "MSP-REG-006"


def test_a_value_that_netbox_refuses_is_in_its_words(register: Register) -> None:
    error = failure(register.rows, "dcim/devices", filters={"tenant": ["nobody"]})

    assert error.code == "MSP-REG-006"
    assert "nobody is not one of the available choices" in error.found


def test_a_wrong_token_is_refused(empty: NetBox) -> None:
    assert failure(Register.connect, empty.url, "nbt_abcdefghijkl.wrong").code == "MSP-REG-003"


def test_an_address_that_is_not_netboxs_is_named(empty: NetBox) -> None:
    assert failure(Register.connect, f"{empty.url}/login", empty.token).code == "MSP-REG-002"


def test_a_token_without_the_right_to_see_devices_is_an_error_that_names_it(empty: NetBox) -> None:
    token = empty.token_for([{"object_types": ["tenancy.tenant"], "actions": ["view"]}])
    with Register.connect(empty.url, token) as restricted:
        assert restricted.rows("tenancy/tenants") == []

        error = failure(restricted.rows, "dcim/devices")

    assert error.code == "MSP-REG-003"
    assert "dcim.view_device" in error.expected


def test_a_token_that_may_only_read_is_told_so_when_it_writes(empty: NetBox) -> None:
    token = empty.token_for([{"object_types": ["extras.tag"], "actions": ["view", "add"]}], write=False)
    with Register.connect(empty.url, token) as restricted:
        assert restricted.allowed(TAGS) == {"view"}

        error = failure(restricted.create, TAGS, [{"name": "x", "slug": "x", "color": "ffffff"}])

    assert error.code == "MSP-REG-003"
    assert "enable the token for writing" in error.action


def test_rights_are_told_apart(empty: NetBox) -> None:
    token = empty.token_for([{"object_types": ["extras.tag"], "actions": ["view", "change"]}])
    with Register.connect(empty.url, token) as restricted:
        assert restricted.allowed(TAGS) == {"view", "change"}
        assert restricted.allowed("dcim/devices") == set()


def test_a_refused_row_is_named_and_nothing_of_the_request_is_written(register: Register, tags: list[str]) -> None:
    before = register.count(TAGS)

    rows = [{"name": "new", "slug": "new"}, {"name": "again", "slug": tags[0]}]
    error = failure(register.create, TAGS, rows)

    assert error.code == "MSP-REG-007"
    assert "name 'again'" in error.found
    assert "slug already exists" in error.found
    assert register.count(TAGS) == before


def test_a_write_carries_its_message_and_a_change_underneath_is_refused(empty: NetBox, register: Register) -> None:
    made = register.create(MANUFACTURERS, [{"name": "Acme", "slug": "acme"}], message="a reason")[0]
    seen = register.row(MANUFACTURERS, made["id"])["last_updated"]

    register.update_if_unchanged(MANUFACTURERS, {"id": made["id"], "description": "one"}, seen)
    error = failure(register.update_if_unchanged, MANUFACTURERS, {"id": made["id"], "description": "two"}, seen)

    assert error.code == "MSP-REG-008"
    assert register.row(MANUFACTURERS, made["id"])["description"] == "one"
    changes = empty.all(f"core/object-changes/?changed_object_id={made['id']}&changed_object_type=dcim.manufacturer")
    assert "a reason" in [change["message"] for change in changes]


def test_a_stale_etag_is_refused_by_netbox(register: Register) -> None:
    made = register.create(MANUFACTURERS, [{"name": "Bolt", "slug": "bolt"}])[0]

    error = failure(
        register.update_if_unchanged, MANUFACTURERS, {"id": made["id"], "description": "x"}, 'W/"2020-01-01"'
    )

    assert error.code == "MSP-REG-008"


def test_a_journal_entry_is_added(empty: NetBox, register: Register) -> None:
    made = register.create(MANUFACTURERS, [{"name": "Cog", "slug": "cog"}])[0]

    register.journal("dcim.manufacturer", made["id"], "why", level="warning")

    (entry,) = empty.all(f"extras/journal-entries/?assigned_object_id={made['id']}")
    assert (entry["comments"], entry["kind"]["value"]) == ("why", "warning")
