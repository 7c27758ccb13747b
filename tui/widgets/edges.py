"""The lines at the edge of every screen: where one is, the eight screens, the job that runs, the keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.content import Content

from toolkit.display import cells
from toolkit.operations.eventlines import progress_text
from toolkit.operations.health import Overview
from toolkit.operations.jobs import JobRow
from toolkit.wording import count_text, time_text, zone_text
from tui.text import Glyphs, Piece, cut, ends, line, put
from tui.verbs import NAMES, Verb

ACTIVE = ("asking", "running", "cancelling", "queued")
"""The states of jobs that are not over, the one that needs somebody first."""


def header(host: str, seen: Overview, now: datetime, width: int, *, read_only: bool) -> Content:
    """Return the first line: the host, how many targets are in which state, and when this was read."""
    counts = {state: sum(one.state == state for one in seen.targets) for state in ("bad", "warn", "unknown")}
    pieces: list[Piece] = [(" lifeboat  ", "bold"), host, ("  | ", "$text-muted")]
    pieces.append(count_text(len(seen.targets), "target"))
    tones = {"bad": ("BAD", "bold $text-error"), "warn": ("WARN", "$text-warning"), "unknown": ("?", "$text-warning")}
    for state, count in counts.items():
        if count:
            word, style = tones[state]
            pieces.append((f"  {count} {word}", style))
    if read_only:
        pieces.append(("  READ-ONLY", "bold $text-warning"))
    zone = zone_text(now)
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    day = f"{now.astimezone().day} {months[now.astimezone().month - 1]}"
    return ends(put(*pieces), put((f"{day} {now.astimezone():%H:%M} {zone} ", "$text-muted")), width)


def tabs(mode: str, jobs: Sequence[JobRow], width: int) -> Content:
    """Return the second line: the eight screens with their digits, the one that is open in brackets."""
    going = sum(one.state in ACTIVE for one in jobs)
    words = [f"{number} {title}" for number, title in enumerate(NAMES.values(), 1)]
    if going:
        words[6] += f" {going}"
    if sum(len(word) + 1 for word in words) + 2 > width:
        words = [word if name == mode else word[:5] for word, name in zip(words, NAMES, strict=True)]
    pieces: list[Piece] = []
    for word, name in zip(words, NAMES, strict=True):
        pieces.append((f"[{word}]", "bold reverse") if name == mode else f" {word}")
    return put(*pieces).truncate(width)


def job_line(jobs: Sequence[JobRow], now: datetime, width: int) -> Content:
    """Return the line above the keys: what runs or asks, else how the last job ended that did something."""
    going = sorted((one for one in jobs if one.state in ACTIVE), key=lambda one: ACTIVE.index(one.state))
    if going:
        job = going[0]
        named = f" * {what(job)}"
        if job.state == "asking" and job.question is not None:
            said = f"asks: {job.question.kind} {job.question.subject}   7 answers"
            return cut(put((named, "bold"), "  ", (said, "bold $text-warning")), width)
        rest = progress_text(job) or (job.step or job.state)
        more = f"  +{len(going) - 1}" if len(going) > 1 else ""
        return ends(put((named, "bold"), "  ", rest), put(more, "  7 "), width)
    ended = [one for one in jobs if not is_look(one)]
    if not ended:
        return put((" nothing has run yet", "$text-muted"))
    job = ended[0]
    when = time_text(job.heard or job.created, now)
    tone = {"failed": "bold $text-error", "interrupted": "bold $text-error", "warn": "$text-warning"}.get(job.state, "")
    word = state_text(job)
    said = f"  {job.error or job.summary}" if job.state in ("failed", "interrupted", "warn") else ""
    return ends(
        put((f" {what(job)}: ", "$text-muted"), (word, tone or "$text-muted"), (said, "")), put(f"  {when}  7 "), width
    )


STATES = {"failed": "FAILED", "interrupted": "INTERRUPTED", "asking": "ASKS", "warn": "incomplete"}
FOUND = 4
"""The exit code of a job that ended well and found damage, or something older than it may be."""


def state_text(job: JobRow) -> str:
    """Return where a job stands in a word or two; trouble in capitals."""
    if job.state == "warn" and job.exit == FOUND:
        return "DAMAGE FOUND"
    return STATES.get(job.state, job.state)


def what(job: JobRow) -> str:
    """Return what a job does, in words."""
    looks = ("plan",) if is_look(job) else ()
    return " ".join((*looks, job.operation, *(base(target) for target in job.targets)))


def is_look(job: JobRow) -> bool:
    """Say whether the job only made a plan."""
    return " --dry-run" in job.cli


def base(name: str) -> str:
    """Return the last part of a path, or the word itself."""
    return name.rstrip("/").rpartition("/")[2] or name


def keys(verbs: Sequence[tuple[Verb, bool]], width: int) -> Content:
    """Return the last line: each verb with a label, with its key; those that cannot be used now are grey.

    In a narrow window the last of the screen's own are left out, with a sign; the help names them.
    """
    pieces: list[Piece] = []
    shown = [one for one in verbs if one[0].label]
    least = [one for one in shown if one[0].name in ("help", "back")]
    own = [one for one in shown if one not in least]
    cut_off = sum(map(_room, shown)) > width
    while own and sum(map(_room, own + least)) + 2 * cut_off > width:
        own.pop()
    for verb, usable in (*own, *least):
        if cut_off and verb is least[0][0]:
            pieces.append((" ~" if Glyphs.ascii else " …", "$text-muted"))
        key = (verb.key_text, "bold $text-accent") if usable else (verb.key_text, "dim")
        pieces += [" ", key, (f" {verb.label}", "" if usable else "dim")]
    return put(*pieces)


def _room(one: tuple[Verb, bool]) -> int:
    """Return the cells that a verb takes in the last line."""
    return cells(line(one[0].key_text)) + cells(line(one[0].label)) + 2
