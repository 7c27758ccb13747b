"""Figures for Prometheus: a file that node_exporter's textfile collector reads (the text exposition format)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit import durable

MODE = 0o644
"""Another user's collector reads it; it holds names of profiles, and no data."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: its name without the prefix, what it means, its labels and value."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def text(metrics: Iterable[Metric]) -> str:
    """Return `metrics` in the text exposition format, gauges all, samples of one name together."""
    by_name: dict[str, list[Metric]] = {}
    for metric in metrics:
        by_name.setdefault(metric.name, []).append(metric)
    lines = []
    for name, samples in by_name.items():
        lines += [f"# HELP lifeboat_{name} {samples[0].help}", f"# TYPE lifeboat_{name} gauge"]
        lines += [f"lifeboat_{name}{_labels(one)} {_number(one.value)}" for one in samples]
    return "\n".join(lines) + "\n"


def _labels(metric: Metric) -> str:
    if not metric.labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in metric.labels) + "}"


def _escaped(value: str) -> str:
    safe = value.encode(errors="backslashreplace").decode()
    return safe.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def write(path: Path, metrics: Iterable[Metric]) -> None:
    """Replace `path` by `metrics`, as a whole: the collector never sees half a file. Raises `StorageError`."""
    with durable.translated(path):
        durable.write_file(path, text(metrics).encode(), mode=MODE)
