"""A small shop application: an SQLite database in WAL mode, uploads, and a writer that never pauses.

python shop.py make FOLDER     create the application
python shop.py write FOLDER    go on selling until the process is ended
python shop.py sell FOLDER     sell 200 more orders
python shop.py damage FOLDER   do to the database what a dying disk does: pages of it are noise
"""

from __future__ import annotations

import random
import sqlite3
import sys
from pathlib import Path

SCHEMA = """
create table users (id integer primary key, name text not null, email text unique);
create table products (id integer primary key, title text not null, price integer not null, picture text);
create table orders (id integer primary key, user integer not null references users, total integer not null,
                     placed text not null default current_timestamp);
create table lines (id integer primary key, "order" integer not null references orders, product integer not null
                    references products, price integer not null);
create index lines_of_order on lines ("order");
create table ledger (sold integer not null, lines integer not null);
create virtual table search using fts5 (title, content='products', content_rowid='id');
insert into ledger values (0, 0);
"""


def make(folder: Path) -> None:
    """Create the application in `folder`."""
    uploads = folder / "uploads"
    uploads.mkdir(parents=True)
    (folder / "shop.toml").write_text('title = "Demo shop"\nport = 8080\n', encoding="utf-8")
    chance = random.Random(1)
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute("pragma journal_mode = wal")
        database.executescript(SCHEMA)
        database.executemany(
            "insert into users (name, email) values (?, ?)",
            ((f"User {n}", f"user{n}@shop.example") for n in range(5_000)),
        )
        for number in range(1, 201):
            picture = uploads / f"{number % 10}" / f"product-{number}.jpg"
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(chance.randbytes(chance.randint(2_000, 60_000)))
            database.execute(
                "insert into products (title, price, picture) values (?, ?, ?)",
                (f"Product {number}", chance.randint(100, 9_000), str(picture.relative_to(folder))),
            )
        database.execute("insert into search (search) values ('rebuild')")
    database.close()
    sell(folder, chance, 2_000)


def sell(folder: Path, chance: random.Random, orders: int) -> None:
    """Place `orders` orders; the ledger always agrees with the lines, in every transaction."""
    database = sqlite3.connect(folder / "shop.db", timeout=30)
    try:
        for _ in range(orders):
            with database:
                prices = [chance.randint(100, 9_000) for _ in range(chance.randint(1, 5))]
                order = database.execute(
                    "insert into orders (user, total) values (?, ?)", (chance.randint(1, 5_000), sum(prices))
                ).lastrowid
                database.executemany(
                    'insert into lines ("order", product, price) values (?, ?, ?)',
                    ((order, chance.randint(1, 200), price) for price in prices),
                )
                database.execute("update ledger set sold = sold + ?, lines = lines + ?", (sum(prices), len(prices)))
    finally:
        database.close()


def damage(folder: Path) -> None:
    """Overwrite four leaf pages of tables with noise (a page that begins with 13 is such a leaf)."""
    database = sqlite3.connect(folder / "shop.db")
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    chance, size = random.Random(4), 4096
    with (folder / "shop.db").open("r+b") as file:
        data = file.read()
        leaves = [page for page in range(8, len(data) // size // 2) if data[page * size] == 13]
        for page in sorted(chance.sample(leaves, 4)):
            file.seek(page * size)
            file.write(chance.randbytes(size))
            print(f"page {page + 1} is noise now")


def main() -> None:
    """Do what the first argument says in the folder of the second."""
    verb, folder = sys.argv[1], Path(sys.argv[2])
    if verb == "make":
        make(folder)
        return
    if verb == "damage":
        damage(folder)
        return
    if verb == "sell":
        sell(folder, random.Random(3), 200)
        return
    chance = random.Random(2)
    while True:
        sell(folder, chance, 100)


if __name__ == "__main__":
    main()
