"""Private folders: gone afterwards, at once or beside what comes next, and never taken for a left-over before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from toolkit.beside import Beside
from toolkit.operations.scratch import private_folder, sweep
from toolkit.vault.layout import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    (tmp_path / "vault").mkdir()
    return Vault(tmp_path / "vault")


def test_it_is_removed_at_once_without_a_thread(vault: Vault) -> None:
    with private_folder(vault, "aaaaaaaa") as folder:
        (folder / "copy.db").write_bytes(b"copy")
    assert not folder.exists()


def test_beside_it_is_locked_until_it_is_gone(vault: Vault) -> None:
    clearing, held = Beside("clearing-test", ahead=2), threading.Event()
    clearing.do(held.wait, 60)
    with private_folder(vault, "aaaaaaaa", clearing=clearing) as folder:
        (folder / "copy.db").write_bytes(b"copy")
    assert folder.exists()
    assert sweep(vault) == []  # not a left-over: its run lives
    held.set()
    clearing.settle()
    assert not folder.exists()


def test_after_a_failure_the_name_is_free_at_once(vault: Vault) -> None:
    clearing, held = Beside("clearing-test", ahead=2), threading.Event()
    clearing.do(held.wait, 60)
    with pytest.raises(ValueError, match="broken"), private_folder(vault, "aaaaaaaa", clearing=clearing) as folder:
        raise ValueError("broken")
    assert not folder.exists()
    with private_folder(vault, "aaaaaaaa") as again:  # an archive is begun again under the same name
        assert again.exists()
    held.set()
    clearing.settle()
