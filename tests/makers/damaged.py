"""Small applications whose database is damaged in known ways, for the tests of repair and rescue."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

from tests.makers import databases

PAGE = 4096


def pages_of(path: Path, name: str) -> list[int]:
    """Return the leaf pages of the table or index `name` below its root, in their order; its root when it has no other.

    SQLite file format, section 1.6: an interior page begins with 2 or 5 and names its children.
    """
    root = _root(path, name)
    data = path.read_bytes()
    size = struct.unpack(">H", data[16:18])[0] or 65536

    def below(page: int) -> list[int]:
        start = (page - 1) * size
        if data[start] not in (2, 5):
            return [page]
        count = struct.unpack(">H", data[start + 3 : start + 5])[0]
        cells = struct.unpack(f">{count}H", data[start + 12 : start + 12 + 2 * count])
        children = [struct.unpack(">I", data[start + cell : start + cell + 4])[0] for cell in cells]
        last = struct.unpack(">I", data[start + 8 : start + 12])[0]
        return [leaf for child in (*children, last) for leaf in below(child)]

    return below(root)


def _root(path: Path, name: str) -> int:
    """Return the root page of `name`, looked up in a copy: opening the database itself would empty its -wal."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        for suffix, data in content(path).items():
            Path(f"{copy}{suffix}").write_bytes(data)
        return databases.root_page(copy, name)


def lose_leaf(path: Path, name: str = "orders", *, number: int = 2) -> int:
    """Overwrite the leaf page with this number of the table `name`; return its page number."""
    page = pages_of(path, name)[number]
    databases.flip_page(path, page, page_size=page_size(path))
    return page


def break_index(path: Path, name: str = "orders_by_user") -> None:
    """Overwrite a leaf page of an index: every row is still there."""
    lose_leaf(path, name, number=0)


def leave_out_of_index(path: Path, name: str = "orders_by_user", table: str = "orders") -> None:
    """Let an index lack the entry of one row, which `quick_check` does not see."""
    with databases.opened(path) as connection:
        (at,) = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()
        row = connection.execute("SELECT * FROM sqlite_master WHERE name=?", (name,)).fetchone()
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_master WHERE name=?", (name,))
        connection.execute("PRAGMA writable_schema=RESET")
        connection.execute(f"UPDATE {table} SET user_id = user_id + 1 WHERE rowid=?", (at,))
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("PRAGMA writable_schema=RESET")
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def lose_everything(path: Path) -> None:
    """Overwrite the whole file with text."""
    path.write_bytes((b"nothing of a database is left in this file\n" * path.stat().st_size)[: path.stat().st_size])


def page_size(path: Path) -> int:
    """Return the page size that the header names."""
    with path.open("rb") as file:
        file.seek(16)
        size: int = struct.unpack(">H", file.read(2))[0]
    return 65536 if size == 1 else size


def rows(path: Path, table: str = "orders") -> set[int]:
    """Return the rowids of a table, opening a private copy as any application would."""
    with databases.opened(path) as connection:
        return {row[0] for row in connection.execute(f'SELECT rowid FROM "{table}"')}


def content(path: Path) -> dict[str, bytes]:
    """Return the bytes of a database and its sidecars by suffix; not of the -shm, to which readers write."""
    return {
        suffix: Path(f"{path}{suffix}").read_bytes()
        for suffix in ("", "-wal", "-journal")
        if os.path.lexists(f"{path}{suffix}")
    }
