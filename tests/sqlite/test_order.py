"""Keys are ordered as SQLite orders them."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages.record import CODECS, RawText

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
    st.text("aAbB  ", max_size=4),
    st.binary(max_size=4),
)


@settings(max_examples=15)
@given(st.lists(VALUES, min_size=2, max_size=12))
@pytest.mark.parametrize("encoding", list(CODECS))
@pytest.mark.parametrize("order", [(down, name) for name in ("BINARY", "NOCASE", "RTRIM") for down in (False, True)])
def test_values_come_in_the_order_of_sqlite(
    order: tuple[bool, str], encoding: str, values: list[int | float | str | bytes | None]
) -> None:
    down, collation = order
    connection = sqlite3.connect(":memory:")
    connection.execute(f"PRAGMA encoding='{encoding}'")
    connection.execute("CREATE TABLE t(v)")
    connection.executemany("INSERT INTO t VALUES (?)", ((value,) for value in values))
    sql = f"SELECT v FROM t ORDER BY v COLLATE {collation} {'DESC' if down else 'ASC'}"
    found = [sort_key([row[0]], [order], encoding) for row in connection.execute(sql)]
    connection.close()
    assert found == sorted(found)
    raw = [RawText(one.encode(CODECS[encoding])) if isinstance(one, str) else one for one in values]
    assert [sort_key([one], [order], encoding) for one in raw] == [sort_key([one], [order], encoding) for one in values]


def test_what_an_application_brings_is_not_known() -> None:
    assert known([(False, "BINARY"), (True, "nocase")])
    assert not known([(False, "OWN")])
