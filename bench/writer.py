"""A writer that never pauses: python writer.py DATABASE; it ends when it is told to.

Every transaction changes three tables and the ledger, so that a torn copy can be told from a whole one.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from pathlib import Path


def sell(base: sqlite3.Connection, chance: random.Random, orders: int) -> None:
    """Place one order of a few lines; the ledger agrees with the lines in every committed state."""
    prices = [chance.randint(100, 90_000) for _ in range(chance.randint(1, 5))]
    with base:
        order = base.execute(
            "insert into orders (user, total, placed, note) values (1, ?, '2024-02-29', ?)", (sum(prices), "x" * 90)
        ).lastrowid
        base.executemany(
            'insert into lines ("order", product, amount, price) values (?, 1, 1, ?)', ((order, one) for one in prices)
        )
        base.execute("update orders set note = note || '.' where id = ?", (chance.randint(1, orders),))
        base.execute("update ledger set sold = sold + ?, lines = lines + ?", (sum(prices), len(prices)))


def judge(path: Path) -> str:
    """Return "whole" for a copy that is one committed state, else what is wrong with it."""
    if not path.exists():
        return "missing"
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        said = base.execute("pragma quick_check(1)").fetchone()[0]
        if said != "ok":
            return "malformed"
        ledger = base.execute("select sold, lines from ledger").fetchone()
        lines = base.execute("select sum(price), count(*) from lines").fetchone()
        totals = base.execute("select sum(total) from orders").fetchone()[0]
    except sqlite3.DatabaseError:
        return "malformed"
    finally:
        base.close()
    return "whole" if ledger == lines and ledger[0] == totals else "torn"


def main() -> None:
    """Sell until the process is ended."""
    base = sqlite3.connect(sys.argv[1], timeout=60)
    base.execute("pragma synchronous = normal")
    chance = random.Random(3)
    orders = base.execute("select max(id) from orders").fetchone()[0]
    print("writing", flush=True)
    while True:
        sell(base, chance, orders)


if __name__ == "__main__":
    main()
