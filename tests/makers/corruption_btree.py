"""Damage to the b-trees of tables and indexes (SQLite file format, section 1.6)."""

from __future__ import annotations

import struct

from tests.makers.corruption_pages import Page
from tests.makers.corruption_site import HEALTHY, Kind, Site, UnfitError, half, word

TABLE_LEAVES = ("table-leaf", "index-leaf")
INTERIORS = ("table-interior", "index-interior")
ALL = (*TABLE_LEAVES, *INTERIORS)


def _lose(site: Site, pages: list[Page], count: int, *, noise: bool) -> str:
    lost = []
    for _ in range(count):
        page = site.pick([one for one in pages if one.number not in lost])
        site.put_page(page.number, site.noise(site.map.size) if noise else bytes(site.map.size))
        lost.append(page.number)
    owner = site.map.pages[lost[0]].owner
    return f"pages {lost} ({site.map.pages[lost[0]].kind}, {owner}) {'overwritten' if noise else 'zeroed'}"


def _roots(site: Site, owner: str) -> list[Page]:
    return [page for page in site.map.of(*ALL, owners=(owner,)) if not page.parent]


def _big_roots(site: Site, owner: str) -> list[Page]:
    return [page for page in _roots(site, owner) if page.kind.endswith("interior")] or _roots(site, owner)


def _leaves(site: Site, owner: str = "table") -> list[Page]:
    return site.map.of(*TABLE_LEAVES, owners=(owner,))


def _interiors(site: Site, owner: str = "table") -> list[Page]:
    return site.map.of(*INTERIORS, owners=(owner,))


def _many(site: Site, pages: list[Page]) -> int:
    return min(len(pages), site.random.randint(1, site.amount(3, 5))) or 1


def _full_leaf(site: Site, owner: str = "table", least: int = 2) -> Page:
    return site.pick([page for page in _leaves(site, owner) if len(site.map.cells(page.number)) >= least])


def _header_field(at: int, size: int) -> object:
    def apply(site: Site) -> str:
        page = site.pick(site.map.of(*ALL))
        head = site.map.header(page.number)
        wrong = site.random.choice((bytes(size), site.noise(size)))
        if bytes(site.page(page.number)[head + at : head + at + size]) == wrong:
            raise UnfitError
        site.put_page(page.number, wrong, head + at)
        return f"bytes {at}..{at + size - 1} of the header of page {page.number} ({page.owner}) set to {wrong.hex()}"

    return apply


def _type(site: Site) -> str:
    page = site.pick(site.map.of(*ALL))
    wrong = site.random.choice([one for one in (0, 2, 5, 10, 13, 99) if one != site.page(page.number)[0]])
    site.put_page(page.number, bytes((wrong,)), site.map.header(page.number))
    return f"type of page {page.number} ({page.kind}, {page.owner}) set to {wrong}"


def _pointers(owner: str, *, zero: bool) -> object:
    def apply(site: Site) -> str:
        page = _full_leaf(site, owner)
        count = len(site.map.cells(page.number))
        hit = site.random.sample(range(count), max(1, int(count * site.random.uniform(0.1, 0.9))))
        for one in hit:
            wrong = bytes(2) if zero else half(site.random.randrange(site.map.size))
            site.put_page(page.number, wrong, site.map.header(page.number) + 8 + 2 * one)
        return f"{len(hit)} of {count} cell pointers of page {page.number} ({page.owner}) overwritten"

    return apply


def _swapped(site: Site) -> str:
    first, second = site.pick(_leaves(site)), site.pick(_leaves(site))
    if first.number == second.number:
        raise UnfitError
    one, other = site.page(first.number), site.page(second.number)
    site.put_page(first.number, other)
    site.put_page(second.number, one)
    return f"pages {first.number} ({first.owner}) and {second.number} ({second.owner}) swapped"


def _duplicated(site: Site) -> str:
    first, second = site.pick(_leaves(site)), site.pick(_leaves(site))
    if first.number == second.number:
        raise UnfitError
    site.put_page(second.number, site.page(first.number))
    return f"page {first.number} ({first.owner}) written over page {second.number} ({second.owner})"


def _child(site: Site, wrong: int, page: Page) -> str:
    cells = site.map.cells(page.number)
    cell = site.random.choice(cells)
    site.put_page(page.number, word(wrong), cell.at)
    return f"child {cell.child} of page {page.number} ({page.owner}) set to {wrong}"


def _child_wrong(site: Site) -> str:
    choices = [0, site.map.count + 9, site.random.randrange(2, site.map.count + 1), 2**32 - 1]
    return _child(site, site.random.choice(choices), site.pick(_interiors(site)))


