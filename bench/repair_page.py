"""From the figures of bench/repair.py to docs/repair.md: what can be got back, for those whose database is damaged."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repair_table import WAYS, text

PATH = Path(__file__).parent.parent / "docs" / "repair.md"
KEPT = Path(__file__).parent / "results" / "repair.json"
NAMES = {
    "header": "header of the file",
    "schema": "schema, page 1",
    "b-tree": "pages of tables",
    "index": "pages of indexes",
    "file": "whole file: cut, torn, mangled",
    "journal": "journal, WAL",
    "logical": "rules, texts, counters, full text",
    "all": "**all damaged files**",
    "sound": "sound files",
}

HEAD = """# What can be got back

Written by `python bench/repair.py --page`. A database is pages; most damage hits a few of them, and the rows on all
others are whole. `lifeboat repair` reads those pages itself, so that a lost root, a broken header or a torn journal
does not cost the rows behind it.

| what happened | what comes back |
|---|---|
| the header of the file is wrong or gone | everything: page size, encoding and counts are found out from the pages |
| page 1 is gone, and with it the schema | everything, when there is a backup (`--refill`), however old its rows |
| page 1 is gone, no backup | the rows, in `lost_and_found`: names of tables and columns were on that page |
| a `CREATE TABLE` no longer parses | the rows under the table's name; a column whose name is lost becomes `c3` |
| the schema names wrong roots | what rows or indexes tell apart; the rest in `lost_and_found` |
| a root or inner page of a table is lost | everything: the leaves are found again by what is on them |
| leaves of a table are lost | the others, what its indexes hold whole; the rest from a backup, but none known deleted |
| an index, a full-text index or an R-tree is damaged | everything that a table holds: it is made anew |
| the file was cut | what is in the part that is left |
| bytes before or behind it, CR LF or UTF-8 conversion | everything, or nearly |
| a WAL or journal is damaged | each page image in it that is whole, judged one by one |
| a transaction was cut off and its journal is gone | a mixture of before and after; a backup is the better way |
| encrypted by malware, overwritten altogether | nothing: restore a backup |

Whatever was lost is said by table and range of keys, and by the exit status: 0 nothing, 3 something, 4 all. The
damaged files themselves are never written. What may be wrong though every page reads well is said too, and ends with
3: texts that are not valid or hold zeros (in files over 16 MiB only where no page is damaged), two rows that claim the
same overflow page, an index that names rows which its table lacks or has another value for one, a full-text index that
names a row without content, a -journal of nothing but zeros, rows of a backup in a table whose other rows were changed
since. A row that lost a part of a text to a blank sector is kept apart, in a damaged file also one that lost it to a
block of any pattern, or that holds what SQLite never writes. A value that was overwritten by another that could be one
is seen by nobody.
"""

METHOD = """## How it is measured

`tests/makers/corpus.py` makes databases of {applications} kinds of applications by SQLite itself, in all page sizes,
encodings and journal modes; `tests/makers/corruption.py` damages them in {kinds} ways. The figures here are of
applications and parameters of damage that were kept apart from all development (`--unseen`).

- **Score** of a file: 100 x (share of the original's rows found, type-exact, in the right table) x (0.70 + 0.15 schema
  objects kept + 0.10 `integrity_check` + 0.05 foreign keys and counters) - 50 x (rows that are not the original's /
  original rows).
- **Perfect**: every row, every object, every check.
- **Fresh**: rows that yesterday's backup lacks. **Revived**: rows deleted since that came back. **Stale**: old versions
  of rows that were changed since. **Invented**: rows that never were.

