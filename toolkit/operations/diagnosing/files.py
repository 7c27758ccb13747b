"""What `diagnose` finds in the files of a profile: what of the last good backup is gone or other now."""

from __future__ import annotations

from toolkit.errors import CancelledError, LifeboatError
from toolkit.events import ShouldStop
from toolkit.filelist import Section
from toolkit.operations.archiving import stored
from toolkit.operations.diagnosing.codes import Finding, Severity, make
from toolkit.operations.filediff import Change, FileChange, FileComparison, live_differs
from toolkit.operations.session import Session
from toolkit.operations.taking.survey import survey
from toolkit.profile.model import Profile
from toolkit.vault import remove
from toolkit.wording import count_text

NAMED = 200
MOST_GONE = 0.5
"""The share of files that may be gone before that is no matter of course; a profile's `alarms.shrink` goes before."""

_TREES = (Section.FILES, Section.CONFIG)


def of_files(session: Session, profile: Profile, should_stop: ShouldStop) -> list[Finding]:
    """Compare what `profile` looks after with its last good backup by size and time; nothing where there is none.

    Users add, change and delete files: that is a notice. It is a warning when configuration files are gone, or more
    than `alarms.shrink` (else half) of all files. Raises `CancelledError`.
    """
    if not profile.files and not profile.config_files:
        return []
    try:
        manifests = remove.present(session.existing_vault, profile.name)
        manifest = next((one for one in manifests if one.good and one.files.files), None)
        if manifest is None:
            return []
        backup = stored(session, session.existing_vault, manifest)
        found = survey(
            profile, manifest.scope, skip=session.private_folders, now=session.now(), should_stop=should_stop
        )
        differs = live_differs(backup, found, limit=NAMED, content=False, should_stop=should_stop)
    except CancelledError:
        raise
    except LifeboatError:
        return []
    return _findings(profile, manifest.id, differs)


def _findings(profile: Profile, backup: str, differs: FileComparison) -> list[Finding]:
    changed = [one for one in differs.named if one.change is Change.CHANGED and one.section == Section.CONFIG]
    gone = [one for one in differs.named if one.change is Change.REMOVED and one.section in _TREES]
    found = []
    if gone:
        share = differs.removed / max(1, differs.removed + differs.changed + differs.same)
        most = profile.alarms.shrink if profile.alarms.shrink is not None else MOST_GONE
        bad = share > most or any(one.section == Section.CONFIG for one in gone)
        text = f"{count_text(differs.removed, 'file')} of backup {backup} are gone"
        severity = Severity.WARNING if bad else Severity.NOTICE
        found.append(make("files-missing", gone[0].path, text, evidence=_lines(gone), severity=severity))
    if changed:
        text = f"configuration files changed since backup {backup}"
        found.append(make("files-changed", changed[0].path, text, evidence=_lines(changed)))
    return found


def _lines(changes: list[FileChange]) -> tuple[str, ...]:
    return tuple(one.path for one in changes[:100])
