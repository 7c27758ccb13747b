"""What the looking commands print, word by word: `tests/golden/cli/*.txt`, from reports with fixed ids and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolkit.archive.manifest import (
    ArchiveFile,
    Check,
    Copy,
    DatabaseRecord,
    Evidence,
    FileCounts,
    LeftOut,
    Manifest,
    Source,
    Status,
    Tool,
)
from toolkit.cli.render.compare import compare_text
from toolkit.cli.render.diagnose import diagnose_text
from toolkit.cli.render.find import find_text
from toolkit.cli.render.listing import list_text
from toolkit.cli.render.show import show_text
from toolkit.cli.render.stats import stats_text
from toolkit.cli.render.status import status_text
from toolkit.cli.render.timeline import timeline_text
from toolkit.filelist import Section
from toolkit.operations import compare, diagnose, filediff, find, listing, show, stats, status, timeline
from toolkit.operations.diagnose import Finding, Severity
from toolkit.operations.diagnosing.codes import REPAIR
from toolkit.retention import Kind, Scope
from toolkit.vault import statistics
from toolkit.wording import chart

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def listed(ident: str, **fields: object) -> listing.ListedBackup:
    usual: dict[str, object] = {
        "id": ident,
        "profile": "shop",
        "kind": Kind.DAILY,
        "scope": Scope.FULL,
        "format": "tar.zst",
        "host": "web1",
        "status": "completed",
        "error": "",
        "started": ago(hours=9),
        "finished": ago(hours=9),
        "size": 412_000_000,
        "files": 20_113,
        "databases": 2,
        "evidence": "verified",
        "good": True,
        "damaged": False,
        "pin": False,
        "rating": None,
        "note": "",
        "tags": (),
        "destinations": (),
        "removed": "",
    }
    return listing.ListedBackup(**{**usual, **fields})  # type: ignore[arg-type]


def list_lines() -> list[str]:
    rows = [
        listed("aaaaaaa7", status="creating", kind=Kind.MANUAL, started=ago(minutes=2), size=0),
        listed("aaaaaaa2", note="before \x1b[31mthe upgrade", rating=4, pin=True, tags=("release",)),
        listed("aaaaaaa3", started=ago(days=1, hours=9), damaged=True, good=False),
        listed("aaaaaaa4", started=ago(days=2), status="failed", error="no space left on the file system"),
        listed("aaaaaaa5", started=ago(days=400), kind=Kind.WEEKLY, scope=Scope.DATABASE, evidence="rehearsed"),
        listed("aaaaaaa6", started=ago(days=3), removed="trash"),
    ]
    return list_text(listing.ListReport(backups=rows, total=212), NOW)


def show_lines() -> list[str]:
    database = DatabaseRecord(
        name="shop.db",
        path="/srv/shop/shop.db",
        size=81_920,
        page_size=4096,
        page_count=20,
        user_version=7,
        encoding="UTF-8",
        sqlite_version="3.40.1",
        tables={"orders": 12_345, "users": 50, "odd": None},
        foreign_key_violations=2,
        checks=(Check("quick_check", ok=True), Check("foreign_key_check", ok=False, messages=("orders: row 7",))),
    )
    manifest = Manifest(
        id="aaaaaaa2",
        profile="shop",
        kind=Kind.DAILY,
        scope=Scope.FULL,
        format="tar.zst",
        host="web1",
        user="root",
        tool=Tool("lifeboat", "1.0"),
        application_version="shop 2.3",
        started=ago(hours=9),
        finished=ago(hours=9) + timedelta(seconds=75),
        status=Status.COMPLETED,
        note="before the upgrade",
        tags=("release", "keep"),
        rating=4,
        pin=True,
        archives=(ArchiveFile("aaaaaaa2", "shop_daily_20261120T030000Z_aaaaaaa2.tar.zst", 412_000_000, "ab" * 32),),
        sources=(Source(Section.DATABASES, "/srv/shop/shop.db"), Source(Section.FILES, "/srv/shop/uploads")),
        databases=(database,),
        files=FileCounts(20_200, 20_113, 1_200_000_000),
        left_out=(LeftOut("/srv/shop/uploads/pipe", "a FIFO has no content"),),
        changed=("/srv/shop/uploads/app.log",),
        evidence=Evidence("opened", ago(hours=8), "35d527bf"),
        destinations=(Copy("drive", link="https://drive.example.org/x", when=ago(hours=7)),),
    )
    row = show.FileRow(
        path="/srv/shop/uploads/a\nb.jpg",
        section="files",
        type="file",
        size=12_345,
        mode="0640",
        user="shop",
        group="www-data",
        mtime=ago(days=30),
        digest="cd" * 32,
        target="",
        changed=False,
    )
    report = show.ShowReport(
        backup=manifest,
        folder="/var/lib/lifeboat/vault/shop/daily",
        archive=(),
        file_list=None,
        missing=(),
        command="zstd -dc shop_daily_20261120T030000Z_aaaaaaa2.tar.zst | tar -xpf -",
        files=[row],
        matching=20_200,
    )
    return show_text(report, NOW)


def find_lines() -> list[str]:
    def seen(ident: str, days: int) -> find.Seen:
        return find.Seen(id=ident, profile="shop", when=ago(days=days))

    versions = [
        find.Version(
            type="file", size=2048, mtime=ago(days=1), digest="ab" * 32, target="", backups=[seen("aaaaaaa2", 1)]
        ),
        find.Version(
            type="file",
            size=999,
            mtime=ago(days=90),
            digest="cd" * 32,
            target="",
            backups=[seen("aaaaaaa3", 2), seen("aaaaaaa4", 3), seen("aaaaaaa5", 4)],
        ),
        find.Version(type="symlink", size=0, mtime=None, digest="", target="old.pdf", backups=[seen("aaaaaaa6", 5)]),
    ]
    file = find.FoundFile(path="/srv/shop/uploads/invoice.pdf", section="files", versions=versions)
    return find_text(find.FindReport(files=[file], total=3, searched=5), NOW)


def compare_lines() -> list[str]:
    differences = compare.Differences(
        databases=[
            compare.DatabaseChange(
                path="/srv/shop/shop.db",
                change=compare.Change.CHANGED,
                how=("rows", "schema"),
                tables={"orders": compare.TableChange(12_345, 12_300), "fresh": compare.TableChange(None, 3)},
            ),
            compare.DatabaseChange(path="/srv/shop/old.db", change=compare.Change.REMOVED),
        ],
        files=[
            compare.FileChange(path="/srv/shop/uploads/new.txt", section="files", change=compare.Change.ADDED),
            compare.FileChange(
                path="/srv/shop/uploads/a.jpg",
                section="files",
                change=compare.Change.CHANGED,
                how=("content", "mode"),
                left=filediff.Stand(size=10, mtime=None),
                right=filediff.Stand(size=2_000_000, mtime=None),
            ),
        ],
        added=1,
        removed=4,
        changed=1,
    )
    report = compare.CompareReport(
        left="aaaaaaa2",
        right=None,
        left_at=ago(hours=9),
        right_at=NOW,
        same=False,
        differences=differences,
        unchanged=20_107,
    )
    return compare_text(report, NOW)


def stats_lines() -> list[str]:
    growth = tuple(statistics.Bucket(ago(days=10 - n), 1, 10_000_000, n * 10_000_000) for n in range(1, 11))
    figures = stats.Figures(
        profile="shop",
        completed=27,
        failed=1,
        good=26,
        pinned=1,
        size=100_000_000,
        average=3_703_703,
        success_rate=27 / 28,
        by_kind=(statistics.KindTotal("daily", 7, 60_000_000), statistics.KindTotal("manual", 20, 40_000_000)),
        oldest=ago(days=10),
        newest=ago(hours=9),
        largest="aaaaaaa2",
        growth=growth,
    )
    return stats_text(stats.StatsReport(stats=figures), NOW, plain=True)


def status_lines() -> list[str]:
    good = status.GoodCopy(
        id="aaaaaaa2", at=ago(hours=30), age_s=108_000, kind="daily", evidence="verified", tested_at=None
    )
    report = status.StatusReport(
        vault=status.VaultState(
            path="/var/lib/lifeboat/vault", exists=True, backups=28, used=11_000_000_000, free=40_000_000_000
        ),
        targets=[
            status.StatusTarget(
                profile="shop",
                kind="database",
                path="/srv/shop/shop.db",
                state="bad",
                reasons=(status.StatusReason("stale", ago(hours=4), "the last good backup is older than 1 d 2 h"),),
                last_good=good,
                failed_since_good=2,
            ),
            status.StatusTarget(profile="blog", kind="files", path="files:/srv/blog", state="unknown"),
        ],
        profiles=[
            status.ProfileState(
                profile="shop",
                configured=True,
                succeeded=27,
                failed=1,
                last_status="failed",
                last_at=ago(hours=6),
                last_error="no space left on the file system",
            ),
            status.ProfileState(profile="blog", configured=False, succeeded=0, failed=0),
        ],
        jobs=[
            status.StatusJob(
                id="35d527bf",
                operation="backup",
                targets=("shop",),
                state="running",
                started=ago(minutes=3),
                user="root",
                step="Copying databases",
            )
        ],
    )
    return status_text(report, NOW)


def diagnose_lines() -> list[str]:
    def finding(code: str, severity: Severity, subject: str = "/srv/shop/shop.db", **rest: object) -> Finding:
        return Finding(code=code, severity=severity, subject=subject, message=f"this is {code}", **rest)  # type: ignore[arg-type]

    bad = diagnose.DiagnosedTarget(
        path="/srv/shop/shop.db",
        profile="shop",
        healthy=False,
        size=81_920,
        journal_mode="wal",
        tables={"orders": 12_345, "users": None},
        open_by=("python3 (4711)",),
        findings=(
            finding(
                "integrity",
                Severity.ERROR,
                evidence=tuple(f"page {n} is never used" for n in range(8)),
                remedy="restore it",
            ),
            *(
                finding(
                    "page-header", Severity.ERROR, tree, evidence=seen, remedy=REPAIR.format(path="/srv/shop/shop.db")
                )
                for tree, seen in (
                    ("orders", tuple(f"page {n}: it is no page of a table, its first byte is 0x51" for n in range(9))),
                    ("orders_by_user", ("page 12: it is no page of an index",)),
                    ("users", ()),
                )
            ),
            finding("rows", Severity.ERROR, remedy="restore it"),
            finding("sidecar-mode", Severity.NOTICE, "/srv/shop/shop.db-wal", evidence=("\x1b[31m" + "long " * 20,)),
            finding("wal-large", Severity.NOTICE, "/srv/shop/shop.db-wal", remedy="restart the application"),
        ),
    )
    unsure = diagnose.DiagnosedTarget(
        path="/srv/shop/busy.db", profile="shop", healthy=True, findings=(finding("in-use", Severity.NOTICE),)
    )
    well = diagnose.DiagnosedTarget(path="/srv/shop/well\x1b.db", profile="shop", healthy=True, findings=())
    return diagnose_text(diagnose.DiagnoseReport(targets=[bad, unsure, well], healthy=False))


def timeline_lines() -> list[str]:
    def point(ident: str, when: datetime, **rest: object) -> timeline.Point:
        usual: dict[str, object] = {
            "id": ident,
            "profile": "shop",
            "kind": "hourly",
            "when": when,
            "size": 81_920,
            "pages": 20,
            "free_pages": 0,
            "schema": "ab12cd34" * 8,
            "rows": 17_350,
            "tables": {"users": 5_000, "orders": 12_345, "\x1b[31m": 1, "c": 1, "d": 1, "e": 2},
            "damaged": False,
        }
        return timeline.Point(**{**usual, **rest})  # type: ignore[arg-type]

    fell = point("aaaaaaa4", ago(hours=9), tables={"users": 12, "orders": 12_345}, rows=12_357, free_pages=9)
    raw = point("aaaaaaa3", ago(days=1), free_pages=None, pages=None, schema="", rows=None, tables={}, damaged=True)
    points = [point("aaaaaaa2", ago(days=400), kind="weekly"), raw, fell]
    jump = timeline.Jump(
        what="rows-fell",
        table="users",
        before=5_000,
        after=12,
        last="aaaaaaa2",
        first="aaaaaaa4",
        since=ago(days=400),
        until=ago(hours=9),
        text="users fell from 5,000 to 12 between 2025-10-16 12:00 and 03:00",
    )
    history = timeline.History(database="/srv/shop/shop.db", name="shop.db", points=points, jumps=[jump])
    looks = [
        timeline.Look(id="aaaaaaa2", when=ago(days=400), holds=True),
        timeline.Look(id="aaaaaaa4", when=ago(hours=9), holds=False, why_not="no such column: colour"),
    ]
    turn = timeline.Turn(
        last=looks[0], first=looks[1], appeared=False, text="aaaaaaa4 is the first that lacks such a row"
    )
    search = timeline.Search(condition="id = 7", table="users", backups=2, looked=looks, turns=[turn])
    return [
        *timeline_text(timeline.TimelineReport(databases=[history, history]), NOW),
        "",
        *timeline_text(timeline.TimelineReport(databases=[history], search=search), NOW),
    ]


CASES: dict[str, Callable[[], list[str]]] = {
    "list": list_lines,
    "show": show_lines,
    "find": find_lines,
    "compare": compare_lines,
    "stats": stats_lines,
    "status": status_lines,
    "diagnose": diagnose_lines,
    "timeline": timeline_lines,
}


@pytest.mark.parametrize("name", CASES)
def test_text(name: str) -> None:
    import click

    lines = [click.unstyle(line) for line in CASES[name]()]
    assert "\n".join(lines) + "\n" == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], ""), ([0, 0], "▁▁"), ([1, 2, 4, 8], "▂▃▅█"), ([5], "█"), ([10**18, 1], "█▁")],
)
def test_chart(values: list[int], drawn: str) -> None:
    assert chart(values) == drawn
    assert chart(values, plain=True).isascii()
    assert len(chart(values, plain=True)) == len(values)
