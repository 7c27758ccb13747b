"""A bucket of Amazon S3, or of anything that speaks its protocol, through s3fs; the extra `s3`.

Objects have the keys of `toolkit.destinations.keys` below the configured prefix. A put in several parts goes on from
the parts that the server has; each part carries its MD5, which the server compares, and the ETag of the whole is
compared where it is one of MD5s. In a bucket with versions a removed object stays as an old version: a bin.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from toolkit import durable
from toolkit.destinations import keys
from toolkit.destinations.base import (
    CHUNK,
    EVERYTHING,
    Bookmark,
    Destination,
    Properties,
    Query,
    RemoteObject,
    Removal,
    Usage,
)
from toolkit.errors import (
    CancelledError,
    ConfigError,
    DestinationDeniedError,
    DestinationError,
    DestinationFullError,
    DestinationTransientError,
    ObjectNotFoundError,
    SignInNeededError,
    TransferDamagedError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.profile.model import S3

MOST_PARTS = 9_000
"""S3 takes 10,000. Files over 72 GB have larger parts than `CHUNK`: the protocol leaves no choice."""

Result = TypeVar("Result")
_SIGN_IN = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
    "RequestTimeTooSkewed", "AuthorizationHeaderMalformed",
}  # fmt: skip
_ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NotFound"}
_DENIED = {"403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed", "InvalidObjectState"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "ServiceQuotaExceeded", "EntityTooLarge"}


class _Mark(msgspec.Struct, frozen=True):
    """A bookmark: the key that a put is about to make, and its upload in parts, if it has one."""

    key: str
    upload: str = ""
    part: int = CHUNK


def open_destination(config: S3, *, state: Path, folder: str) -> Destination:  # noqa: ARG001 - the table's form
    """Return the destination that `config` describes, below the prefix `folder` instead of its own if one is named."""
    import s3fs  # noqa: F401 - says here, not at the first call, that the extra is missing

    return S3Destination(config, folder or config.prefix)


@functools.cache
def _session() -> Any:
    """Return what reads, and keeps, the descriptions of the protocol: once for the process."""
    from aiobotocore.session import AioSession

    return AioSession()


class S3Destination(Destination):
    """Objects below `prefix` in the bucket of `config`."""

    def __init__(self, config: S3, prefix: str) -> None:
        self.name = config.name
        self._config = config
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._connected: Any = None

    @property
    def _fs(self) -> Any:
        if self._connected is None:
            from s3fs import S3FileSystem

            config = self._config
            self._connected = S3FileSystem(
                key=config.access_key_id.resolve() if config.access_key_id is not None else None,
                secret=config.secret_access_key.resolve() if config.secret_access_key is not None else None,
                endpoint_url=config.endpoint,
                client_kwargs={"region_name": config.region} if config.region else {},
                config_kwargs={"connect_timeout": 30, "read_timeout": 120, "retries": {"max_attempts": 1}},
                session=_session(),
                skip_instance_cache=True,
                use_listings_cache=False,
            )
            self._connected.retries = 1  # the wrapper retries, and knows what can be helped
        return self._connected

    def _ask(self, method: str, subject: str, **arguments: Any) -> Any:
        """Return the answer of one call of the protocol; whatever s3fs or botocore raise is translated here."""
        return _translated(lambda: self._fs.call_s3(method, Bucket=self._config.bucket, **arguments), subject)

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; see `Destination.put`."""
        mark = self._mark(bookmark, properties)
        if mark is not None:
            try:
                made = self.stat(mark.key)
            except ObjectNotFoundError:
                pass
            else:
                bookmark.clear()
                return made
        with durable.translated(source), source.open("rb") as reading:
            total = os.fstat(reading.fileno()).st_size
            if total <= CHUNK:
                key = self._send_whole(reading, properties, mark, bookmark, on_progress, should_stop)
            else:
                key = self._send_parts(
                    reading, total, properties, mark, bookmark, on_progress=on_progress, should_stop=should_stop
                )
        bookmark.clear()
        return self.stat(key)

    def _mark(self, bookmark: Bookmark, properties: Properties) -> _Mark | None:
        try:
            mark = msgspec.json.decode(bookmark.load(), type=_Mark)
        except (msgspec.DecodeError, UnicodeError):
            return None
        if keys.parse_key(mark.key) == properties:
            return mark
        self._abort(mark)
        return None

    def abandon(self, bookmark: Bookmark) -> None:
        """End the upload in parts that a put has left."""
        with contextlib.suppress(msgspec.DecodeError, UnicodeError):
            self._abort(msgspec.json.decode(bookmark.load(), type=_Mark))
        bookmark.clear()

    def _abort(self, mark: _Mark) -> None:
        """Give up an upload in parts, which would cost money for ever; one that is gone is no trouble."""
        if mark.upload:
            try:
                self._ask("abort_multipart_upload", mark.key, Key=self._key(mark.key), UploadId=mark.upload)
            except DestinationError:
                return

    def _extra(self) -> dict[str, str]:
        return {"StorageClass": self._config.storage_class} if self._config.storage_class else {}

    def _send_whole(
        self,
        reading: IO[bytes],
        properties: Properties,
        mark: _Mark | None,
        bookmark: Bookmark,
        on_progress: Progress,
        should_stop: ShouldStop,
    ) -> str:
        key = mark.key if mark is not None else keys.make_key(properties)
        bookmark.save(msgspec.json.encode(_Mark(key)).decode())
        on_progress(0, None)
        if should_stop():
            raise CancelledError("the upload was cancelled")
        data = reading.read()
        self._require(hashlib.sha256(data).hexdigest(), properties)
        self._ask("put_object", key, Key=self._key(key), Body=data, ContentMD5=_md5(data), **self._extra())
        on_progress(len(data), len(data))
        return key

    def _require(self, sha256: str, properties: Properties) -> None:
        if sha256 != properties.sha256:
            raise TransferDamagedError("what was sent is not what was announced", subject=properties.file_name)

    def _send_parts(
        self,
        reading: IO[bytes],
        total: int,
        properties: Properties,
        mark: _Mark | None,
        bookmark: Bookmark,
        *,
        on_progress: Progress,
        should_stop: ShouldStop,
    ) -> str:
        mark, there = self._taken_up(mark, total, properties, bookmark)
        digest, done = hashlib.sha256(), 0
        parts: list[dict[str, Any]] = []
        try:
            while piece := reading.read(mark.part):
                if should_stop():
                    raise CancelledError("the upload was cancelled")
                number = len(parts) + 1
                parts.append({"PartNumber": number, "ETag": self._part(mark, number, piece, there.get(number))})
                digest.update(piece)
                done += len(piece)
                on_progress(done, total)
            self._require(digest.hexdigest(), properties)
        except TransferDamagedError:
            self._abort(mark)
            bookmark.clear()
            raise
        self._complete(mark, parts, bookmark, properties)
        return mark.key

    def _part(self, mark: _Mark, number: int, piece: bytes, there: str | None) -> str:
        """Return the ETag of a part, which is sent unless the server has it with these bytes."""
        if there is not None and there.strip('"') == hashlib.md5(piece, usedforsecurity=False).hexdigest():
            return there
        answer = self._ask(
            "upload_part",
            mark.key,
            Key=self._key(mark.key),
            UploadId=mark.upload,
            PartNumber=number,
            Body=piece,
            ContentMD5=_md5(piece),
        )
        return str(answer["ETag"])

    def _taken_up(
        self, mark: _Mark | None, total: int, properties: Properties, bookmark: Bookmark
    ) -> tuple[_Mark, dict[int, str]]:
        """Return the upload to go on with and the ETags of its parts by number; a new one where the old is gone."""
        if mark is not None and mark.upload:
            try:
                return mark, self._parts(mark)
            except ObjectNotFoundError:
                mark = _Mark(mark.key)
        key = mark.key if mark is not None else keys.make_key(properties)
        answer = self._ask("create_multipart_upload", key, Key=self._key(key), **self._extra())
        unit = 1 << 20
        size = max(CHUNK, -(-total // MOST_PARTS // unit) * unit)
        made = _Mark(key, str(answer["UploadId"]), size)
        bookmark.save(msgspec.json.encode(made).decode())
        return made, {}

    def _parts(self, mark: _Mark) -> dict[int, str]:
        found: dict[int, str] = {}
        after = 0
        while True:
            answer = self._ask(
                "list_parts", mark.key, Key=self._key(mark.key), UploadId=mark.upload, PartNumberMarker=after
            )
            for part in answer.get("Parts", ()):
                found[int(part["PartNumber"])] = str(part["ETag"])
                after = int(part["PartNumber"])
            if not answer.get("IsTruncated"):
                return found

    def _complete(self, mark: _Mark, parts: list[dict[str, Any]], bookmark: Bookmark, properties: Properties) -> None:
        answer = self._ask(
            "complete_multipart_upload",
            mark.key,
            Key=self._key(mark.key),
            UploadId=mark.upload,
            MultipartUpload={"Parts": parts},
        )
        etags = b"".join(bytes.fromhex(tag) for part in parts if len(tag := part["ETag"].strip('"')) == 32)
        whole = str(answer.get("ETag", "")).strip('"')
        expected = f"{hashlib.md5(etags, usedforsecurity=False).hexdigest()}-{len(parts)}"
        if whole.endswith(f"-{len(parts)}") and len(etags) == 16 * len(parts) and whole != expected:
            self._ask("delete_object", mark.key, Key=self._key(mark.key))
            bookmark.clear()
            raise TransferDamagedError("what arrived is not what was sent", subject=properties.file_name)

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object, one ranged request a chunk; see `Destination.read`."""
        size = self.stat(object_id).size
        while start < size:
            end = min(size, start + CHUNK) - 1
            answer = self._ask("get_object", object_id, Key=self._key(object_id), Range=f"bytes={start}-{end}")
            piece = _translated(lambda body=answer["Body"]: _drain(self._fs, body), object_id)  # type: ignore[misc]
            if len(piece) != end - start + 1:
                raise DestinationTransientError("the connection broke in the middle of a part", subject=object_id)
            yield piece
            start += len(piece)

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches, page after page."""
        narrow = f"{keys.segment(query.host)}/" if query.host else ""
        narrow += f"{keys.segment(query.profile)}/" if query.host and query.profile else ""
        token: dict[str, str] = {}
        while True:
            answer = self._ask("list_objects_v2", self.name, Prefix=f"{self._prefix}{narrow}", **token)
            for one in answer.get("Contents", ()):
                found = self._object(str(one["Key"]), int(one["Size"]), one["LastModified"])
                if found.name and query.matches(found):
                    yield found
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": str(answer["NextContinuationToken"])}

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; raises `ObjectNotFoundError`."""
        answer = self._ask("head_object", object_id, Key=self._key(object_id))
        return self._object(self._key(object_id), int(answer["ContentLength"]), answer["LastModified"])

    def _object(self, key: str, size: int, modified: datetime) -> RemoteObject:
        own = key.removeprefix(self._prefix)
        properties = keys.parse_key(own)
        name = properties.file_name if properties is not None else own.rpartition("/")[2]
        when = modified.astimezone(UTC).replace(microsecond=0)  # a listing has fractions, a head has none
        return RemoteObject(id=own, name=name, size=size, properties=properties, modified=when)

    def remove(self, object_id: str) -> Removal:
        """Remove an object; in a bucket with versions the old one stays behind a delete marker."""
        self.stat(object_id)
        answer = self._ask("delete_object", object_id, Key=self._key(object_id))
        return Removal(binned=bool(answer.get("DeleteMarker")))

    def usage(self) -> Usage:
        """Say that the bucket can be reached; nothing is known of its space."""
        self._ask("list_objects_v2", self._config.bucket, Prefix=self._prefix, MaxKeys=1)
        return Usage()

    def _key(self, object_id: str) -> str:
        if not object_id:
            raise ObjectNotFoundError("there is no such object", subject=object_id)
        return f"{self._prefix}{object_id}"


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _drain(fs: Any, body: Any) -> bytes:
    from fsspec.asyn import sync

    data: bytes = sync(fs.loop, body.read)
    return data


def _translated(call: Callable[[], Result], subject: str) -> Result:
    try:
        return call()
    except (DestinationError, ConfigError, CancelledError):
        raise
    except Exception as error:
        raise _translate(error, subject) from error


def _translate(error: Exception, subject: str) -> Exception:
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    cause = error if isinstance(error, ClientError) else error.__cause__
    code = str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
    words = str(error) or type(error).__name__
    if code in _SIGN_IN or isinstance(error, NoCredentialsError | PartialCredentialsError):
        return SignInNeededError(
            "the access key is missing, wrong or expired", subject=subject, hint="check access_key_id and the clock"
        )
    if code in _ABSENT or isinstance(error, FileNotFoundError):
        return ObjectNotFoundError("there is no such object or bucket", subject=subject)
    if code in _FULL:
        return DestinationFullError("the quota there is used up", subject=subject)
    if code in _DENIED or isinstance(error, PermissionError):
        return DestinationDeniedError("this access key may not do that there", subject=subject)
    return DestinationTransientError(f"the server or the network failed: {words}", subject=subject)
