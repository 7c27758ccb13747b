"""The data of the measurements, the same every time: an application, many small files, a large tree.

python datasets.py KIND FOLDER BYTES FILES     make the data set KIND in FOLDER, which is not there yet
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

SEED = 20_240_229
KIB, MIB, GIB = 2**10, 2**20, 2**30
WORDS = [
    "".join(random.Random(number).choices("etaoinshrdlucmfwypvbgk", k=2 + number % 9))  # the same words every time
    for number in range(4_000)
]

SCHEMA = """
create table users (id integer primary key, name text not null, email text unique, joined text, profile text);
create table products (id integer primary key, title text not null, price integer not null, about text, picture blob);
create table orders (id integer primary key, user integer not null references users, total integer not null,
                     placed text not null, note text);
create table lines (id integer primary key, "order" integer not null references orders,
                    product integer not null references products, amount integer not null, price integer not null);
create index orders_of_user on orders (user);
create index lines_of_order on lines ("order");
create index lines_of_product on lines (product);
create table events (id integer primary key, moment text not null, kind text not null, payload text not null);
create table ledger (sold integer not null, lines integer not null);
insert into ledger values (0, 0);
"""
"""In every committed state `ledger` agrees with the sums over `lines`: that is what a copy is judged by."""


def prose(chance: random.Random, length: int) -> str:
    """Return about `length` characters that compress as text does."""
    return " ".join(chance.choices(WORDS, k=max(1, length // 7)))


def database(path: Path, size: int) -> None:
    """Make the database of a shop with about `size` bytes, in WAL mode."""
    chance = random.Random(SEED)
    base = sqlite3.connect(path)
    base.execute("pragma synchronous = off")
    base.execute("pragma journal_mode = wal")
    base.executescript(SCHEMA)
    base.executemany("insert into users values (?, ?, ?, ?, ?)", _users(chance, max(100, size // 20_000)))
    base.executemany("insert into products values (?, ?, ?, ?, ?)", _products(chance, max(50, size // 160_000)))
    base.commit()
    number = 0
    while path.stat().st_size < size:
        _trade(base, chance, number, 2_000, size)
        number += 2_000
    base.execute("pragma wal_checkpoint(truncate)")
    base.close()


def _users(chance: random.Random, count: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, count + 1):
        profile = {"city": chance.choice(WORDS), "newsletter": number % 3 == 0, "tags": chance.choices(WORDS, k=6)}
        name = f"{chance.choice(WORDS).title()} {chance.choice(WORDS).title()}"
        yield number, name, f"user{number}@shop.example", f"20{number % 24:02}-01-02", json.dumps(profile)


def _products(chance: random.Random, count: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, count + 1):
        picture = chance.randbytes(chance.randint(2_000, 30_000))
        yield number, prose(chance, 40), chance.randint(100, 90_000), prose(chance, 900), picture


def _trade(base: sqlite3.Connection, chance: random.Random, first: int, count: int, size: int) -> None:
    """Place `count` orders in one transaction, with their lines, events and the ledger."""
    users, products = max(100, size // 20_000), max(50, size // 160_000)
    orders, lines, events = [], [], []
    for number in range(first + 1, first + count + 1):
        prices = [chance.randint(100, 90_000) for _ in range(1 + number % 3)]
        moment = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02} 10:{number % 60:02}:00"
        orders.append((number, chance.randint(1, users), sum(prices), moment, prose(chance, 300)))
        lines += [(number, chance.randint(1, products), 1 + number % 3, price) for price in prices]
        payload = {
            "order": number,
            "agent": prose(chance, 90),
            "said": prose(chance, 350),
            "token": f"{chance.getrandbits(128):032x}",
        }
        events.append((moment, chance.choice(("view", "cart", "pay")), json.dumps(payload)))
    with base:
        base.executemany("insert into orders values (?, ?, ?, ?, ?)", orders)
        base.executemany('insert into lines ("order", product, amount, price) values (?, ?, ?, ?)', lines)
        base.executemany("insert into events (moment, kind, payload) values (?, ?, ?)", events)
        sold = sum(line[3] for line in lines)
        base.execute("update ledger set sold = sold + ?, lines = lines + ?", (sold, len(lines)))


def files(folder: Path, count: int, *, median: int = 4 * KIB, spread: float = 1.6, per_folder: int = 200) -> None:
    """Make `count` files with log-normal sizes: half text, a quarter JSON, a quarter that no one can compress."""
    chance = random.Random(SEED + count)
    text = prose(random.Random(1), MIB).encode()
    noise = random.Random(2).randbytes(8 * MIB)
    for number in range(count):
        place = folder / f"{number // per_folder // 50:03}" / f"{number // per_folder % 50:02}"
        if number % per_folder == 0:
            place.mkdir(parents=True, exist_ok=True)
        size = min(int(chance.lognormvariate(0, spread) * median), 16 * MIB)
        name, data = _content(chance, number, size, text, noise)
        (place / name).write_bytes(data)


def _content(chance: random.Random, number: int, size: int, text: bytes, noise: bytes) -> tuple[str, bytes]:
    start = chance.randrange(len(text) // 2)
    if number % 4 == 0:
        at = chance.randrange(len(noise) // 2)
        return f"{number}.jpg", (noise[at:] + noise * (size // len(noise) + 1))[:size]
    many = (text[start:] + text * (size // len(text) + 1))[:size]
    if number % 4 == 1:
        return f"{number}.json", json.dumps({"id": number, "body": many.decode()}).encode()
    return f"{number}.txt", many


def make(kind: str, folder: Path, size: int, count: int) -> None:
    """Make one data set: `app` (a database and files), `small` (files only), `large` (files of 64 MiB)."""
    os.makedirs(folder)
    if kind == "app":
        database(folder / "shop.db", size)
        files(folder / "files", count)
    elif kind == "small":
        files(folder / "files", count, median=700, spread=0.9)
    else:
        chance = random.Random(SEED)
        block = chance.randbytes(32 * MIB) + prose(chance, 32 * MIB).encode()[: 32 * MIB]
        for number in range(max(1, size // len(block))):
            (folder / f"{number:04}.bin").write_bytes(number.to_bytes(8, "big") + block)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
