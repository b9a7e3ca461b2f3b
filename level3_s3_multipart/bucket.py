"""The place in S3 that belongs to us: a client, a bucket, a prefix. Made from settings alone."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from level3_s3_multipart.embedded_s3 import EMBEDDED, EmbeddedDidNotStart, attach
from level3_s3_multipart.s3_errors import ABSENT, code_of
from shared.limits import MIB
from shared.settings import SettingError, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

CONNECT_WITHIN: Final = 5
"""Seconds."""

CONNECTIONS: Final = 64
ATTEMPTS: Final = 3
LARGEST_PART: Final = 5 * 1024 * MIB
AWS: Final = "aws"
Checksum = Literal["md5", "crc32", "none"]


@dataclass(frozen=True)
class Bucket:
    """Where objects are, and the client to reach it.

    Attributes:
        credentials: what the client signs with.
        prefix: begins every key of ours, and ends with ``/``.
        checksum: ``md5``, ``crc32`` or ``none``: how a part is checked on its way.
        patience: seconds of silence after which the store counts as away.
    """

    client: S3Client
    credentials: Credentials | None
    name: str
    prefix: str
    checksum: Checksum = "md5"
    patience: float = 30.0

    def key(self, location: str) -> str:
        """The object's key. Whatever ``location`` is, the key is below the prefix."""
        return self.prefix + location

    def at(self, location: str) -> dict[str, Any]:
        """The arguments that name this object in every call of the SDK."""
        return {"Bucket": self.name, "Key": self.key(location)}


def open_bucket(settings: Settings, folder: Path) -> Bucket:
    """The bucket that the settings ``s3_*`` name; the embedded store is started when they name that.

    Credentials come the SDK's way: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, a profile, or the
    machine's role.

    Args:
        folder: the level's data folder, where the embedded store keeps its files.

    Raises:
        SettingError: no credentials, or no such bucket. A store that is merely away is no such thing: it may
            be back when the first request comes.
    """
    session, address = _session(settings, folder)
    bucket = Bucket(
        session.client("s3", endpoint_url=address, config=_config(settings)),
        session.get_credentials(),
        settings.s3_bucket,
        settings.s3_prefix.strip("/") + "/",
        _checksum(settings),
        settings.s3_timeout,
    )
    _check(bucket, may_create=settings.s3_endpoint == EMBEDDED)
    return bucket


def _session(settings: Settings, folder: Path) -> tuple[boto3.session.Session, str | None]:
    region = settings.s3_region or None
    if settings.s3_endpoint != EMBEDDED:
        address = None if settings.s3_endpoint == AWS else settings.s3_endpoint
        return boto3.session.Session(region_name=region), address
    try:
        store = attach(folder / "s3")
    except EmbeddedDidNotStart as error:
        raise SettingError(str(error)) from error
    session = boto3.session.Session(store.access_key, store.secret_key, region_name=region or "us-east-1")
    return session, store.url


def _checksum(settings: Settings) -> Checksum:
    """What ``auto`` means. S3 itself checks, and its ETags are no MD5 where KMS encrypts. The embedded store
    is on this machine, checks nothing, and is there to be fast to try. Of others, most have MD5 for ETag."""
    if settings.s3_checksum != "auto":
        return settings.s3_checksum
    known: dict[str, Checksum] = {AWS: "crc32", EMBEDDED: "none"}
    return known.get(settings.s3_endpoint, "md5")


def _config(settings: Settings) -> Config:
    checksums: Literal["when_supported", "when_required"]
    checksums = "when_supported" if _checksum(settings) == "crc32" else "when_required"
    return Config(
        # Said, because presigned addresses still default to the signature before this one.
        signature_version="s3v4",
        s3={"addressing_style": settings.s3_addressing},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_WITHIN,
        read_timeout=settings.s3_timeout,
        max_pool_connections=CONNECTIONS,
    )


def _check(bucket: Bucket, *, may_create: bool) -> None:
    """Find a wrong setting at the start rather than at the first upload."""
    try:
        bucket.client.head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if code_of(error) not in ABSENT:
            log.warning("S3 does not let us look at bucket %r: %s", bucket.name, error)
        elif may_create:
            _create(bucket)
        else:
            raise SettingError(f"there is no bucket {bucket.name!r}; make it, or see --s3-bucket") from error
    except NoCredentialsError as error:
        raise SettingError(
            "no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from error
    except BotoCoreError as error:
        log.warning("S3 does not answer yet: %s", error)


def _create(bucket: Bucket) -> None:
    """Make the bucket, unless another process has done so in the same moment."""
    try:
        bucket.client.create_bucket(Bucket=bucket.name)
    except ClientError as error:
        if code_of(error) not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
            raise


def ca_bundle() -> str | None:
    """The file with certificates to trust, where the SDK's variable names one."""
    return os.environ.get("AWS_CA_BUNDLE") or None
