"""Measure Lifeboat against other tools on the same data, and write docs/performance.md.

`make bench`, or: python bench/bench.py --only mixed --scale 0.1 --repeat 1 --no-page
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import sys
from pathlib import Path

import machine
import page
import scenarios

RESULTS = Path(__file__).parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ", ".join(scenarios.SCENARIOS)
    parser.add_argument("--only", default="", help=f"some of: {names} (commas between)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the page has medians [3]")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data; 1.0 is 1 GiB and 20,000 files")
    parser.add_argument("--ways", default="", help="some of: plain, lifeboat, restic, borg, borg-lz4")
    parser.add_argument("--folder", type=Path, help="where to work; data sets that lie there are used again")
    parser.add_argument("--note", default="", help="what the page says of how it was run")
    parser.add_argument("--no-page", action="store_true", help="keep the figures, leave docs/performance.md alone")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; figures of scenarios that were not run stay as they were."""
    arguments = _arguments()
    absent = machine.missing()
    if absent:
        print(f"the measurement needs: apt-get install {' '.join(absent)}", file=sys.stderr)
        return 2
    wanted = [name for name in arguments.only.split(",") if name] or list(scenarios.SCENARIOS)
    ways = tuple(name for name in arguments.ways.split(",") if name)
    folder = arguments.folder or scenarios.scratch()
    folder.mkdir(parents=True, exist_ok=True)
    options = scenarios.Options(folder.resolve(), arguments.repeat, arguments.scale, ways)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "latest.json"
    results = json.loads(kept.read_text()) if kept.exists() else {"scenarios": {}}
    results["machine"] = machine.describe(options.folder)
    results["note"] = arguments.note
    try:
        for name in wanted:
            scenarios.say(f"== {name}")
            began, load = dt.datetime.now(dt.UTC), machine.load()
            figures = scenarios.SCENARIOS[name](options)
            about = {"date": began.isoformat(timespec="seconds"), "load": load, "scale": options.scale}
            results["scenarios"][name] = {"about": about | {"repeat": options.repeat}, "figures": figures}
            text = json.dumps(results, indent=1)
            kept.write_text(text)
            (RESULTS / f"{began:%Y%m%dT%H%M%S}-{name}.json").write_text(text)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    text = page.render(results)
    if not arguments.no_page:
        page.PATH.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
