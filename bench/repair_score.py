"""The score of one repaired file, as the research behind Lifeboat's repair defines it; rows are compared type-exact.

100 x (share of the original's rows found, in the right table) x (0.70 + 0.15 schema objects kept + 0.10 integrity_check
+ 0.05 foreign keys and counters) - 50 x (rows that are not the original's / original rows).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.makers import corpus_contents
from tests.makers.corpus_contents import Contents, Rows


@dataclass
class Score:
    """How much of an original a file holds.

    Rows that are not the original's are told apart with the help of yesterday's backup: `revived` (deleted since),
    `stale` (an old version), `invented` (neither). `fresh_total` are the rows that the backup lacks, `fresh` those
    of them that were found. `missing` has the tables that lack rows: found and all.
    """

    score: float = 0.0
    perfect: bool = False
    rows: int = 0
    total: int = 0
    objects: float = 0.0
    sound: bool = False
    rules: float = 0.0
    invented: int = 0
    revived: int = 0
    stale: int = 0
    fresh: int = 0
    fresh_total: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    lost_objects: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def nothing(truth: Contents, backup: Contents | None) -> Score:
    """Return the score of a repair that gave nothing back."""
    score = Score(total=truth.total, missing={name: f"0/{one.counts.total()}" for name, one in truth.tables.items()})
    score.fresh_total = _fresh(truth, backup, None)[1]
    return score


def _fresh(truth: Contents, backup: Contents | None, found: Contents | None) -> tuple[int, int]:
    if backup is None:
        return 0, 0
    got = total = 0
    for name, rows in truth.tables.items():
        old = backup.tables[name].counts if name in backup.tables else Counter[bytes]()
        fresh = rows.counts - old
        total += fresh.total()
        if found is not None:
            have = found.tables[name].counts
            got += sum(
                min(count, max(0, have[row] - old[row] if old[row] else have[row])) for row, count in fresh.items()
            )
    return got, total


def _extras(score: Score, truth: Rows, found: Rows, backup: Rows | None) -> None:
    """Tell what the rows are that the original does not have."""
    extra = found.counts - truth.counts
    total = extra.total()
    if not total:
        return
    for key, row in found.keys.items():
        if not extra[row] or truth.keys.get(key) == row:
            continue
        if backup is None or row not in backup.counts:
            continue
        extra[row] -= 1
        if key in truth.keys and backup.keys.get(key) == row:
            score.stale += 1
        else:
            score.revived += 1
    score.invented += sum(count for count in extra.values() if count > 0)


def _counters(truth: Contents, found: Contents) -> float:
    wanted = [found.counters.get(name) == value for name, value in truth.counters.items()]
    wanted += [found.sequence.get(name, -1) >= value for name, value in truth.sequence.items()]
    return sum(wanted) / len(wanted) if wanted else 1.0


def score(path: Path, truth: Contents, backup: Contents | None = None) -> Score:
    """Score the file (set) at `path`, which need not exist, against what it should hold."""
    if not path.exists() or not path.stat().st_size:
        return nothing(truth, backup)
    layouts = {name: rows.layout for name, rows in truth.tables.items()}
    found = corpus_contents.read(path, layouts, known=truth.names)
    if found is None:
        return nothing(truth, backup)
    return compare(found, truth, backup)


def compare(found: Contents, truth: Contents, backup: Contents | None = None) -> Score:
    """Score contents that were read already."""
    result = Score(total=truth.total, invented=found.others)
    for name, rows in truth.tables.items():
        got = found.tables[name]
        same = (rows.counts & got.counts).total()
        result.rows += same
        if same < rows.counts.total():
            result.missing[name] = f"{same}/{rows.counts.total()}"
        _extras(result, rows, got, backup.tables.get(name) if backup else None)
    kept = len(truth.objects & found.objects)
    result.objects = kept / len(truth.objects) if truth.objects else 1.0
    result.lost_objects = sorted(f"{kind} {name}" for kind, name, _ in truth.objects - found.objects)
    result.sound = not found.problems
    result.rules = (float(found.violations <= truth.violations) + _counters(truth, found)) / 2
    result.problems = [*found.problems, *found.virtual_problems, *(f"bad text in {name}" for name in found.bad_texts)][
        :5
    ]
    if found.violations > truth.violations:
        result.problems.append(f"{found.violations - truth.violations} broken foreign keys")
    result.fresh, result.fresh_total = _fresh(truth, backup, found)
    extras = result.invented + result.revived + result.stale
    share = result.rows / result.total if result.total else 1.0
    value = 100 * share * (0.70 + 0.15 * result.objects + 0.10 * result.sound + 0.05 * result.rules)
    result.score = max(0.0, value - 50 * extras / max(1, result.total))
    result.perfect = (
        result.rows == result.total and not extras and result.objects == 1 and result.rules == 1 and not result.problems
    )
    return result
