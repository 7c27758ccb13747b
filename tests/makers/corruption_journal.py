"""Damage to what lies beside the main file: WAL, its index, rollback journal (SQLite file format, sections 3 and 4)."""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.makers import corpus, corpus_forms
from tests.makers.corruption_site import DAMAGED, HEALTHY, LENIENT, OPEN, Kind, Site, UnfitError, word

WAL = ("wal", "wal-no-shm")
HOT = ("hot",)


def _wal(site: Site) -> bytearray:
    data = bytearray(site.sidecar("-wal").read_bytes())
    if len(data) < corpus_forms.WAL_HEADER + 200:
        raise UnfitError
    return data


def _current(data: bytearray) -> list[int]:
    return [at for at in corpus_forms.frames(bytes(data)) if data[at + 8 : at + 16] == data[16:24]]


def _inner_frame(site: Site, data: bytearray) -> int:
    """Choose a frame that is not the last: what follows it is lost with it."""
    found = _current(data)
    if len(found) < 3:
        raise UnfitError
    return site.random.choice(found[:-1])


def _save(site: Site, data: bytes | bytearray, suffix: str = "-wal") -> None:
    site.sidecar(suffix).write_bytes(data)


def _frame_sum(site: Site) -> str:
    data = _wal(site)
    at = _inner_frame(site, data)
    data[at + 16 : at + 24] = site.random.randbytes(8)
    _save(site, data)
    return f"checksum of the WAL frame at {at} overwritten"


