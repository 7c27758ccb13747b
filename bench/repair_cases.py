"""Cases run side by side, each in a process of its own: what hangs is ended, what crashes takes nothing with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import repair_score
import repair_ways

from tests.makers import corpus_contents, corruption
from tests.makers.corpus import Library, Made, applications
from tests.makers.corpus_contents import Contents
from tests.makers.corruption import Case, Damaged
from toolkit.sqlite.account import Unproven

LIMIT = 180.0


@dataclass(frozen=True)
class Wanted:
    """What is done with each case."""

    engine: bool = False
    repair: bool = True
    diagnose: bool = True
    with_backup: bool = False
    baseline: bool = False
    keep: Path | None = None
    keep_below: float = 99.0


def backup_contents(made: Made, truth: Contents) -> Contents | None:
    """Read yesterday's backup as the original would have it: with a column that was added since."""
    application = applications(unseen=True).get(made.spec.application) or applications()[made.spec.application]
    adds = application.adds if made.spec.since == "column" else ""
    layouts = {name: rows.layout for name, rows in truth.tables.items()}
    return corpus_contents.read(made.backup, layouts, adds=adds, checks=False)


def _repair(
    wanted: Wanted, made: Made, done: Damaged, backup: Path | None, folder: Path, *, unproven: Unproven = "in"
) -> dict[str, Any]:
    work = folder / (f"refilled-{unproven}" if backup else "repaired")
    work.mkdir()
    output = work / "output.db"
    run = repair_ways.repair_engine if wanted.engine else repair_ways.repair_command
    ended = run(done.path, output, backup, work, unproven)
    score = repair_score.score(output, done.truth, backup_contents(made, done.truth))
    found = score.plain() | {"code": ended.code, "seconds": round(ended.seconds, 3), "said": ended.said}
    return found | {"account": ended.account if wanted.engine else {}}


def _diagnose(wanted: Wanted, done: Damaged, folder: Path) -> dict[str, Any]:
    run = repair_ways.diagnose_engine if wanted.engine else repair_ways.diagnose_command
    work = folder / "diagnosed"
    work.mkdir()
    before = sorted(part.name for part in done.path.parent.iterdir())
    ended = run(done.path, work)
    after = sorted(part.name for part in done.path.parent.iterdir())
    said = {0: corruption.HEALTHY, 4: corruption.DAMAGED}.get(ended.code, f"exit {ended.code}")
    right = (
        said == done.verdict if done.verdict != corruption.OPEN else said in (corruption.HEALTHY, corruption.DAMAGED)
    )
    found = {"said": said, "right": right, "codes": ended.account.get("codes", []), "error": ended.said[-300:]}
    return found | {"seconds": round(ended.seconds, 3), "left": [name for name in after if name not in before]}


def _baselines(made: Made, done: Damaged, folder: Path) -> dict[str, Any]:
    backup = backup_contents(made, done.truth)
    found = {}
    for way in repair_ways.BASELINES:
        result = repair_ways.baseline(way, done.path, folder)
        score = repair_score.score(result, done.truth, backup)
        found[way] = {"score": score.score, "perfect": score.perfect, "invented": score.invented}
    return found


def run_case(case: Case, wanted: Wanted, library: Library, folder: Path) -> dict[str, Any]:
    """Run one case in the empty `folder`; raises `corruption.UnfitError` when nothing could be damaged so."""
    place = folder / "case"
    place.mkdir()
    made, done = corruption.make_case(case, library, place)
    kind = corruption.KINDS[case.kind]
    found: dict[str, Any] = {
        "case": done.case.name, "family": kind.family, "kind": kind.name, "spec": done.case.spec.name,
        "note": done.note, "verdict": done.verdict,
    }  # fmt: skip
    if wanted.diagnose:
        found["diagnose"] = _diagnose(wanted, done, folder)
    if wanted.repair and kind.repair:
        found["repair"] = _repair(wanted, made, done, None, folder)
        if wanted.with_backup:
            found["refill"] = _repair(wanted, made, done, made.backup, folder)
            found["apart"] = _repair(wanted, made, done, made.backup, folder, unproven="apart")
            backup = repair_score.score(made.backup, done.truth, backup_contents(made, done.truth))
            found["backup"] = backup.plain()
    if wanted.baseline and kind.repair:
        found["baselines"] = _baselines(made, done, folder)
    if wanted.keep is not None and _bad(found, wanted):
        target = wanted.keep / done.case.name.replace("/", "-")
        shutil.copytree(folder, target, dirs_exist_ok=True)
        corpus_contents.copy_set(made.path, target / "original.db")
        corpus_contents.copy_set(made.backup, target / "backup.db")
    return found


def _bad(found: dict[str, Any], wanted: Wanted) -> bool:
    scores = [found[name]["score"] for name in ("repair", "refill") if name in found]
    return any(score < wanted.keep_below for score in scores) or not found.get("diagnose", {"right": True})["right"]


def _child(case: Case, wanted: Wanted, library: Library, folder: Path) -> None:
    try:
        os.setpgid(0, 0)
        found = run_case(case, wanted, library, folder)
    except corruption.UnfitError:
        found = {"case": case.name, "unfit": True}
    except BaseException:  # noqa: BLE001 (a fault of the measurement itself is reported, not lost)
        found = {"case": case.name, "broken": traceback.format_exc()}
    (folder / "found.json").write_text(json.dumps(found))


def run_all(
    cases: Iterable[Case], wanted: Wanted, library: Library, *, jobs: int, scratch: Path, tell: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Run all cases, `jobs` at a time; return what was found in the order of the cases."""
    todo = list(enumerate(cases))[::-1]
    running: dict[int, tuple[int, Case, Path, float]] = {}
    results: dict[int, dict[str, Any]] = {}
    while todo or running:
        while todo and len(running) < jobs:
            number, case = todo.pop()
            folder = Path(tempfile.mkdtemp(dir=scratch))
            sys.stdout.flush()
            pid = os.fork()
            if not pid:
                _child(case, wanted, library, folder)
                os._exit(0)
            running[pid] = (number, case, folder, time.monotonic() + LIMIT)
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            number, case, folder, _ = running.pop(pid)
            results[number] = _harvest(case, folder)
            repair_ways.clear(folder)
            tell(len(results))
            continue
        for late in [one for one, (_, _, _, deadline) in running.items() if time.monotonic() > deadline]:
            os.killpg(late, signal.SIGKILL)
        time.sleep(0.01)
    return [results[number] for number in sorted(results)]


def _harvest(case: Case, folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    except (OSError, ValueError):
        kind = corruption.KINDS[case.kind]
        return {"case": case.name, "family": kind.family, "kind": kind.name, "hung": True}
    return found


def parse(name: str) -> Case:
    """Return the case of a name as the tables print it: `kind@application-seed-seed`."""
    kind, _, rest = name.partition("@")
    unseen = rest.endswith("u")
    application, spec_seed, seed = rest.removesuffix("u").rsplit("-", 2)
    spec = corruption.fitting(corruption.KINDS[kind], corruption.draw(application, int(spec_seed)))
    return Case(replace(spec), kind, int(seed), unseen)
