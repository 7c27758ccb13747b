"""From the figures to docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent.parent / "docs" / "performance.md"
MIB = 2**20
ORDER = ("plain", "lifeboat", "restic", "borg", "borg-lz4")
VERBS = {"back_up": "backup", "verify": "verify", "restore": "restore"}

HEAD = """# Performance

Written by `make bench`; the figures hold for the machine below and for no other. Compare the ratios, which come from
the same data, in the same run, one way after another in each round: **a ratio is the median over the rounds of a way's
wall time divided by that of the plain way in the same round.** Read ratios under 1.2 as equal. CPU counts all
processes of a way; times are seconds, medians.
"""

WAYS = """## The ways

- **plain**: `VACUUM INTO` and `tar | zstd -T0 -3`; back with `zstd -d | tar -x`. Nothing is hashed, checked, read back
  or waited for on the disk.
- **lifeboat**: `lifeboat backup PATH`: a consistent copy, `quick_check`, foreign keys, row counts, SHA-256 of every
  file, zstd -3, fsync, then the whole archive read back and every digest compared. `lifeboat restore --to DIR`: every
  digest compared, row counts and schema compared with the manifest, all of it durable before anything gets its name.
- **restic**: Debian's, repository version 2, `--compression auto`, encrypted as always, with its ordinary cache in a
  private folder (`--no-cache` is slower). It reads the live database: a copy is consistent only by luck.
- **borg**: Debian's, encrypted as in its quick start, with zstd level 3 as the first two have. It reads as restic does.
- **borg-lz4**: the same without encryption and with lz4, which is its fastest setting and stores more.

All repositories and vaults are new in each round and made outside the timing, so nothing profits from an earlier
backup. Caches are warm: they cannot be dropped everywhere, so every way reads its data from memory. `sync` runs before
each measurement, so that no way pays for what another left to be written.
"""

SIMULATED = """The servers are simulated: each answers at once, so that only the control node is measured, where Ansible
alone runs the same play with the same settings. `lifeboat fleet` follows every event, keeps a row for each server and
writes the journal of the job.
"""

SCREENS = """`lifeboat tui` on a terminal of 80x24 with 256 colours. A start is over when its text can be read; cold is
without anything that Python compiled before, its own library included. Memory is that of the process: resident, and
with pages that others use too counted by share. A key counts until its answer begins to come.
"""

LIMITS = """## Limits

Warm caches make the share of processing (hashes, checks, compression) look larger than it is on a slow disk. Only
Lifeboat waits until its archive, and what it restored, is on the disk. Increments are not measured: restic and
borg store an unchanged file once, a full archive stores it again. One seed, one machine.
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f}"


def _about(scenario: Mapping[str, Any]) -> str:
    about = scenario["about"]
    scale = "" if about["scale"] == 1.0 else f", scale {about['scale']:g}"
    return f"Measured {about['date']}, {about['repeat']} rounds, load {about['load']:.1f} before{scale}."


def _verbs(figures: Mapping[str, Any]) -> str:
    """Return one table for each verb."""
    parts = []
    for verb, word in VERBS.items():
        found = figures.get(verb)
        if not found:
            continue
        rows = []
        for name in ORDER:
            one = found.get(name)
            if one is None:
                rows.append([name, "not measured", "", "", "", ""])
                continue
            spread = f"{one['fastest']:.2f} to {one['slowest']:.2f}"
            ratio = f"{one['ratio']:.2f}" if "ratio" in one else ""
            rows.append([name, f"{one['wall']:.2f}", spread, f"**{ratio}**", f"{one['cpu']:.2f}", _mib(one["largest"])])
        parts.append(_table([word, "wall", "from, to", "ratio", "CPU", "largest process, MiB"], rows))
    return "\n".join(parts)


