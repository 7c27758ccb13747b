"""Destinations in words: the sign-in, what is there, what waits; what the doctor found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from textual.content import Content

from toolkit.operations import launch
from toolkit.operations.offsite.drive import DoctorReport
from toolkit.operations.offsite.standing import SignIn, Standing
from toolkit.operations.offsite.uploads import UploadRow
from toolkit.operations.session import Session
from toolkit.wording import age_text, count_text, rate_text, size_text, time_text
from tui.screens.page import wrapped
from tui.text import put

EMPTY = (
    " No destination is configured: backups stay on this machine only.",
    "",
    " In the configuration (8 shows where it lies), for a Google Drive:",
    "",
    "   destinations:",
    "     drive: {type: google-drive, credentials_file: /etc/lifeboat/drive.json}",
    "",
    " then c here signs in with a code on a phone. Step by step: docs/how-to/drive.md",
    " A second disk is the shortest way:  disk: {type: directory, path: /mnt/backup}",
)

STATES = {
    "ready": "OK",
    "unused": "empty",
    "waits": "waits",
    "paused": "PAUSED",
    "error": "ERROR",
    "gave-up": "GAVE UP",
    "needed": "SIGN IN",
    "expired": "SIGN IN",
    "wrong": "WRONG",
}
TONES = {
    "ready": "ok",
    "unused": "dim",
    "waits": "warn",
    "paused": "warn",
    "error": "bad",
    "gave-up": "bad",
    "needed": "bad",
    "expired": "bad",
    "wrong": "bad",
}
MOST_WAITING = 4


def said_lines(one: Standing, state: str, now: datetime, width: int, *, asked: str) -> Iterator[Content]:
    """Yield what is known of a destination; `asked` is what it answered in this run."""
    yield put((f" {one.name}", "bold"), f"   {one.place}")
    if one.sign_in is not None:
        yield from _sign_in(one.sign_in, now, width)
    there = (
        f"{count_text(one.copies, 'copy', 'copies')} of this host, {size_text(one.size)}"
        if one.copies
        else "nothing yet"
    )
    newest = f", the newest arrived {age_text(one.newest, now)}" if one.newest is not None else ""
    yield from wrapped("   there    ", there + newest, width, tone="bold")
    kept = "all of them" if one.keep is None else f"{one.keep} of each profile"
    speed = rate_text(one.limit) if one.limit is not None else "none"
    users = ", ".join(one.profiles) or "no profile"
    yield from wrapped("   rules    ", f"keeps {kept}; limit {speed}; copies of {users}", width, tone="bold")
    if asked:
        yield from wrapped("   room     ", asked, width, tone="bold")
    else:
        yield put(
            ("   room     ", "bold"), ("not asked: ", "$text-muted"), ("R", "bold"), (" asks over the network", "")
        )
    if one.pause is not None:
        until = f"until {time_text(one.pause.until, now)}" if one.pause.until is not None else "until p lets them go on"
        said = f"uploads, by {one.pause.by} since {time_text(one.pause.since, now)}, {until}"
        yield from wrapped("   PAUSED   ", said, width, tone="bold $text-warning")
    yield from _queue(one.waiting, now, width)
    if one.error:
        yield from wrapped("   error    ", one.error, width, tone="bold $text-error")
        yield put("            the backup itself is safe here; ", ("w", "bold"), " tries again now")
    if state in ("needed", "expired"):
        yield Content("")
        yield put(("   c", "bold"), "  shows an address and a code; no browser is needed on this machine")


def _sign_in(found: SignIn, now: datetime, width: int) -> Iterator[Content]:
    who = found.account or "an account that was not named"
    if found.state == "ready":
        kind = "service account " if found.service else "signed in as "
        ends = (
            f"; ends {time_text(found.expires, now)} ({age_text(found.expires, now)})"
            if found.expires is not None
            else ""
        )
        since = f", since {time_text(found.issued, now)}" if found.issued is not None else ""
        yield from wrapped("   account  ", f"{kind}{who}{since}{ends}", width, tone="bold")
        return
    said = {"needed": "not connected: ", "expired": f"the sign-in of {who} has ended", "wrong": ""}[found.state]
    yield from wrapped("   account  ", said + found.problem, width, tone="bold $text-error")
    if found.hint:
        yield from wrapped("   next     ", found.hint, width, tone="bold")


def _queue(waiting: Sequence[UploadRow], now: datetime, width: int) -> Iterator[Content]:
    if not waiting:
        yield put(("   waits    ", "bold"), "nothing")
        return
    for number, row in enumerate(waiting[:MOST_WAITING]):
        yield from wrapped("   waits    " if not number else "            ", waiting_text(row, now), width, tone="bold")
    if len(waiting) > MOST_WAITING:
        size = sum(row.size for row in waiting)
        yield put(f"            {len(waiting):,} in all, {size_text(size)}")


def doctor_lines(session: Session, words: Sequence[str], width: int) -> list[Content]:
    """Run `drive doctor` and return what it found. Raises `LifeboatError`."""
    report = msgspec.convert(launch.document(session, words), DoctorReport)
    said = [put((" Nothing stands in the way of the next upload.", "bold $text-success"))]
    if not report.healthy:
        said = [put((" The next upload will fail:", "bold $text-error"))]
    if report.account:
        said.append(put(f" account  {report.account}"))
    if report.link:
        said.append(put(f" folder   {report.link}"))
    words_of = {
        "ok": ("ok    ", "$text-success"),
        "notice": ("note  ", ""),
        "warning": ("WARN  ", "bold $text-warning"),
    }
    for item in report.items:
        word, tone = words_of.get(item.severity, ("ERROR ", "bold $text-error"))
        said += wrapped(f"   {word} ", item.message, width, tone=tone)
        if item.hint:
            said += wrapped("          ", item.hint, width)
    return said


def waiting_text(row: UploadRow, now: datetime) -> str:
    """Return one copy that waits, in words."""
    tried = f", {count_text(row.tries, 'try', 'tries')}" if row.tries else ""
    following = f", next {time_text(row.next, now)}" if row.next is not None and row.state != "gave-up" else ""
    state = "given up" if row.state == "gave-up" else "waits"
    return f"{row.backup} of {row.profile}, {size_text(row.size)}: {state}{tried}{following}"
