"""The figures of many cases, by family of damage, and the cases that ended worst."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.makers.corruption import FAMILIES

Result = Mapping[str, Any]
WAYS = ("as is", ".dump", "VACUUM INTO", "REINDEX")


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _of(results: Sequence[Result], part: str) -> list[Result]:
    return [{**one[part], "kind": one["kind"], "verdict": one["verdict"]} for one in results if part in one]


def _repaired(results: Sequence[Result], part: str) -> dict[str, Any]:
    found = _of(results, part)
    if not found:
        return {}
    total = sum(one["total"] for one in found)
    fresh = sum(one["fresh_total"] for one in found)
    return {
        "cases": len(found),
        "score": _mean(one["score"] for one in found),
        "perfect": _mean(100.0 * one["perfect"] for one in found),
        "rows": 100 * sum(one["rows"] for one in found) / max(1, total),
        "invented": 100 * sum(one["invented"] for one in found) / max(1, total),
        "fresh": 100 * sum(one["fresh"] for one in found) / fresh if fresh else None,
        "revived": sum(one["revived"] for one in found),
        "stale": sum(one["stale"] for one in found),
    } | _exits(found)


def _exits(found: Sequence[Result]) -> dict[str, Any]:
    """Return how often it ended with 0 although rows or objects were lost (where that could be told), and the like."""
    if "code" not in found[0]:
        return {}
    lost = [one["rows"] < one["total"] or bool(one["lost_objects"]) for one in found]
    return {
        "silent": sum(
            one["code"] == 0 and bad and one["verdict"] != "open" for one, bad in zip(found, lost, strict=True)
        ),
        "needless": sum(one["code"] == 3 and not bad for one, bad in zip(found, lost, strict=True)),
        "gave_up": sum(one["code"] == 4 for one in found),
        "crashed": sum(one["code"] not in (0, 3, 4) for one in found),
        "seconds": _mean(one["seconds"] for one in found),
        "slowest": max(one["seconds"] for one in found),
    }


def _baselines(results: Sequence[Result]) -> dict[str, Any]:
    found = [one["baselines"] for one in results if "baselines" in one]
    if not found:
        return {}
    scores: dict[str, Any] = {way: _mean(one[way]["score"] for one in found) for way in WAYS}
    scores["best"] = _mean(max(one[way]["score"] for way in WAYS) for one in found)
    scores["best perfect"] = _mean(100.0 * any(one[way]["perfect"] for way in WAYS) for one in found)
    return scores


def _verdicts(results: Sequence[Result]) -> dict[str, Any]:
    found = [one for one in results if "diagnose" in one]
    if not found:
        return {}
    certain = [one for one in found if one["verdict"] != "open"]
    damaged = [one for one in certain if one["verdict"] == "damaged"]
    sound = [one for one in certain if one["verdict"] == "healthy"]
    return {
        "damaged": len(damaged),
        "sound": len(sound),
        "open": len(found) - len(certain),
        "right": 100 * sum(one["diagnose"]["right"] for one in certain) / max(1, len(certain)),
        "missed": sum(one["diagnose"]["said"] == "healthy" for one in damaged),
        "false": sum(one["diagnose"]["said"] == "damaged" for one in sound),
        "failed": sum(one["diagnose"]["said"].startswith("exit") for one in found),
        "left": sum(bool(one["diagnose"]["left"]) for one in found),
    }


def figures(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return the figures by family, and of all damaged files together (`all`)."""
    whole = [one for one in results if "family" in one and "hung" not in one]
    groups = {family: [one for one in whole if one["family"] == family] for family in FAMILIES}
    groups["all"] = [one for one in whole if one["family"] != "sound"]
    groups["everything"] = whole
    found = {}
    for name, group in groups.items():
        if group:
            found[name] = {
                "repair": _repaired(group, "repair"),
                "refill": _repaired(group, "refill"),
                "apart": _repaired(group, "apart"),
                "backup": _repaired(group, "backup"),
                "baselines": _baselines(group),
                "verdicts": _verdicts(group),
            }
    found["hung"] = {"cases": sum("hung" in one for one in results)}
    return found