def _mixed(scenario: Mapping[str, Any]) -> str:
    figures = scenario["figures"]
    source, parts, checks = figures["source"], figures["parts"], figures["checks"]
    text = "## A database of 1 GiB and 20,000 files\n\n"
    text += f"{_about(scenario)} {source['files']:,} files, {_mib(source['bytes'])} MiB.\n\n{_verbs(figures)}\n"
    stored = ", ".join(f"{name} {_mib(figures['stored'][name])}" for name in ORDER if name in figures["stored"])
    text += f"Stored, MiB: {stored}.\n\n"
    text += "Parts of Lifeboat's backup, seconds of wall time (copy and check run beside the writing of the files):\n\n"
    rows = [[f"{parts[name]:.2f}" for name in ("all", "copy", "check", "write", "read_back")]]
    text += _table(["all", "copy of the database", "its quick_check, foreign keys, rows", "write", "read-back"], rows)
    text += f"\nSQLite's own checks on this database: quick_check {checks['quick_check']:.2f} s, "
    return text + f"integrity_check {checks['integrity_check']:.2f} s.\n{_restore_parts(figures.get('restore_parts'))}"


def _restore_parts(parts: Mapping[str, float] | None) -> str:
    if not parts:
        return ""
    return (
        f"\nOf Lifeboat's restore: staging with every digest {parts['stage']:.2f} s; comparing rows and schema of the "
        f"database with the manifest (its bytes are those that were checked) {parts['check']:.2f} s; "
        f"giving the names {parts['place']:.2f} s.\n"
    )


def _busy(scenario: Mapping[str, Any]) -> str:
    text = "## The same while an application goes on writing\n\n"
    text += (
        f"{_about(scenario)} A writer commits without pausing; then each copy is restored and judged by `quick_check` "
    )
    text += "and by a ledger that agrees with the other tables in every committed state.\n\n"
    rows = []
    for name in [name for name in ORDER if name in scenario["figures"]["back_up"]]:
        one, verdicts = scenario["figures"]["back_up"][name], scenario["figures"]["verdicts"][name]
        said = ", ".join(f"{verdicts.count(word)} {word}" for word in sorted(set(verdicts)))
        rows.append([name, f"{one['wall']:.2f}", f"**{one['ratio']:.2f}**", f"{one['cpu']:.2f}", said])
    return text + _table(["backup", "wall", "ratio", "CPU", "the copies"], rows)


def _small(scenario: Mapping[str, Any]) -> str:
    source = scenario["figures"]["source"]
    text = f"## {source['files']:,} small files\n\n{_about(scenario)} {_mib(source['bytes'])} MiB.\n\n"
    return text + _verbs(scenario["figures"])


def _start(scenario: Mapping[str, Any]) -> str:
    rows = [
        [f"`{name}`", f"{one['wall'] * 1000:.0f}", f"{one['cpu'] * 1000:.0f}", _mib(one["largest"])]
        for name, one in scenario["figures"].items()
    ]
    text = f"## Starting\n\n{_about(scenario)}\n\n"
    return text + _table(["command", "wall, ms", "CPU, ms", "memory, MiB"], rows)


def _memory(scenario: Mapping[str, Any]) -> str:
    rows = []
    for name, verbs in scenario["figures"].items():
        for verb, one in verbs.items():
            rows.append([name, VERBS[verb], f"{one['wall']:.1f}", _mib(one["largest"]), _mib(one["together"])])
    text = f"## Memory\n\n{_about(scenario)} Once each; all processes together are looked at ten times a second.\n\n"
    return text + _table(["data", "", "wall", "largest process, MiB", "all together, MiB"], rows)


