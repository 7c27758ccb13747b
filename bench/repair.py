"""Measure repair and diagnosis on a seeded corpus of damaged databases, beside Debian's tools; writes docs/repair.md.

python bench/repair.py --engine --count 3                  developing: the engine in this process
python bench/repair.py --engine --only b-tree --kinds leaf-zero --keep DIR
python bench/repair.py --engine --case leaf-zero@django-100-1000 --keep DIR
python bench/repair.py --unseen --with-backup --baseline --page          the figures of docs/repair.md
python bench/repair.py --speed --page                      1 GiB: repair and diagnose --quick against SQLite
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import machine  # noqa: E402
import repair_cases  # noqa: E402
import repair_page  # noqa: E402
import repair_table  # noqa: E402

from tests.makers import corruption  # noqa: E402
from tests.makers.corpus import Library  # noqa: E402
from tests.makers.corruption import Case  # noqa: E402

RESULTS = Path(__file__).parent / "results"
SOUND_TIMES = 12


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help=f"families: {', '.join(corruption.FAMILIES)}")
    parser.add_argument("--kinds", default="", help="kinds of damage, commas between; --list names them")
    parser.add_argument("--count", type=int, default=3, help="cases of each kind [3]; 12 times as many sound files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engine", action="store_true", help="call the engine in this process instead of the command")
    parser.add_argument("--what", choices=("repair", "diagnose", "both"), default="both")
    parser.add_argument("--with-backup", action="store_true", help="repair once more with yesterday's backup")
    parser.add_argument("--baseline", action="store_true", help="measure Debian's tools too")
    parser.add_argument(
        "--unseen", action="store_true", help="the held-out applications and damage; never look at them"
    )
    parser.add_argument("--case", default="", help="one case by its name, with all that is known of it")
    parser.add_argument("--keep", type=Path, help="keep the files of cases that ended badly in this folder")
    parser.add_argument("--keep-below", type=float, default=99.0, help="which score is bad [99]")
    parser.add_argument("--library", type=Path, help="where made databases are kept for the next run")
    parser.add_argument("--json", type=Path, help="write everything that was found to this file")
    parser.add_argument("--worst", type=int, default=20, help="how many of the worst cases are shown [20]")
    parser.add_argument("--page", action="store_true", help="write docs/repair.md from this run and those kept")
    parser.add_argument("--speed", action="store_true", help="measure time and memory on 1 GiB instead")
    parser.add_argument("--mib", type=int, default=1024, help="size for --speed [1024]")
    parser.add_argument("--rounds", type=int, default=3, help="rounds for --speed [3]")
    parser.add_argument("--list", action="store_true", help="name the kinds of damage")
    return parser.parse_args()


def _kinds(arguments: argparse.Namespace) -> list[str]:
    families = set(filter(None, arguments.only.split(",")))
    names = [name for name in arguments.kinds.split(",") if name]
    found = names or [kind.name for kind in corruption.KINDS.values() if not families or kind.family in families]
    unknown = [name for name in found if name not in corruption.KINDS]
    if unknown:
        raise SystemExit(f"no such kind: {', '.join(unknown)}")
    return found


def _cases(arguments: argparse.Namespace) -> list[Case]:
    if arguments.case:
        return [repair_cases.parse(name) for name in arguments.case.split(",")]
    kinds = _kinds(arguments)
    options = {"seed": arguments.seed, "unseen": arguments.unseen}
    found = corruption.cases(kinds=[name for name in kinds if name != "sound"], count=arguments.count, **options)
    if "sound" in kinds:
        found += corruption.cases(kinds=["sound"], count=SOUND_TIMES * arguments.count, **options)
    return found


def _scratch() -> str | None:
    """Return memory to work in where there is some: thousands of small files would wear out the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    cases = _cases(arguments)
    wanted = repair_cases.Wanted(
        engine=arguments.engine,
        repair=arguments.what != "diagnose",
        diagnose=arguments.what != "repair",
        with_backup=arguments.with_backup,
        baseline=arguments.baseline,
        keep=arguments.keep,
        keep_below=101 if arguments.case else arguments.keep_below,
    )

    def tell(done: int) -> None:
        if done % 50 == 0 or done == len(cases):
            print(f"{done} of {len(cases)}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(dir=_scratch(), prefix="repair-") as folder:
        scratch = Path(folder)
        shelf = arguments.library or scratch / "library"
        shelf.mkdir(parents=True, exist_ok=True)
        return repair_cases.run_all(cases, wanted, Library(shelf), jobs=arguments.jobs, scratch=scratch, tell=tell)


def main() -> int:
    """Run what was asked for."""
    arguments = _arguments()
    if arguments.list:
        for kind in corruption.KINDS.values():
            print(f"{kind.family:8} {kind.name:24} {kind.verdict}")
        return 0
    RESULTS.mkdir(exist_ok=True)
    if arguments.speed:
        import repair_speed

        figures = repair_speed.measure(arguments.mib, arguments.rounds)
        repair_page.keep("speed", {"machine": machine.describe(RESULTS), "figures": figures})
        print(repair_table.speed(figures))
    else:
        results = _measure(arguments)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
        if arguments.case:
            print(json.dumps(results, indent=1, ensure_ascii=False))
            return 0
        print(repair_table.everything(results, worst=0 if arguments.unseen else arguments.worst))
        if arguments.page:
            about = {"seed": arguments.seed, "count": arguments.count, "engine": arguments.engine}
            figures = repair_table.figures(results)
            name = "unseen" if arguments.unseen else "corpus"
            repair_page.keep(name, {"machine": machine.describe(RESULTS), "about": about, "figures": figures})
    if arguments.page:
        repair_page.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
