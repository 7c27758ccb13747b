"""Writes the pages of docs that follow from the code: `make docs`. Tests compare them with the code.

python scripts/reference.py
"""

from __future__ import annotations

import enum
import functools
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROLES = DOCS.parent / "roles"
NOTE = "<!-- Written by `make docs` from {source}; change it there. -->\n\n"


def first_sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def family(root: type, depth: int = 0) -> Iterator[tuple[int, type]]:
    """Yield `root` and the classes below it in its module, each with its depth, in the order of their definition."""
    yield depth, root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from family(child, depth + 1)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def errors_page() -> str:
    """Return errors.md: the tree of foreseen failures with code, meaning and exit code."""
    from toolkit.cli.exit_codes import of_error
    from toolkit.errors import LifeboatError

    rows = []
    for depth, kind in family(LifeboatError):
        assert issubclass(kind, LifeboatError)
        exit_code = int(of_error(kind("")))
        rows.append(("&emsp;" * depth + f"`{kind.code}`", first_sentence(kind.__doc__), str(exit_code), kind.__name__))
    return (
        NOTE.format(source="toolkit/errors.py")
        + "# Errors\n\n"
        + "A failure that Lifeboat foresees says what happened, to what (`subject`), and what to do next (`hint`). "
        + "With `--json` it is the document's `error`, with the `code` of this table; codes are never changed or "
        + "reused. Indented codes are special cases of the one above. Anything else is a bug, and says so.\n\n"
        + table(("code", "what it means", "exit", "class in `toolkit.errors`"), rows)
    )


def findings_page() -> str:
    """Return findings.md: everything that `diagnose` can find."""
    from toolkit.operations.diagnosing.codes import GROUPS

    text = (
        NOTE.format(source="toolkit/operations/diagnosing/codes.py")
        + "# Findings\n\n"
        + "What `lifeboat diagnose` can find. Errors and warnings make a database unhealthy (exit 4), notices never "
        + "do. A profile turns a code into a notice with `accept: [CODE]` at the database. A valid `-wal` and a hot "
        + "`-journal` are healthy. With `--json` each finding has `code`, `severity`, `subject` (the database, a "
        + "table, an index, a file beside it), `message`, `evidence` and `remedy`; codes are never changed or reused.\n"
    )
    for title, kinds in GROUPS.items():
        rows = [
            (f"`{code}`", kind.severity.value, kind.means, kind.remedy.replace("{path}", "DB"))
            for code, kind in kinds.items()
        ]
        text += f"\n## {title}\n\n" + table(("code", "severity", "what it means", "what to do"), rows)
    return text


def exit_codes_page() -> str:
    """Return exit-codes.md: the one table of exit codes."""
    from toolkit.cli.exit_codes import MEANINGS, of_error
    from toolkit.errors import LifeboatError

    codes: dict[int, list[str]] = {}
    for _, kind in family(LifeboatError):
        assert issubclass(kind, LifeboatError)
        codes.setdefault(int(of_error(kind(""))), []).append(f"`{kind.code}`")
    rows = [(str(int(code)), meaning, ", ".join(codes.get(int(code), []))) for code, meaning in MEANINGS.items()]
    return (
        NOTE.format(source="toolkit/cli/exit_codes.py")
        + "# Exit codes\n\nThe same for every command; its help names the ones that it can end with.\n\n"
        + table(("code", "meaning", "errors that lead to it"), rows)
    )


