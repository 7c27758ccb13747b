"""A scan by two processes finds what one finds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.makers.sound import varied
from toolkit.sqlite import second
from toolkit.sqlite.pages import PageSource, geometry_of, scan, source


@pytest.mark.parametrize("seed", range(6))
def test_two_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    path = tmp_path / "a.db"
    varied(path, seed, rows=400)
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(len(data) // 8000):
        data[chance.randrange(100, len(data))] ^= 255
    path.write_bytes(data)
    monkeypatch.setattr(source, "PIECE", 3 * 4096)
    done: list[int] = []
    with PageSource(path, geometry_of(bytes(data[:100]), len(data))) as pages:
        alone = scan.scan(pages)
        monkeypatch.setattr(scan, "LARGE", 0)
        monkeypatch.setattr(second, "has_room", lambda: True)
        both = scan.scan(pages, on_progress=lambda count, _: done.append(count))
        assert both == alone
        assert len(alone.owners) + len(alone.interior) > 0
        assert done == sorted(done)
        assert done[-1] == pages.page_count
