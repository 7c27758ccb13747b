"""Git repositories become a bundle with all refs, or a ZIP of a branch; git is never let loose."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import CancelledError, SourceError, SourceMissingError, SourceTimeoutError, UsageError
from toolkit.sources import git

IDENTITY = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=trunk"]


def run(*arguments: str | Path) -> str:
    return subprocess.run(["git", *IDENTITY, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    run("init", "-q", path)
    (path / "README").write_text("one\n")
    run("-C", path, "add", ".")
    run("-C", path, "commit", "-qm", "first")
    run("-C", path, "tag", "-a", "v1", "-m", "one")
    run("-C", path, "checkout", "-qb", "side/branch")
    (path / "side").write_text("two\n")
    run("-C", path, "add", ".")
    run("-C", path, "commit", "-qm", "second")
    run("-C", path, "update-ref", "refs/notes/odd", "HEAD")
    run("-C", path, "checkout", "-q", "trunk")
    return path


def refs(path: Path) -> str:
    return run("-C", path, "for-each-ref", "--format=%(refname) %(objectname)")


def test_a_bundle_brings_back_every_ref_and_the_default_branch(repository: Path, tmp_path: Path) -> None:
    report = git.bundle(repository, tmp_path / "out.bundle")

    run("clone", "-q", "--mirror", tmp_path / "out.bundle", tmp_path / "back.git")
    assert refs(tmp_path / "back.git") == refs(repository)
    assert run("-C", tmp_path / "back.git", "symbolic-ref", "HEAD").strip() == "refs/heads/trunk"
    assert (report.refs, report.default_branch) == (4, "trunk")
    assert report.head == run("-C", repository, "rev-parse", "HEAD").strip()
    assert (tmp_path / "out.bundle").stat().st_mode & 0o777 == 0o600


def test_an_address_is_mirrored_first_and_nothing_stays_behind(repository: Path, tmp_path: Path) -> None:
    run("clone", "-q", "--mirror", repository, tmp_path / "served.git")
    run("-C", tmp_path / "served.git", "update-server-info")
    (tmp_path / "out").mkdir()
    seen: list[str] = []

    class Guarded(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.extend(["secret"] if b"s3cret" in process.read_bytes() else [])
                except OSError:
                    continue
            if given == "alex:s3cret/word":
                super().do_GET()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Guarded, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_port}/served.git"
        try:
            report = git.bundle(f"http://alex:s3cret%2Fword@{address}", tmp_path / "out" / "x.bundle")
            with pytest.raises(SourceError) as refused:
                git.bundle(f"http://alex:wr0ng@{address}", tmp_path / "out" / "y.bundle")
        finally:
            server.shutdown()
            thread.join()

    assert report.refs == 4
    assert seen == []
    assert "wr0ng" not in f"{refused.value}{refused.value.hint}{refused.value.__cause__}"
    assert os.listdir(tmp_path / "out") == ["x.bundle"]


def test_an_empty_repository_has_no_refs_and_makes_no_file(tmp_path: Path) -> None:
    run("init", "-q", tmp_path / "empty")

    report = git.bundle(tmp_path / "empty", tmp_path / "out.bundle")
    assert git.branch_zip(tmp_path / "empty", tmp_path / "out.zip") == report
    assert (report.refs, report.default_branch, report.head) == (0, "trunk", "")
    assert not (tmp_path / "out.bundle").exists()
    assert not (tmp_path / "out.zip").exists()


def test_a_detached_head_is_kept(repository: Path, tmp_path: Path) -> None:
    run("-C", repository, "checkout", "-q", "--detach", "side/branch")

    report = git.bundle(repository, tmp_path / "out.bundle")
    assert report.default_branch == ""
    assert f"{report.head} HEAD" in run("bundle", "list-heads", tmp_path / "out.bundle")


def test_the_zip_holds_one_branch_below_one_folder(repository: Path, tmp_path: Path) -> None:
    git.branch_zip(repository, tmp_path / "a.zip", level=9)
    git.branch_zip(repository, tmp_path / "b.zip", branch="side/branch", name="other")

    with zipfile.ZipFile(tmp_path / "a.zip") as first, zipfile.ZipFile(tmp_path / "b.zip") as second:
        assert first.namelist() == ["shop-trunk/", "shop-trunk/README"]
        assert second.namelist() == ["other-side-branch/", "other-side-branch/README", "other-side-branch/side"]
    with pytest.raises(UsageError):
        git.branch_zip(repository, tmp_path / "c.zip", branch="nowhere")
    assert not (tmp_path / "c.zip").exists()


@pytest.mark.parametrize(
    "address",
    [
        "--upload-pack=touch PWNED",
        "ext::sh -c 'touch PWNED'",
        "EXT::x",
        "ftp://example.org/x.git",
        "ssh://-oProxyCommand=touch/x",
        "ssh://user@-oProxyCommand=touch/x",
        "fd::7",
        "",
        "a\nb",
    ],
)
def test_addresses_that_git_would_obey_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        git.bundle(address, tmp_path / "out.bundle")
    assert os.listdir(tmp_path) == []


def test_what_is_no_repository_is_missing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for source in (tmp_path / "folder", tmp_path / "absent"):
        with pytest.raises(SourceMissingError):
            git.bundle(source, tmp_path / "out.bundle")
    assert os.listdir(tmp_path) == ["folder"]


def test_time_and_the_user_can_end_it(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
        with pytest.raises(SourceTimeoutError):
            git.bundle(address, tmp_path / "out.bundle", timeout=0)
        with pytest.raises(CancelledError):
            git.bundle(address, tmp_path / "out.bundle", should_stop=lambda: True)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of this test's own that other users may enter (pytest's are closed to them)."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the repositories of others")
def test_a_repository_of_another_user_runs_nothing_as_root(repository: Path, open_folder: Path, tmp_path: Path) -> None:
    (repository / ".gitattributes").write_text("README filter=evil\n")
    run("-C", repository, "add", ".")
    run("-C", repository, "commit", "-qm", "trap")
    (open_folder / "hole").mkdir()
    (open_folder / "hole").chmod(0o777)
    run("-C", repository, "config", "filter.evil.smudge", f"id -u > {open_folder}/hole/who; cat")
    theirs = open_folder / "shop"
    shutil.move(repository, theirs)
    for folder, folders, files in os.walk(theirs):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(folder, name), 65534, 65534)

    git.branch_zip(theirs, tmp_path / "out.zip")
    assert (open_folder / "hole" / "who").read_text() == "65534\n"
    assert git.bundle(theirs, tmp_path / "out.bundle").refs == 4


@pytest.mark.parametrize(
    ("address", "shown", "name"),
    [
        ("https://u:p@host/a/shop.git", "https://host/a/shop.git", "shop"),
        ("https://token@host/shop?key=1", "https://host/shop", "shop"),
        ("git@host:team/shop.git", "git@host:team/shop.git", "shop"),
        ("/srv/shop/.git", "/srv/shop/.git", "shop"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, shown: str, name: str) -> None:
    assert git.without_credentials(address) == shown
    assert git.repository_name(address) == name


def test_a_git_that_cannot_be_run_is_none(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("closed to whoever may not run it, as folders of root in PATH after su are")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="not installed"):
        git.bundle(str(repository), tmp_path / "out.bundle")
