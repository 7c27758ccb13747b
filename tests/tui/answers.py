"""What jobs answer that screens start: plans that were made, or could not be, clashes, and the code of a sign-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.tui.conftest import NOW, add_job
from toolkit.events import JobFinished, Level, Logged, Outcome
from toolkit.operations.pace import Estimate, takes, timed
from toolkit.operations.plan import Basis, Clashes, Loss, Needs, Plan, Step
from toolkit.operations.restoring import decisions
from toolkit.operations.restoring.plan import ClashRow
from toolkit.operations.session import Session


def after(step: Step, seconds: float, by: Basis) -> Step:
    """Return `step` with how long it takes."""
    return timed(step, Estimate(seconds=seconds, by=by))


_SIZE = 1_200_000_000
_STEPS = (
    after(Step(n=1, name="stop", title="stop shop.service", offline=True), 4.6, "recorded"),
    after(
        Step(
            n=2,
            name="stage",
            title="copy shop.db from backup k3jq7a2m beside its place",
            writes_bytes=_SIZE,
            offline=True,
        ),
        11.8,
        "measured",
    ),
    after(
        Step(
            n=3,
            name="safety",
            title="keep the old files, bit for bit, in a safety backup",
            writes_bytes=_SIZE,
            offline=True,
        ),
        26,
        "recorded",
    ),
    after(Step(n=4, name="place", title="give it its name", offline=True, cancel="never", undo="manual"), 0.3, "guess"),
    after(
        Step(n=5, name="check", title="check it once more under its name", offline=True, cancel="never"),
        7.9,
        "measured",
    ),
    Step(n=6, name="start", title="start shop.service", cancel="never"),
)
PLAN = Plan(
    op="rescue",
    targets=("/srv/shop/shop.db",),
    steps=_STEPS,
    takes=takes(_STEPS, look=41),
    loses=Loss(text="what was written since 02:01; 28 rows of orders"),
    keeps="the old files stay, bit for bit, in a safety backup; `lifeboat undo` puts them back",
    needs=Needs(free=2_600_000_000, have=11_000_000_000),
    confirm="word",
    confirm_word="shop.db",
    cli="lifeboat rescue /srv/shop/shop.db",
).sealed()

DATABASE = {
    "path": "/srv/shop/shop.db",
    "ways": [
        {"name": "mend", "possible": False, "why_not": "the schema is gone"},
        {"name": "salvage", "possible": True, "rows": 34_000, "loses": "436 rows: 436 of orders", "lost": 436}
        | {"offline_s": 92.5, "offline_by": "measured"},
        {"name": "restore", "possible": True, "rows": 35_472, "loses": "28 rows: 28 of orders", "lost": 28}
        | {"offline_s": 50.6, "offline_by": "recorded"},
    ],
    "recommended": "restore",
    "because": "it loses least",
    "way": "restore",
}


def dry_run(session: Session, ident: str = "ab12cd34", **fields: Any) -> str:
    """Write the job of a dry run that is over, with what it printed."""
    document = {"exit": 0, "plan": msgspec.to_builtins(PLAN), "databases": [DATABASE], "warnings": []} | fields
    add_job(session, ident, "rescue", "/srv/shop/shop.db", ended=JobFinished(status=Outcome.OK, exit=0))
    (session.state / "jobs" / ident / "log.txt").write_text(json.dumps(document) + "\n")
    return ident


def no_plan(session: Session, ident: str = "ab12cd34") -> str:
    """Write the job of a dry run that was refused."""
    error = {"code": "in-use", "message": "in use by gunicorn", "subject": "/srv/shop/shop.db", "hint": "stop it"}
    return dry_run(session, ident, plan=None, databases=[], error=error, exit=5)


MTIME = int((NOW - timedelta(days=1)).timestamp()) * 10**9
OLDER = int((NOW - timedelta(days=400)).timestamp()) * 10**9
UPLOADS = "/srv/shop/uploads"
CLASHES = tuple(
    ClashRow(
        path=f"{UPLOADS}/{name}",
        kind=kind,
        size=size,
        mtime_ns=MTIME,
        backup_size=old,
        backup_mtime_ns=OLDER,
        link=link,
    )
    for name, kind, size, old, link in (
        ("img/logo.png", "differs", 14_000, 12_000, ""),
        ("数据 表.xlsx", "newer", 88_000, 88_000, ""),
        ("app.ini", "link", 0, 2_000, "/etc/app"),
        ("a.log", "in-use", 40_000_000, 38_000_000, ""),
        ("tmp", "directory", 0, 1_000, ""),
    )
)
_OVER = (
    after(
        Step(n=1, name="stage", title="extract and compare 1,092 files beside their places", writes_bytes=412_000_000),
        14,
        "guess",
    ),
    after(
        Step(n=2, name="safety", title="put what is replaced into a safety backup", writes_bytes=40_000_000),
        3,
        "recorded",
    ),
    after(Step(n=3, name="place", title="give everything its name", cancel="never", undo="manual"), 0.8, "guess"),
)
OVER = Plan(
    op="restore",
    targets=("/srv/shop/uploads",),
    steps=_OVER,
    takes=takes(_OVER, look=1.2, again=True),
    keeps="what is replaced goes into a safety backup; `lifeboat undo` puts it back",
    needs=Needs(free=452_000_000, have=11_000_000_000),
    clashes=Clashes(same=7020, missing=1083, differ=len(CLASHES)),
    confirm="word",
    confirm_word="shop",
    cli="lifeboat restore k3jq7a2m",
).sealed()


def clashes(session: Session, ident: str) -> Answer:
    """Answer the first look of a restore over live files: with its plan file, and a job that is over."""

    def answer(words: Sequence[str]) -> str:
        rows = [msgspec.to_builtins(row) for row in CLASHES]
        plan = {"lifeboat_plan": 1, "backup": words[1], "digest": OVER.digest, "plan": msgspec.to_builtins(OVER)}
        file = Path(words[words.index("--plan") + 1])
        file.write_text(json.dumps(plan | {"clashes": rows}))
        assert decisions.read(file).clashes == CLASHES
        return dry_run(session, ident, plan=plan["plan"], databases=[])

    return answer


def code(session: Session, ident: str) -> str:
    """Write the job of a sign-in that has its code and waits."""
    params = {"url": "https://www.google.com/device", "user_code": "GQVQ-JKEC", "seconds": 1800}
    said = Logged(level=Level.INFO, code="sign-in", msg="open the address", params=params)
    add_job(session, ident, "drive login", "drive", minutes=1, events=(said,))
    return ident


Answer = str | Callable[[Sequence[str]], str]
"""The id of a job, or what makes it once its words are known."""

ANSWERS: dict[str, Callable[[Session, str], Answer]] = {
    "plan": dry_run,
    "none": no_plan,
    "clashes": clashes,
    "code": code,
}
"""What a screen is answered with by a job of that id, by the name that its scene gives."""
