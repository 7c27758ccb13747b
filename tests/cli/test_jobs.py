"""jobs: every run is found again, watched, answered, cancelled and tried again."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat
from tests.makers.faults import ROOT
from toolkit.events import Outcome, QuestionKind
from toolkit.jobs import attach
from toolkit.jobs.context import Job
from toolkit.jobs.journal import Journal, new_spec


@pytest.fixture
def store(machine: Path) -> Path:
    return machine / "var/lib/lifeboat/jobs"


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `lifeboat` as a process of its own."""
    words = [sys.executable, "-m", "toolkit", *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )


def test_list_and_show_what_ran(vault: Path, tmp_path: Path) -> None:
    backed_up(application(tmp_path / "shop"), vault)
    lifeboat("delete", "zzzzzzzz", "--vault", vault, "--yes")
    jobs = lifeboat("jobs", "list", "--json").document["jobs"]
    assert [(job["operation"], job["state"], job["exit"]) for job in jobs] == [
        ("delete", "failed", 10),
        ("backup", "ok", 0),
    ]
    assert lifeboat("jobs", "list", "--state", "ok", "--json").document["jobs"] == [jobs[1]]
    assert lifeboat("jobs", "list", "--limit", 1, "--offset", 1, "--json").document["jobs"] == [jobs[1]]
    text = lifeboat("jobs", "list").stdout.splitlines()
    assert text[0].split() == ["id", "state", "operation", "on", "created", "took", "says"]
    assert text[1].startswith(f"{jobs[0]['id']}  failed  delete     zzzzzzzz")
    shown = lifeboat("jobs", "show", "latest").stdout
    assert "delete zzzzzzzz --vault" in shown
    events = lifeboat("jobs", "show", jobs[1]["id"], "--events").stdout.splitlines()
    types = [json.loads(line)["type"] for line in events]
    assert (types[0], types[-1]) == ("job.created", "job.finished")
    assert lifeboat("jobs", "show", "nothing").code == 10


def test_no_job_yet() -> None:
    ran = lifeboat("jobs", "list")
    assert (ran.code, ran.stdout) == (0, "")
    assert "no job has run yet" in ran.stderr
    ran = lifeboat("jobs")
    assert ran.code == 2
    assert "recover" in ran.stderr


