"""`upload-levels serve`, for as long as the program that started it lives.

Run as ``python -m shared.commands.attended_serve LEVEL …`` with a pipe as stdin. The pipe ends when its other
side does, however that came about, SIGKILL included; then this server leaves as if it had been asked to. (The
kernel's own "signal me when my parent dies" means the parent's *thread*, and the tour restarts a server from
one that ends soon.)
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from shared.commands.serve import serve

STDIN = 0


def _leave_with_starter() -> None:
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_starter, name="starter watch", daemon=True).start()
    serve(sys.argv[1:])
