"""The collection without a server: what the roles promise is what they, the configuration and the wheel have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.architecture.sources import ROOT
from toolkit import __version__
from toolkit.errors import NotFoundError
from toolkit.fleet import collection
from toolkit.profile.schema import schema_text

ROLES = sorted(folder.name for folder in (ROOT / "roles").iterdir())
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def read(*parts: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(*parts).read_text())


def options(role: str) -> dict[str, Any]:
    found: dict[str, Any] = read("roles", role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_documents_each_variable_with_its_default(role: str) -> None:
    defaults = read("roles", role, "defaults", "main.yml")
    documented = options(role)
    assert sorted(defaults) == sorted(documented)
    assert {name for name in defaults if not name.startswith(f"{role}_")} == set()
    for name, default in defaults.items():
        if "{{" not in str(default):
            assert documented[name]["default"] == default, name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_what_it_is_tested_on_and_needs_nothing_else(role: str) -> None:
    meta = read("roles", role, "meta", "main.yml")
    assert meta["galaxy_info"]["platforms"] == [{"name": "Debian", "versions": ["bookworm", "trixie"]}]
    assert meta["dependencies"] == []


def keys(name: str | None) -> dict[str, str]:
    """Return the keys of a section of the configuration, or of its whole, with their descriptions."""
    schema = json.loads(schema_text())
    section = schema if name is None else schema["$defs"][name]
    found = section.get("properties") or next(one["properties"] for one in section["anyOf"] if "properties" in one)
    return {key: value.get("description", "") for key, value in found.items()}


@pytest.mark.parametrize(
    ("role", "variable", "section", "elsewhere"),
    [
        ("lifeboat_profile", "lifeboat_profile_config", None, {"profiles"}),
        ("lifeboat_profile", "lifeboat_profile_profiles", "Profile", set()),
        (
            "lifeboat_drive",
            "lifeboat_drive_settings",
            "GoogleDrive",
            {"type", "credentials", "credentials_file", "credentials_command"},
        ),
        ("lifeboat_schedule", "lifeboat_schedule_entries", "ScheduleEntry", set()),
    ],
)
def test_a_role_knows_every_key_of_the_configuration(
    role: str, variable: str, section: str | None, elsewhere: set[str]
) -> None:
    said = {name: option["description"] for name, option in options(role)[variable]["options"].items()}
    said.pop("name", None)
    assert said == {key: text for key, text in keys(section).items() if key not in elsewhere}


def test_the_collection_has_the_version_of_the_package() -> None:
    assert read("galaxy.yml")["version"] == __version__


def test_every_playbook_that_the_issue_names_is_there() -> None:
    named = "site backup status diagnose repair restore rescue verify rehearse sync upgrade uninstall emergency"
    of_fleet = ["ping", "carry", "carried"]  # for `lifeboat fleet ping`, `lifeboat fleet restore --from-host`
    assert sorted([*named.split(), *of_fleet]) == PLAYBOOKS


def test_the_unit_of_the_role_is_the_one_of_the_examples() -> None:
    template = ROOT / "roles/lifeboat_install/templates/lifeboat-recover.service.j2"
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    made = environment.from_string(template.read_text()).render(
        lifeboat_install_recovery_before=["shop.service"], lifeboat_install_command="lifeboat"
    )
    assert made == (ROOT / "examples/systemd/lifeboat-recover.service").read_text()


def test_ansible_lint_has_nothing_to_say(untouched_environment: dict[str, str], tmp_path: Path) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:{untouched_environment['PATH']}", "HOME": str(tmp_path)}
    lint = [Path(sys.executable).parent / "ansible-lint", "--offline", "--nocolor", "--project-dir", str(ROOT)]
    ran = subprocess.run(
        lint, cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Profile 'production' was required, and it passed" in ran.stderr + ran.stdout


def test_a_checkout_is_found_by_a_link_in_the_cache(tmp_path: Path) -> None:
    found = collection.where(tmp_path / "cache")
    assert (found / "ansible_collections/lifeboat/toolkit").resolve() == ROOT
    before = os.lstat(found / "ansible_collections/lifeboat/toolkit").st_ino
    assert collection.where(tmp_path / "cache") == found
    assert os.lstat(found / "ansible_collections/lifeboat/toolkit").st_ino == before


def test_the_link_follows_the_checkout(tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "galaxy.yml").write_text("")
    collection.where(tmp_path / "cache")
    found = collection.where(tmp_path / "cache", moved)
    assert os.readlink(found / "ansible_collections/lifeboat/toolkit") == str(moved)


def test_the_wheel_carries_it_beside_the_package(tmp_path: Path) -> None:
    inside = tmp_path / "ansible_collections/lifeboat/toolkit"
    inside.mkdir(parents=True)
    (inside / "galaxy.yml").write_text("")
    assert collection.where(tmp_path / "cache", tmp_path) == tmp_path
    assert not (tmp_path / "cache").exists()


def test_the_single_file_says_that_it_has_no_playbooks(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no playbooks"):
        collection.where(tmp_path / "cache", tmp_path)
