"""The reference page of the configuration, made from the model: `python -m toolkit.profile.reference`."""

from __future__ import annotations

import enum
import inspect
from pathlib import Path
from typing import get_args

import msgspec

from toolkit.profile import model
from toolkit.profile.bind import Key, Shape, keys, shape
from toolkit.profile.legacy import VARIABLES
from toolkit.profile.schema import FILLED
from toolkit.profile.secret import Secret
from toolkit.profile.show import written
from toolkit.retention import Rules

_ORDER: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("The whole", model.Config),
    ("vault", model.Vault),
    ("profiles.NAME", model.Profile),
    ("profiles.NAME.databases", model.DatabaseSource),
    ("profiles.NAME.files, config_files", model.TreeSource),
    ("profiles.NAME.logs", model.LogSource),
    ("profiles.NAME.git", model.GitSource),
    ("profiles.NAME.services", model.Service),
    ("profiles.NAME.archive", model.Archive),
    ("profiles.NAME.archive.encrypt", model.Encrypt),
    ("profiles.NAME.retention", Rules),
    ("profiles.NAME.schedule", model.ScheduleEntry),
    ("profiles.NAME.alarms", model.Alarms),
    ("destinations.NAME", model.Destination),
    *(
        (f"destinations.NAME, type: {section.__struct_config__.tag}", section)
        for section in get_args(model.AnyDestination)
    ),
    ("notify", model.Notify),
    ("healthcheck", model.Healthcheck),
    ("metrics", model.Metrics),
    ("ui", model.Ui),
)

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m toolkit.profile.reference`; change the model, not this page. -->

Lifeboat needs no configuration for paths that are named on the command line. For everything that repeats, it
reads YAML. `lifeboat config init FOLDER` writes the first one, `lifeboat config validate` says everything
that is wrong with it, with file, line, key and the nearest known key, `lifeboat config show` prints
what is in force, and `lifeboat config schema` the JSON Schema for editors. A whole example: `examples/config.yaml`.

## Where it is read from

The first of these: the file of `--config`, that of `LIFEBOAT_CONFIG`, `/etc/lifeboat/config.yaml` for root,
`$XDG_CONFIG_HOME/lifeboat/config.yaml` (else `~/.config/lifeboat/config.yaml`) for other users. A file that
was named must exist.

Drop-ins, `config.d/*.yaml` beside that file, are laid over it in the order of their names: mappings are merged
key by key, so that each drop-in can add a profile or a destination, or change one key of it; lists and single
values are replaced whole. Hidden files are ignored.

## How it is written

- A single value is the text that stands there: `at: 03:00` needs no quotes, and `on` and `yes` are words. `true` and
  `false` are the only booleans. Empty, `~` and `null` mean nothing.
- Sizes: `50GB` (decimal), `500MiB` or `500M` (binary), or bytes. Times: `24h`, `7d`, `1h30m`, or seconds; the units are
  `s m h d w y`. Shares: `50%`. Speeds: `2MB/s`.
- Paths are absolute. A plain string stands for a section with nothing but its most important key, for example
  `files: [/srv/shop/uploads]`.
- A command is a list of words, or one string that is split at spaces as a shell would; no shell ever runs.
- `${NAME}` is replaced by a variable of the environment, `${NAME:-other}` has a default for one that is unset or empty,
  `$$` is a dollar sign where `${` or `$$` would follow.
- Keys that are said twice and unknown keys are errors. Anchors, aliases and `<<` work; tags (`!…`) are refused.

## Secrets

Each secret has three keys, of which one is used: `passphrase` is the secret itself, `passphrase_file` a file that
holds it, `passphrase_command` a command that prints it (60 seconds at most). A file must be of mode 0600 and belong
to root or to the user who runs Lifeboat. A configuration file that holds a secret itself must not be readable by
others than its owner and group, nor writable by the group. No configuration file may be writable by everyone.

## Lifeboat's own folders inside a source

When the vault, a destination of type `directory` or Lifeboat's state lies below a folder that is backed up, it is left
out of the backup. A source that lies in the vault, or is the vault, is refused.

## Variables of the environment

| variable | means |
|---|---|
| `LIFEBOAT_CONFIG` | the configuration file |
| `LIFEBOAT_VAULT` | the vault; wins over `vault.path` |
| `LIFEBOAT_LOCK_DIR` | the folder of the locks instead of `/run/lock/lifeboat`, the same for all users |
| `CONFIGURATION_DIRECTORY`, `STATE_DIRECTORY`, `CACHE_DIRECTORY` | as systemd sets them; the first of several counts |
| `RUNTIME_DIRECTORY`, `LOGS_DIRECTORY` | the same |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_DATA_HOME` | the places of users other than root |
| `XDG_CACHE_HOME`, `XDG_RUNTIME_DIR` | the same |

Without any of them: `/etc/lifeboat`, `/var/lib/lifeboat` (with `vault` in it), `/var/cache/lifeboat`, `/run/lifeboat`
and `/var/log/lifeboat` for root; the XDG defaults, with the vault in `~/.local/share/lifeboat/vault`, for users.

With `legacy_environment: true`, and only then, these stand for keys that the configuration does not say:

"""


def reference() -> str:
    """Return the page, in Markdown, that `docs/reference/configuration.md` must hold."""
    lines = ["| variable | stands for |", "|---|---|"]
    lines += [f"| `{variable}` | {meaning} |" for variable, meaning in VARIABLES.items()]
    parts = [_INTRODUCTION + "\n".join(lines), "## Keys"]
    parts += [_section(title, section) for title, section in _ORDER]
    return "\n\n".join(parts) + "\n"


def _section(title: str, section: type[msgspec.Struct]) -> str:
    heading = title if title == "The whole" else f"`{title}`"
    said = (
        "How many backups to keep; what more than one rule keeps is kept once." if section is Rules else _said(section)
    )
    lines = [f"### {heading}", "", said, ""]
    if short := getattr(section, "SHORT", ""):
        lines[2] += f" A plain string means `{short}`."
    rows = []
    if issubclass(section, model.Destination):
        kinds = ", ".join(f"`{kind.__struct_config__.tag}`" for kind in get_args(model.AnyDestination))
        rows = [f"| `type` | {kinds} | | Which sort of place it is. |"] if section is model.Destination else []
    own = {key.name for key in keys(model.Destination)} if section is not model.Destination else {"name"}
    named = issubclass(section, model.Destination | model.Profile)
    rows += [
        _row(section, key)
        for key in keys(section)
        if not (issubclass(section, model.Destination) and key.name in own) and not (named and key.name == "name")
    ]
    return "\n".join([*lines, "| key | value | default | meaning |", "|---|---|---|---|", *rows])


def _said(section: type[msgspec.Struct]) -> str:
    return " ".join((inspect.getdoc(section) or "").split())


def _row(section: type[msgspec.Struct], key: Key) -> str:
    names = f"`{key.name}`"
    if key.shape.base is Secret:
        names = f"`{key.name}`, `{key.name}_file`, `{key.name}_command`"
    meaning = key.shape.description.replace("|", "\\|")
    return f"| {names} | {_sort(key.shape)} | {_default(section, key)} | {meaning} |"


def _default(section: type[msgspec.Struct], key: Key) -> str:
    value = key.default
    if key.required:
        return "" if (section, key.name) in FILLED else "needed"
    if value in (msgspec.NODEFAULT, None, (), {}, "") or isinstance(value, msgspec.Struct):
        return ""
    shown = written(value, key.shape)
    if isinstance(shown, list):
        return "`[" + ", ".join(shown) + "]`"
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


def _sort(wanted: Shape) -> str:
    if wanted.unit:
        return f"{wanted.unit.name}, `{wanted.unit.example}`"
    if wanted.base is Secret:
        return "secret"
    if wanted.mark is model.Mark.NAMED:
        return "mapping, by name"
    if wanted.structs:
        return "section"
    if wanted.mark is model.Mark.COMMAND:
        return "command"
    if wanted.base is tuple:
        inner = shape(wanted.args[0])
        return "list" if inner.structs else f"list of {_sort(inner)}"
    if isinstance(wanted.base, type) and issubclass(wanted.base, enum.Enum):
        return ", ".join(f"`{item.value}`" for item in wanted.base)
    return {bool: "`true`, `false`", int: "number", Path: "path", dict: "mapping"}.get(wanted.base, "text")


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - the page goes to stdout
