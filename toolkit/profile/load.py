"""Read the configuration: find it, lay the drop-ins over it, fill the model, and say everything that is wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from toolkit.durable import translate
from toolkit.errors import ConfigError, ExposedSecretError
from toolkit.profile import checks, legacy, locations
from toolkit.profile.bind import WRONG, Binder, long_forms, shape
from toolkit.profile.model import Config
from toolkit.profile.nodes import (
    MAX_BYTES,
    Place,
    Problem,
    Scalar,
    SyntaxProblem,
    Table,
    at,
    empty,
    merge,
    parse,
    put,
)

Environ = Mapping[str, str]
_SHOWN = 50


def load(config: Path | None, environ: Environ, *, uid: int | None = None, vault: Path | None = None) -> Config:
    """Return the configuration: of `config`, else of `LIFEBOAT_CONFIG`, else of the user's own place.

    Drop-ins in `config.d/*.yaml` beside it (`.yml` too, hidden files not) are laid over it in the order of
    their names: mappings are merged key by key, so profiles and destinations add up; lists and single
    values are replaced whole. `vault`, else `LIFEBOAT_VAULT`, wins over the vault of the files. Without any
    file the answer is an empty configuration with the default vault. Secrets are not read here.

    Raises `ConfigError`, whose message has one line `file:line: key: what` for every problem of all files,
    for a named file that is absent too; `ExposedSecretError` when a file that holds a secret is readable
    by others or writable by the group.
    """
    reader, path, found = _read(config, environ, uid, vault)
    if reader.problems or found is None:
        hint = f"check it with: lifeboat -c {path} config validate; a path needs no configuration: -c /dev/null"
        raise ConfigError(_lines(reader.problems), hint=hint)
    reader.refuse_exposed()
    return found


def defaults(environ: Environ, *, vault: Path | None = None) -> Config:
    """Return the configuration of a machine that has no file, with `vault` or its default place."""
    reader = _Reading(environ, os.geteuid(), vault)
    found = reader.configuration(empty("defaults"))
    if found is None:  # only an odd environment can be wrong here
        raise ConfigError(_lines(reader.problems))
    return found


def problems(config: Path | None, environ: Environ, *, vault: Path | None = None) -> tuple[Problem, ...]:
    """Return every problem of the configuration that `load` would read, with its place; none where it is in order.

    Raises `ConfigError` for a file that cannot be read at all, `ExposedSecretError` as `load` does.
    """
    reader, _, _ = _read(config, environ, None, vault)
    if not reader.problems:
        reader.refuse_exposed()
    return tuple(reader.problems)


def _read(
    config: Path | None, environ: Environ, uid: int | None, vault: Path | None
) -> tuple[_Reading, Path, Config | None]:
    uid = os.geteuid() if uid is None else uid
    named = config or (Path(environ["LIFEBOAT_CONFIG"]) if environ.get("LIFEBOAT_CONFIG") else None)
    path = named or locations.config_file(environ, uid)
    reader = _Reading(environ, uid, vault)
    return reader, path, reader.configuration(reader.whole(path, required=named is not None))


def drop_ins(config: Path) -> tuple[Path, ...]:
    """Return the drop-ins of the configuration file `config` in the order in which they are read."""
    folder = locations.drop_in_directory(config)
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise translate(error, subject=folder) from error
    return tuple(folder / name for name in names if name.endswith((".yaml", ".yml")) and not name.startswith("."))


def validate_text(
    text: str | bytes, name: str, environ: Environ, *, uid: int | None = None, over: Path | None = None
) -> tuple[Problem, ...]:
    """Return every problem of a configuration file with this content, called `name`.

    It is judged alone and touches no disk, or, with `over`, as a drop-in that is laid over that configuration
    file and its drop-ins, whose destinations it may name; these are read as by `load`. Modes are not looked at
    otherwise, as the text may not be in place yet.
    """
    reader = _Reading(environ, os.geteuid() if uid is None else uid)
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    tree = reader.parsed(data, name)
    if over is not None:
        tree = _merged(reader.whole(over, required=False), tree)
    reader.configuration(tree)
    return tuple(reader.problems)


def _lines(problems: list[Problem]) -> str:
    lines = [str(problem) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN} more problems")
    return "\n".join(lines)


def _by_place(problem: Problem) -> tuple[str, int]:
    return problem.place.file, problem.place.line


def _merged(below: Table, above: Table) -> Table:
    both = merge(below, above)
    return both if isinstance(both, Table) else above


class _Reading:
    """One run of reading: the problems so far, and the modes of the files that were read."""

    def __init__(self, environ: Environ, uid: int, vault: Path | None = None) -> None:
        self.vault = vault
        self.environ = environ
        self.uid = uid
        self.problems: list[Problem] = []
        self.modes: dict[str, int] = {}
        self.secret_files: set[str] = set()

    def whole(self, path: Path, *, required: bool) -> Table:
        """Return the tree of the configuration file at `path` with its drop-ins laid over it."""
        tree = self.file(path, required=required)
        for drop_in in drop_ins(path):
            tree = _merged(tree, self.file(drop_in, required=True))
        return tree

    def file(self, path: Path, *, required: bool) -> Table:
        """Return the tree of the file at `path`, empty when it is absent and may be."""
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            if required:
                raise ConfigError("no such configuration file", subject=path) from None
            return empty(str(path))
        except OSError as error:
            raise ConfigError(
                f"the configuration cannot be read ({error.strerror})",
                subject=path,
                hint="it is a file in YAML: `lifeboat config init /path/to/app --output FILE` writes one",
            ) from error
        if status.st_mode & stat.S_IWOTH and stat.S_ISREG(status.st_mode):
            hint = "chmod o-w it: whoever changes it decides which commands run"
            raise ConfigError("the configuration can be changed by everyone", subject=path, hint=hint)
        self.modes[str(path)] = stat.S_IMODE(status.st_mode)
        return self.parsed(data, str(path))

    def parsed(self, data: bytes, name: str) -> Table:
        """Return the tree of `data`; what is no YAML is a problem and an empty tree."""
        try:
            tree, problems = parse(data, name, self.environ)
        except SyntaxProblem as error:
            self.problems.append(error.problem)
            return empty(name)
        self.problems += problems
        return long_forms(tree, Config)

    def configuration(self, tree: Table) -> Config | None:
        """Return the configuration that the merged `tree` means, or None when there are problems."""
        binder = Binder()
        tree = self._with_environment(tree)
        found = binder.bind(tree, shape(Config), ())
        self.problems += binder.problems
        self.secret_files = binder.secret_files
        if self.problems or found is WRONG:
            self.problems.sort(key=_by_place)
            return None
        config: Config = found

        def note(steps: tuple[str | int, ...], message: str) -> None:
            known = steps
            while known not in binder.places:
                known = known[:-1]
            binder.note(binder.places[known], steps, message)

        checks.check(config, note)
        self.problems += sorted(binder.problems, key=_by_place)
        return replace(config, profiles=tuple(checks.with_names(profile) for profile in config.profiles))

    def _with_environment(self, tree: Table) -> Table:
        wish = at(tree, "legacy_environment")
        if isinstance(wish, Scalar) and wish.text.lower() == "true":
            tree = legacy.beneath(tree, self.environ)
        override = os.fspath(self.vault) if self.vault else self.environ.get("LIFEBOAT_VAULT")
        if override:
            place = Place("--vault" if self.vault else "$LIFEBOAT_VAULT")
            vault = os.path.abspath(override)
        elif at(tree, "vault", "path") is None and not _says(tree, "vault"):
            place = Place("default")
            vault = str(locations.vault_directory(self.environ, self.uid))
        else:
            return tree
        return put(tree, Scalar(vault, place, foreign=True), "vault", "path")

    def refuse_exposed(self) -> None:
        """Raise `ExposedSecretError` when a file with a secret in it is open to others."""
        for name in sorted(self.secret_files):
            mode = self.modes.get(name, 0o600)
            if mode & 0o027:
                raise ExposedSecretError(
                    f"the configuration holds a secret and is open to others (mode {mode:04o})",
                    subject=name,
                    hint="chmod 600 it (640 for a group that may read it), or move the secret to a file of its own",
                )


def _says(tree: Table, key: str) -> bool:
    """Whether `key` has a value of its own that is no mapping, which binding then judges."""
    node = at(tree, key)
    return node is not None and not isinstance(node, Table) and not (isinstance(node, Scalar) and node.null)
