"""`stats`: the figures of real backups."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.makers.applications import START, shop
from toolkit import durable
from toolkit.errors import LifeboatError, ProfileNotFoundError
from toolkit.operations import stats
from toolkit.retention import Kind


def test_figures(tmp_path: Path) -> None:
    made = shop(tmp_path, orders=20)
    rows = [made.back_up(kind=kind) for kind in (Kind.DAILY, Kind.DAILY, Kind.MANUAL)]
    made.vault.joinpath("shop", "manual").chmod(0o700)
    figures = stats.run(made.session(), "shop").stats
    assert (figures.completed, figures.failed, figures.success_rate) == (3, 0, 1.0)
    assert figures.size == sum(row.size for row in rows)
    assert figures.average == figures.size // 3
    assert [(one.kind, one.count) for one in figures.by_kind] == [("daily", 2), ("manual", 1)]
    assert figures.oldest == START
    assert [one.total for one in figures.growth][-1] == figures.size
    with pytest.raises(ProfileNotFoundError):
        stats.run(made.session(), "nobody")


def test_failures_lower_the_success_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop(tmp_path, orders=20)
    made.back_up()

    def full_disk(name: str, path: str) -> None:
        if name == "create" and ".tar.zst" in path:
            raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "on_step", full_disk)
        with pytest.raises(LifeboatError):
            made.back_up()
    figures = stats.run(made.session(), None).stats
    assert (figures.completed, figures.failed, figures.success_rate) == (1, 1, 0.5)
