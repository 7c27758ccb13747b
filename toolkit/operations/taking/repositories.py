"""Git repositories of a profile, as staged files on their way into the archive."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from toolkit.errors import LifeboatError
from toolkit.filelist import Section
from toolkit.jobs.context import Job
from toolkit.operations.taking.contents import Contents, staged_item
from toolkit.operations.taking.survey import entry_of
from toolkit.profile.model import GitForm, GitSource
from toolkit.sources import git


def add_repositories(contents: Contents, sources: list[GitSource], folder: Path, job: Job) -> None:
    """Stage each repository below `folder` and hand it to `contents`; one that fails is left out, and said."""
    taken: set[str] = set()
    for number, source in enumerate(sources):
        job.log("info", "git", f"reading {git.without_credentials(source.url)}")
        name = _unused(git.repository_name(source.url), taken)
        staged = folder / f"git-{number}"
        try:
            report = _read(source, staged, job)
        except LifeboatError as error:
            if error.code in ("cancelled", "no-space"):
                raise
            contents.problem(git.without_credentials(source.url), error.message)
            continue
        if not report.refs:
            job.log("info", "git-empty", f"{git.without_credentials(source.url)} is empty")
            continue
        ending = "bundle" if source.kind is GitForm.BUNDLE else "zip"
        own = entry_of(Section.GIT, staged)
        entry = msgspec.structs.replace(own, path=f"/{name}.{ending}")
        contents.more.append(staged_item(staged, entry))


def _read(source: GitSource, staged: Path, job: Job) -> git.GitReport:
    if source.kind is GitForm.BUNDLE:
        return git.bundle(source.url, staged, should_stop=job.should_stop)
    return git.branch_zip(source.url, staged, branch=source.branch or "", should_stop=job.should_stop)


def _unused(name: str, taken: set[str]) -> str:
    made, number = name.replace(os.sep, "-"), 1
    while made in taken:
        number += 1
        made = f"{name}-{number}"
    taken.add(made)
    return made
