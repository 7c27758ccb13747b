"""Builds the wheelhouse: one tar with Lifeboat and all that it needs, from which servers install without a network.

    python scripts/wheelhouse.py dist --python 3.11 --python 3.13 --extra sftp

The tar is named lifeboat-VERSION-DIGEST.tar after what is in it, and is the same for the same wheels. The role
lifeboat_install goes by that name.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""Debian 12 has glibc 2.36, so wheels for 2.28 and older run there."""


def pip(*arguments: str) -> None:
    """Run pip quietly; raises `CalledProcessError`."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def own_wheel(folder: Path) -> Path:
    """Build the wheel of Lifeboat into `folder`, from the sources as they are."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("lifeboat-*.whl"))


def download(folder: Path, wheel: Path, version: str, machine: str, extras: list[str]) -> None:
    """Download the pinned wheels of everything that `wheel` needs on Python `version` into `folder`."""
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    platforms = [word for platform in PLATFORMS for word in ("--platform", f"{platform}_{machine}")]
    target = ["--only-binary", ":all:", "--python-version", version, "--implementation", "cp", *platforms]
    pip("download", "--constraint", str(ROOT / "constraints.txt"), *target, "--dest", str(folder), wanted)


def digest(wheels: list[Path]) -> str:
    """Return twelve hex digits over the names and contents of `wheels`."""
    total = hashlib.sha256()
    for wheel in wheels:
        total.update(wheel.name.encode() + b"\0" + hashlib.sha256(wheel.read_bytes()).digest())
    return total.hexdigest()[:12]


def pack(wheels: list[Path], target: Path) -> None:
    """Write `wheels` into the tar `target`, which is the same for the same wheels and whole when it has its name."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        member.mode = 0o644
        return member

    partial = target.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        for wheel in wheels:
            tar.add(wheel, wheel.name, filter=plain)
    partial.replace(target)


def build(target: Path, versions: list[str], *, machine: str, extras: list[str], wheel: Path | None = None) -> Path:
    """Build the wheelhouse for the Pythons `versions` into the folder `target` and return the tar.

    `wheel` is a wheel of Lifeboat that is there already.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        own = wheel or own_wheel(folder)
        for version in versions:
            download(folder, own, version, machine, extras)
        wheels = sorted(folder.glob("*.whl"))
        released = re.split("-", own.name)[1]
        target.mkdir(parents=True, exist_ok=True)
        tar = target / f"lifeboat-{released}-{digest(wheels)}.tar"
        pack(wheels, tar)
    return tar


def main() -> None:
    """Build what the command line asks for, and print the path of the tar."""
    parser = argparse.ArgumentParser(description="Build a wheelhouse for servers without a network.")
    parser.add_argument("target", type=Path, help="the folder that it is written to")
    parser.add_argument("--python", action="append", metavar="VERSION", help="a Python of the servers (3.11, 3.13)")
    parser.add_argument("--machine", default="x86_64", help="the servers' processor: x86_64 or aarch64")
    parser.add_argument("--extra", action="append", default=[], help="s3 or sftp")
    given = parser.parse_args()
    versions = given.python or ["3.11", "3.13"]
    print(build(given.target, versions, machine=given.machine, extras=sorted(given.extra)))


if __name__ == "__main__":
    main()
