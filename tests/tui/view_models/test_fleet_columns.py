"""The columns of the fleet.

Those that the schema names, else the first ones, each as wide as its longest value.
"""

from __future__ import annotations

from core.records import Record
from core.schema import Schema
from core.schema_toml import parse_schema
from core.slots import Candidate, slot_of
from core.value_codec import Value
from tui.layout import line_width
from tui.view_models.fleet_columns import head_cells, main_properties, measure_columns, value_cells
from tui.view_models.fleet_tree import Sorting
from tui.view_models.form import NO_NAMES

KIND = """
key = "name"
{columns}
[properties.name]
[properties.model]
[properties.height]
type = "integer"
[properties.address]
type = "ip-network"
[properties.tags]
many = true
"""


def schema(columns: str = "") -> Schema:
    return parse_schema({"mast": KIND.replace("{columns}", columns)})


def record(**values: Value) -> Record:
    slots = {
        name: slot_of([Candidate(bytes([at]), value, "Maier", b"", 0, None)])
        for at, (name, value) in enumerate(values.items())
    }
    return Record(b"e", "mast", "a", False, slots)


def test_the_schema_names_the_columns_else_they_are_the_first_single_values() -> None:
    assert [p.name for p in main_properties(schema().kind("mast"))] == ["model", "height", "address"]
    named = schema('columns = ["address", "model"]')
    assert [p.name for p in main_properties(named.kind("mast"))] == ["address", "model"]
    assert not named.problems


def test_a_column_that_is_no_property_is_reported_and_left_out() -> None:
    found = schema('columns = ["colour", "model"]')
    assert [p.name for p in main_properties(found.kind("mast"))] == ["model"]
    (problem,) = found.problems
    assert "columns" in str(problem.params["path"])


def test_columns_are_as_wide_as_their_values_and_what_does_not_fit_is_left_out() -> None:
    kind = schema().kind("mast")
    records = [record(model="x" * 40, height=7), record(model="y", address="10.31.147.128/27")]
    wide = measure_columns(kind, records, [30], 100, NO_NAMES)
    assert wide.name_width == 25
    assert [(c.prop.name, c.width, c.is_right) for c in wide.columns] == [
        ("model", 24, False), ("height", 6, True), ("address", 16, False),
    ]  # fmt: skip
    narrow = measure_columns(kind, records, [10], 50, NO_NAMES)
    assert [c.prop.name for c in narrow.columns] == ["model", "height"], "an address is never cut"
    assert line_width(value_cells(wide, records[0], "plain", NO_NAMES)) == 24 + 6 + 16 + 6


def test_heads_longer_than_their_values_get_what_is_left_of_the_line() -> None:
    kind = parse_schema({"mast": "[properties.transmission_power]\n[properties.model]"}).kind("mast")
    records = [record(transmission_power="20", model="Acme")]
    assert [c.width for c in measure_columns(kind, records, [12], 60, NO_NAMES).columns] == [18, 5]
    assert [c.width for c in measure_columns(kind, records, [12], 36, NO_NAMES).columns] == [15, 5]


def test_the_sorted_column_is_marked() -> None:
    kind = schema().kind("mast")
    layout = measure_columns(kind, [record(model="Acme", height=7)], [10], 60, NO_NAMES)
    by_name = head_cells(layout, "Mast", Sorting().property_of(kind), False, 60)
    by_height = head_cells(layout, "Mast", Sorting("height", True).property_of(kind), True, 60)
    assert ("▲", "accent") in by_name
    assert "".join(text for text, _role in by_height).rstrip().endswith("▼")
    assert Sorting("none of its").property_of(kind) is None


def test_what_is_not_valid_is_amber_in_its_column() -> None:
    kind = schema().kind("mast")
    odd = record(model="Acme", height="tall")
    layout = measure_columns(kind, [odd], [10], 60, NO_NAMES)
    roles = {text.strip(): role for text, role in value_cells(layout, odd, "plain", NO_NAMES)}
    assert (roles["Acme"], roles["tall"]) == ("plain", "attention")
