from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vault import made
from toolkit.errors import FormatError, NotFoundError, RefusedError, UsageError
from toolkit.retention import Kind
from toolkit.vault import layout
from toolkit.vault.layout import Stem, Vault


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_ids_are_eight_random_characters() -> None:
    ids = {layout.new_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(layout.check_id(one) == one for one in ids)


@pytest.mark.parametrize("text", ["", "abcdefg", "abcdefghi", "ABCDEFGH", "abcdefg1", "abcdef/h", "../../ab"])
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        layout.check_id(text)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-shop",
        "Shop",
        "a/b",
        "../etc",
        "a\nb",
        "shop\n",
        "a_b",
        "sh op",
        "\x1b[2J",
        "é",
        "a" * 65,
        "\udcff",
    ],
)
def test_hostile_profile_names_are_refused(vault: Vault, name: str) -> None:
    with pytest.raises(UsageError):
        vault.folder(name, Kind.DAILY)
    with pytest.raises(UsageError):
        layout.stem_of(made.manifest(profile=name))


def test_names_that_the_vault_uses_are_refused() -> None:
    with pytest.raises(UsageError, match="uses this name"):
        layout.check_profile("recovery")


@given(
    profile=st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True).filter(lambda name: name != "recovery"),
    kind=st.sampled_from(Kind),
    when=st.integers(0, 10**11).map(lambda second: datetime.fromtimestamp(second, UTC)),
    backup_id=st.text(layout.ALPHABET, min_size=8, max_size=8),
)
def test_stems_are_read_as_they_were_written(profile: str, kind: Kind, when: datetime, backup_id: str) -> None:
    stem = Stem(profile, kind, when, backup_id)
    assert layout.parse_stem(str(stem)) == stem
    assert layout.parse_name(f"{stem}.tar.zst.001") == (stem, ".tar.zst.001")


def test_a_stem_is_in_utc() -> None:
    when = datetime(2026, 11, 20, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert str(Stem("shop", Kind.MANUAL, when, "abcdefgh")) == "shop_manual_20261119T233000Z_abcdefgh"


@pytest.mark.parametrize(
    "name",
    [
        "shop_daily_20261120T030000Z_abcdefgh",
        "shop_noon_20261120T030000Z_abcdefgh.tar",
        "shop_daily_20261320T030000Z_abcdefgh.tar",
        "shop_daily_20261120T030000Z_ABCDEFGH.tar",
        ".shop_daily_20261120T030000Z_abcdefgh.tar",
        "notes.txt",
    ],
)
def test_foreign_names_are_none_of_ours(name: str) -> None:
    assert layout.parse_name(name) is None


def test_a_private_vault(tmp_path: Path) -> None:
    vault = layout.create_vault(tmp_path / "deep" / "vault")
    vault.make_folder(vault.folder("shop", Kind.DAILY))
    assert [mode_of(path) for path in (vault.path, vault.path / "shop", vault.path / "shop" / "daily")] == [0o700] * 3
    made.put(vault, made.manifest())
    assert {mode_of(path) for path in vault.path.rglob("*") if path.is_file()} == {0o600}
    assert layout.open_vault(vault.path) == vault
    assert "lifeboat list" in (vault.path / layout.NOTE).read_text()


def test_a_vault_shared_by_a_group(tmp_path: Path) -> None:
    import grp

    group = grp.getgrgid(os.getgid()).gr_name
    vault = layout.create_vault(tmp_path / "vault", group=group)
    one = made.put(vault, made.manifest())
    assert [mode_of(path) for path in (vault.path, vault.home(one))] == [0o2770] * 2
    assert mode_of(vault.manifest_path(one)) == mode_of(vault.catalog) == mode_of(vault.path / layout.MARKER) == 0o660
    assert layout.open_vault(vault.path) == vault


def test_an_unknown_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        layout.create_vault(tmp_path / "vault", group="no-such-group-here")


def test_a_folder_with_other_things_never_becomes_a_vault(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RefusedError):
        layout.create_vault(tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_opening_what_is_no_vault(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotFoundError):
            layout.open_vault(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotFoundError):
        layout.open_vault(tmp_path / "file")


def test_a_newer_vault_is_refused_with_a_hint(vault: Vault) -> None:
    (vault.path / layout.MARKER).write_text('{"vault": 2, "more": 1}')
    with pytest.raises(FormatError) as caught:
        layout.open_vault(vault.path)
    assert "upgrade" in (caught.value.hint or "")
    (vault.path / layout.MARKER).write_text("nonsense")
    with pytest.raises(FormatError):
        layout.open_vault(vault.path)


def test_a_vault_that_lost_its_marker_is_recognised_by_its_backups(vault: Vault) -> None:
    made.put(vault, made.manifest())
    (vault.path / layout.MARKER).unlink()
    assert layout.open_vault(vault.path) == vault
    layout.create_vault(vault.path)
    assert (vault.path / layout.MARKER).exists()


def test_only_files_of_backups_are_found(vault: Vault) -> None:
    one = made.put(vault, made.manifest())
    folder = vault.home(one)
    (folder / "notes.txt").write_text("mine")
    (folder / f"link_daily_20261120T030000Z_abcdefgh{layout.MANIFEST}").symlink_to("/etc/passwd")
    os.mkfifo(folder / f"shop_daily_20261120T030000Z_abcdefgh{layout.MANIFEST}")
    (vault.recovery / "daily").mkdir(parents=True)
    (vault.recovery / "daily" / f"shop_daily_20261120T030000Z_abcdefgh{layout.MANIFEST}").write_text("{}")
    (vault.path / "Weird").mkdir()
    assert list(layout.manifests(vault)) == [vault.manifest_path(one)]
    assert list(layout.manifests(vault, "other")) == []
    assert [path.name[-4:] for path in layout.data_files(vault.manifest_path(one))] == [".tar", ".zst"]
