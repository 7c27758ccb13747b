"""Every finding that `diagnose` can make: its stable code, how bad it is, what it means, what to do.

docs/reference/findings.md is made from this table.
"""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass

import msgspec


class Severity(enum.StrEnum):
    """How bad a finding is; notices never make a database unhealthy."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found: a stable code, how bad, of what, a sentence, what was seen, what to do next."""

    code: str
    severity: Severity
    subject: str
    message: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


REPAIR = "compare the ways out, nothing is changed before you confirm: lifeboat rescue {path}"
RESTORE = "put it back from the newest good backup: lifeboat rescue {path}"
_RIGHTS = "the application may not be able to write: give it the {what} of the database"
_NEVER = "never copy, move or delete the database without it"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: severity, a sentence, and the remedy (`{path}` is the database, quoted for a shell)."""

    severity: Severity
    means: str
    remedy: str = REPAIR


def _error(means: str, remedy: str = REPAIR) -> Kind:
    return Kind(Severity.ERROR, means, remedy)


def _warning(means: str, remedy: str) -> Kind:
    return Kind(Severity.WARNING, means, remedy)


def _notice(means: str, remedy: str = "") -> Kind:
    return Kind(Severity.NOTICE, means, remedy)


GROUPS: dict[str, dict[str, Kind]] = {
    "The file": {
        "missing": _error("the database is missing", RESTORE),
        "deleted": _error(
            "the database was deleted while it was open: all of it can be had until who has it open ends",
            "do not stop them before this is done: lifeboat rescue {path}",
        ),
        "empty": _error("the database has 0 bytes", RESTORE),
        "not-a-database": _error("the file is no SQLite database", RESTORE),
        "encrypted": _error("the file looks encrypted: SQLite cannot read it", "look for the application's key"),
        "unreadable": _error("the database cannot be read", "run it as root or as the owner"),
        "damaged": _error("SQLite cannot open the database"),
        "prefix": _error("bytes lie before the database"),
        "line-ends": _error("a transfer as text changed the line ends in it"),
        "size": _error("the file has another size than its header says"),
        "page-1": _error("page 1, which holds the schema, is broken"),
    },
    "The header": {
        "header": _error("the header is lost"),
        "magic": _error("the header does not begin as a database does"),
        "page-size": _error("the header names a wrong page size"),
        "versions": _error("the header names format versions that do not exist"),
        "reserved": _error("the header reserves a wrong number of bytes of each page"),
        "fractions": _error("the header names shares of payloads that no database has"),
        "encoding": _error("the header names another encoding than the texts have"),
        "schema-format": _error("the header names a schema format that cannot be"),
        "expansion": _warning("bytes of the header that are zero in every database are not", REPAIR),
        "auto-vacuum": _error("the header and the pages disagree about auto_vacuum"),
    },
    "Pages": {
        "page-header": _error("the header of a page is broken"),
        "page-kind": _error("a page of another kind lies in a tree"),
        "cell-pointer": _error("cells of a page do not lie inside it"),
        "cell-overlap": _error("cells of a page lie over each other"),
        "free-blocks": _error("the free space of a page is not where it says"),
        "page-used-twice": _error("a page belongs to two trees"),
        "page-unreachable": _error("pages belong to nothing"),
        "child-outside": _error("a page refers to one that the file does not have"),
        "tree-depth": _error("leaves of a tree lie at different depths"),
        "key-order": _error("rows lie outside of their place in the tree"),
        "overflow-chain": _error("a chain of overflow pages is broken"),
        "freelist": _error("the list of free pages is broken"),
        "pointer-map": _error("the map of pointers (auto_vacuum) is wrong"),
    },
    "Contents": {
        "integrity": _error("SQLite finds damage inside"),
        "schema": _error("the schema cannot be read"),
        "constraints": _error(
            "rows break CHECK constraints of their table",
            "look at the rows named: the application could not write them again",
        ),
        "rows": _error("the rows of some tables cannot be counted"),
        "foreign-keys": _warning(
            "rows refer to rows that do not exist",
            "look at the rows named; if they are known, add `accept: [foreign-keys]` to the profile",
        ),
        "full-text": _error(
            "a full-text index does not match its content: searches miss rows",
            "rebuild the index in the application: INSERT INTO name(name) VALUES('rebuild')",
        ),
        "r-tree": _error("an R-tree index is damaged"),
        "text": _warning(
            "texts are not valid in the encoding of the database",
            "look at the rows named; if the application stores them so, add `accept: [text]` to the profile",
        ),
        "sectors": _warning("sectors in the midst of values are blank, as a disk leaves those that it lost", REPAIR),
        "sequence": _warning(
            "counters of AUTOINCREMENT are behind: rowids of deleted rows would be given out again",
            "set the counters named in sqlite_sequence to the largest rowid",
        ),
        "rows-lost": _notice("tables that had rows in the last good backup are empty or gone"),
        "rows-fewer": _warning(
            "tables have shrunk since the last good backup by more than the profile allows",
            "if that was meant: make a backup, which becomes the new measure",
        ),
    },
    "The -wal and the -journal": {
        "sidecars": _error("a journal beside it was not read"),
        "wal-header": _error("the header of the -wal is broken: SQLite ignores what was committed to it"),
        "wal-frames": _error("the -wal holds committed pages behind a wrong checksum: SQLite ignores them"),
        "wal-foreign": _error("the -wal does not belong to the database: replaying it damages or undoes it"),
        "wal-left": _notice("the -wal holds pages that are not in the database yet, and nobody has it open", _NEVER),
        "wal-large": _notice(
            "the -wal has grown large",
            "a reader that never ends keeps it from being checkpointed: restart the application",
        ),
        "journal-header": _error("the header of the -journal is lost: a half-done transaction is not rolled back"),
        "journal-records": _error("pages in the -journal are broken or missing: a rollback would be incomplete"),
        "journal-foreign": _error("the -journal does not belong to the database: rolling back damages it"),
        "hot-journal": _notice(
            "a transaction was cut off; SQLite rolls it back when the database is opened next", _NEVER
        ),
        "sidecar-owner": _notice("a file beside the database has another owner", _RIGHTS.format(what="owner")),
        "sidecar-mode": _notice("a file beside the database has another mode", _RIGHTS.format(what="mode")),
    },
    "Around it": {
        "in-use": _notice(
            "in use, unsure: it could not be read in one piece",
            "diagnose it again when the application is quiet, or a copy of it",
        ),
        "locked": _notice(
            "somebody keeps it locked and writes nothing: the others get 'database is locked'",
            "look what that process does; SQLite takes its half-done transaction back when it ends",
        ),
        "not-checked": _notice("some checks could not be made here"),
        "old-sqlite": _notice(
            "an SQLite with the WAL-reset bug wrote it last, which can damage databases in WAL mode",
            "update SQLite to 3.51.3 or newer where the application uses it",
        ),
        "network": _notice(
            "it lies on a network file system, where locks are not to be trusted and WAL mode does not work",
            "keep it on a local disk",
        ),
        "synchronous-off": _notice(
            "its journal was written with synchronous=OFF: a power cut can damage it",
            "let the application use synchronous=NORMAL in WAL mode, else FULL",
        ),
        "space-low": _notice(
            "the file system is nearly full",
            "free some space: SQLite needs room for its journal, a VACUUM or a restore for a second copy",
        ),
        "replaced": _warning(
            "an application still writes to the file that had this name before: that is lost when it ends",
            "copy that file, then restart the application",
        ),
        "read-only": _notice(
            "its owner cannot write to it, or can make no journal beside it",
            "if the application is to write: see the file system's errors (dmesg), or give its user the right",
        ),
        "other-names": _notice(
            "it has other names (hard links): SQLite finds no journal of it by them",
            "keep one name only; a repair or restore leaves the others as they are",
        ),
        "others-write": _notice("every user of this server may write it", "take the right to write from others"),
        "counters": _notice("an old SQLite wrote it, or its counters were changed: its page count does not count"),
        "files-missing": _warning(
            "files that the last good backup holds are gone",
            "if that was not meant, `lifeboat restore` brings them back",
        ),
        "files-changed": _notice("files of the profile changed since the last good backup"),
    },
}

KINDS: dict[str, Kind] = {code: kind for group in GROUPS.values() for code, kind in group.items()}


def make(
    code: str,
    path: str,
    message: str = "",
    *,
    subject: str | None = None,
    evidence: tuple[str, ...] = (),
    remedy: str | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Return the finding `code` of the database `path`, with the severity, sentence and remedy of its kind.

    Raises `KeyError` for a code that is not in the table.
    """
    kind = KINDS[code]
    return Finding(
        code=code,
        severity=severity or kind.severity,
        subject=path if subject is None else subject,
        message=message or kind.means,
        evidence=evidence,
        remedy=kind.remedy.format(path=shlex.quote(path)) if remedy is None else remedy,
    )
