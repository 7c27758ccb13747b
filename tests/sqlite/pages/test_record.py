"""Varints and records: what is written reads back, and what SQLite never writes is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.sqlite.pages import record, varint

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.one_of(
    st.none(),
    INTEGERS,
    st.floats(allow_nan=False),
    st.binary(max_size=300),
    st.binary(max_size=300).map(record.RawText),
)


@given(INTEGERS)
def test_a_varint_reads_back(value: int) -> None:
    data = varint.write(value)
    read, end = varint.read(data + b"\xff", 0)
    assert (varint.signed(read), end) == (value, len(data))
    assert len(data) <= 9


@given(st.lists(VALUES, max_size=200))
def test_a_record_reads_back(values: list[record.Value]) -> None:
    data = record.encode(values)
    found = record.decode(data)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]
    assert record.record_size(data) == len(data)


@given(st.lists(VALUES, min_size=1, max_size=20), st.data())
def test_a_record_that_is_cut_is_refused(values: list[record.Value], data: st.DataObject) -> None:
    whole = record.encode(values)
    short = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError):
        record.decode(short)


@given(st.binary(max_size=400))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    try:
        record.decode(data)
    except ValueError:
        return
    assert record.record_size(data) == len(data)
