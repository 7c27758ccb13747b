"""The table of formats and the refusals of what makes no sense."""

from __future__ import annotations

import pytest

from tests.archive.making import ALL_FORMATS
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.restoretext import text
from toolkit.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "tar.zts"},
        {"format": "zip", "level": 10},
        {"format": "tar.zst", "level": 20},
        {"format": "tar.zst", "level": 0},
        {"format": "zip", "passphrase": "secret"},
        {"format": "7z", "passphrase": ""},
        {"split": 10},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ArchiveSpec(**wrong)


def test_the_nearest_format_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        ArchiveSpec("tar.zts")
    assert caught.value.hint == "did you mean tar.zst?"


def test_a_passphrase_takes_the_levels_of_the_tar_inside() -> None:
    assert ArchiveSpec("7z", passphrase="secret").effective_level == 3
    assert ArchiveSpec("7z", level=19, passphrase="secret").effective_level == 19
    assert ArchiveSpec("7z").effective_level == 1
    assert "secret" not in repr(ArchiveSpec("7z", passphrase="secret"))


@pytest.mark.parametrize("name", ALL_FORMATS)
@pytest.mark.parametrize("stem", ["shop_manual_20261120T030000Z_abcd2345", "n" * 180])
def test_restore_text_fits_a_terminal(name: str, stem: str) -> None:
    specs = [ArchiveSpec(name), ArchiveSpec(name, split=1_000_000)]
    specs += [ArchiveSpec(name, passphrase="secret")] if name == "7z" else []
    for spec in specs:
        lines = text(spec, stem, stem + spec.extension).decode().splitlines()
        assert max(map(len, lines)) <= 100
        assert not any("secret" in line for line in lines)
        assert any("-wal" in line for line in lines)
        assert any("cat " in line for line in lines) is (spec.split is not None)
