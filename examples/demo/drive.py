"""Off-site without an account: a Google Drive on this machine, a backup that goes there, and back on an empty machine.

`make drive-demo`. The server is the strict one of the tests; what you would do on your phone is done for you.
Every step is a `lifeboat` command that you can type yourself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE)]

from demo import LIFEBOAT, DemoError, books, expect, lifeboat, same_files, say  # noqa: E402

from tests.makers.driveserver import DriveServer  # noqa: E402
from tests.makers.driveserver_ready import ANN, private  # noqa: E402


def configure(home: Path, server: DriveServer, client: Path, *profiles: str) -> Path:
    """Write the configuration of a machine; return its path."""
    config = home / "config.yaml"
    home.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f"vault: {home}/vault\n"
        "destinations:\n"
        "  drive:\n"
        "    type: google-drive\n"
        f"    credentials_file: {client}\n"
        "    folder_name: Backups\n"
        "    keep: 10\n"
        f"    endpoint: {server.address}   # the Drive of this demo; leave it out for Google's\n" + "".join(profiles),
        encoding="utf-8",
    )
    config.chmod(0o600)
    return config


def sign_in(server: DriveServer, config: Path) -> None:
    """Run `drive login`, and type the code as a person does on a phone."""

    def person() -> None:
        tick = threading.Event()
        while not server.sign.pending:
            tick.wait(0.05)
        code = next(iter(server.sign.pending.values())).user_code
        tick.wait(0.5)
        print(f"  (on a phone: {code} typed, access allowed)", flush=True)
        server.sign.approve(code, ANN)

    threading.Thread(target=person, daemon=True).start()
    print("$ lifeboat drive login", flush=True)
    if subprocess.run([LIFEBOAT, "drive", "login", "--config", config, "-v"], check=False).returncode:
        raise DemoError("`lifeboat drive login` failed")


def machine(home: Path) -> None:
    """Give the commands that follow a machine of their own: state, cache and run folders below `home`."""
    for name in ("STATE", "CACHE", "RUNTIME", "LOGS"):
        os.environ[f"{name}_DIRECTORY"] = str(home / name.lower())


def main() -> int:
    """Run the story in a folder of its own, which is removed afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lifeboat-drive-demo-") as name, DriveServer() as server:
        root = Path(name).resolve()
        shop = root / "shop"
        server.world.account(ANN)
        server.sign.interval = 1
        client = private(root / "client.json", server.sign.new_client())
        os.environ["LIFEBOAT_LOCK_DIR"] = str(root / "locks")
        try:
            say("A small shop, and a Google Drive of its own on this machine")
            subprocess.run([sys.executable, HERE / "shop.py", "make", shop], check=True)
            machine(root / "server")
            profile = f"profiles:\n  shop:\n    files: [{shop}]\n    destinations: [drive]\n"
            config = configure(root / "server", server, client, profile)
            print(config.read_text(encoding="utf-8"))

            say("Sign in over SSH: a code, typed on any phone")
            sign_in(server, config)
            lifeboat("drive", "doctor", config=config)

            say("Back up; the copy goes to Drive by itself")
            lifeboat("backup", "shop", config=config)
            lifeboat("drive", "list", config=config)
            expect(len(server.files()) == 3, "archive, file list and manifest are in Drive, each once")

            say("The server burns down. A new, empty machine: only the client's JSON and a configuration")
            machine(root / "new")
            config = configure(root / "new", server, client)
            sign_in(server, config)
            lifeboat("restore", "latest", "--from", "drive", "--to", root / "back", config=config)
            back = root / "back" / shop.relative_to("/")
            expect(books(back / "shop.db") == books(shop / "shop.db"), "the books are the same")
            expect(same_files(shop / "uploads", back / "uploads"), "the uploads are byte-identical")
        except DemoError as error:
            print(f"\nFAILED: {error}", file=sys.stderr)
            return 1
    say(f"Done in {time.monotonic() - started:.1f} s: backed up, sent, and back on an empty machine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
