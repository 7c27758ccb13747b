"""Tables of backups, rules, and what becomes of each with its reason; the files are the specification.

A file has lines `rule: value`, a line `now: TIME`, then one line a backup: id, kind, scope, finished, size,
flags, what it holds, `=>`, verdict, reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from toolkit.retention import Candidate, Kind, Rules, Scope, Verdict, decide

FOLDER = Path(__file__).parent.parent / "golden" / "retention"
TABLES = sorted(FOLDER.glob("*.txt"))


def parse_line(line: str) -> Candidate:
    backup_id, kind, scope, finished, size, flags, holds = line.partition("=>")[0].split()
    words = set(flags.split(","))
    held = [] if holds == "-" else holds.split(",")
    status = next((word for word in words if word in ("failed", "creating", "uploading")), "completed")
    return Candidate(
        id=backup_id,
        kind=Kind(kind),
        scope=Scope(scope),
        finished=datetime.fromisoformat(finished),
        size=int(size),
        good="good" in words,
        damaged="damaged" in words,
        pin="pin" in words,
        only_damaged_copy="original" in words,
        databases=frozenset(name for name in held if name.endswith(".db")),
        sections=frozenset(name for name in held if not name.endswith(".db")),
        status=status,
    )


def parse(text: str) -> tuple[list[str], list[str], Rules, datetime, list[Candidate]]:
    head: list[str] = []
    lines: list[str] = []
    fields: dict[str, object] = {}
    now = None
    for line in text.splitlines():
        if "=>" in line:
            lines.append(line.partition("=>")[0])
            continue
        head.append(line)
        name, colon, value = line.partition(": ")
        if line.startswith("#") or not colon:
            continue
        if name == "now":
            now = datetime.fromisoformat(value)
        elif name == "max_age":
            fields[name] = timedelta(days=int(value.removesuffix("d")))
        else:
            fields[name] = None if value == "none" else int(value)
    assert now is not None
    return head, lines, Rules(**fields), now, [parse_line(line) for line in lines]  # type: ignore[arg-type]


def render(head: list[str], lines: list[str], verdicts: tuple[Verdict, ...]) -> str:
    by_id = {verdict.id: verdict for verdict in verdicts}
    table = []
    for line in lines:
        verdict = by_id[line.split()[0]]
        table.append(f"{line.rstrip()} => {'keep' if verdict.keep else 'drop'}  {verdict.reason}")
    return "\n".join([*head, *table]) + "\n"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_verdict_and_its_reason(path: Path) -> None:
    text = path.read_text()
    head, lines, rules, now, backups = parse(text)
    verdicts = decide(backups, rules, now)
    assert len(verdicts) == len(backups) > 0
    assert all(verdict.reason for verdict in verdicts)
    assert render(head, lines, verdicts) == text


def test_the_tables_are_there() -> None:
    assert len(TABLES) >= 9
