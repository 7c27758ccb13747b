"""The JSON Schema and the reference page are made from the model, and accept what the product accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.profile.test_problems import GOLDEN, PROFILE
from toolkit.profile.load import validate_text
from toolkit.profile.nodes import Node, Scalar, Sequence, parse
from toolkit.profile.reference import reference
from toolkit.profile.schema import json_schema, schema_text

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()


def as_json(node: Node) -> Any:
    """Read a node as YAML 1.2's core schema does: what an editor gives to its validator."""
    if isinstance(node, Sequence):
        return [as_json(item) for item in node.items]
    if not isinstance(node, Scalar):
        return {key: as_json(item) for key, item in node.items.items()}
    if not node.plain:
        return node.text
    if node.null:
        return None
    if node.text in ("true", "false"):
        return node.text == "true"
    if re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(node.text)
    return float(node.text) if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", node.text) else node.text


def is_a(value: object, kind: str) -> bool:
    """Whether `value` is of the JSON type `kind`."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int,
        "null": type(None),
    }  # fmt: skip
    return isinstance(value, kinds[kind]) and not (isinstance(value, bool) and kind in ("number", "integer"))


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Judge `value` by the words of JSON Schema that ours uses; any other word is an error of this test."""
    known = {
        "$schema", "$defs", "$ref", "title", "description", "default", "type", "const", "enum", "pattern", "minLength",
        "minimum", "maximum", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties",
        "propertyNames", "items", "minItems",
    }  # fmt: skip
    assert not set(schema) - known, set(schema) - known
    if "$ref" in schema and not accepts(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], value):
        return False
    kinds = schema.get("type", [])
    if kinds and not any(is_a(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "anyOf" in schema and not any(accepts(inner, value) for inner in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(accepts(inner, value) for inner in schema["oneOf"]) != 1:
        return False
    if not all(accepts(inner, value) for inner in schema.get("allOf", [])):
        return False
    return _accepts_inside(schema, value)


def _accepts_inside(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None and len(value) >= schema.get("minLength", 0)
    if isinstance(value, int | float):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(accepts(schema.get("items", {}), item) for item in value)
    if isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties", {})
        return all(name in value for name in schema.get("required", [])) and all(
            accepts(schema.get("propertyNames", {}), name)
            and (accepts(properties[name], item) if name in properties else other is not False and accepts(other, item))
            for name, item in value.items()
        )
    return True


def passes(text: str) -> bool:
    tree, problems = parse(text.encode(), "c.yaml", {})
    assert not problems
    return accepts(SCHEMA, as_json(tree))


GOOD = [
    Path(__file__).with_name("design.yaml").read_text(),
    (ROOT / "examples/config.yaml").read_text(),
    "",
    "vault: /v",
    "vault:\nprofiles:\nui:\nnotify: []",
    "vault: {path: /v, max_backup_size: 500 MiB, trash: 3600}",
    "vault: {max_backup_size: 1000, trash: 1h30m}",
    PROFILE + "databases: [/x.db, {path: /y.db, timeout: 300, export: [csv]}]",
    PROFILE + "archive: zip",
    PROFILE + "archive: {level: '3', split: 1.5GB}",
    PROFILE + "archive: {encrypt: {recipients: [age1x], identity_command: [pass, age]}}",
    PROFILE + "archive:",
    PROFILE + "retention: {daily: null, keep_last: 3, max_size: 1TB, max_age: 1y}",
    PROFILE + "services: [a.service, {stop: x, start: [y, z]}]",
    PROFILE + "version_command: x --version",
    PROFILE + "alarms: {shrink: 12.5%}",
    PROFILE + "scope: '${WHAT:-full}'",
    PROFILE + "schedule: [{kind: daily, at: 03:00}, {job: sync, every: 3600}]",
    "destinations: {d: {type: sftp, host: h, path: p, port: 22, password: 12345}}",
    "destinations: {d: {type: s3, bucket: abc, limit: 2MB/s, keep: 3, secret_access_key_file: /k}}",
    "notify: ['json://x', {url_command: pass t, on: []}]\nhealthcheck: https://h\nmetrics: /m.prom",
    "ui: {read_only: true, keymap: {quit: 1}}\nlog_file: /l\nlegacy_environment: true",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_passes_the_schema(text: str) -> None:
    assert validate_text(text, "c.yaml", {}, uid=0) == ()
    assert passes(text)


BEYOND = (
    "twice", "names nothing to", "has the levels", "has both", "needs a passphrase", "age recipient", "tar.zst", "lies",
    "exclude", "no destination", "another database", "file name", "must be a unit", "user or password", "its pair",
    "needs either", "not scheduled", "no time;", '"every"', '"scope" is', "belongs", "must not hold", "at least",
    "too short", "is no YAML", "must be a mapping (key", "second document",
)  # fmt: skip
"""Words of the problems that several keys, or finer rules than a schema's, make."""


@pytest.mark.parametrize("text", [text for text, said in GOLDEN if not any(word in said for word in BEYOND)])
def test_what_is_wrong_in_itself_does_not_pass(text: str) -> None:
    tree, problems = parse(text.encode(), "c.yaml", {})
    assert problems or not accepts(SCHEMA, as_json(tree))


def test_the_written_schema_is_the_model() -> None:
    written = (ROOT / "docs/format/config.schema.json").read_text()
    assert written == schema_text(), "run: python -m toolkit.profile.schema > docs/format/config.schema.json"
    assert json.loads(written) == SCHEMA


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    names = set(re.findall(r'"#/\$defs/(\w+)"', schema_text()))
    assert names == set(SCHEMA["$defs"])


def test_the_reference_page_is_the_model() -> None:
    written = (ROOT / "docs/reference/configuration.md").read_text()
    assert written == reference(), "run: python -m toolkit.profile.reference > docs/reference/configuration.md"


def test_every_key_has_a_sentence() -> None:
    silent = [row for row in reference().splitlines() if row.startswith("| `") and re.search(r"\|\s*\|$", row)]
    assert silent == []
