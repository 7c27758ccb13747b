"""Giving staged things their names: the part of a restore that only goes forward and can be repeated."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit import durable
from toolkit.jobs.context import Job
from toolkit.operations.restoring import folder_times, safety
from toolkit.operations.restoring.extract import FailedItem
from toolkit.operations.restoring.journal import RestoreJournal, SwapRecord
from toolkit.sqlite import swap
from toolkit.tree.staging import Staging


def place(journal: RestoreJournal, job: Job) -> tuple[list[FailedItem], int]:
    """Give everything that `journal` names its name; can be repeated after a stop at any moment.

    Returns what could not be placed and how many paths were removed.
    """
    failed: list[FailedItem] = []
    for path in journal.stages:
        if os.path.exists(path):
            with Staging.resume(Path(path)) as staging:
                merged = staging.merge(job.progress(unit="files"))
            failed += [FailedItem(one.path, one.reason) for one in merged.failed]
            durable.remove(Path(path))
    for record in journal.swaps:
        _place_database(record)
    for path in journal.databases:
        if os.path.exists(path):
            with Staging.resume(Path(path)) as staging:
                if staging.phase == "ready" and not _holds_database(staging, journal):
                    staging.discard()
                else:
                    merged = staging.merge()
                    failed += [FailedItem(one.path, one.reason) for one in merged.failed]
            durable.remove(Path(path))
    removed = safety.remove_paths(Path(journal.remove) if journal.remove else None, frozenset(journal.spare))
    folder_times.give(journal.times)
    return failed, removed


def _place_database(record: SwapRecord) -> None:
    journal = Path(record.journal)
    if swap.recover(journal, keep_staged=True) == "finished":
        return
    if not os.path.lexists(record.staged[0]) or not os.path.isdir(os.path.dirname(record.target)):
        return
    staged = tuple(Path(path) for path in record.staged)
    owner = None if os.path.lexists(record.target) else swap.ownership(staged[0])
    swap.put(staged, Path(record.target), journal, keep_aside=record.keep, owner=owner, accept_unseen=True)


def let_go(journal: RestoreJournal) -> None:
    """Remove what the swaps kept beside the databases, or move it into its folder; can be repeated."""
    for record in journal.swaps:
        plan = swap.read_plan(Path(record.journal)) if record.keep else None
        if plan is None:
            continue
        if record.kept:
            for suffix, path in plan.aside.items():
                if os.path.lexists(path):
                    with durable.translated(record.kept):
                        durable.make_directory(Path(record.kept))
                        durable.rename(Path(path), Path(record.kept) / f"{os.path.basename(record.target)}{suffix}")
            durable.remove(Path(record.journal))
        else:
            swap.discard_aside(Path(record.journal))


def put_back(journal: RestoreJournal) -> None:
    """Give what the swaps kept aside its names again; can be repeated after a stop at any moment."""
    for record in journal.swaps:
        swap.put_back(Path(record.journal))


def _holds_database(staging: Staging, journal: RestoreJournal) -> bool:
    """Say whether a database is still staged there: its folder was missing, so it comes with its folder."""
    here = f"{staging.folder}/"
    return any(record.staged[0].startswith(here) and os.path.lexists(record.staged[0]) for record in journal.swaps)
