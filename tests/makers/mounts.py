"""Real file systems for tests: one that is small and fills up, one that is read-only. Only root can mount them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def _mount(*arguments: str) -> None:
    """Run `mount`; skip the test where this user or this container may not."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    ran = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"this machine refuses to mount: {ran.stderr.strip()}")


def _unmount(path: Path) -> None:
    """Unmount `path`, even while a process that a test killed still holds it."""
    if subprocess.run(["umount", str(path)], capture_output=True, check=False).returncode != 0:
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=True)


@contextlib.contextmanager
def small_filesystem(path: Path, *, size: int, inodes: int = 0) -> Iterator[Path]:
    """Mount an empty tmpfs of `size` bytes (and `inodes` names) at `path`, made if absent; unmounted at the end."""
    path.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes},mode=0755", "lifeboat-test", str(path))
    try:
        yield path
    finally:
        _unmount(path)


@contextlib.contextmanager
def overlay(path: Path) -> Iterator[Path]:
    """Mount an empty overlay at `path`, as containers have: its layers are of two file systems."""
    with small_filesystem(path.with_name(f"{path.name}-upper"), size=32 << 20) as upper:
        for folder in (path, path.with_name(f"{path.name}-lower"), upper / "files", upper / "work"):
            folder.mkdir()
        layers = f"lowerdir={path}-lower,upperdir={upper}/files,workdir={upper}/work"
        _mount("-t", "overlay", "-o", layers, "lifeboat-test", str(path))
        try:
            yield path
        finally:
            _unmount(path)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[Path]:
    """Make the existing tree at `path` read-only, for root too, until the end."""
    _mount("--bind", str(path), str(path))
    try:
        _mount("-o", "remount,bind,ro", str(path))
        yield path
    finally:
        _unmount(path)


def fill(path: Path, *, leave: int = 0) -> Path:
    """Fill the file system of `path` until `leave` bytes are free, and return the file that does it."""
    filler = path / ".filler"
    status = os.statvfs(path)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail * status.f_frsize - leave))
    return filler