def _fleet(scenario: Mapping[str, Any]) -> str:
    figures = scenario["figures"]
    few, many = min(figures["sizes"]), max(figures["sizes"])
    rows = []
    for run in figures["plays"]:
        for way, name in (
            ("ansible", f"Ansible alone: {run['play']}"),
            ("lifeboat", f"`lifeboat fleet {run['play']}`"),
        ):
            one = run[way]
            wall, cpu = (f"**{run[f'{kind}_ratio']:.2f}**" if way == "lifeboat" else "" for kind in ("wall", "cpu"))
            sizes = (_mib(one["largest"]), _mib(one["together"]))
            rows.append([name, f"{run['servers']}", f"{one['wall']:.1f}", wall, f"{one['cpu']:.1f}", cpu, *sizes])
    text = f"## {many} servers\n\n{_about(scenario)} {figures['forks']} at once.\n\n{SIMULATED}\n"
    head = ["", "servers", "wall", "ratio", "CPU", "ratio", "largest process, MiB", "all together, MiB"]
    return (
        text + _table(head, rows) + "\n" + _added([run for run in figures["plays"] if run["play"] == "ping"], few, many)
    )


def _added(pings: Sequence[Mapping[str, Any]], few: int, many: int) -> str:
    """Return in words what of a `ping` is there whatever the number of servers, and what each one costs."""
    said = []
    for kind in ("wall", "cpu"):
        more = {run["servers"]: run["lifeboat"][kind] - run["ansible"][kind] for run in pings}
        each = (more[many] - more[few]) / (many - few)
        said.append(f"{more[few] - each * few:.2f} s and {each * 1000:.1f} ms for each server ({kind})")
    return f"What `lifeboat fleet ping` takes longer: {', '.join(said)}.\n"


def _screens(scenario: Mapping[str, Any]) -> str:
    figures = scenario["figures"]
    head = ["start", "wall, s", "slowest", "CPU, s", "bytes"]
    parts = [f"## The screens\n\n{_about(scenario)}\n\n{SCREENS}"]
    starts = figures["start"].items()
    rows = [
        [name, *(f"{one[key]:.2f}" for key in ("wall", "slowest", "cpu")), f"{one['bytes']:,.0f}"]
        for name, one in starts
    ]
    parts.append(_table(head, rows))
    rows = []
    for name, one in figures["memory"].items():
        opened = figures["opened"].get(name)
        key = figures["keys"][name]
        sizes = (f"{one[kind] / 1e6:.0f}" for kind in ("rss", "pss"))
        times = (f"{key[which] * 1000:.0f}" for which in ("median", "slowest"))
        rows.append([name, f"{opened:.2f}" if opened else "", *times, *sizes])
    parts.append(_table(["open", "after, s", "a key, ms", "slowest", "memory, MB", "by share, MB"], rows))
    line, journal = figures["line"], figures["journal"]
    more = journal["show"]["wall"] - journal["show_short"]["wall"]
    parts.append(
        f"On the line while nothing happens: {line['idle']:.0f} bytes a second; "
        f"while a job says four times a second how far it is: {line['job']:,.0f}.\n"
    )
    parts.append(
        f"The journal of {figures['counts']['events']:,} events of a job that runs: `jobs show` "
        f"{journal['show']['wall']:.2f} s, {more:.2f} s more than with a short one; "
        f"screen 7 shows its last words after {journal['jobs']:.2f} s, "
        f"the whole log after {journal['log']:.2f} s, with {journal['memory']['rss'] / 1e6:.0f} MB.\n"
    )
    return "\n".join(parts)


def render(results: Mapping[str, Any]) -> str:
    """Return the page."""
    machine = _table(["", ""], sorted(([name, value] for name, value in results["machine"].items()), key=_rank))
    note = f"\n{results['note']}\n" if results.get("note") else ""
    sections = [HEAD, f"## The machine\n\n{machine}{note}", WAYS]
    makers = {"mixed": _mixed, "busy": _busy, "small": _small, "start": _start, "memory": _memory, "fleet": _fleet}
    makers["screens"] = _screens
    sections += [make(results["scenarios"][name]) for name, make in makers.items() if name in results["scenarios"]]
    return "\n".join([*sections, LIMITS])


def _rank(row: Sequence[str]) -> tuple[bool, str]:
    return row[0] not in ("processor", "memory", "system", "file system"), row[0]
