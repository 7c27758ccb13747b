"""Where Lifeboat's own files are, for root, for users and for services."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers.trees import as_user
from toolkit.errors import ConfigError, LifeboatError, RefusedError
from toolkit.profile import locations

HOME = {"HOME": "/home/ann"}
SYSTEMD = {
    "CONFIGURATION_DIRECTORY": "/etc/boat:/etc/other",
    "STATE_DIRECTORY": "/var/lib/boat:/var/lib/other",
    "CACHE_DIRECTORY": "/var/cache/boat",
    "RUNTIME_DIRECTORY": "/run/boat",
    "LOGS_DIRECTORY": "/var/log/boat",
}
XDG = {
    "XDG_CONFIG_HOME": "/x/config",
    "XDG_STATE_HOME": "/x/state",
    "XDG_DATA_HOME": "/x/data",
    "XDG_CACHE_HOME": "/x/cache",
    "XDG_RUNTIME_DIR": "/run/user/7",
}
TABLE: list[tuple[Callable[[dict[str, str], int], Path], str, str, str, str]] = [
    # place, root, user, user with XDG, service
    (locations.config_file, "/etc/lifeboat/config.yaml", "~/.config/lifeboat/config.yaml",
     "/x/config/lifeboat/config.yaml", "/etc/boat/config.yaml"),
    (locations.state_directory, "/var/lib/lifeboat", "~/.local/state/lifeboat", "/x/state/lifeboat", "/var/lib/boat"),
    (locations.vault_directory, "/var/lib/lifeboat/vault", "~/.local/share/lifeboat/vault",
     "/x/data/lifeboat/vault", "/var/lib/boat/vault"),
    (locations.cache_directory, "/var/cache/lifeboat", "~/.cache/lifeboat", "/x/cache/lifeboat", "/var/cache/boat"),
    (locations.run_directory, "/run/lifeboat", "~/.local/state/lifeboat/run", "/run/user/7/lifeboat", "/run/boat"),
    (locations.log_directory, "/var/log/lifeboat", "~/.local/state/lifeboat/log",
     "/x/state/lifeboat/log", "/var/log/boat"),
    (locations.lock_directory, "/run/lock/lifeboat", "/run/lock/lifeboat", "/run/lock/lifeboat", "/run/lock/lifeboat"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "root", "user", "xdg", "service"), TABLE)
def test_each_place(place: Callable[[dict[str, str], int], Path], root: str, user: str, xdg: str, service: str) -> None:
    assert str(place({**HOME, **XDG}, 0)) == root
    assert str(place(HOME, 7)) == user.replace("~", "/home/ann")
    assert str(place({**HOME, **XDG}, 7)) == xdg
    assert str(place({**HOME, **XDG, **SYSTEMD}, 0)) == service
    assert str(place({**HOME, **XDG, **SYSTEMD}, 7)) == service


def test_relative_values_are_ignored() -> None:
    environ = {**HOME, "XDG_STATE_HOME": "state", "STATE_DIRECTORY": "lib", "XDG_RUNTIME_DIR": "."}
    assert locations.state_directory(environ, 7) == Path("/home/ann/.local/state/lifeboat")
    assert locations.run_directory(environ, 7) == Path("/home/ann/.local/state/lifeboat/run")


def test_no_home_is_said() -> None:
    with pytest.raises(ConfigError, match="home directory"):
        locations.config_file({}, 7)
    assert locations.config_file({}, 0) == Path("/etc/lifeboat/config.yaml")


def test_drop_ins_are_beside_the_configuration() -> None:
    assert locations.drop_in_directory(Path("/etc/boat/my.yaml")) == Path("/etc/boat/config.d")


def _environ(lock: Path, home: Path) -> dict[str, str]:
    return {"LIFEBOAT_LOCK_DIR": str(lock), "HOME": str(home)}


def test_the_locks_are_open_to_all_and_sticky(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock" / "lifeboat"
    for _ in range(2):
        assert locations.make_lock_directory(_environ(lock, tmp_path), os.geteuid()) == lock
        assert stat.S_IMODE(lock.stat().st_mode) == 0o1777
    assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a folder over")
def test_root_takes_over_what_a_user_made_first(tmp_path: Path) -> None:
    lock = tmp_path / "lifeboat"
    lock.mkdir(mode=0o700)
    os.chown(lock, 65534, 65534)
    assert locations.make_lock_directory(_environ(lock, tmp_path), 0) == lock
    assert (lock.stat().st_uid, stat.S_IMODE(lock.stat().st_mode)) == (0, 0o1777)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_place_of_the_locks_is_refused(tmp_path: Path, dangling: bool) -> None:
    lock, elsewhere = tmp_path / "lifeboat", tmp_path / "elsewhere"
    if not dangling:
        elsewhere.mkdir(mode=0o700)
    lock.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match="link"):
        locations.make_lock_directory(_environ(lock, tmp_path), os.geteuid())
    assert dangling or stat.S_IMODE(elsewhere.stat().st_mode) == 0o700


def test_a_file_in_place_of_the_locks_is_an_error_of_ours(tmp_path: Path) -> None:
    lock = tmp_path / "lifeboat"
    lock.write_text("")
    with pytest.raises(LifeboatError):
        locations.make_lock_directory(_environ(lock, tmp_path), os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_may_not_make_them_gets_private_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        os.chmod(folder, folder.stat().st_mode | 0o011)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    environ = _environ(locked / "lifeboat", home)

    def work() -> None:
        place = locations.make_lock_directory(environ, os.geteuid())
        assert place == home / ".local/state/lifeboat/run/locks", place
        assert stat.S_IMODE(place.stat().st_mode) == 0o700

    assert as_user(work) == 0
