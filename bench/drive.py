"""Measure uploads to and downloads from the local Drive server against a bare loop of the same Google client.

    python bench/drive.py --size 1024 --repeat 5
    python bench/drive.py --memory 5120

The server runs in a process of its own, and both ways take turns. `--memory` sends and fetches that many MiB and tells
the highest resident memory of the process that does; it needs twice that much room in TMPDIR.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SERVER = """
import json, sys
from pathlib import Path
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import ROBOT
with DriveServer(discard=sys.argv[1] == "discard") as server:
    key = server.sign.new_service_account(ROBOT)
    drive = server.world.shared_drive("Backups", {ROBOT: "organizer"})
    print(json.dumps([server.address, drive.id, key]), flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def running_server(folder: Path, *, discard: bool) -> Iterator[Any]:
    """Run the server in a process of its own; yield the settings of a service account that may use it."""
    from tests.makers.driveserver_ready import private
    from toolkit.profile.model import GoogleDrive
    from toolkit.profile.secret import Secret

    command = [sys.executable, "-c", SERVER, "discard" if discard else "keep"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        address, drive_id, key = json.loads(process.stdout.readline())
        path = private(folder / "service.json", key)
        yield GoogleDrive(name="drive", credentials=Secret(file=path), endpoint=address, drive_id=drive_id)
        assert process.stdin is not None
        process.stdin.close()


def properties(path: Path) -> Any:
    """Return what Lifeboat says of the file `path`."""
    from toolkit.destinations.base import Properties, Role

    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Properties(
        role=Role.ARCHIVE,
        profile="bench",
        kind="manual",
        host="bench",
        backup_id="bench",
        sha256=sha256,
        file_name=path.name,
    )


WAYS = ("up", "bare up", "down", "bare down", "hashed down")


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and CPU seconds of `work` in this process."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - wall, time.process_time() - cpu


def bare_upload(drive: Any, path: Path) -> str:
    """Upload with nothing but Google's client: chunks of the same size, no checks, no retries."""
    from googleapiclient.http import MediaFileUpload

    from toolkit.destinations.gdrive.upload import CHUNK

    media = MediaFileUpload(str(path), mimetype="application/octet-stream", chunksize=CHUNK, resumable=True)
    body = {"name": path.name, "parents": [drive.settings.drive_id]}
    request = drive.client.service.files().create(body=body, media_body=media, supportsAllDrives=True)
    done = None
    while done is None:
        _, done = request.next_chunk()
    media.stream().close()
    return str(done["id"])


class Hashed:
    """A file that hashes what is written to it, which is what a comparison costs at least."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sha = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Write and hash."""
        self._sha.update(data)
        self._file.write(data)


def bare_download(drive: Any, ident: str, target: Path, *, hashed: bool = False) -> None:
    """Download with nothing but Google's client, and a SHA-256 of it where that is asked for."""
    from googleapiclient.http import MediaIoBaseDownload

    from toolkit.destinations.base import CHUNK

    with target.open("wb") as file:
        request = drive.client.service.files().get_media(fileId=ident, supportsAllDrives=True)
        loop = MediaIoBaseDownload(Hashed(file) if hashed else file, request, chunksize=CHUNK)
        done = False
        while not done:
            _, done = loop.next_chunk()
        os.fsync(file.fileno())


def round_trip(drive: Any, path: Path, said: Any, target: Path, figures: dict[str, list[tuple[float, float]]]) -> None:
    """Send and fetch once each way, and take everything away again."""
    from toolkit.destinations.base import MemoryBookmark
    from toolkit.destinations.fetch import fetch

    made: list[Any] = []
    figures["up"].append(timed(lambda: made.append(drive.put(path, said, bookmark=MemoryBookmark()))))
    figures["bare up"].append(timed(lambda: bare_upload(drive, path)))
    bare_download(drive, made[0].id, target)  # the first to write pays for pages that the next ones find free
    target.unlink()
    figures["down"].append(timed(lambda: fetch(drive, made[0], target)))
    target.unlink()
    figures["bare down"].append(timed(lambda: bare_download(drive, made[0].id, target)))
    target.unlink()
    figures["hashed down"].append(timed(lambda: bare_download(drive, made[0].id, target, hashed=True)))
    target.unlink()
    for found in list(drive.objects()):
        drive.remove(found.id)


def compare(folder: Path, size: int, repeat: int) -> None:
    """Print both ways up and down, the medians and their ratio."""
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination

    path = folder / "archive.tar.zst"
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(1 << 20))
    said = properties(path)
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with running_server(folder, discard=False) as settings, GoogleDriveDestination(settings, state=folder) as drive:
        bare_upload(drive, path)
        for number in range(repeat):
            round_trip(drive, path, said, folder / f"down-{number}", figures)
    print(f"{size} MiB, {repeat} rounds, median (fastest)")
    for name in WAYS:
        walls = [wall for wall, _ in figures[name]]
        cpu = statistics.median(one for _, one in figures[name])
        rate = size / statistics.median(walls)
        print(f"{name:12} {statistics.median(walls):6.2f} s ({min(walls):.2f}) {cpu:6.2f} s CPU {rate:6.0f} MiB/s")
    for way, other in (("up", "bare up"), ("down", "bare down"), ("down", "hashed down")):
        ratios = [ours[0] / bare[0] for ours, bare in zip(figures[way], figures[other], strict=True)]
        fastest = min(wall for wall, _ in figures[way]) / min(wall for wall, _ in figures[other])
        print(f"{way}: {statistics.median(ratios):.2f} times {other} (fastest runs: {fastest:.2f})")


def memory(folder: Path, size: int) -> None:
    """Send a file of holes and fetch it again; print the highest resident memory of this process for each way."""
    from toolkit.destinations.base import MemoryBookmark
    from toolkit.destinations.fetch import fetch
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination

    path = folder / "large.tar.zst"
    path.touch()
    os.truncate(path, size << 20)
    said = properties(path)
    made: list[Any] = []
    with running_server(folder, discard=False) as settings, GoogleDriveDestination(settings, state=folder) as drive:
        for way, work in (
            ("up", lambda: made.append(drive.put(path, said, bookmark=MemoryBookmark()))),
            ("down", lambda: fetch(drive, made[0], folder / "down")),
        ):
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
            wall, cpu = timed(work)
            lines = Path("/proc/self/status").read_text().splitlines()
            peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
            print(f"{way}: {size} MiB in {wall:.1f} s, {cpu:.1f} s CPU, peak {peak:.0f} MiB", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="MiB of the file that goes up and down [512]")
    parser.add_argument("--repeat", type=int, default=5, help="rounds [5]")
    parser.add_argument(
        "--memory", type=int, default=0, help="send and fetch this many MiB, and tell the memory it took"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lifeboat-drive-") as name:
        if arguments.memory:
            memory(Path(name), arguments.memory)
        else:
            compare(Path(name), arguments.size, arguments.repeat)


if __name__ == "__main__":
    main()
