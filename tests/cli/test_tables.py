"""Tables on a narrow screen: what matters stays in sight."""

from __future__ import annotations

from toolkit.cli.render.table import table

HEADER = ("ID", "WHAT", "EVIDENCE", "PIN", "FAILED")
ROWS = (("k3jq7a2m", "database /srv/shop/data/shop.db", "verified", "", "2"),)


def plain(width: int) -> list[str]:
    header, *rows = table(HEADER, ROWS, right=frozenset({4}), width=width)
    return [header.replace("\x1b[1m", "").replace("\x1b[0m", ""), *rows]


def test_a_table_that_fits_is_whole() -> None:
    assert plain(100) == [
        "ID        WHAT                             EVIDENCE  PIN  FAILED",
        "k3jq7a2m  database /srv/shop/data/shop.db  verified            2",
    ]


def test_empty_columns_go_first_then_the_widest_is_cut() -> None:
    assert plain(60) == [
        "ID        WHAT                             EVIDENCE  FAILED",
        "k3jq7a2m  database /srv/shop/data/shop.db  verified       2",
    ]
    for line in plain(50):
        assert len(line) <= 50
        assert line.endswith(("FAILED", "2"))
    assert "data/shop.db  verified" in plain(50)[1]


def test_a_screen_that_is_far_too_narrow_gets_what_fits() -> None:
    assert all(len(line) <= 20 for line in plain(20))
