"""Damage to the file as a whole: cut, torn, mangled, parts of it old."""

from __future__ import annotations

import os

from tests.makers.corruption_site import DAMAGED, Kind, Site, UnfitError


def _cut(site: Site, size: int) -> str:
    before = site.path.stat().st_size
    os.truncate(site.path, size)
    return f"cut from {before} to {size} bytes"


def _cut_at_page(site: Site) -> str:
    share = site.random.uniform(*((0.3, 0.98) if not site.unseen else (0.2, 0.9)))
    return _cut(site, max(1, int(site.map.count * share)) * site.map.size)


def _cut_in_page(site: Site) -> str:
    size = site.path.stat().st_size
    cut = int(size * site.random.uniform(0.3, 0.99))
    return _cut(site, cut + (7 if cut % site.map.size == 0 else 0))


def _torn(block: int, *, noise: bool = False) -> object:
    def apply(site: Site) -> str:
        blocks = site.path.stat().st_size // block
        count = max(1, int(blocks * site.random.uniform(0.003, site.amount(30, 60) / 1000)))
        hit = sorted(site.random.sample(range(1, blocks), min(count, blocks - 1))) if blocks > 1 else [0]
        for one in hit:
            site.put(one * block, site.noise(block) if noise else bytes(block))
        return f"{len(hit)} blocks of {block} bytes {'overwritten' if noise else 'zeroed'}"

    return apply


def _range(site: Site) -> str:
    size = site.path.stat().st_size
    length = int(size * site.random.uniform(0.02, site.amount(15, 25) / 100))
    at = site.random.randrange(max(1, size - length))
    site.put(at, site.random.choice((bytes(length), site.noise(length))))
    return f"{length} bytes from {at} overwritten"


def _inserted(site: Site) -> str:
    data = site.read()
    count = site.random.choice((1, 2, 100, 512, 4096, 5000))
    at = site.random.randrange(200, len(data))
    data[at:at] = site.noise(count)
    site.path.write_bytes(data)
    return f"{count} bytes put in at {at}"


def _removed(site: Site) -> str:
    data = site.read()
    count = site.random.choice((1, 2, 100, 512, 1000, 4096))
    at = site.random.randrange(200, len(data) - count) if len(data) > count + 201 else 0
    del data[at : at + count]
    site.path.write_bytes(data)
    return f"{count} bytes taken out at {at}"


def _prefix(site: Site) -> str:
    count = site.random.choice((1, 3, 16, 512, 4096, 777))
    extra = site.random.choice(
        (b"\xef\xbb\xbf", b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n", site.noise(count), bytes(count))
    )
    site.path.write_bytes(extra + site.read())
    return f"{len(extra)} bytes before the file"


def _suffix(site: Site) -> str:
    extra = (
        site.noise(site.random.choice((1, 100, 4096, 10_000))) if site.random.random() < 0.7 else bytes(site.map.size)
    )
    site.path.write_bytes(site.read() + extra)
    return f"{len(extra)} bytes behind the file"


def _replace(site: Site, old: bytes, new: bytes) -> str:
    data = bytes(site.read())
    count = data.count(old)
    if not count:
        raise UnfitError
    site.path.write_bytes(data.replace(old, new))
    return f"{old!r} became {new!r} {count} times"


def _to_crlf(site: Site) -> str:
    return _replace(site, b"\n", b"\r\n")


def _to_lf(site: Site) -> str:
    return _replace(site, b"\r\n", b"\n")


def _first_half(site: Site) -> str:
    length = site.path.stat().st_size // 2
    site.put(0, bytes(length))
    return f"the first {length} bytes zeroed"


def _last_half(site: Site) -> str:
    size = site.path.stat().st_size
    site.put(size // 2, bytes(size - size // 2))
    return f"the bytes from {size // 2} zeroed"


def _old_pages(site: Site) -> str:
    """Mix in pages as they were yesterday, as after a disk that lost writes."""
    if site.spec.backup != "copy" or site.spec.since == "vacuum":
        raise UnfitError
    old, size = site.made.backup.read_bytes(), site.map.size
    now = bytes(site.read())
    changed = [
        number
        for number in range(2, min(len(old), len(now)) // size + 1)
        if old[(number - 1) * size : number * size] != now[(number - 1) * size : number * size]
    ]
    if not changed:
        raise UnfitError
    hit = site.random.sample(changed, max(1, len(changed) // site.random.randint(2, 6)))
    for number in hit:
        site.put_page(number, old[(number - 1) * size : number * size])
    return f"{len(hit)} of {len(changed)} changed pages as they were yesterday"


def _empty(site: Site) -> str:
    return _cut(site, 0)


def _text(site: Site) -> str:
    site.path.write_bytes(b"this was a database once\n" * 200)
    return "replaced by a text"


FILE = (
    *(
        Kind(name, "file", apply, verdict)  # type: ignore[arg-type]
        for name, apply, verdict in (
            ("cut-at-page", _cut_at_page, "ask"),
            ("cut-in-page", _cut_in_page, "ask"),
            ("torn-512", _torn(512), "ask"),
            ("torn-4096", _torn(4096), "ask"),
            ("torn-noise", _torn(512, noise=True), "ask"),
            ("range", _range, "ask"),
            ("bytes-inserted", _inserted, DAMAGED),
            ("bytes-removed", _removed, DAMAGED),
            ("prefix", _prefix, DAMAGED),
            ("suffix", _suffix, DAMAGED),
            ("crlf", _to_crlf, DAMAGED),
            ("lf", _to_lf, DAMAGED),
            ("first-half", _first_half, DAMAGED),
            ("last-half", _last_half, "ask"),
            ("old-pages", _old_pages, "ask"),
        )
    ),
    Kind("empty", "file", _empty, DAMAGED, repair=False),
    Kind("text", "file", _text, DAMAGED, repair=False),
)