def test_a_killed_run_is_interrupted_and_recovered(vault: Path, tmp_path: Path, store: Path) -> None:
    app = application(tmp_path / "shop")
    backed_up(app, vault)
    code = "import sys; from tests.makers import faults; print(faults.run(sys.argv[1:], kill_before=25).code)"
    ran = subprocess.run(
        [sys.executable, "-c", code, "lifeboat", "backup", str(app), "--vault", str(vault)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == str(-signal.SIGKILL)
    jobs = lifeboat("jobs", "list", "--state", "interrupted", "--json").document["jobs"]
    assert [job["operation"] for job in jobs] == ["backup"]
    assert "jobs recover" in lifeboat("jobs", "show", jobs[0]["id"]).stdout
    ran = lifeboat("jobs", "recover", "--vault", vault, "--json")
    assert ran.code == 0
    assert ran.document["actions"]
    assert lifeboat("jobs", "recover", "--vault", vault, "--json").document["actions"] == []
    assert lifeboat("jobs", "attach", jobs[0]["id"]).code == 1


def test_attach_shows_the_events_and_ends_with_the_jobs_code(vault: Path, tmp_path: Path) -> None:
    backed_up(application(tmp_path / "shop"), vault)
    ran = lifeboat("jobs", "attach", "latest")
    assert ran.code == 0
    assert "Copying databases and files" in ran.stderr
    ran = lifeboat("jobs", "attach", "latest", "--events")
    assert [json.loads(line)["seq"] for line in ran.stderr.splitlines()][:3] == [1, 2, 3]
    lifeboat("delete", "zzzzzzzz", "--vault", vault)
    assert lifeboat("jobs", "attach", "latest", "--json").document["jobs"][0]["exit"] == 10


def test_what_a_job_made_and_the_way_back_are_named(vault: Path, tmp_path: Path) -> None:
    def latest() -> tuple[str, list[str], str]:
        (job,) = lifeboat("jobs", "show", "latest", "--json").document["jobs"]
        return job["undo"], job["artifacts"], lifeboat("jobs", "show", "latest").stdout

    ident = backed_up(application(tmp_path / "shop"), vault)
    undo, made, text = latest()
    assert (undo, [Path(path).suffix for path in made]) == ("", [".zst"])
    assert f"  made      {made[0]}\n" in text
    (tmp_path / "shop" / "uploads" / "0.txt").write_text("changed")
    restored = lifeboat("restore", ident, "--vault", vault, "--confirm", "shop", "--on-conflict", "replace", "--json")
    undo, made, text = latest()
    assert (undo, made) == (f"lifeboat undo {restored.document['safety']}", [])
    assert f"  undo      {undo}\n" in text
    assert lifeboat(*undo.split()[1:], "--vault", vault, "--yes").code == 0
    assert (tmp_path / "shop" / "uploads" / "0.txt").read_text() == "changed"
    lifeboat("delete", ident, "--vault", vault, "--yes", "--allow-last-good")
    undo, made, _ = latest()
    assert (undo, made) == (f"lifeboat undo {ident}", [])
    assert lifeboat(*undo.split()[1:], "--vault", vault).code == 0
    lifeboat("delete", ident, "--vault", vault, "--yes", "--allow-last-good", "--purge")
    assert latest()[0] == ""


def test_a_question_is_shown_and_answered(store: Path) -> None:
    spec = new_spec("restore", targets=("shop",), cli="lifeboat restore latest", attended=True)
    answers: list[str] = []
    asked = threading.Event()

    def run() -> None:
        job = Job(Journal.create(store, spec), sinks=[lambda event: asked.set() if event.seq > 2 else None])
        with job:
            answers.append(job.ask(QuestionKind.CLASH, "/srv/shop/a.txt", ("replace", "skip")).choice)
            job.finish(Outcome.OK, exit=0)

    thread = threading.Thread(target=run)
    thread.start()
    asked.wait()
    assert lifeboat("jobs", "cancel", "nothing").code == 10
    shown = lifeboat("jobs", "show", spec.id).stdout
    assert "asks q1: clash /srv/shop/a.txt" in shown
    assert f"lifeboat jobs answer {spec.id} replace|skip" in shown
    assert lifeboat("jobs", "answer", spec.id, "burn").code == 5
    assert lifeboat("jobs", "retry", spec.id).code == 5
    assert lifeboat("jobs", "answer", spec.id, "skip").code == 0
    thread.join()
    assert answers == ["skip"]
    assert lifeboat("jobs", "answer", spec.id, "skip").code == 5
    assert lifeboat("jobs", "cancel", spec.id).code == 5


def test_cancel_reaches_a_running_job(store: Path) -> None:
    code = """
import pathlib, sys, threading
from toolkit.jobs.context import Job
from toolkit.jobs.signals import handled_signals
job = Job.open(pathlib.Path(sys.argv[1]), "backup", targets=("shop",))
with handled_signals(job.note_signal), job:
    print(job.id, flush=True)
    while True:
        threading.Event().wait(0.01)
        job.raise_if_stopped()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.stdout is not None
    ident = process.stdout.readline().strip()
    assert lifeboat("jobs", "list", "--state", "running", "--json").document["jobs"][0]["id"] == ident
    assert lifeboat("jobs", "cancel", ident).code == 0
    process.communicate()
    assert lifeboat("jobs", "show", ident, "--json").document["jobs"][0]["state"] == "cancelled"


def test_retry_starts_the_same_command_as_a_new_job(vault: Path, tmp_path: Path) -> None:
    app = application(tmp_path / "shop")
    first = command("backup", app, "--vault", vault, "--note", "with 'quotes' and spaces")
    assert first.returncode == 0, first.stderr
    again = command("jobs", "retry", "latest", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["backups"][0]["kind"] == "manual"
    listed = lifeboat("list", "--vault", vault, "--json").document["backups"]
    assert [row["note"] for row in listed] == ["with 'quotes' and spaces"] * 2
    jobs = lifeboat("jobs", "list", "--json").document["jobs"]
    assert [job["operation"] for job in jobs] == ["backup", "backup"]


def test_a_detached_job_is_watched_and_its_output_shown(vault: Path, tmp_path: Path) -> None:
    app = application(tmp_path / "shop")
    started = command("backup", app, "--vault", vault, "--detach", "-v")
    assert started.returncode == 0, started.stderr
    ident = started.stdout.strip()
    assert command("jobs", "attach", ident).returncode == 0
    assert "output:\n  vault " in lifeboat("jobs", "show", ident, "--log").stdout
    shown = lifeboat("jobs", "show", ident, "--json").document["jobs"][0]
    assert shown["by"] == lifeboat("jobs", "list", "--json").document["jobs"][0]["by"]
    assert shown["by"].startswith(pwd.getpwuid(os.geteuid()).pw_name), shown


def test_old_jobs_go_when_there_are_too_many(vault: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "SLACK", attach.KEEP_ALWAYS - attach.KEEP)
    for _ in range(attach.KEEP_ALWAYS + 1):
        Journal.create(store, new_spec("backup")).close()
    oldest = min(store.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for name in ("spec.json", "events.jsonl"):
        os.utime(oldest / name, (0, 0))
    lifeboat("delete", "zzzzzzzz", "--vault", vault, "--yes")
    assert not oldest.exists()
    assert len(list(store.iterdir())) == attach.KEEP_ALWAYS + 1
