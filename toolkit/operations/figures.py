"""The figures for Prometheus: of each profile's backups, of what was found in its databases, of copies that wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from toolkit.archive.manifest import EvidenceLevel, Manifest, Status
from toolkit.notify.metrics import Metric
from toolkit.operations import status
from toolkit.operations.diagnosing import looks
from toolkit.operations.diagnosing.codes import Severity
from toolkit.operations.session import Session
from toolkit.operations.status import StatusReport, StatusTarget
from toolkit.retention import Kind

_STATES = {"ok": 0, "unknown": 1, "warn": 2, "bad": 3}
_LEVELS = [level.word for level in EvidenceLevel]


def figures(session: Session) -> list[Metric]:
    """Return what the vault and the health of each profile say now. Raises what `status.run` raises."""
    report = status.run(session)
    manifests, _ = status.manifests_of(session)
    found = [metric for profile in report.profiles for metric in _of_profile(profile.profile, manifests)]
    found += [metric for target in report.targets for metric in _of_target(target)]
    found += [metric for target in report.targets for metric in _of_diagnosis(session, target)]
    found += [metric for config in session.config.destinations for metric in _of_copies(config.name, report, manifests)]
    found += _of_vault(report)
    return found


def _of_profile(name: str, manifests: Sequence[Manifest]) -> Iterator[Metric]:
    own = [one for one in manifests if one.profile == name and one.kind is not Kind.SAFETY]
    label = (("profile", name),)
    if own:
        failed = own[0].status is Status.FAILED
        yield Metric("last_run_success", "Whether the newest backup of the profile ended well.", not failed, label)
        yield Metric("last_run_timestamp_seconds", "When the newest backup began.", own[0].started.timestamp(), label)
    good = next((one for one in own if one.good), None)
    if good is None:
        return
    when = good.finished or good.started
    yield Metric("last_success_timestamp_seconds", "When the newest good backup was finished.", when.timestamp(), label)
    yield Metric("last_success_size_bytes", "The size of its archive.", good.size, label)
    took = (when - good.started).total_seconds()
    yield Metric("last_success_duration_seconds", "How long it took.", took, label)
    level = _LEVELS.index(good.evidence.level)
    yield Metric("last_success_evidence", "0 written, 1 verified, 2 opened, 3 rehearsed.", level, label)
    rehearsed = next((one for one in own if one.good and one.evidence.level == EvidenceLevel.REHEARSED.word), None)
    if rehearsed is not None and rehearsed.evidence.when is not None:
        moment = rehearsed.evidence.when.timestamp()
        yield Metric("last_rehearsal_timestamp_seconds", "When a backup was last restored to prove it.", moment, label)
    yield Metric(
        "backups", "How many finished backups there are.", sum(one.status in status.DONE for one in own), label
    )


def _of_target(target: StatusTarget) -> Iterator[Metric]:
    labels = (("profile", target.profile), ("kind", target.kind), ("target", target.path))
    yield Metric("target_state", "0 ok, 1 unknown, 2 warning, 3 bad.", _STATES[target.state], labels)


def _of_diagnosis(session: Session, target: StatusTarget) -> Iterator[Metric]:
    """Yield what the last diagnosis of a database found, by severity; nothing for what nobody looked at."""
    look = looks.kept(session, target.path) if target.kind == "database" else None
    if look is None:
        return
    labels = (("profile", target.profile), ("target", target.path))
    counts = Counter(finding.severity for finding in look.target.findings)
    for severity in Severity:
        at = (*labels, ("severity", severity.value))
        yield Metric("findings", "How many things the last diagnosis found.", counts[severity], at)
    yield Metric(
        "last_diagnosis_timestamp_seconds", "When the database was last diagnosed.", look.at.timestamp(), labels
    )


def _of_copies(destination: str, report: StatusReport, manifests: Sequence[Manifest]) -> Iterator[Metric]:
    """Yield how many copies a destination has and waits for, and since when."""
    label = (("destination", destination),)
    waiting = [row for row in report.queue if row.destination == destination]
    gave_up = sum(row.state == "gave-up" for row in waiting)
    yield Metric("queued_copies", "Copies that are still to be made there.", len(waiting) - gave_up, label)
    yield Metric("given_up_copies", "Copies that nobody tries any more: lifeboat sync --retry.", gave_up, label)
    ids = {row.backup for row in waiting}
    oldest = min((_end(one) for one in manifests if one.id in ids), default=None)
    if oldest is not None:
        yield Metric("oldest_queued_timestamp_seconds", "When the oldest of them was made.", oldest.timestamp(), label)
    arrived = [(copy.when, one.size) for one in manifests for copy in one.copies if copy.destination == destination]
    yield Metric("copies", "Copies that are known to be there.", len(arrived), label)
    yield Metric("copies_bytes", "Bytes of their archives.", sum(size for _, size in arrived), label)
    newest = max((when for when, _ in arrived if when is not None), default=None)
    if newest is not None:
        yield Metric("last_copy_timestamp_seconds", "When the newest of them arrived.", newest.timestamp(), label)


def _end(manifest: Manifest) -> datetime:
    return manifest.finished or manifest.started


def _of_vault(report: StatusReport) -> Iterator[Metric]:
    yield Metric("vault_used_bytes", "Bytes of all backups in the vault.", report.vault.used)
    if report.vault.free is not None:
        yield Metric("vault_free_bytes", "Bytes free on the vault's file system.", report.vault.free)
