import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.params import CsvSource
from pipelines.mlops.data.records import count, only, split, without


def source(**changes: object) -> CsvSource:
    return CsvSource.model_validate({"kind": "csv", "paths": ["x"], "watch": "x", **changes})


@given(st.text(alphabet='ab,"\r\n|\ufeff', max_size=60), st.booleans())
def test_records_joined_are_the_text(text: str, head: bool) -> None:
    parts = split(text, source(columns=[] if head else ["a"], comment="|"))
    assert "".join(part.text for part in parts) == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_taking_a_row_out_leaves_all_else_byte_for_byte(end: str) -> None:
    text = end.join(["|comment", "a,b", "1,x", "", '2,"two', 'lines"', "3,z"])
    parts = split(text, source(comment="|"))
    assert count(parts) == 3
    assert without(parts, {1}) == end.join(["|comment", "a,b", "1,x", "", "3,z"])
    assert only(parts, {2}) == {"3,z"}


def test_the_byte_order_mark_stays_when_the_first_row_goes() -> None:
    parts = split("\ufeff1,x\n2,y\n", source(columns=["a", "b"]))
    assert without(parts, {0}) == "\ufeff2,y\n"
