"""Which stretches of its keys a damaged index, or a table WITHOUT ROWID, still holds without a hole in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.sqlite.account import Gap, Key
from toolkit.sqlite.order import Order, known, sort_key
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.pages.scan import PageMap

Entry = list[Value] | None
"""The values of a cell, None for one that cannot be read."""


@dataclass(slots=True)
class Entries:
    """The cells of one page in their order. Not `whole`: there were others among them."""

    cells: list[Entry]
    whole: bool = True


@dataclass(slots=True)
class Stretch:
    """Keys from `first` to `last` of the tree at `root`, none of which is missing.

    `before` and `behind` are how many are missing between it and its neighbours in that tree or the tree's ends; None
    where nothing tells.
    """

    first: list[Value]
    last: list[Value]
    root: int
    before: int | None
    behind: int | None = 0


class _Hole:
    """A page that is not there."""


_HOLE = _Hole()


def stretches(found: PageMap, roots: Iterable[int], entries: Callable[[int], Entries | None]) -> list[Stretch]:
    """Return the stretches of the trees at `roots`; `entries` gives the cells of a page, None for a page that is lost.

    A page is visited once; a root that an earlier tree holds is left out.
    """
    seen: set[int] = set()
    result: list[Stretch] = []
    for root in roots:
        if root in seen:
            continue
        missing: int | None = 0
        last: Stretch | None = None
        opened = False
        for item in _in_order(found, root, entries, seen):
            if isinstance(item, _Hole) or item is None:
                missing = None if isinstance(item, _Hole) or missing is None else missing + 1
                opened = False
                if last is not None:
                    last.behind = missing
            elif opened and last is not None:
                last.last = item
            else:
                last = Stretch(item, item, root, missing)
                result.append(last)
                missing, opened = 0, True
    return result


def _in_order(
    found: PageMap, root: int, entries: Callable[[int], Entries | None], seen: set[int]
) -> Iterator[Entry | _Hole]:
    stack: list[int | _Hole | tuple[Entry]] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, _Hole):
            yield item
        elif isinstance(item, tuple):
            yield item[0]
        else:
            read = entries(item) if item not in seen else None
            seen.add(item)
            stack.extend(reversed(list(_laid_out(found, item, read))))


def _laid_out(found: PageMap, page: int, read: Entries | None) -> Iterator[int | _Hole | tuple[Entry]]:
    """Yield what a page holds in order: its cells, the children between them, holes."""
    if read is None:
        yield _HOLE
        return
    children = found.interior[page][0] if page in found.interior else ()
    if not read.whole or (children and len(children) != len(read.cells) + 1):
        yield _HOLE
        for entry in read.cells:
            yield (entry,)
            yield _HOLE
        return
    for at, entry in enumerate(read.cells):
        if children:
            yield children[at]
        yield (entry,)
    if children:
        yield children[-1]


def gaps(held: list[Stretch], orders: Sequence[Order], encoding: str, *, main: int, complete: bool) -> tuple[Gap, ...]:
    """Return the gaps between stretches of a table's keys; `main` is the root that the schema names.

    `complete` says that no leaf of the table can be missing: then what lies between two trees is the one row of an
    interior page.
    """
    if not held or not known(orders):
        return (Gap(None, None),)

    def place(values: list[Value]) -> tuple[object, ...]:
        return sort_key(values[: len(orders)], orders, encoding)

    def key(values: list[Value]) -> Key:
        return tuple(
            record.text(value, encoding) if isinstance(value, RawText) else value for value in values[: len(orders)]
        )

    order = sorted(held, key=lambda one: place(one.first))
    found: list[Gap] = []
    top = order[0]
    if top.before != 0 or not (complete or top.root == main):
        found.append(Gap(None, key(top.first), top.before or None))
    end = place(top.last)
    for one in order[1:]:
        if end < place(one.first):
            if one.root == top.root:
                rows = one.before
            else:
                rows = 1 if complete and one.before == 0 and top.behind == 0 else None
            found.append(Gap(key(top.last), key(one.first), rows))
        if end < place(one.last):
            top, end = one, place(one.last)
    if top.behind != 0 or not (complete or top.root == main):
        found.append(Gap(key(top.last), None, top.behind or None))
    return tuple(found)
