"""The main job on real input: back up a shop that goes on selling, put it back, and rescue its damaged database.

Every step is a `lifeboat` command that you can type yourself; after each the result is checked, and the
demo ends with 1 at the first thing that is not as it should be.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
LIFEBOAT = Path(sys.executable).with_name("lifeboat")


class DemoError(Exception):
    """Something is not as it should be."""


def say(text: str) -> None:
    """Print a line of the story."""
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def lifeboat(*arguments: str | Path, config: Path, code: int = 0) -> str:
    """Run a command that ends with `code`, show it and what it printed, and return that."""
    shown = " ".join(str(argument) for argument in arguments)
    print(f"$ lifeboat {shown}", flush=True)
    done = subprocess.run(
        [LIFEBOAT, *map(str, arguments), "--verbose", "--config", str(config)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, end="", flush=True)
    if done.returncode != code:
        msg = f"`lifeboat {shown}` ended with {done.returncode}"
        raise DemoError(msg)
    return done.stdout


def expect(holds: bool, what: str) -> None:  # noqa: FBT001
    """Say that `what` was checked, or stop the demo."""
    if not holds:
        raise DemoError(what)
    print(f"  checked: {what}", flush=True)


def books(database: Path) -> tuple[int, int, int, int]:
    """Return (sold, lines) of the ledger and of the order lines themselves."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        row: tuple[int, int, int, int] = connection.execute(
            "select sold, lines, (select sum(price) from lines), (select count(*) from lines) from ledger"
        ).fetchone()
    connection.close()
    return row


def same_files(left: Path, right: Path) -> bool:
    """Say whether two folders hold the same files with the same bytes."""
    names = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    others = sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file())
    return names == others and not any(filecmp.cmpfiles(left, right, list(map(str, names)), shallow=False)[1:])


def back_up(shop: Path, config: Path) -> None:
    """Back up while the shop sells, and prove the backup."""
    say("The shop goes on selling while it is backed up")
    with subprocess.Popen([sys.executable, HERE / "shop.py", "write", shop]) as seller:
        try:
            lifeboat("backup", "shop", "--note", "before the big change", config=config)
        finally:
            seller.terminate()
    lifeboat("list", config=config)
    lifeboat("show", "latest", config=config)
    lifeboat("verify", "latest", "--rehearse", config=config)


def restore_elsewhere(shop: Path, folder: Path, config: Path) -> None:
    """Restore to another folder and compare."""
    say("Restore elsewhere, and compare")
    lifeboat("restore", "latest", "--to", folder, config=config)
    restored = folder / shop.relative_to("/")
    sold, lines, real_sold, real_lines = books(restored / "shop.db")
    expect(sold == real_sold and lines == real_lines, f"the books agree in the copy: {lines} lines, {sold} sold")
    expect(same_files(shop / "uploads", restored / "uploads"), "the uploads are byte-identical")
    expect(filecmp.cmp(shop / "shop.toml", restored / "shop.toml", shallow=False), "the configuration is there")


def disaster_and_undo(shop: Path, folder: Path, config: Path) -> None:
    """Delete things, restore in place, and take the restore back."""
    say("A disaster: orders and uploads are gone")
    with sqlite3.connect(shop / "shop.db") as database:
        database.execute("delete from lines")
        database.execute("delete from orders")
    database.close()
    shutil.rmtree(shop / "uploads" / "3")
    (shop / "uploads" / "0" / "product-10.jpg").write_bytes(b"overwritten")
    before = books(shop / "shop.db")

    say("Restore in place: plan, safety copy, checks, swap")
    lifeboat("restore", "latest", "--dry-run", config=config)
    # Only root can see every process that might hold the database; others vouch for it.
    vouch = [] if os.geteuid() == 0 else ["--assume-unused"]
    lifeboat("restore", "latest", "--on-conflict", "replace", "--yes", *vouch, config=config)
    copy = folder / shop.relative_to("/")
    expect(books(shop / "shop.db") == books(copy / "shop.db"), "the orders are back")
    expect(same_files(shop / "uploads", copy / "uploads"), "the uploads are back")

    say("It was wrong? Undo it")
    lifeboat("undo", "--yes", *vouch, config=config)
    expect(books(shop / "shop.db") == before, "the database is as it was before the restore")
    expect(not (shop / "uploads" / "3").exists(), "what the restore had brought is gone again")


def damage_and_rescue(shop: Path, config: Path) -> None:
    """Damage the database, look, rescue it, compare, and take the rescue back."""
    vouch = [] if os.geteuid() == 0 else ["--assume-unused"]
    say("Undo can be undone; then the shop sells on, and its disk begins to die")
    lifeboat("undo", "--yes", *vouch, config=config)
    subprocess.run([sys.executable, HERE / "shop.py", "sell", shop], check=True)
    before = books(shop / "shop.db")
    subprocess.run([sys.executable, HERE / "shop.py", "damage", shop], check=True)
    damaged = (shop / "shop.db").read_bytes()
    lifeboat("diagnose", "shop", config=config, code=4)

    say("Rescue: every way out is made on copies and compared, then the best one is taken")
    lifeboat("rescue", "shop", "--dry-run", config=config)
    expect((shop / "shop.db").read_bytes() == damaged, "so far nothing was changed")
    lifeboat("rescue", "shop", "--yes", *vouch, config=config)
    expect(
        books(shop / "shop.db") == before, f"every line is there, the newest too: {before[1]} lines, {before[0]} sold"
    )
    lifeboat("diagnose", "shop", config=config)
    lifeboat("compare", "latest", config=config)

    say("And back: the damaged file is kept, bit for bit, for as long as you like")
    lifeboat("undo", "--yes", *vouch, config=config)
    expect((shop / "shop.db").read_bytes() == damaged, "the damaged database is back as it was")


def main() -> int:
    """Run the story in a folder of its own, which is removed afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lifeboat-demo-") as name:
        home = Path(name).resolve()
        shop, config = home / "shop", home / "config.yaml"
        say("A small shop: 5,000 users, 2,000 orders, 200 pictures, SQLite in WAL mode")
        subprocess.run([sys.executable, HERE / "shop.py", "make", shop], check=True)
        try:
            lifeboat("config", "init", shop, "--output", config, "--vault", home / "vault", config=config)
            print(config.read_text(encoding="utf-8"))
            back_up(shop, config)
            restore_elsewhere(shop, home / "elsewhere", config)
            disaster_and_undo(shop, home / "elsewhere", config)
            damage_and_rescue(shop, config)
        except DemoError as error:
            print(f"\nFAILED: {error}", file=sys.stderr)
            return 1
    say(f"Done in {time.monotonic() - started:.1f} s: backed up, proven, restored, rescued, undone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
