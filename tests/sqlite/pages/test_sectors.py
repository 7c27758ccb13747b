"""Sectors that a disk lost in the midst of values are seen, and what values hold of themselves is not taken for it."""

from __future__ import annotations

import base64
import io
import random
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.sqlite.pages import walk

Content = Callable[[random.Random], bytes | str]


def made(path: Path, content: Content, *, page: int, encoding: str, rows: int, keyed: bool = False) -> Path:
    chance = random.Random(f"{page}{encoding}{rows}")
    with databases.opened(path) as connection:
        connection.execute(f"PRAGMA page_size={page}")
        connection.execute(f"PRAGMA encoding='{encoding}'")
        without = " WITHOUT ROWID" if keyed else ""
        connection.execute(f"CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, body){without}")
        connection.execute("BEGIN")
        values = ((n, "x" * chance.randrange(50), content(chance)) for n in range(1, rows + 1))
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?)", values)
        connection.execute("COMMIT")
    return path


def words(chance: random.Random) -> str:
    return " ".join(chance.choice(("lorem", "ipsum", "dolor", "sit", "amet")) for _ in range(2000))


def lose(path: Path, fill: bytes) -> None:
    """Overwrite a sector in the third quarter of the file, where values lie, and neither a header nor a page number."""
    data = path.read_bytes()
    at = len(data) * 3 // 4 // 4096 * 4096 + 1024
    assert any(data[at : at + 512])
    path.write_bytes(data[:at] + fill * 512 + data[at + 512 :])
    with databases.opened(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
@pytest.mark.parametrize(
    ("page", "encoding", "keyed"),
    [(4096, "UTF-8", False), (65536, "UTF-8", False), (4096, "UTF-16le", False), (4096, "UTF-16be", False),
     (65536, "UTF-8", True)],
)  # fmt: skip
def test_a_lost_sector_in_a_text_is_found(
    tmp_path: Path, page: int, encoding: str, fill: bytes, *, keyed: bool
) -> None:
    path = made(tmp_path / "a.db", words, page=page, encoding=encoding, rows=5, keyed=keyed)
    assert list(walk(path)) == []
    lose(path, fill)
    (finding,) = walk(path)
    assert (finding.code, finding.name) == ("sectors", "notes")
    assert finding.message.endswith("in a text")
    assert finding.message.startswith("row ") is not keyed


def test_a_lost_sector_in_a_packed_blob_is_found(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", lambda chance: chance.randbytes(9000), page=4096, encoding="UTF-8", rows=5)
    lose(path, b"\0")
    (finding,) = walk(path)
    assert finding.message.endswith("in a blob")


def archive(chance: random.Random) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for number in range(4):
            data = bytes(chance.randrange(4000)) + chance.randbytes(chance.randrange(3000))
            member = tarfile.TarInfo(f"file{number}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


SOUND: dict[str, Content] = {
    "zeros": lambda chance: bytes(chance.randrange(9000)),
    "padded texts": lambda chance: f"n{chance.random()}".ljust(chance.choice((1024, 2048, 4096)), "\0"),
    "archives": archive,
    "images of disks": lambda chance: b"".join(chance.choice((bytes(512), chance.randbytes(512))) for _ in range(30)),
    "packed": lambda chance: zlib.compress(bytes(chance.randrange(9000)) + chance.randbytes(3000)),
    "base64": lambda chance: base64.b64encode(bytes(chance.randrange(9000))).decode(),
    "letters": lambda chance: chance.choice("-= A") * chance.randrange(9000),
}


@pytest.mark.parametrize("content", SOUND)
def test_what_values_hold_of_themselves_is_no_lost_sector(tmp_path: Path, content: str) -> None:
    for number, (page, encoding) in enumerate(((1024, "UTF-8"), (4096, "UTF-8"), (4096, "UTF-16le"), (65536, "UTF-8"))):
        for rows in (1, 30):
            path = made(tmp_path / f"{number}-{rows}.db", SOUND[content], page=page, encoding=encoding, rows=rows)
            assert list(walk(path)) == [], (page, encoding, rows)
