from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.vault import made
from toolkit.archive.manifest import Status
from toolkit.retention import Kind
from toolkit.vault import catalog, remove, statistics
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row, record_of, row_of


def row(hours_ago: float, size: int = 100, **fields: object) -> Row:
    record = record_of(made.manifest(hours_ago=hours_ago, **fields), "x", "y") | {"size": size}
    return row_of(record)


def test_figures() -> None:
    rows = [
        row(1, 300, kind=Kind.MANUAL, pin=True),
        row(30, 100),
        row(54, 200, damaged=True),
        row(2, 0, status=Status.FAILED),
        row(3, 0, status=Status.CREATING),
    ]
    found = statistics.summarise(rows, now=made.NOW, buckets=3)
    assert (found.completed, found.failed, found.good, found.pinned) == (3, 1, 2, 1)
    assert (found.size, found.average, found.success_rate) == (600, 200, 0.75)
    assert [(one.kind, one.count, one.size) for one in found.by_kind] == [("daily", 2, 300), ("manual", 1, 300)]
    assert found.oldest == made.NOW - timedelta(hours=54)
    assert found.newest == made.NOW - timedelta(hours=1)
    assert found.largest == rows[0].id
    assert [(one.count, one.size, one.total) for one in found.growth] == [(1, 200, 200), (1, 100, 300), (1, 300, 600)]


def test_nothing_there() -> None:
    found = statistics.summarise([], now=made.NOW)
    assert (found.completed, found.average, found.success_rate, found.oldest, found.growth) == (0, 0, None, None, ())
    only_failed = statistics.summarise([row(1, 0, status=Status.FAILED)], now=made.NOW)
    assert only_failed.success_rate == 0.0


@given(st.lists(st.tuples(st.integers(-100, 50_000), st.integers(0, 1000)), max_size=30), st.integers(1, 40))
def test_growth_counts_each_backup_once(given_: list[tuple[int, int]], buckets: int) -> None:
    rows = [row(hours, size) for hours, size in given_]
    growth = statistics.summarise(rows, now=made.NOW, buckets=buckets).growth
    assert len(growth) <= buckets
    assert sum(one.count for one in growth) == len(rows)
    assert sum(one.size for one in growth) == sum(size for _, size in given_)
    assert not growth or growth[-1].total == sum(size for _, size in given_)


def test_from_a_vault(vault: Vault) -> None:
    for letter in "abc":
        made.put(vault, made.manifest(letter * 8))
    remove.to_trash(vault, "aaaaaaaa", now=made.NOW)
    found = statistics.summarise(catalog.rows(vault, catalog.Filter(removed=None)), now=made.NOW)
    assert found.completed == 2
    assert found.size == sum(one.size for one in catalog.rows(vault))
