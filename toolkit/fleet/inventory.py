"""Which servers there are: Ansible's own reading of its inventories, whatever their kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import FleetError, NotFoundError, UsageError
from toolkit.fleet.programs import environment, program

_SECONDS = 120


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A server of an inventory: its name, where it is reached, and the groups that it is in."""

    name: str
    address: str = ""
    groups: tuple[str, ...] = ()


def hosts(inventory: Sequence[Path | str], limit: str, environ: Mapping[str, str]) -> tuple[Host, ...]:
    """Return the servers of `inventory` that `limit` (a pattern of Ansible's, or empty) leaves, by name.

    Raises `UsageError` for an inventory that is not there or cannot be read, `NotFoundError` where no server is left,
    `FleetError` where Ansible is not installed or hangs.
    """
    require(inventory)
    command = [program("ansible-inventory", environ), "--list", *_sources(inventory)]
    if limit:
        command += ["--limit", limit]
    try:
        ran = subprocess.run(
            command, env=environment(environ), capture_output=True, check=False, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise FleetError("reading the inventory took too long", subject=str(inventory[0])) from error
    if ran.returncode:
        raise UsageError(_complaint(ran.stderr), subject=str(inventory[0]), hint="ansible-inventory -i … --list")
    found = _parsed(ran.stdout)
    if not found:
        raise NotFoundError(
            "no server of the inventory is meant", subject=limit or str(inventory[0]), hint="lifeboat fleet hosts"
        )
    return found


def require(inventory: Sequence[Path | str]) -> None:
    """Raise `UsageError` for an inventory that is not there; Ansible would only warn, and take the others."""
    for one in inventory:
        if "," not in str(one) and not Path(one).exists():
            raise UsageError("there is no such inventory", subject=one, hint="name the file or folder with -i")


def _sources(inventory: Sequence[Path | str]) -> list[str]:
    return [word for one in inventory for word in ("-i", str(one))]


def _complaint(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("[WARNING]")]
    said = next((line for line in lines if line.startswith("[ERROR]")), lines[-1] if lines else "it cannot be read")
    return said.removeprefix("[ERROR]:").removeprefix("ERROR!").strip()


def _parsed(text: str) -> tuple[Host, ...]:
    document = json.loads(text)
    variables = document.pop("_meta", {}).get("hostvars", {})
    groups: dict[str, list[str]] = {}
    for group, content in document.items():
        for name in content.get("hosts", ()):
            groups.setdefault(name, [])
            if group != "ungrouped":
                groups[name].append(group)
    return tuple(
        Host(
            name=name,
            address=str(variables.get(name, {}).get("ansible_host", name)),
            groups=tuple(sorted(set(groups[name]))),
        )
        for name in sorted(groups)
    )
