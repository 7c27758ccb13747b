"""Builds `lifeboat.pyz`: one file that runs where nothing but the same minor version of Python is installed.

    python scripts/pyz.py dist/lifeboat.pyz

The pinned dependencies are installed into an empty folder, pruned of what never runs, and packed by
shiv. On its first run the file unpacks itself below ~/.shiv (or $SHIV_ROOT).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PRUNED_FOLDERS = {
    "__pycache__",
    "tests",
    "SelfTest",  # of pycryptodomex
    "ansible_collections",  # there is no Ansible in it to run them
    "bin",  # console scripts; the pyz is one itself
}
PRUNED_PACKAGES = ("pip", "pip-*.dist-info")
"""sqlite-utils asks for pip only for its own `install` command, which Lifeboat never calls."""

KEPT_DISCOVERY = "drive.v3.json"
"""Of Google's 600 API descriptions (110 MB), the one that Lifeboat uses."""


def install(site: Path) -> None:
    """Install Lifeboat and its pinned dependencies into `site`, from a copy of the sources."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "lifeboat"
        ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "bench")
        shutil.copytree(ROOT, sources, ignore=ignored, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-compile", "--no-build-isolation"]
        pinned = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *pinned, "--target", str(site), f"{sources}[age]"], check=True)


def prune(site: Path) -> None:
    """Remove from `site` what Lifeboat never loads."""
    for pattern in PRUNED_PACKAGES:
        for path in site.glob(pattern):
            shutil.rmtree(path)
    for folder in sorted(site.rglob("*")):
        if folder.is_dir() and folder.name in PRUNED_FOLDERS:
            shutil.rmtree(folder)
    for document in site.glob("googleapiclient/discovery_cache/documents/*.json"):
        if document.name != KEPT_DISCOVERY:
            document.unlink()


def pack(site: Path, target: Path) -> None:
    """Pack `site` into the executable file `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shiv = [sys.executable, "-m", "shiv", "--compressed", "--reproducible"]
    entry = ["--entry-point", "toolkit.cli.main:main", "--python", "/usr/bin/env python3"]
    subprocess.run([*shiv, *entry, "--site-packages", str(site), "--output-file", str(target)], check=True)


def main() -> None:
    """Build the file that the command line names."""
    parser = argparse.ArgumentParser(description="Build the single-file Lifeboat.")
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch) / "site"
        install(site)
        prune(site)
        pack(site, target)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
