"""Downloads that are sent to the store: the address works, for a download, and our client follows it."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

from shared.uploader.download import Downloader
from tests.oracle import begin_upload, recorded
from tests.raw_http import exchange
from tests.s3.endpoint import Bucket
from tests.s3.serving import serving


def test_a_download_is_sent_to_the_store(bucket: Bucket, tmp_path: Path) -> None:
    with serving(tmp_path, bucket, None, "--downloads", "redirect") as level3:
        port = level3.server.port
        upload = begin_upload(level3.server, name="Ä film.bin")
        upload.send_rest()
        answer = upload.complete()
        path = f"/files/{answer.json['file']['fileId']}/content"
        told = exchange(port, "GET", path)
        assert (told.status, told.body, told.header("cache-control")) == (307, b"", "no-store")
        with urlopen(told.header("location") or "") as found:
            assert (found.status, found.read()) == (HTTPStatus.OK, upload.source)
            assert found.headers["content-disposition"].startswith("attachment")
        assert exchange(port, "HEAD", path).header("content-length") == str(len(upload.source))

        fetched = Downloader(f"http://127.0.0.1:{port}").fetch(
            answer.json["file"]["fileId"], tmp_path / "back"
        )
        assert hashlib.sha256(fetched.path.read_bytes()).hexdigest() == answer.json["file"]["fingerprint"]


def test_otherwise_it_passes_through(bucket: Bucket, tmp_path: Path) -> None:
    with serving(tmp_path, bucket) as level3:
        upload = begin_upload(level3.server)
        upload.send_rest()
        recorded(upload)
