"""The Python client: the same rules as every client of the protocol (PROTOCOL.md, "Client rules").

    from shared.uploader import Uploader
    result = Uploader("http://127.0.0.1:8002").upload(Path("film.mp4"))

Knows a server through its wire format alone and imports nothing of the server side. `upload.py` tells the
whole story of one file, `transfer.py` the chunk loop; the rest is one idea a file.
"""

from shared.uploader.upload import Result, Uploader

__all__ = ["Result", "Uploader"]
