"""The figures for Prometheus: when each profile was backed up last, how well, how large, how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolkit.archive.manifest import EvidenceLevel, Manifest, Status
from toolkit.notify.metrics import Metric
from toolkit.operations import status
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


def _of_vault(report: StatusReport) -> Iterator[Metric]:
    yield Metric("vault_used_bytes", "Bytes of all backups in the vault.", report.vault.used)
    if report.vault.free is not None:
        yield Metric("vault_free_bytes", "Bytes free on the vault's file system.", report.vault.free)
