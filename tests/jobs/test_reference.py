"""The page about events says all that a line can hold, and golden lines keep the wire as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolkit import events
from toolkit.events import Event

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"

GOLDEN = """
{"type":"job.created","op":"restore","targets":["shop",{"text":"caf\\\\xe9","b64":"Y2Fm6Q=="}],"plan":"9c1f","cli":"lifeboat restore latest","by":{"user":"root","sudo_user":"alex","tty":"/dev/pts/1","from":"192.0.2.7"}}
{"type":"job.started","pid":4121,"boot_id":"b","start_ticks":77}
{"type":"step","n":4,"of":6,"name":"restore","title":"Restoring","cancel":"after_step","undo":"auto","bytes":1200,"items":null}
{"type":"progress","step":"restore","done":456,"total":1200,"unit":"bytes","item":"shop.db","rate":40.5,"eta_s":18}
{"type":"item","path":"a","action":"skipped","reason":"vanished"}
{"type":"log","level":"info","msg":"moved 3 files","code":"moved","params":{"files":3}}
{"type":"ask","qid":"q1","kind":"clash","subject":"a","choices":["replace","skip"],"suggest":"skip","default":null,"default_after_s":null}
{"type":"answer","qid":"q1","choice":"skip","scope":"kind","by":null}
{"type":"warn","code":"unread","msg":"not read","count":2}
{"type":"beat"}
{"type":"cancel","effective":"after_step","by":null,"signal":"SIGTERM"}
{"type":"job.finished","status":"warn","exit":3,"summary":"done","error":{"code":"failed","msg":"no","subject":null,"hint":null,"retry":false},"undo":{"possible":true,"until":"2026-12-01T00:00:00Z","cli":"lifeboat undo"},"artifacts":["/v/a"],"warnings":2}
"""  # noqa: E501


def test_every_event_is_on_the_page_with_every_key() -> None:
    sections = dict(re.findall(r"^## `?([\w.]+)`?\n(.*?)(?=^##? |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    envelope = {field.name for field in msgspec.structs.fields(Event)}
    for kind in (*events.KNOWN, events.RawName, events.By, events.Failure, events.UndoOffer):
        section = sections[kind.__struct_config__.tag or kind.__name__]
        for field in msgspec.structs.fields(kind):
            assert field.name in envelope or f"| `{field.encode_name}` |" in section


def test_every_event_is_known_to_readers() -> None:
    assert set(events.KNOWN) == set(Event.__subclasses__()) - {events.UnknownEvent}


def test_golden_lines_of_version_one_are_read_and_written_as_ever() -> None:
    lines = GOLDEN.strip().splitlines()
    head = '"v":1,"job":"8e10","seq":412,"ts":"2026-11-20T03:07:01Z","host":null'
    for line, kind in zip(lines, events.KNOWN, strict=True):
        name, _, rest = line.partition(",") if "," in line else (line[:-1], "", "}")
        golden = f"{name},{head}{',' if rest != '}' else ''}{rest}\n".encode()
        event = events.decode(golden)
        assert type(event) is kind
        assert event.ts == datetime(2026, 11, 20, 3, 7, 1, tzinfo=UTC)
        assert events.encode(event) == golden