def type_words(kind: object) -> str:
    """Return how a field's type is said in the reference: JSON's words, and the values of a choice."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(argument) for argument in arguments))
    if origin in (tuple, list):
        return f"list of {type_words(arguments[0])}"
    if origin is dict:
        return "object"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " ".join(f"`{member.value}`" for member in kind)
    words = {str: "text", int: "number", float: "number", bool: "true or false", type(None): "null"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))  # type: ignore[call-overload]


def fields_table(kind: type, *, inherited: frozenset[str] = frozenset()) -> str:
    """Return the table of the fields of a struct, without the inherited ones."""
    hints = typing.get_type_hints(kind)
    rows = [
        (f"`{field.encode_name}`", type_words(hints[field.name]))
        for field in msgspec.structs.fields(kind)
        if field.name not in inherited
    ]
    return table(("key", "value"), rows) if rows else ""


def events_page() -> str:
    """Return events.md: what a job's journal and `--events` can say."""
    from toolkit import events

    envelope = frozenset(field.name for field in msgspec.structs.fields(events.Event))
    text = (
        NOTE.format(source="toolkit/events.py")
        + "# Events\n\n"
        + "Each line of a job's journal, and of stderr with `--events`, is one JSON object. Readers keep types and "
        + "keys that they do not know.\n\n## The envelope\n\n"
        + first_sentence(events.Event.__doc__)
        + "\n\n`type` says which event it is.\n\n"
        + fields_table(events.Event)
    )
    for _, kind in family(events.Event):
        assert issubclass(kind, events.Event)
        tag = kind.__struct_config__.tag
        if tag not in (None, "unknown"):  # `unknown` is how a reader keeps what it does not know
            text += f"\n## `{tag}`\n\n{first_sentence(kind.__doc__)}\n\n{fields_table(kind, inherited=envelope)}"
    text += "\n# Values inside events\n"
    for kind in vars(events).values():
        if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct) or kind.__module__ != events.__name__:
            continue
        if not issubclass(kind, events.Event):
            text += f"\n## {kind.__name__}\n\n{first_sentence(kind.__doc__)}\n\n{fields_table(kind)}"
    return text


def commands_page() -> str:
    """Return commands.md: the help of every command."""
    import click

    from toolkit.cli.main import cli

    def helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
        settings = {**cli.context_settings, "terminal_width": 100, "max_content_width": 100}
        context = click.Context(command, parent=parent, info_name=name, **settings)
        yield context.command_path, command.get_help(context)
        if isinstance(command, click.Group):
            for child_name in command.list_commands(context):
                child = command.get_command(context, child_name)
                assert child is not None, child_name
                yield from helps(child, context, child_name)

    text = NOTE.format(source="the commands' help") + "# Commands\n"
    for path, said in helps(cli, None, "lifeboat"):
        text += f"\n## {path}\n\n```text\n{said.rstrip()}\n```\n"
    return text


def configuration_page() -> str:
    """Return configuration.md: every key."""
    from toolkit.profile.reference import reference

    return reference()


def configuration_schema() -> str:
    """Return the JSON Schema of the configuration."""
    from toolkit.profile.schema import schema_text

    return schema_text()


_MARKED = re.compile(r"(?<=<!-- variables -->\n).*(?=<!-- end -->)", re.DOTALL)
_SAID = re.compile(r"[COVM]\(([^)]*)\)")


def role_page(role: str) -> str:
    """Return the README of a role: what somebody wrote, with the table of its variables between two marks."""
    import yaml

    page = (ROLES / role / "README.md").read_text()
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    made = "\n\n".join(_SAID.sub(r"`\1`", text) for text in spec["description"]) + "\n\n"
    rows = list(role_rows(spec["options"]))
    made += table(("variable", "value", "default", "meaning"), rows)
    return _MARKED.sub(lambda _: f"\n{made}\n", page)


def role_rows(options: dict[str, Any], above: str = "") -> Iterator[tuple[str, ...]]:
    """Yield the rows of the variables of a role, each followed by the keys that it may have."""
    for name, option in options.items():
        default = option.get("default")
        kind = " ".join(f"`{value}`" for value in option.get("choices", ())) or option["type"]
        shown = "needed" if option.get("required") else "" if default is None else f"`{json.dumps(default)}`"
        yield f"{above}`{name}`", kind, shown, _SAID.sub(r"`\1`", option["description"].strip())
        yield from role_rows(option.get("options", {}), f"{above}&emsp;")


HELD: dict[str, tuple[str, str]] = {
    "Google Drive": (
        "tests/destinations/gdrive/test_conformance_gdrive.py",
        "a strict server, as a person, in a shared drive, and as a content manager",
    ),
    "directory": ("tests/destinations/test_conformance.py", "a real file system"),
    "S3": ("tests/destinations/test_s3.py", "moto's server"),
    "SFTP": ("tests/destinations/test_sftp.py", "OpenSSH's server"),
    "memory": ("tests/destinations/test_conformance.py", "for tests; also behind the wrappers that retry and limit"),
}
"""Each destination: the test that holds it to every promise, and against what."""


