"""Ceph's object gateway on this machine: a monitor, one OSD on a file, the gateway. The real thing, small.

Debian's packages `radosgw ceph-mon ceph-osd ceph-common` are all it takes; it needs neither root nor a disk
of its own, and no manager daemon.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.s3.endpoint import ACCESS_KEY, SECRET_KEY
from tests.s3.processes import end, free_port, spawn, until_it_listens

PROGRAMS: Final = {
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "radosgw-admin": "ceph-common",
    "ceph": "ceph-common",
    "ceph-authtool": "ceph-common",
    "monmaptool": "ceph-base",
}
"""And the Debian package of each."""

CONFIGURATION: Final = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{monitor_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
log file = {folder}/$name.log
# A path in a test's folder may be longer than a socket's name can be.
admin socket =
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = bluestore
# Bytes, of a sparse file: what is not written takes no space.
bluestore block size = 4294967296
# One copy of everything, on one OSD.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
# How full the machine's disk is, is no concern of a test.
mon data avail crit = 0
mon data avail warn = 0
# Each of the gateway's pools is a decision of the monitor, and it waits this long for more to decide on.
paxos propose interval = 0.05
osd memory target = 939524096
bluestore cache autotune = false
rgw thread pool size = 64
# Tests send small parts; the proxy enforces S3's minimum where a test is about it.
rgw multipart min part size = 1
rgw run sync thread = false
"""


def why_no_ceph() -> str | None:
    """What is missing, or None."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    return f"not installed: apt install {' '.join(missing)}" if missing else None


class CephCluster:
    """A cluster that lives in ``folder`` for as long as the context lasts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._configuration = folder / "ceph.conf"
        self._port, self._monitor_port = free_port(), free_port()
        self._fsid = str(uuid.uuid4())
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        folder, keyring = self._folder, str(self._folder / "keyring")
        self._configuration.write_text(
            CONFIGURATION.format(fsid=self._fsid, monitor_port=self._monitor_port, folder=folder)
        )
        everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *everything[:3])
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything)
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "osd.0", *everything)
        monitors, address = str(folder / "monmap"), f"[v2:127.0.0.1:{self._monitor_port}]"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, monitors)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--keyring", keyring, "--monmap", monitors)
        self._daemon("ceph-mon", "-f", "-i", "a")
        (folder / "osd").mkdir()
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-f", "-i", "0")
        words = ["--uid", "tests", "--display-name", "tests"]
        words += ["--access-key", ACCESS_KEY, "--secret", SECRET_KEY]
        self._run("radosgw-admin", "user", "create", *words)
        frontend = f"beast endpoint=127.0.0.1:{self._port}"
        gateway = self._daemon("radosgw", "-f", "-n", "client.admin", "--rgw-frontends", frontend)
        until_it_listens(gateway, self._log, self._port)

    @property
    def _log(self) -> Path:
        return self._folder / "output.log"

    @property
    def _environment(self) -> dict[str, str]:
        return {"CEPH_CONF": str(self._configuration)}

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            words, env=os.environ | self._environment, capture_output=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout + done.stderr!r}"

    def _daemon(self, *words: str) -> subprocess.Popen[bytes]:
        self._daemons.append(spawn(words, self._log, self._environment))
        return self._daemons[-1]

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):
            end(daemon)
        shutil.rmtree(self._folder)  # the OSD's file is large, and pytest keeps what tests leave
