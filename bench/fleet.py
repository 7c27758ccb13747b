"""What `lifeboat fleet` costs on the control node, beside Ansible alone with the same plays and forks.

The servers are simulated: their "Python" answers each module at once with what it once answered, so that nothing but
the control node is measured. Both sides check host keys, use pipelining, and say as little as they can.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import machine
import measuring
from measuring import Cost

SERVERS = 500
FEW = 10
"""One server out of so many is measured too, for what does not depend on their number."""
FORKS = 20
_BIN = Path(sys.executable).parent


def measure(folder: Path, servers: int, rounds: int) -> dict[str, Any]:
    """Return for each play the medians of both ways, and the ratios within a round."""
    few = max(2, servers // FEW)
    environment = _prepare(folder, servers)
    runs = [_measure(folder, environment, play, count, rounds) for play, count in
            (("ping", few), ("ping", servers), ("status", servers))]  # fmt: skip
    return {"sizes": [few, servers], "forks": FORKS, "plays": runs}


def _measure(folder: Path, environment: dict[str, str], play: str, servers: int, rounds: int) -> dict[str, Any]:
    costs: dict[str, list[Cost]] = {"ansible": [], "lifeboat": []}
    for _ in range(rounds):
        for way, command in _ways(play, folder, servers).items():
            costs[way].append(measuring.run(command, env=environment, cwd=folder, accept=(0,), watch=True))
    found: dict[str, Any] = {way: measuring.summary(ran) for way, ran in costs.items()}
    for kind in ("wall", "cpu"):
        pairs = zip(costs["lifeboat"], costs["ansible"], strict=True)
        found[f"{kind}_ratio"] = statistics.median(getattr(one, kind) / getattr(other, kind) for one, other in pairs)
    return {"play": play, "servers": servers, **found}


def _ways(play: str, folder: Path, servers: int) -> dict[str, list[str]]:
    inventory = ["-i", str(folder / "servers.json"), "--limit", f"all[0:{servers - 1}]", "--forks", str(FORKS)]
    variables = ["-e", f"@{folder / 'vars.json'}"] if play != "ping" else []
    bare = [str(_BIN / "ansible-playbook"), f"lifeboat.toolkit.{play}", *inventory, *variables]
    return {"ansible": bare, "lifeboat": [*machine.lifeboat_command(), "fleet", play, *inventory]}


def _prepare(folder: Path, servers: int) -> dict[str, str]:
    """Write the inventory and what its servers answer; return the environment of both ways."""
    answer = {"changed": False, "ping": "pong", "rc": 0, "stderr": "", "stdout": json.dumps(_status(folder))}
    (folder / "answer.json").write_text(json.dumps(answer))
    python = folder / "python"
    python.write_text(f"#!/bin/sh\ncat >/dev/null\nexec cat {folder}/answer.json\n")
    python.chmod(0o755)
    variables = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": str(python),
    }
    hosts: dict[str, None] = dict.fromkeys(f"web-{number:03}" for number in range(1, servers + 1))
    (folder / "servers.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    (folder / "vars.json").write_text(json.dumps({"lifeboat_run_targets": [], "lifeboat_run_quiet": True}))
    collections = folder / "collections" / "ansible_collections" / "lifeboat"
    collections.mkdir(parents=True, exist_ok=True)
    if not (collections / "toolkit").is_symlink():
        (collections / "toolkit").symlink_to(Path(__file__).resolve().parent.parent)
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},  # as installed
        **_own(folder),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_PIPELINING": "True",
        "ANSIBLE_NOCOLOR": "True",
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
    }


def _own(folder: Path) -> dict[str, str]:
    return {
        name: str(folder / name.lower()) for name in ("STATE_DIRECTORY", "LOGS_DIRECTORY", "CACHE_DIRECTORY", "HOME")
    }


def _status(folder: Path) -> dict[str, Any]:
    """Return what `lifeboat status` says on a server with a shop and a backup of it."""
    shop = folder / "shop"
    shop.mkdir(exist_ok=True)
    (shop / "order.txt").write_text("one of each\n")
    environment = {**os.environ, **_own(folder / "server"), "LIFEBOAT_CONFIG": str(folder / "config.yaml")}
    (folder / "config.yaml").write_text(f"vault: {folder / 'vault'}\nprofiles:\n  shop: {{files: [{shop}]}}\n")
    command = [*machine.lifeboat_command(), "--json"]
    measuring.run([*command, "backup", "shop"], env=environment)
    document: dict[str, Any] = json.loads(measuring.run([*command, "status"], env=environment).output)
    return document
