"""What administrators install: the wheel, and one file that runs where nothing is installed.

Both are built once, from the sources as they are, with the pip settings of whoever runs the tests.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

BARE_PYTHON = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
"""The interpreter behind the virtual environment: with `-S` it sees the standard library only."""

pytestmark = pytest.mark.xdist_group("packaging")  # one worker builds, once

Lifeboat = Callable[..., "subprocess.CompletedProcess[str]"]


def build(command: list[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, untouched_environment: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, sources, ignore=ignored, symlinks=True)
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    build([*pip, str(sources)], untouched_environment)
    return next(folder.glob("lifeboat-*.whl"))


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory, untouched_environment: dict[str, str]) -> Path:
    target = tmp_path_factory.mktemp("pyz") / "lifeboat.pyz"
    build([sys.executable, str(ROOT / "scripts" / "pyz.py"), str(target)], untouched_environment)
    return target


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unpacked")


@pytest.fixture
def lifeboat(pyz: Path, unpacked: Path, tmp_path: Path) -> Lifeboat:
    """Run the single file on an interpreter without any site-packages, with nothing in the environment but a home."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        nothing = {"HOME": str(unpacked), "PATH": "/usr/bin:/bin", **environment}
        command = [BARE_PYTHON, "-I", "-S", str(pyz), *map(str, arguments)]
        return subprocess.run(command, env=nothing, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_the_wheel_carries_the_product_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        assert "lifeboat = toolkit.cli.main:main" in archive.read(entry_points).decode()
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"ansible_collections", "toolkit", "tui"}
    assert {"toolkit/py.typed", "toolkit/cli/main.py"} <= set(names)
    assert [name for name in names if name.endswith("LICENSE")]
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "toolkit").rglob("*.py")}
    assert modules <= set(names)


def test_the_wheel_carries_the_collection_where_ansible_looks_for_it(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    carried = tmp_path / "ansible_collections/lifeboat/toolkit"
    found = {str(path.relative_to(carried)) for path in carried.rglob("*") if path.is_file()}
    below = [path for folder in ("roles", "playbooks", "plugins") for path in (ROOT / folder).rglob("*")]
    parts = [path for path in below if path.is_file() and path.suffix != ".pyc"]
    assert {str(path.relative_to(ROOT)) for path in parts} | {"galaxy.yml", "meta/runtime.yml"} <= found
    ran = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "--list-tasks", "-i", "localhost,", "lifeboat.toolkit.site"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "LC_ALL": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "lifeboat_schedule : Have it run by itself, or not" in ran.stdout


def test_the_single_file_runs_on_a_bare_python(lifeboat: Lifeboat) -> None:
    bare = subprocess.run([BARE_PYTHON, "-I", "-S", "-c", "import click"], capture_output=True, check=False)
    assert b"ModuleNotFoundError" in bare.stderr
    ran = lifeboat("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: lifeboat" in ran.stdout


def test_pruning_left_what_is_needed_and_took_the_rest(lifeboat: Lifeboat, pyz: Path, tmp_path: Path) -> None:
    script = tmp_path / "imports.py"
    script.write_text(
        "import click, msgspec, py7zr, sqlite_utils, yaml, sys\n"
        "from backports import zstd\n"
        "print(*{module.__file__ for module in (click, msgspec, py7zr, sqlite_utils, yaml, zstd)}, sep='\\n')\n"
    )
    ran = lifeboat(script, SHIV_INTERPRETER="1")
    assert ran.returncode == 0, ran.stderr
    assert all("/.shiv/" in line for line in ran.stdout.splitlines())
    with zipfile.ZipFile(pyz) as archive:
        folders = {part for name in archive.namelist() for part in name.split("/")[:-1]}
    assert not folders & {"pip", "tests", "SelfTest", "__pycache__"}
    assert pyz.stat().st_size < 24_000_000


def test_the_single_file_knows_google_drive_and_no_other_api(lifeboat: Lifeboat, pyz: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        documents = [name for name in archive.namelist() if "discovery_cache/documents/" in name]
    assert [name.rpartition("/")[2] for name in documents if name.endswith(".json")] == ["drive.v3.json"]
    script = tmp_path / "drive.py"
    script.write_text(
        "import google_auth_httplib2, googleapiclient.discovery, httplib2\n"
        "from google.oauth2 import service_account\n"
        "from toolkit.destinations.gdrive.client import _document\n"
        "from googleapiclient.discovery import build_from_document\n"
        "print(build_from_document(_document(None), http=httplib2.Http()).files().list().uri)\n"
    )
    ran = lifeboat(script, SHIV_INTERPRETER="1")
    assert ran.stdout.startswith("https://www.googleapis.com/drive/v3/files"), ran.stderr


def test_the_single_file_backs_up_a_live_database(lifeboat: Lifeboat, tmp_path: Path) -> None:
    database = tmp_path / "shop" / "shop.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO orders VALUES (1)")
        connection.commit()
        vault = tmp_path / "vault"
        ran = lifeboat("backup", database.parent, "--vault", vault, STATE_DIRECTORY=os.environ["STATE_DIRECTORY"])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(vault.rglob("*.tar.zst"))
