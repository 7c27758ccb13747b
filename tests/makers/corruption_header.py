"""Damage to the header of the file (SQLite file format, section 1.3) and to the schema on page 1."""

from __future__ import annotations

import struct

from tests.makers.corruption_site import DAMAGED, HEALTHY, LENIENT, OPEN, Kind, Site, UnfitError, half, word


def _field(site: Site, at: int, data: bytes) -> str:
    before = bytes(site.read()[at : at + len(data)])
    if before == data:
        raise UnfitError
    site.put(at, data)
    return f"header bytes {at}..{at + len(data) - 1}: {before.hex()} -> {data.hex()}"


def _magic(site: Site) -> str:
    size = site.random.choice((1, 6, 16))
    at = site.random.randrange(16 - size + 1)
    return _field(site, at, site.random.choice((bytes(size), site.noise(size))))


def _page_size(site: Site) -> str:
    sizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 1, 0, 1000, 0xFFFF]
    return _field(site, 16, half(site.random.choice([one for one in sizes if one != site.map.size & 0xFFFF])))


def _versions(site: Site) -> str:
    return _field(site, 18, bytes((site.random.choice((0, 3, 77, 255)), site.random.choice((3, 9, 255)))))


def _wal_flag(site: Site) -> str:
    return _field(site, 18, b"\2\2")


def _reserved(site: Site) -> str:
    other = [one for one in (0, 1, 8, 16, 32, 64, 200, 255) if one != site.spec.reserved]
    return _field(site, 20, bytes((site.random.choice(other),)))


def _fractions(site: Site) -> str:
    values = bytearray(b"\x40\x20\x20")
    values[site.random.randrange(3)] = site.random.choice((0, 1, 128, 255))
    return _field(site, 21, bytes(values))


def _change_counter(site: Site) -> str:
    return _field(site, 24, word(site.random.randrange(2**32)))


