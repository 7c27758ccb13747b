"""What is in the repository works on another machine: no paths of this one, no addresses of package indexes."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.architecture.sources import ROOT, tracked_files

MACHINE = re.compile(r"/(?:work|farm)/\w|/root/\.\w|/Users/\w|/tmp/bash_")
INDEX = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "files.python" + "hosted.org",
            "pypi.org/" + "simple",
            "deb." + "debian.org",
            "registry." + "npmjs.org",
        )
    )
)


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Return the lines of tracked text files that `pattern` finds, but for the ones of this module."""
    found = []
    for file in tracked_files():
        if file.name == "test_repository.py" or not file.is_file():
            continue
        text = file.read_bytes().decode(errors="replace")
        found += [f"{file.relative_to(ROOT)}: {line[:120]}" for line in text.splitlines() if pattern.search(line)]
    return found


def test_no_path_of_a_developers_machine() -> None:
    assert not lines_with(MACHINE)


def test_no_address_of_a_package_index() -> None:
    assert not lines_with(INDEX)


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [name for extra in project["optional-dependencies"].values() for name in extra]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-").replace(".", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = {re.split(r"[\s<>=!~;\[]", name)[0].lower().replace("_", "-").replace(".", "-") for name in asked}
    assert wanted <= pinned


def test_constraints_are_exact_and_without_addresses() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    exact = re.compile(r'[\w.-]+==[\w.]+(; python_version [<>=]+ "[\d.]+")?')
    assert [line for line in lines if not exact.fullmatch(line)] == []


@pytest.mark.parametrize("name", ["Makefile", "tests/packages.txt", ".ci/run", "scripts/debian-packages"])
def test_one_list_of_packages(name: str) -> None:
    installs = [
        line for line in (ROOT / name).read_text().splitlines() if "apt-get install" in line and "$missing" not in line
    ]
    assert not installs