def _child_loop(site: Site) -> str:
    page = site.pick(_interiors(site))
    return _child(site, site.random.choice((page.number, page.parent or page.number)), page)


def _right_child(site: Site) -> str:
    page = site.pick(_interiors(site))
    wrong = site.random.choice((0, 1, page.number, site.random.randrange(2, site.map.count + 1)))
    site.put_page(page.number, word(wrong), site.map.header(page.number) + 8)
    return f"right-most child of page {page.number} ({page.owner}) set to {wrong}"


def _chain(site: Site, least: int) -> list[int]:
    chains = [
        chain
        for chain in site.map.chains.values()
        if len(chain) >= least and site.map.pages[chain[0]].owner_kind == "table"
    ]
    if not chains:
        raise UnfitError
    return site.random.choice(chains)


def _overflow_cut(site: Site) -> str:
    chain = _chain(site, 2)
    at = site.random.randrange(len(chain) - 1)
    site.put_page(chain[at], word(0))
    return f"overflow chain from page {chain[0]} cut after {at + 1} of {len(chain)}"


def _overflow_loop(site: Site) -> str:
    chain = _chain(site, 2)
    at = site.random.randrange(len(chain))
    site.put_page(chain[at], word(site.random.choice(chain[: at + 1])))
    return f"overflow chain from page {chain[0]} loops at {chain[at]}"


def _overflow_cross(site: Site) -> str:
    first, second = _chain(site, 2), _chain(site, 1)
    if first[0] == second[0]:
        raise UnfitError
    at = site.random.randrange(len(first) - 1)
    site.put_page(first[at], word(site.random.choice(second)))
    return f"overflow chain from page {first[0]} leads into that from page {second[0]}"


def _overflow_lost(site: Site) -> str:
    chain = _chain(site, 1)
    number = site.random.choice(chain)
    site.put_page(number, site.random.choice((bytes(site.map.size), site.noise(site.map.size))))
    return f"overflow page {number} of the chain from {chain[0]} lost"


def _bit_flip(site: Site) -> str:
    pages = [page for page in site.map.pages.values() if page.owner_kind != "free"]
    page = site.pick(sorted(pages, key=lambda page: page.number))
    at = site.random.randrange(site.map.size)
    byte = site.page(page.number)[at] ^ (1 << site.random.randrange(8))
    site.put_page(page.number, bytes((byte,)), at)
    return f"one bit of byte {at} of page {page.number} ({page.kind}, {page.owner}) flipped"


def _bit_flips(site: Site) -> str:
    size = site.path.stat().st_size
    count = site.random.randint(5, site.amount(40, 90))
    data = site.read()
    for _ in range(count):
        data[site.random.randrange(size)] ^= 1 << site.random.randrange(8)
    site.put(0, data)
    return f"{count} bits flipped anywhere"


def _free_space(site: Site) -> str:
    """Write into the space between the pointers and the cells, which means nothing."""
    page = _full_leaf(site, site.random.choice(("table", "index")), 1)
    data = site.page(page.number)
    head = site.map.header(page.number)
    count, start = struct.unpack_from(">HH", data, head + 3)
    first, end = head + 8 + 2 * count, start or 65536
    if end - first < 8:
        raise UnfitError
    site.put_page(page.number, site.noise(end - first), first)
    return f"{end - first} bytes of free space of page {page.number} ({page.owner}) overwritten"


def _free_page(site: Site) -> str:
    page = site.pick([one for one in site.map.pages.values() if one.kind == "free-leaf"])
    site.put_page(page.number, site.noise(site.map.size))
    return f"free page {page.number} overwritten"


def _payload_size(site: Site) -> str:
    page = _full_leaf(site)
    cell = site.random.choice(site.map.cells(page.number))
    size = site.random.choice((b"\x00", b"\x7f", b"\xff\x7f", b"\x81\x80\x80\x00", b"\xff" * 9))
    site.put_page(page.number, size, cell.at)
    return f"payload size of a cell of page {page.number} ({page.owner}) set to {size.hex()}"


def _order(site: Site) -> str:
    page = _full_leaf(site)
    count = len(site.map.cells(page.number))
    first, second = sorted(site.random.sample(range(count), 2))
    data, base = site.page(page.number), site.map.header(page.number) + 8
    one, other = base + 2 * first, base + 2 * second
    data[one : one + 2], data[other : other + 2] = data[other : other + 2], data[one : one + 2]
    site.put_page(page.number, data)
    return f"cells {first} and {second} of page {page.number} ({page.owner}) in the wrong order"


