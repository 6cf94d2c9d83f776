"""Cells of CSV: no formula among them, and every text comes back.

See docs/decisions.md#60-exports.
"""

import pytest

from fluent_cart.formats.csv_cells import from_cell, to_cell

FORMULAS = ("=1+1", "+1 234", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠A1")
PLAIN = ("", "Ann", "'t Hooft", "'", "''", "O'Brien", " =1", "a=1", "'a=1", '"=1"')


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
@pytest.mark.parametrize("apostrophes", range(4))
def test_text_is_the_same_after_writing_and_reading_a_cell(text: str, apostrophes: int) -> None:
    written = "'" * apostrophes + text
    assert from_cell(to_cell(written)) == written
    assert not to_cell(written).startswith(tuple(formula[0] for formula in FORMULAS))


@pytest.mark.parametrize("text", PLAIN)
def test_text_that_is_not_a_formula_does_not_change(text: str) -> None:
    assert to_cell(text) == text
    assert from_cell(text) == text


def test_number_null_and_object_are_written_as_number_empty_cell_and_json() -> None:
    assert [to_cell(5), to_cell(None), to_cell([1, {"a": "="}]), to_cell({})] == [
        5,
        "",
        '[1,{"a":"="}]',
        "{}",
    ]
