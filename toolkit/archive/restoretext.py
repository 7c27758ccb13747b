"""`RESTORE.txt`: how to open exactly this archive without Lifeboat; the first member, seen at once."""

from __future__ import annotations

from toolkit.archive.formats import ArchiveSpec, Container

_OPEN = {
    "tar.zst": 'zstd -dc "$A" | tar -xpf -',
    "tar.gz": 'tar -xzpf "$A"',
    "tar.bz2": 'tar -xjpf "$A"',
    "tar.xz": 'tar -xJpf "$A"',
    "tar.zst.age": 'age -d -i KEY "$A" | zstd -dc | tar -xpf -',
    "zip": 'unzip "$A"',
    "7z": '7z x "$A"',
}

_TAR = """\
Run it as root, in an empty directory, so that owners come back too; add --xattrs to tar for
extended attributes. Modes, times to the second, links and holes are kept by tar. Symbolic links
are restored as they were, and may point outside this archive."""

_ESCAPED = """\
{format} keeps contents, names and modes, but no owners and no hard links (each is a copy), and
holes are filled with zeros. Names that {format} can't hold are escaped: %XX is the byte with that
hexadecimal value. files.jsonl says for each file its exact name, owner, mode, time and links,
one JSON object a line."""

_LINKS_7Z = """
Symbolic links that are absolute or lead upwards (..) are small files here that hold their target;
files.jsonl says "symlink" for them."""

_BODY = """\
This is a backup made by Lifeboat: {stem}
It opens without Lifeboat, in a shell:

    A={name}
{commands}

{notes}

What is where:

    databases/   SQLite databases at their absolute paths: consistent copies, each in one file
    files/       files and directories, at their absolute paths
    config/      configuration files
    logs/        logs
    git/         Git repositories: git clone NAME.bundle
    exports/     the same databases as SQL, JSON or CSV
    files.jsonl, manifest.json
                 what was backed up, with the SHA-256 of each file and the rows of each table

To put a database back by hand:

 1. Stop every program that uses it.
 2. Move the old file AND its companions away: NAME, NAME-wal, NAME-shm, NAME-journal.
    Never leave an old -wal or -journal beside a restored database: SQLite would replay it into
    the restored file and silently undo the restore.
 3. Copy the file from databases/ to its place; give it the old owner and mode.
 4. Check it: sqlite3 NAME "PRAGMA integrity_check" says ok. Then start the programs.
    A database that was damaged when it was backed up lies here with its own -wal or -journal
    beside it (manifest.json says "form": "raw"): copy these together.

With Lifeboat all of this is one command, which also checks every digest:

    lifeboat restore "$A"
"""


def text(spec: ArchiveSpec, stem: str, name: str) -> bytes:
    """Return the text for the archive `name`; no line is longer than 100 characters."""
    commands = []
    if spec.split is not None:
        commands.append('test -e "$A" || cat "$A".[0-9]* > "$A"    # joins the volumes .001, .002, ...')
    commands.append(_OPEN[spec.format])
    if spec.recipients:
        commands[-1] += "    # KEY: the file of the private key"
    elif spec.encrypted:
        commands[-1] += "    # asks for the passphrase"
        commands.append('zstd -dc "${A%.7z}.tar.zst" | tar -xpf -')
    notes = _TAR
    if spec.row.container is not Container.TAR and not spec.encrypted:
        notes = _ESCAPED.format(format=spec.format) + (_LINKS_7Z if spec.format == "7z" else "")
    lines = "\n".join("    " + command for command in commands)
    return _BODY.format(stem=_fit(stem), name=_fit(name), commands=lines, notes=notes).encode()


def _fit(name: str) -> str:
    """Return a name that fits into a line; a long one is named by its pattern."""
    return name if len(name) <= 70 else f"$(echo {name[:20]}*{name[-30:]})"