def _cells_overwritten(site: Site) -> str:
    """Overwrite a stretch of a leaf: the cells in it are gone, the others are whole."""
    page = _full_leaf(site)
    size = site.random.randint(16, max(17, site.map.size // site.amount(4, 3)))
    at = site.random.randrange(0, site.map.size - size)
    site.put_page(page.number, site.noise(size), at)
    return f"{size} bytes of page {page.number} ({page.owner}) from {at} overwritten"


def _entry_missing(site: Site) -> str:
    """Take an entry out of an index leaf as if it had never been there."""
    page = _full_leaf(site, "index")
    data = site.page(page.number)
    count = struct.unpack_from(">H", data, 3)[0]
    gone = site.random.randrange(count)
    del data[8 + 2 * gone : 10 + 2 * gone]
    data[8 + 2 * (count - 1) : 8 + 2 * (count - 1)] = bytes(2)
    data[3:5] = half(count - 1)
    site.put_page(page.number, data)
    return f"entry {gone} of page {page.number} of the index {page.owner} taken out"


def _entry_changed(site: Site) -> str:
    page = _full_leaf(site, "index")
    cell = site.random.choice(site.map.cells(page.number))
    if cell.local < 4:
        raise UnfitError
    at = cell.payload_at + cell.local - site.random.randint(1, 3)
    site.put_page(page.number, bytes((site.page(page.number)[at] ^ 0x11,)), at)
    return f"an entry of page {page.number} of the index {page.owner} changed"


def _index_swapped(site: Site) -> str:
    first, second = site.pick(_leaves(site, "index")), site.pick(_leaves(site, "index"))
    if first.number == second.number:
        raise UnfitError
    one, other = site.page(first.number), site.page(second.number)
    site.put_page(first.number, other)
    site.put_page(second.number, one)
    return f"index pages {first.number} ({first.owner}) and {second.number} ({second.owner}) swapped"


def _lost(find: object, owner: str, *, noise: bool, many: bool = False) -> object:
    def apply(site: Site) -> str:
        pages = find(site, owner)  # type: ignore[operator]
        return _lose(site, pages, _many(site, pages) if many else 1, noise=noise)

    return apply


BTREE = (
    *(
        Kind(name, "b-tree", apply)  # type: ignore[arg-type]
        for name, apply in (
            ("root-zero", _lost(_big_roots, "table", noise=False)),
            ("root-noise", _lost(_big_roots, "table", noise=True)),
            ("interior-zero", _lost(_interiors, "table", noise=False)),
            ("interior-noise", _lost(_interiors, "table", noise=True)),
            ("leaf-zero", _lost(_leaves, "table", noise=False, many=True)),
            ("leaf-noise", _lost(_leaves, "table", noise=True, many=True)),
            ("leaf-cells", _cells_overwritten),
            ("tree-type", _type),
            ("tree-count", _header_field(3, 2)),
            ("tree-start", _header_field(5, 2)),
            ("tree-freeblock", _header_field(1, 2)),
            ("tree-header", _header_field(0, 8)),
            ("pointers-noise", _pointers("table", zero=False)),
            ("pointers-zero", _pointers("table", zero=True)),
            ("pages-swapped", _swapped),
            ("page-duplicated", _duplicated),
            ("child-wrong", _child_wrong),
            ("child-loop", _child_loop),
            ("right-child", _right_child),
            ("overflow-cut", _overflow_cut),
            ("overflow-loop", _overflow_loop),
            ("overflow-cross", _overflow_cross),
            ("overflow-lost", _overflow_lost),
            ("payload-size", _payload_size),
            ("order", _order),
            ("bit-flip", _bit_flip),
            ("bit-flips", _bit_flips),
        )
    ),
    Kind("free-space", "b-tree", _free_space, HEALTHY),
    Kind("free-page", "b-tree", _free_page, HEALTHY),
)

INDEX = tuple(
    Kind(name, "index", apply)  # type: ignore[arg-type]
    for name, apply in (
        ("index-root-zero", _lost(_big_roots, "index", noise=False)),
        ("index-leaf-zero", _lost(_leaves, "index", noise=False, many=True)),
        ("index-leaf-noise", _lost(_leaves, "index", noise=True, many=True)),
        ("index-interior", _lost(_interiors, "index", noise=True)),
        ("index-pointers", _pointers("index", zero=False)),
        ("index-swapped", _index_swapped),
        ("index-entry-missing", _entry_missing),
        ("index-entry-changed", _entry_changed),
    )
)
