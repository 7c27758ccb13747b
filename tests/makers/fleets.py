"""Several servers on this machine: each with its own application, configuration, vault and state, reached locally."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.makers.commands import Ran, application, lifeboat

ORDERS = 600
"""How many orders each shop has: its table is some pages long."""


@dataclass(frozen=True)
class Fleet:
    """The servers below `root`, and the inventory that names them."""

    root: Path
    names: tuple[str, ...]

    @property
    def inventory(self) -> Path:
        """Ansible's inventory of them."""
        return self.root / "servers.json"

    def home(self, name: str) -> Path:
        """Return the folder of a server."""
        return self.root / name

    def application(self, name: str) -> Path:
        """Return the folder of the application of a server."""
        return self.home(name) / "srv" / "shop"

    def run(self, *words: object) -> Ran:
        """Run `lifeboat fleet …` on them."""
        return lifeboat("fleet", *words, "-i", self.inventory)

    def there(self, name: str, *words: object) -> Ran:
        """Run `lifeboat …` on one server, as somebody who is logged in there."""
        ran = subprocess.run(
            [self.home(name) / "lifeboat", *map(str, words)], capture_output=True, text=True, check=False
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def write_inventory(self, **more: dict[str, object]) -> None:
        """Write the inventory: the servers in the group `web`, and `more` hosts with their variables."""
        common: dict[str, object] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "lifeboat_run_command": f"{self.root}/{{{{ inventory_hostname }}}}/lifeboat",
        }
        groups = {
            "web": {"hosts": dict.fromkeys(self.names), "vars": common},
            "others": {"hosts": {name: {"ansible_become": False, **given} for name, given in more.items()}},
        }
        self.inventory.write_text(json.dumps({"all": {"children": groups}}))


def fleet(root: Path, *names: str) -> Fleet:
    """Make servers with these names, each with a shop of its own, and the inventory."""
    made = Fleet(root, names)
    for name in names:
        folder = application(made.application(name), orders=ORDERS)
        home = made.home(name)
        (home / "config.yaml").write_text(
            f"vault: {home / 'vault'}\nprofiles:\n  shop:\n"
            f"    databases: [{folder / 'shop.db'}]\n    files: [{folder / 'uploads'}]\n"
        )
        program = home / "lifeboat"
        program.write_text(
            f"#!/bin/sh\nexport STATE_DIRECTORY={home / 'state'} RUNTIME_DIRECTORY={home / 'run'} "
            f"LOGS_DIRECTORY={home / 'log'} LIFEBOAT_CONFIG={home / 'config.yaml'}\n"
            f'exec {sys.executable} -m toolkit "$@"\n'
        )
        program.chmod(0o755)
    made.write_inventory()
    return made


def dead() -> dict[str, object]:
    """Return the variables of a server that does not answer."""
    return {"ansible_host": "127.0.0.1", "ansible_port": 1}