def _frame_page(site: Site) -> str:
    data = _wal(site)
    at = _inner_frame(site, data)
    size = struct.unpack_from(">I", data, 8)[0]
    length = site.random.choice((1, 16, size // 2, size))
    where = at + 24 + site.random.randrange(size - length + 1)
    data[where : where + length] = site.noise(length)
    _save(site, data)
    return f"{length} bytes of the page in the WAL frame at {at} overwritten"


def _frame_header(site: Site) -> str:
    data = _wal(site)
    at = _inner_frame(site, data)
    data[at : at + 24] = site.random.choice((bytes(24), site.noise(24)))
    _save(site, data)
    return f"header of the WAL frame at {at} overwritten"


def _wal_header_zero(site: Site) -> str:
    data = _wal(site)
    data[:32] = bytes(32)
    _save(site, data)
    return "WAL header zeroed"


def _wal_header_salt(site: Site) -> str:
    data = _wal(site)
    data[16:24] = site.random.randbytes(8)
    _save(site, data)
    return "salts of the WAL header overwritten"


def _wal_header_sum(site: Site) -> str:
    data = _wal(site)
    data[24:32] = site.random.randbytes(8)
    _save(site, data)
    return "checksum of the WAL header overwritten"


def _wal_cut(site: Site) -> str:
    data = _wal(site)
    size = max(200, int(len(data) * site.random.uniform(0.2, 0.95)))
    _save(site, data[:size])
    return f"WAL cut from {len(data)} to {size} bytes"


def _wal_torn(site: Site) -> str:
    data = _wal(site)
    blocks = _current(data)[-1] // 512
    if blocks < 4:
        raise UnfitError
    at = site.random.randrange(1, blocks) * 512
    data[at : at + 512] = bytes(512)
    _save(site, data)
    return f"512 bytes of the WAL from {at} zeroed"


def _wal_tail(site: Site) -> str:
    """Add frames without a commit behind the end, as a transaction that never ended leaves them."""
    data = _wal(site)
    size = struct.unpack_from(">I", data, 8)[0]
    for number in range(2, 2 + site.amount(3, 6)):
        data += word(number) + word(0) + data[16:24] + bytes(8) + site.noise(size)
    corpus_forms.sign_wal(data)
    _save(site, data)
    return "frames of a transaction that never ended behind the WAL"


def _wal_garbage(site: Site) -> str:
    """Leave part of a frame behind the end, as a machine that stopped in a write does."""
    data = _wal(site)
    _save(site, data + data[16:24] + site.noise(site.random.randint(10, 900)))
    return "part of a frame behind the WAL"


def _shm_lost(site: Site) -> str:
    site.sidecar("-shm").unlink()
    return "-shm lost"


def _shm_garbage(site: Site) -> str:
    site.sidecar("-shm").write_bytes(site.noise(32768))
    return "-shm overwritten"


def _other(site: Site, form: str) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Make another database of the same page size in `form`."""
    names = sorted(corpus.applications(unseen=site.unseen) or corpus.applications())
    name = site.random.choice([one for one in names if one != site.spec.application])
    spec = replace(corpus.draw(name, site.spec.seed), page_size=site.spec.page_size, form=form, reserved=0)
    folder = tempfile.TemporaryDirectory(dir=site.path.parent)
    return corpus.make(spec, Path(folder.name)).path, folder


def _foreign(form: str, suffix: str) -> Callable[[Site], str]:
    def apply(site: Site) -> str:
        other, folder = _other(site, form)
        try:
            shutil.copyfile(other.with_name(other.name + suffix), site.sidecar(suffix))
        finally:
            folder.cleanup()
        return f"the {suffix} of another database beside it"

    return apply


def _stale_wal(site: Site) -> str:
    """Put the WAL back that was beside the file before all of it was taken in and the application went on."""
    keep = site.sidecar("-wal").read_bytes()
    with corpus.connected(site.path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = [
            row[0]
            for row in db.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
            )
        ]
        db.execute("PRAGMA foreign_keys=OFF")
        for name in names[:3]:
            db.execute(f"CREATE TABLE IF NOT EXISTS {'later_' + str(names.index(name))}(x)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode=delete")
        db.execute("PRAGMA journal_mode=wal")
    for suffix in ("-shm", "-wal"):
        site.sidecar(suffix).unlink(missing_ok=True)
    _save(site, keep)
    return "a WAL from before the last checkpoint beside the file"


def _journal(site: Site) -> bytearray:
    data = bytearray(site.sidecar("-journal").read_bytes())
    if len(data) < 512 + site.map.size:
        raise UnfitError
    return data


def _journal_header_zero(site: Site) -> str:
    data = _journal(site)
    data[:28] = bytes(28)
    _save(site, data, "-journal")
    return "header of a hot journal zeroed"


def _journal_header_noise(site: Site) -> str:
    data = _journal(site)
    data[:28] = site.noise(28)
    _save(site, data, "-journal")
    return "header of a hot journal overwritten"


def _journal_nonce(site: Site) -> str:
    data = _journal(site)
    data[12:16] = site.random.randbytes(4)
    _save(site, data, "-journal")
    return "nonce of a hot journal overwritten"


def _journal_record(site: Site) -> str:
    data = _journal(site)
    step = site.map.size + 8
    count = (len(data) - 512) // step
    at = 512 + step * site.random.randrange(max(1, count - 1))
    end = at + 4 + site.map.size
    data[end : end + 4] = site.random.randbytes(4)
    _save(site, data, "-journal")
    return f"checksum of the journal record at {at} overwritten"


def _journal_pages(site: Site) -> str:
    data = _journal(site)
    step = site.map.size + 8
    count = (len(data) - 512) // step
    hit = site.random.sample(range(count - 1), max(1, count // site.amount(8, 5)))
    for one in hit:
        at = 512 + step * one + 4
        data[at : at + site.map.size] = site.noise(site.map.size)
    _save(site, data, "-journal")
    return f"{len(hit)} pages in the hot journal overwritten"


def _journal_cut(site: Site) -> str:
    data = _journal(site)
    size = 512 + int((len(data) - 512) * site.random.uniform(0.1, 0.9))
    _save(site, data[:size], "-journal")
    return f"hot journal cut from {len(data)} to {size} bytes"


def _journal_lost(site: Site) -> str:
    site.sidecar("-journal").unlink()
    return "hot journal lost"


JOURNAL = (
    Kind("wal-frame-sum", "journal", _frame_sum, DAMAGED, WAL),
    Kind("wal-frame-page", "journal", _frame_page, DAMAGED, WAL),
    Kind("wal-frame-header", "journal", _frame_header, DAMAGED, WAL),
    Kind("wal-torn", "journal", _wal_torn, DAMAGED, WAL),
    Kind("wal-header-zero", "journal", _wal_header_zero, DAMAGED, WAL),
    Kind("wal-header-salt", "journal", _wal_header_salt, DAMAGED, WAL),
    Kind("wal-header-sum", "journal", _wal_header_sum, DAMAGED, WAL),
    Kind("wal-cut", "journal", _wal_cut, OPEN, WAL),
    Kind("wal-foreign", "journal", _foreign("wal", "-wal"), DAMAGED, ("wal-at-rest", "rollback")),
    Kind("wal-stale", "journal", _stale_wal, DAMAGED, WAL, truth="stale"),
    Kind("wal-tail", "journal", _wal_tail, HEALTHY, WAL),
    Kind("wal-garbage", "journal", _wal_garbage, OPEN, WAL),
    Kind("shm-lost", "journal", _shm_lost, HEALTHY, ("wal", "wal-restarted")),
    Kind("shm-garbage", "journal", _shm_garbage, HEALTHY, ("wal", "wal-restarted")),
    Kind("journal-header-zero", "journal", _journal_header_zero, DAMAGED, HOT),
    Kind("journal-header-noise", "journal", _journal_header_noise, DAMAGED, HOT),
    Kind("journal-nonce", "journal", _journal_nonce, DAMAGED, HOT),
    Kind("journal-record", "journal", _journal_record, LENIENT, HOT),
    Kind("journal-pages", "journal", _journal_pages, LENIENT, HOT),
    Kind("journal-cut", "journal", _journal_cut, LENIENT, HOT),
    Kind("journal-lost", "journal", _journal_lost, "ask", HOT),
    Kind("journal-foreign", "journal", _foreign("hot", "-journal"), DAMAGED, ("rollback", "hot")),
)
