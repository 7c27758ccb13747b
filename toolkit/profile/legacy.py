"""The variables of older set-ups, as a layer below the configuration (only with `legacy_environment: true`)."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.profile.nodes import Node, Place, Scalar, Sequence, Table, at, empty, merge, put

_DRIVE = {
    "GOOGLE_DRIVE_CREDENTIALS_FILE": "credentials_file",
    "GOOGLE_DRIVE_FOLDER_ID": "folder_id",
    "GOOGLE_DRIVE_BACKUP_FOLDER_NAME": "folder_name",
    "GOOGLE_DRIVE_MAX_BACKUPS": "keep",
}
_SCOPES = {"full": "full", "database": "database", "storage": "files", "files": "files"}
_COUNTED = ("hourly", "daily", "weekly", "monthly", "manual")

VARIABLES: dict[str, str] = {
    **{variable: f"`destinations.drive.{key}`" for variable, key in _DRIVE.items()},
    "DB_BACKUP_TIMEOUT": "`timeout` of every database, in seconds",
    "BACKUP_TYPE": "`scope` of every profile (`storage` means `files`)",
    "BACKUP_DIR": "`vault.path`",
    "MAX_BACKUPS": "`retention` of every profile: hourly, daily, weekly, monthly and manual",
    "LOG_FILE": "`log_file`",
    "TELEGRAM_BOT_TOKEN": "`notify`, when both are set and nobody else is told",
    "TELEGRAM_CHAT_ID": "`notify`, when both are set and nobody else is told",
}
"""Each variable and the keys that it stands for where these are not set."""


def beneath(tree: Table, environ: Mapping[str, str]) -> Table:
    """Return `tree` with the values of `environ` wherever it says nothing itself; empty variables say nothing."""
    values = {name: _text(name, environ[name]) for name in VARIABLES if environ.get(name)}
    below = empty("environment")
    if folder := values.get("BACKUP_DIR"):
        below = put(below, folder, "vault", "path")
    if log := values.get("LOG_FILE"):
        below = put(below, log, "log_file")
    if "GOOGLE_DRIVE_CREDENTIALS_FILE" in values and not _has_drive(tree):
        below = put(below, _text("GOOGLE_DRIVE_CREDENTIALS_FILE", "google-drive"), "destinations", "drive", "type")
        for variable, key in _DRIVE.items():
            if variable in values:
                below = put(below, values[variable], "destinations", "drive", key)
    token, chat = values.get("TELEGRAM_BOT_TOKEN"), values.get("TELEGRAM_CHAT_ID")
    if token and chat:
        url = _text("TELEGRAM_BOT_TOKEN", f"tgram://{token.text}/{chat.text}")
        entry = put(empty("$TELEGRAM_BOT_TOKEN"), url, "url")
        below = put(below, Sequence((entry,), url.place), "notify")
    merged = merge(below, tree)
    if not isinstance(merged, Table):
        return tree
    profiles = at(merged, "profiles")
    for name in profiles.items if isinstance(profiles, Table) else ():
        merged = _profile(merged, name, values)
    return merged


def _text(variable: str, text: str) -> Scalar:
    return Scalar(text, Place(f"${variable}"), foreign=True)


def _has_drive(tree: Table) -> bool:
    places = at(tree, "destinations")
    kinds = [at(item, "type") for item in places.items.values()] if isinstance(places, Table) else []
    return any(isinstance(kind, Scalar) and kind.text == "google-drive" for kind in kinds)


def _profile(tree: Table, name: str, values: Mapping[str, Scalar]) -> Table:
    profile = at(tree, "profiles", name)
    if not isinstance(profile, Table):
        return tree
    if (scope := values.get("BACKUP_TYPE")) and "scope" not in profile.items:
        tree = put(tree, _text("BACKUP_TYPE", _SCOPES.get(scope.text, scope.text)), "profiles", name, "scope")
    if count := values.get("MAX_BACKUPS"):
        for kind in _COUNTED:
            if at(profile, "retention", kind) is None:
                tree = put(tree, count, "profiles", name, "retention", kind)
    databases = at(profile, "databases")
    if (limit := values.get("DB_BACKUP_TIMEOUT")) and isinstance(databases, Sequence):
        limited = tuple(_limited(item, limit) for item in databases.items)
        tree = put(tree, Sequence(limited, databases.place), "profiles", name, "databases")
    return tree


def _limited(database: Node, limit: Scalar) -> Node:
    if isinstance(database, Scalar):
        database = put(empty(database.place.file), database, "path")
    if isinstance(database, Table) and "timeout" not in database.items:
        return put(database, limit, "timeout")
    return database
