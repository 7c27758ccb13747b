"""A server in a state: empty, normal, busy, in trouble; and the keys that lead to each screen of it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.tui.conftest import (
    HOSTILE,
    NOW,
    add_job,
    add_jobs,
    check,
    good,
    session_at,
    target,
    write_health,
)
from tests.tui.test_diagnose import keep
from tests.tui.test_fleet import ROWS, row, see
from tests.vault import made
from toolkit.archive.manifest import Copy, Manifest, Status
from toolkit.archive.zstdlib import zstd
from toolkit.errors import DestinationError
from toolkit.events import Advanced, Asked, CancelEffect, JobFinished, Level, Logged, Outcome, StepStarted, UndoWay
from toolkit.filelist import FileEntry, FileType, Section, encode_entry
from toolkit.jobs.journal import Journal
from toolkit.operations import schedule
from toolkit.operations.fleet_status import FleetTarget
from toolkit.operations.offsite.remote import RemoteReport, RemoteRow
from toolkit.operations.session import Session
from toolkit.retention import Kind
from toolkit.schedule import systemd
from toolkit.vault import layout
from toolkit.vault.layout import Vault

STATES = ("empty", "normal", "busy", "error")
PLACE = "/tmp/looks-"
"""How the folder of a server begins; its length never changes, so that lines break at the same places."""

MTIME = int((NOW - timedelta(days=8)).timestamp()) * 10**9

_CONFIG = """destinations:
  disk: {{type: directory, path: {root}/disk}}
  drive: {{type: google-drive, endpoint: "http://127.0.0.1:9", keep: 10}}
profiles:
  shop:
    databases: [/srv/shop/shop.db, /srv/shop/users.db, /srv/shop/数据库.db]
    files: [/srv/shop/uploads]
    destinations: [disk, drive]
    retention: {{daily: 3}}
    schedule: [{{kind: daily, at: "04:00"}}, {{kind: weekly, at: "sun 02:00"}}, {{job: rehearse, at: "mon 05:00"}}]
fleet: {{inventory: /etc/lifeboat/servers}}
"""


class Server:
    """One server: its session, what its commands answer, and the jobs that its screens would start, in turn."""

    def __init__(self, root: Path, state: str) -> None:
        self.root, self.state = root, state
        text = _CONFIG.format(root=root) if state != "empty" else ""
        self.session = session_at(root, text)
        if state != "empty":
            (root / "disk").mkdir()
            self._fill()

    def _fill(self) -> None:
        session = self.session
        if self.state == "error":
            (session.state).mkdir(parents=True, exist_ok=True)
            (session.state / "health.json").write_text("{not json")
            (self.root / "config.yaml").write_text(
                "vault: {path: /tmp/v}\nprofiles:\n  shop:\n    databses: [/srv/a.db]\n"
            )
        else:
            write_health(session)
            keep(session)
            keep(session, "/srv/shop/users.db", healthy=True)
        fill_vault(session, trouble=self.state == "error")
        see(session, (ROWS[0],) if self.state == "error" else ROWS, targets=_TARGETS)
        if self.state == "busy":
            busy(session)
        elif self.state == "error":
            add_jobs_in_trouble(session)
        else:
            add_jobs(session)

    def document(self, _session: Session, words: Sequence[str]) -> dict[str, Any]:
        """Answer in place of a process: the schedule as it is, and what is at a destination; nothing else is there."""
        if words[:2] == ("schedule", "show"):
            where = schedule.Scheduler(
                ("lifeboat",), self.root / "cron", systemd.Manager(self.root / "units", lambda *_: "")
            )
            if self.state == "busy":
                schedule.install(self.session, where, "cron")
            report: Any = schedule.show(self.session, where)
            for name in ("place",):
                setattr(report, name, getattr(report, name) and "/etc/cron.d/lifeboat")
            return dict(msgspec.to_builtins(report))
        if words[:2] == ("list", "--remote") and self.state != "error":
            return dict(msgspec.to_builtins(RemoteReport(backups=list(_REMOTE))))
        raise DestinationError("nobody answers there", subject="127.0.0.1:9", hint="is the network up?")


_TARGETS = (
    FleetTarget(profile="shop", path="/srv/shop/shop.db", state="bad", why="damaged: quick check failed"),
    FleetTarget(
        profile="shop", path="files:/srv/shop/uploads", state="ok", backup="k3jq7a2m", at=NOW, evidence="rehearsed"
    ),
)
_REMOTE = tuple(
    RemoteRow(
        destination="drive", id=ident, host=host, profile="shop", kind="daily", started=NOW - timedelta(hours=hours),
        size=412_000_000, complete=complete, by_hand=False, here=here, link=f"https://drive.google.com/file/d/{ident}",
    )
    for ident, host, hours, complete, here in (
        ("k3jq7a2m", "web-03", 1, True, True),
        ("p7aa2222", "web-07", 30, True, False),
        ("q8bb3333", "web-07", 54, False, False),
    )
)  # fmt: skip


def fill_vault(session: Session, *, trouble: bool = False) -> None:
    """Put five backups into the vault: rated, noted, pinned, failed; in trouble the newest has lost its archive."""
    vault = layout.create_vault(session.vault_path)
    copies = (Copy(destination="disk", id="x", when=NOW - timedelta(hours=1)),)
    more: tuple[dict[str, Any], ...] = (
        {"destinations": copies, "note": "before the upgrade", "rating": 4, "tags": ("release",)},
        {"kind": Kind.HOURLY, "status": Status.FAILED, "error": "disk full", "databases": ()},
        {"pin": True},
        {"kind": Kind.WEEKLY},
        {
            "kind": Kind.MANUAL,
            "note": "a note that goes on and on, far beyond what any line of a screen could ever show",
        },
    )
    for number, fields in enumerate(more):
        one = made.put(vault, made.manifest(f"{'kpqrs'[number]}3jq7a2m", hours_ago=1 + 24 * number, **fields))
        write_list(
            vault,
            one,
            (made.UPLOADS, f"{made.UPLOADS}/img", f"{made.UPLOADS}/img/logo.png", f"{made.UPLOADS}/数据 表.xlsx"),
        )
        if trouble and not number:
            stem = layout.stem_of(one)
            next(vault.path.rglob(f"{stem}.tar")).unlink()


def write_list(vault: Vault, one: Manifest, paths: Sequence[str]) -> None:
    """Write the list of the files of a backup, as it lies beside its archive: a database, and `paths`."""
    rows = [
        FileEntry(
            section=Section.DATABASES,
            path=made.DB,
            type=FileType.FILE,
            mode=0o600,
            uid=0,
            gid=0,
            size=4096,
            mtime_ns=MTIME,
        )
    ]
    rows += [
        FileEntry(
            section=Section.FILES,
            path=path,
            type=FileType.FILE if "." in path else FileType.DIRECTORY,
            mode=0o644,
            uid=0,
            gid=0,
            size=12_000 if "." in path else 0,
            mtime_ns=MTIME,
        )
        for path in paths
    ]
    data = zstd.compress(b"".join(encode_entry(entry) for entry in rows))
    (vault.home(one) / f"{layout.stem_of(one)}{layout.FILE_LIST}").write_bytes(data)


def busy(session: Session) -> list[Journal]:
    """Have jobs run: a backup and a look at shop, an upload, one that asks, one that waits."""
    step = StepStarted(n=1, of=4, name="look", title="Checking shop.db", cancel=CancelEffect.NOW, undo=UndoWay.AUTO)
    done = Advanced(step="look", done=41, total=100)
    said = Logged(level=Level.INFO, code="host-result", msg="backup done", host="web-01")
    asked = Asked(qid="q1", kind="clash", subject="/srv/shop/uploads/logo.png", choices=("replace", "skip", "rename"))
    add_jobs(session)
    return [
        add_job(session, "aaaa1111", "backup", "shop", minutes=3, events=(step, done)),
        add_job(session, "bbbb2222", "diagnose", "/srv/shop/shop.db", minutes=2, events=(step, done)),
        add_job(session, "cccc3333", "fleet backup", "all", minutes=1, events=(said,)),
        add_job(session, "dddd4444", "restore", "shop", minutes=4, events=(step, asked)),
    ]


def add_jobs_in_trouble(session: Session) -> None:
    """Write jobs that failed, were interrupted, or ended incomplete."""
    add_jobs(session)
    session.state.joinpath("jobs", "8e10aaaa", "lock")
    add_job(
        session, "eeee5555", "sync", "drive", minutes=1,
        ended=JobFinished(status=Outcome.WARN, exit=3, summary="1 copy of 3 arrived: the line dropped"),
    )  # fmt: skip


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder whose name is as long each time."""
    with tempfile.TemporaryDirectory(prefix="looks-", dir="/tmp") as name:
        yield Path(name)