def destinations_page() -> str:
    """Return destinations.md: each promise, and which destinations are held to it."""
    from toolkit.destinations.conformance import CHECKS

    rows = [(f"`{check.name}`", check.title, *("yes" for _ in HELD)) for check in CHECKS]
    return (
        NOTE.format(source="toolkit/destinations/conformance.py and scripts/reference.py")
        + "# What destinations promise\n\n"
        + "`toolkit/destinations/base.py` says it in prose. Each promise is a check that runs in the tests against "
        + "every destination, and against your own account with `lifeboat destination check NAME`. A promise that is "
        + "broken anywhere fails the tests: there is no other word than `yes` in this table, and "
        + "`tests/architecture/test_reference.py` looks that none of the runs is passed over.\n\n"
        + table(("check", "promise", *HELD), rows)
        + "\n"
        + table(
            ("destination", "held by", "against"), [(name, f"`{path}`", what) for name, (path, what) in HELD.items()]
        )
        + "\n## Faults\n\nOf Google Drive, against `tests/makers/driveserver.py`, which speaks the part of Drive v3 "
        + "that is used, strictly:\n\n"
        + table(("what is done", "where"), [(what, f"`{path}`") for what, path in FAULTS])
        + "\n## Speed and memory\n\nMeasured on 2026-11-26 with `bench/drive.py`, server and client on two shared "
        + "cores of one machine:\n\n"
        + table(("", "time", "highest resident memory"), list(MEASURED))
    )


DRIVE_TESTS = "tests/destinations/gdrive"
FAULTS: tuple[tuple[str, str], ...] = (
    (
        "5xx, 429, 403 rate limits, reset, stall, a cut in mid-chunk, 401, a lost reply: at each request of an upload",
        f"{DRIVE_TESTS}/test_upload_faults.py",
    ),
    (
        "the same at each range of a download, other bytes than asked for, a wrong digest",
        f"{DRIVE_TESTS}/test_download_faults.py",
    ),
    (
        "200 uploads while a fifth of all requests fails: each arrives once, with the right digest",
        f"{DRIVE_TESTS}/test_upload_faults.py",
    ),
    ("120 downloads while a fifth of all requests fails", f"{DRIVE_TESTS}/test_download_faults.py"),
    ("kill -9 at random moments of uploads and downloads, then a new process", "tests/faults/test_drive_kills.py"),
    (
        "kill -9 before each durable step of a copy, of its retry, and of a restore from there",
        "tests/faults/test_upload_kills.py",
    ),
)
"""What is done to transfers, and the test that does it."""

MEASURED: tuple[tuple[str, str, str], ...] = (
    ("upload of 512 MiB and 1 GiB", "0.6 to 0.7 times a bare loop of Google's client (the fastest: 0.7 to 1.0)", ""),
    ("download of them, written and hashed", "1.25 and 0.6 times a bare loop that does not hash", ""),
    ("upload of 5 GiB", "34 s", "49 MiB"),
    ("download of 5 GiB", "51 s", "88 MiB"),
    ("5 GiB to a directory on a busy disk, compared", "149 s", "39 MiB"),
    ("5 GiB from there", "68 s", "63 MiB"),
)
"""`bench/drive.py` on 2026-11-26."""


PAGES: dict[str, Callable[[], str]] = {
    "format/config.schema.json": configuration_schema,
    "reference/commands.md": commands_page,
    "reference/configuration.md": configuration_page,
    "reference/destinations.md": destinations_page,
    "reference/errors.md": errors_page,
    "reference/events.md": events_page,
    "reference/exit-codes.md": exit_codes_page,
    "reference/findings.md": findings_page,
}
PAGES |= {
    f"../roles/{folder.name}/README.md": functools.partial(role_page, folder.name) for folder in sorted(ROLES.iterdir())
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        target = DOCS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page())


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    main()