```sh
python bench/repair.py --unseen --count 4 --with-backup --baseline --page
python bench/repair.py --speed --page
```
"""


def keep(name: str, found: dict[str, Any]) -> None:
    """Keep figures beside those of other runs."""
    results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    results[name] = found | {"date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"}
    KEPT.write_text(json.dumps(results, indent=1))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _rows(figures: Mapping[str, Any], part: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(said, figures[name][part]) for name, said in NAMES.items() if figures.get(name, {}).get(part)]


def _without_backup(figures: Mapping[str, Any]) -> str:
    head = [
        "damage",
        "files",
        *WAYS,
        "best of these",
        "**Lifeboat**",
        "rows %",
        "perfect %",
        "best's perfect %",
        "invented %",
    ]
    rows = []
    for name, said in NAMES.items():
        found = figures.get(name, {})
        had, others = found.get("repair"), found.get("baselines") or {}
        if had:
            ways = [text(others.get(way)) for way in (*WAYS, "best")]
            mine = [f"**{text(had['score'])}**", text(had["rows"]), text(had["perfect"])]
            rows.append(
                [said, text(had["cases"]), *ways, *mine, text(others.get("best perfect")), text(had["invented"], 3)]
            )
    return "## Without a backup\n\n" + _table(head, rows)


def _with_backup(figures: Mapping[str, Any]) -> str:
    head = [
        "damage",
        "backup put back",
        "its fresh %",
        "its revived",
        "its stale",
        "**Lifeboat**",
        "perfect %",
        "fresh %",
        "revived",
        "stale",
        "apart: score",
        "revived",
    ]
    rows = []
    for said, had in _rows(figures, "refill"):
        name = next(one for one, other in NAMES.items() if other == said)
        old = figures[name]["backup"]
        other = [text(old["score"]), text(old["fresh"]), text(old["revived"]), text(old["stale"])]
        mine = [
            f"**{text(had['score'])}**",
            text(had["perfect"]),
            text(had["fresh"]),
            text(had["revived"]),
            text(had["stale"]),
        ]
        apart = figures[name].get("apart") or {}
        rows.append([said, *other, *mine, text(apart.get("score")), text(apart.get("revived"))])
    words = (
        "## With yesterday's backup\n\nIn which one or two rows of a hundred were other ones. Rows that nothing speaks "
        "for or against are put back, and said:\n[0023](decisions/0023-a-refill-says-what-nothing-proves.md). The last "
        "columns are of `--refill-unproven apart`, which\nputs only what is proven and keeps the other rows in tables "
        "of their own.\n\n"
    )
    return words + _table(head, rows) if rows else ""


def _verdicts(figures: Mapping[str, Any]) -> str:
    head = ["files", "right %", "damaged", "missed", "sound", "false alarms", "nobody could tell"]
    keys = ("right", "damaged", "missed", "sound", "false", "open")
    rows = [[said, *(text(had[key]) for key in keys)] for said, had in _rows(figures, "verdicts")]
    return (
        "## Diagnosis\n\nVerdicts of `lifeboat diagnose` over the same files.\n\n" + _table(head, rows) if rows else ""
    )


def _speed(kept: Mapping[str, Any]) -> str:
    found = kept["figures"]
    runs = found["runs"]
    head = ["shape", "MiB", "data on", "repair, s", "`VACUUM INTO`, s", "ratio", "ratio of CPU"]
    head += ["`VACUUM INTO`, `REINDEX`, `integrity_check`, s", "ratio", "all processes, MiB"]
    columns = ("repair s", "vacuum s", "repair / VACUUM INTO", "repair / VACUUM INTO, CPU", "floor s", "repair / floor")
    rows = [
        [
            run["shape"],
            text(run["MiB"], 0),
            run["place"],
            *(text(run[name], 2) for name in columns),
            text(run["repair memory together MiB"], 0),
        ]
        for run in runs
    ]
    checks = [
        [
            run["shape"],
            run["place"],
            *(text(run[name], 2) for name in ("quick / quick_check", "quick / quick_check, CPU")),
            *(text(run[name], 2) for name in ("full / integrity_check", "full / integrity_check, CPU")),
            text(run["full memory MiB"], 0),
        ]
        for run in runs
    ]
    words = (
        "## Time and memory\n\nRepair of a database of which 1 % of the pages are lost, against `VACUUM INTO` of it "
    )
    words += f"undamaged. Measured {kept['date']}, {text(found['rounds'], 0)} round(s), load {text(found['load'], 0)}. "
    words += (
        "In memory `VACUUM INTO` costs little more than a copy; on a disk both wait for it. Every index is damaged, "
    )
    words += "and SQLite must make it anew: the next columns say what SQLite itself needs for that and a check.\n\n"
    ratios = (
        "\nDiagnosis of the sound database: how often the time of SQLite's own check. The start of the interpreters is "
    )
    ratios += "left aside: the same command on a database of one page.\n\n"
    names = ["shape", "data on", "`--quick` / `quick_check`", "CPU", "`diagnose` / `integrity_check`", "CPU"]
    return words + _table(head, rows) + ratios + _table([*names, "largest process, MiB"], checks)


def _about(kept: Mapping[str, Any]) -> str:
    about, system = kept["about"], kept["machine"]
    way = "the engine in one process" if about["engine"] else "the command line"
    return (
        f"Measured {kept['date']} through {way}, seed {about['seed']}, files of each kind of damage: {about['count']}; "
        f"Python {system['Python']}; {system['lifeboat']}.\n"
    )


def write() -> None:
    """Write the page from the figures that are kept: those of the unseen set where there are any."""
    from tests.makers import corpus, corruption

    results = json.loads(KEPT.read_text())
    kept = results.get("unseen") or results.get("corpus")
    parts = [HEAD]
    if kept:
        figures = kept["figures"]
        parts += [_about(kept), _without_backup(figures), _with_backup(figures), _verdicts(figures)]
    if "runs" in results.get("speed", {}).get("figures", {}):
        parts.append(_speed(results["speed"]))
    kinds = len(corruption.KINDS) - 1
    applications = len(corpus.applications()) + len(corpus.applications(unseen=True))
    parts.append(METHOD.format(applications=applications, kinds=kinds))
    PATH.write_text("\n".join(part for part in parts if part), encoding="utf-8")
