"""The tree of a backup's files: folder by folder, with totals, in any order of the list, with any names."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from toolkit.filelist import FileEntry, FileType, Section
from toolkit.vault.conditions import Condition
from toolkit.vault.filetree import ROOT, FileTree

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOSTILE = ("a[/b].db", "\x1b[2J", "new\nline", os.fsdecode(b"caf\xe9"), "inv\u202efdp.exe", "数" * 300)


def entry(path: str, kind: FileType = FileType.FILE, size: int = 0, **more: int) -> FileEntry:
    times = {"mtime_ns": int(NOW.timestamp()) * 10**9} | more
    return FileEntry(section=Section.FILES, path=path, type=kind, mode=0o644, uid=1, gid=2, size=size, **times)  # type: ignore[arg-type]


def folder(path: str) -> FileEntry:
    return entry(path, FileType.DIRECTORY)


def filled(*entries: FileEntry) -> FileTree:
    tree = FileTree()
    tree.fill(entries, should_stop=lambda: False, told=lambda _: None)
    return tree


def below(tree: FileTree, parent: int = ROOT) -> Iterator[str]:
    for node in tree.page(parent, 0, 10_000):
        yield tree.path(node)
        yield from below(tree, node.id)


UPLOADS = (
    folder("/srv/up"),
    entry("/srv/up/a.txt", size=1),
    folder("/srv/up/deep"),
    folder("/srv/up/deep/er"),
    entry("/srv/up/deep/er/b.txt", size=10),
    entry("/srv/up/z.txt", size=100),
    entry("/srv/shop.db", size=1000),
)


def test_folders_come_first_and_know_what_is_below_them() -> None:
    tree = filled(*UPLOADS)
    assert list(below(tree)) == [
        "/srv/up",
        "/srv/up/deep",
        "/srv/up/deep/er",
        "/srv/up/deep/er/b.txt",
        "/srv/up/a.txt",
        "/srv/up/z.txt",
        "/srv/shop.db",
    ]
    up, shop = tree.page(ROOT, 0, 10)
    assert (up.size, up.files, shop.size, shop.files) == (111, 3, 1000, 1)
    (deep,) = [one for one in tree.page(up.id, 0, 10) if one.folder]
    assert (deep.size, deep.files) == (10, 1)


def test_a_list_in_any_order_makes_the_same_tree() -> None:
    usual = sorted(below(filled(*UPLOADS)))
    folders = [one for one in UPLOADS if one.type is FileType.DIRECTORY]
    rest = [one for one in UPLOADS if one not in folders]
    for seed in range(5):
        random.Random(seed).shuffle(rest)
        tree = filled(*folders, *rest)
        assert sorted(below(tree)) == usual
        assert next(one for one in tree.page(ROOT, 0, 10) if one.folder).size == 111


@pytest.mark.parametrize("secret", [False, True])
def test_names_of_every_kind_come_back_as_they_were(secret: bool) -> None:
    tree = FileTree(secret=secret)
    tree.fill(
        [folder("/up"), *(entry(f"/up/{name.replace('/', '-')}") for name in HOSTILE)],
        should_stop=lambda: False,
        told=lambda _: None,
    )
    assert [node.name for node in tree.page(1, 0, 10)] == [name.replace("/", "-") for name in HOSTILE]


def test_pages_and_places() -> None:
    tree = filled(folder("/up"), *(entry(f"/up/{number:05}") for number in range(2500)))
    assert tree.children(1) == 2500
    page = tree.page(1, 2400, 50)
    assert [node.name for node in page] == [f"{number:05}" for number in range(2400, 2450)]
    assert tree.place(page[7]) == 2407


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Condition(text="B.TXT"), ["b.txt"]),
        (Condition(text="txt", negated=True, column="name"), ["/srv/up", "deep", "er", "/srv/shop.db"]),
        (Condition(column="size", op=">=", text="1kB"), ["/srv/shop.db"]),
        (Condition(column="type", op="=", text="folder"), ["/srv/up", "deep", "er"]),
        (Condition(column="age", op="<", text="1d"), []),
        (
            Condition(column="age", op=">", text="1d"),
            [one.path.split("/")[-1] if one.path.count("/") > 2 else one.path for one in UPLOADS],
        ),
        (Condition(column="nothing", text="x"), []),
    ],
)
def test_search(condition: Condition, found: list[str]) -> None:
    tree = filled(*UPLOADS)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert sorted(node.name for node in tree.search([condition], now=now, limit=100)) == sorted(found)


def test_filling_ends_when_it_is_told_to() -> None:
    tree = FileTree()
    tree.fill((entry(f"/{number}") for number in range(10**9)), should_stop=lambda: True, told=lambda _: None)
    assert tree.count == 1000
