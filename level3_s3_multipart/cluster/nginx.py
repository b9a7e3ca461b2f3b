"""nginx, with a configuration file of this folder and, where asked for, other ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from level3_s3_multipart.cluster.service import Service

HERE: Final = Path(__file__).parent
RIGHT: Final = HERE / "nginx.conf"
WRONG: Final = HERE / "nginx-wrong.conf"

ATTENDED: Final = """
trap : TERM INT QUIT
exec 3<&0
"$@" & nginx=$!
(trap '' TERM INT QUIT; read -r _ <&3; kill -9 -$$) & watch=$!
while kill -0 $nginx 2>/dev/null; do wait $nginx; done
kill -9 $watch
"""
"""Workers of nginx outlive their master. So a shell watches whether we are still there, and ends them all."""


def program() -> str:
    """nginx. Debian keeps it where only root's PATH looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or "nginx"


class Nginx(Service):
    """nginx before the servers on these ports.

    Args:
        servers: two ports, in place of the configuration's 8031 and 8032.
        port: in place of 8030; 0 takes a free one.
        configuration: the file.
        edits: further words to replace, for those who ask what a line is for.
    """

    name = "nginx"

    def __init__(
        self,
        servers: Sequence[int],
        port: int = 0,
        configuration: Path = RIGHT,
        edits: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(port)
        text = configuration.read_text()
        for old, new in [
            ("8030", str(self.port)),
            *zip(("8031", "8032"), map(str, servers), strict=True),
            *edits,
        ]:
            assert old in text, f"{configuration.name} has no {old}"
            text = text.replace(old, new)
        (self.folder / "nginx.conf").write_text(text)

    def command(self) -> Sequence[str]:
        # Started by root it would give its workers to a user who may not enter our folder.
        user = "user root; " if os.geteuid() == 0 else ""
        words = [program(), "-p", str(self.folder), "-c", "nginx.conf", "-g", f"daemon off; {user}"]
        return ["sh", "-c", ATTENDED, "sh", *words]

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.end(signal.SIGTERM)