def _page_count(site: Site) -> str:
    data = site.read()
    count = len(data) // site.map.size
    data[92:96] = data[24:28]
    site.put(0, data)
    wrong = site.random.choice((1, count // 2, count - 1, count + 1, count * 2, 2**31))
    return _field(site, 28, word(max(1, wrong)))


def _freelist_trunk(site: Site) -> str:
    wrong = site.random.choice((0, 1, 2, site.map.count, site.map.count + 7, 2**32 - 1))
    return _field(site, 32, word(wrong))


def _freelist_count(site: Site) -> str:
    count = struct.unpack_from(">I", site.read(), 36)[0]
    return _field(site, 36, word(site.random.choice((count + 1, count + 900, max(0, count - 1), 2**31))))


def _cookie(site: Site) -> str:
    return _field(site, 40, word(site.random.randrange(2**32)))


def _schema_format(site: Site) -> str:
    return _field(site, 44, word(site.random.choice((0, 5, 9, 2**32 - 1))))


def _encoding(site: Site) -> str:
    return _field(site, 56, word(site.random.choice((0, 1, 2, 3, 4, 255))))


def _largest_root(site: Site) -> str:
    return _field(site, 52, word(site.random.choice((0, 3, site.map.count))))


def _user_version(site: Site) -> str:
    return _field(site, 60, word(site.random.randrange(2**32)))


def _expansion(site: Site) -> str:
    return _field(site, 72, site.random.randbytes(20))


def _header_zero(site: Site) -> str:
    return _field(site, 0, bytes(site.amount(100, 64)))


def _header_noise(site: Site) -> str:
    return _field(site, 0, site.noise(site.amount(100, 92)))


def _page1_zero(site: Site) -> str:
    site.put_page(1, bytes(site.map.size))
    return "page 1 zeroed"


def _page1_noise(site: Site) -> str:
    site.put_page(1, site.noise(site.map.size))
    return "page 1 overwritten"


def _page1_other(site: Site) -> str:
    other = site.pick(site.map.of("table-leaf", "index-leaf", owners=("table", "index")))
    site.put_page(1, site.page(other.number))
    return f"page 1 overwritten by page {other.number}"


def _page1_first_sector(site: Site) -> str:
    site.put(0, site.random.choice((bytes(512), site.noise(512))))
    return "the first 512 bytes lost"


def _page1_tree_header(site: Site) -> str:
    site.put(100, site.random.choice((bytes(8), site.noise(8))))
    return "b-tree header of page 1 overwritten"


def _page1_pointers(site: Site) -> str:
    cells = site.map.cells(1)
    if not cells:
        raise UnfitError
    start = 112 if site.map.pages[1].kind.endswith("interior") else 108
    count = site.random.randint(1, len(cells))
    site.put(start, site.random.choice((bytes(2 * count), site.noise(2 * count))))
    return f"{count} cell pointers of page 1 overwritten"


def _schema_cell(site: Site) -> tuple[int, int, int]:
    """Choose a row of the schema: its page, where its payload begins, how much of it is in the page."""
    page = site.pick(site.map.of("table-leaf", owners=("schema",)))
    cells = [cell for cell in site.map.cells(page.number) if cell.local > 30]
    if not cells:
        raise UnfitError
    cell = site.random.choice(cells)
    return page.number, cell.payload_at, cell.local


def _schema_row(site: Site) -> str:
    number, at, _ = _schema_cell(site)
    size = site.amount(5, 9)
    site.put_page(number, site.noise(size), at)
    return f"record header of a schema row on page {number} overwritten"


def _schema_text(site: Site) -> str:
    number, at, local = _schema_cell(site)
    text = bytes(site.page(number)[at : at + local])
    word_at = text.find(
        "CREATE".encode({"UTF-8": "utf-8", "UTF-16le": "utf-16-le"}.get(site.spec.encoding, "utf-16-be"))
    )
    if word_at < 0:
        raise UnfitError
    where = at + word_at + site.random.randrange(0, local - word_at - 3)
    site.put_page(number, site.noise(min(site.amount(3, 8), at + local - where)), where)
    return f"SQL text of a schema row on page {number} overwritten at {where}"


def _root_page(site: Site) -> str:
    number, at, local = _schema_cell(site)
    page = site.page(number)
    head = page[at]
    types = page[at + 1 : at + head]
    if head > 8 or len(types) < 4 or types[3] not in (1, 2):
        raise UnfitError
    position = at + head + sum((one - 12) // 2 for one in types[:3] if one >= 12)
    if any(one > 127 for one in types[:3]) or position >= at + local:
        raise UnfitError
    width = types[3]
    wrong = site.random.choice((0, 1, 2, 3, site.map.count + 5, site.map.count // 2))
    site.put_page(number, (wrong & (0x7F if width == 1 else 0x7FFF)).to_bytes(width, "big"), position)
    return f"root page of a schema row on page {number} set to {wrong}"


def _schema_leaf(site: Site) -> str:
    page = site.pick([one for one in site.map.of("table-leaf", owners=("schema",)) if one.number != 1])
    site.put_page(page.number, site.random.choice((bytes(site.map.size), site.noise(site.map.size))))
    return f"leaf {page.number} of the schema lost"


HEADER = (
    *(
        Kind(name, "header", apply, verdict)
        for name, apply, verdict in (
            ("header-magic", _magic, DAMAGED),
            ("header-page-size", _page_size, DAMAGED),
            ("header-versions", _versions, DAMAGED),
            ("header-reserved", _reserved, LENIENT),
            ("header-fractions", _fractions, DAMAGED),
            ("header-page-count", _page_count, DAMAGED),
            ("header-freelist-trunk", _freelist_trunk, DAMAGED),
            ("header-freelist-count", _freelist_count, DAMAGED),
            ("header-schema-format", _schema_format, LENIENT),
            ("header-encoding", _encoding, LENIENT),
            ("header-largest-root", _largest_root, LENIENT),
            ("header-zero", _header_zero, DAMAGED),
            ("header-noise", _header_noise, DAMAGED),
        )
    ),
    Kind("header-wal-flag", "header", _wal_flag, HEALTHY),
    Kind("header-change-counter", "header", _change_counter, HEALTHY),
    Kind("header-cookie", "header", _cookie, HEALTHY),
    Kind("header-expansion", "header", _expansion, OPEN),
    Kind("header-user-version", "header", _user_version, OPEN, repair=False),
)

SCHEMA = tuple(
    Kind(name, "schema", apply)
    for name, apply in (
        ("page1-zero", _page1_zero),
        ("page1-noise", _page1_noise),
        ("page1-other", _page1_other),
        ("page1-first-sector", _page1_first_sector),
        ("page1-tree-header", _page1_tree_header),
        ("page1-pointers", _page1_pointers),
        ("schema-row", _schema_row),
        ("schema-text", _schema_text),
        ("schema-root-page", _root_page),
        ("schema-leaf", _schema_leaf),
    )
)