def as_kept(text: str) -> str:
    """Return the text of a screen with the folder of the server replaced by one of the same length."""
    text = re.sub(r"/tmp/look[\w-]*", lambda found: "/srv/lifeboat-state"[: len(found[0])], text)
    text = re.sub(r"free [\d.]+ [kMGT]?B", "free 49 GB", text)
    text = re.sub(r"(?<=│)[\w-]+(?=/config.yaml)", lambda found: "x" * len(found[0]), text)  # behind a box
    text = re.sub(r"restore-[0-9a-f]{8}\.json", "restore-0a1b2c3d.json", text)
    text = re.sub(r"(?<= or  )\d{4}(?=  where the keyboard)", "4711", text)  # it comes of the whole command
    return re.sub(r"lifeboat \d\S+, Python .*", "lifeboat, Python, Textual", text)


def hostile(root: Path) -> Session:
    """Return a session of a server where every name wants to take over the screen."""
    quoted = json.dumps([f"/srv/{name}" for name in HOSTILE if name.isprintable() or "\udce9" not in name])
    session = session_at(root, f"profiles: {{shop: {{files: {quoted}}}}}\n")
    write_health(
        session,
        tuple(
            target(
                f"/srv/{name}", "bad", ("damaged", f"damaged {name}"), last_good=good(2), open_by=(name,),
                last_check=check(2, "full", "damaged", (name,)),
            )
            for name in HOSTILE
        ),
    )  # fmt: skip
    vault = layout.create_vault(session.vault_path)
    for number, name in enumerate(HOSTILE):
        shown = name.encode(errors="replace").decode()
        ended = JobFinished(status=Outcome.FAILED, exit=1, summary=shown)
        add_job(session, f"000000{number:02}", "rescue", f"/srv/{shown}", ended=ended)
        keep(session, f"/srv/{name}")
        record = msgspec.structs.replace(
            made.manifest().databases[0], path=f"/srv/{name}", name=shown[:20], tables={shown: 7}
        )
        made.put(
            vault,
            made.manifest(
                f"{'abcdefg'[number]}3jq7a2m", databases=(record,), note=shown, tags=(shown[:30],), error=shown
            ),
        )
    see(session, tuple(row(name, "bad", name) for name in HOSTILE if "\udce9" not in name))
    return session