def text(value: Any, digits: int = 1) -> str:
    """Return a figure for a table."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float) else f"{value:,}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]


def _table(found: Mapping[str, Any], part: str, columns: Mapping[str, str]) -> list[str]:
    rows = [
        [name, *(text(one[part].get(key), 3 if key == "invented" else 1) for key in columns)]
        for name, one in found.items()
        if name != "hung" and one.get(part)
    ]
    return [*_lines([part, *columns.values()], rows), ""] if rows else []


REPAIR = {
    "cases": "cases", "score": "score", "perfect": "perfect %", "rows": "rows %", "invented": "invented %",
    "silent": "silent losses", "needless": "needless 3", "gave_up": "gave up", "crashed": "crashed",
    "seconds": "seconds", "slowest": "slowest",
}  # fmt: skip
REFILL = {**REPAIR, "fresh": "fresh %", "revived": "revived", "stale": "stale"}
BASELINES = {**{way: way for way in WAYS}, "best": "best", "best perfect": "best perfect %"}
VERDICTS = {
    "right": "right %", "damaged": "damaged", "missed": "missed", "sound": "sound", "false": "false alarms",
    "open": "open", "failed": "failed", "left": "left files",
}  # fmt: skip


def everything(results: Sequence[Result], *, worst: int) -> str:
    """Return all tables as text, and the `worst` cases of each kind of measure."""
    found = figures(results)
    lines = _table(found, "repair", REPAIR) + _table(found, "refill", REFILL) + _table(found, "apart", REFILL)
    lines += _table(found, "backup", REFILL)
    lines += _table(found, "baselines", BASELINES) + _table(found, "verdicts", VERDICTS)
    unfit = [one["case"] for one in results if "unfit" in one]
    broken = [one for one in results if "broken" in one]
    hung = [one["case"] for one in results if "hung" in one]
    lines += [f"nothing to damage: {len(unfit)}"] if unfit else []
    lines += [f"hung or killed: {name}" for name in hung]
    lines += [f"measurement broken: {one['case']}\n{one['broken']}" for one in broken[:3]]
    if worst:
        lines += _worst(results, "repair", worst) + _worst(results, "refill", worst) + _wrong(results, worst)
        lines += _by_kind(results)
    return "\n".join(lines)


def _worst(results: Sequence[Result], part: str, count: int) -> list[str]:
    found = sorted((one for one in results if part in one), key=lambda one: one[part]["score"])
    lines = ["", f"worst of {part}:"] if found else []
    for one in found[:count]:
        had = one[part]
        if had["perfect"]:
            continue
        lines.append(f"  {had['score']:5.1f} exit {had['code']} {one['case']}  [{one['spec']}]  {one['note'][:110]}")
        missing = ", ".join(f"{name} {share}" for name, share in list(had["missing"].items())[:5])
        extra = f"{had['invented']}+{had['revived']}+{had['stale']}"
        lines.append(
            f"        rows {had['rows']}/{had['total']} ({missing}); extra {extra}; "
            f"lost {had['lost_objects'][:4]}; {had['problems'][:2]}"
        )
        lines.append(f"        {had['said'][-300:] if had['code'] in (-1, 4) else had['said'][:200]}")
    return lines


def _wrong(results: Sequence[Result], count: int) -> list[str]:
    wrong = [one for one in results if "diagnose" in one and not one["diagnose"]["right"]]
    lines = ["", "wrong verdicts:"] if wrong else []
    for one in wrong[: 2 * count]:
        said = one["diagnose"]
        what = f"{said['said']} {said['codes']}"
        lines.append(f"  {one['verdict']}, said {what} {one['case']}  [{one['spec']}] {one['note'][:110]}")
    return lines


def _by_kind(results: Sequence[Result]) -> list[str]:
    kinds: dict[str, list[Result]] = {}
    for one in results:
        if "repair" in one:
            kinds.setdefault(one["kind"], []).append(one)
    key: Callable[[str], float] = lambda name: _mean(one["repair"]["score"] for one in kinds[name]) or 0  # noqa: E731
    lines = ["", "mean score by kind, worst first:"] if kinds else []
    for name in sorted(kinds, key=key):
        perfect = _mean(100.0 * one["repair"]["perfect"] for one in kinds[name])
        lines.append(f"  {key(name):5.1f}  perfect {perfect:5.1f} %  {name} ({len(kinds[name])})")
    return lines


def speed(found: Mapping[str, Any]) -> str:
    """Return the measures of time and memory as text."""
    lines = []
    for run in found["runs"]:
        lines += [f"{run['shape']}, data on {run['place']}"]
        lines += [f"  {name:40} {text(value, 2)}" for name, value in run.items() if isinstance(value, float)]
    return "\n".join(lines)
