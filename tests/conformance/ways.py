"""Ways to bring a file to a server and to tidy up, by whatever the server claims: in chunks or in one POST.

Sections about finished files and about errors hold for every level: they must not care how files get there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tests.conformance.case import NotApplicable, Violation
from tests.conformance.expect import expect, same
from tests.conformance.forms import members, number
from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.target import OCTETS, Target, Upload

BEYOND: Final = "9999999999999999999"
"""An offset in good form (19 digits) that no upload ever reaches, not even in 63 bits."""


@contextmanager
def variant(what: str) -> Iterator[None]:
    """Within: a failure says which row of a case's table it was."""
    try:
        yield
    except Violation as broken:
        raise Violation(f"{broken.expected} [{what}]", broken.actual) from None
    except NoAnswer as nothing:
        raise Violation(f"an answer [{what}]", str(nothing)) from None


# -- whole files --------------------------------------------------------------------------------------------


def offer(target: Target, data: bytes, name: str = "case.bin", mime_type: str = "") -> Answer:
    """Bring a file to its end, whatever that is: FILE, or a refusal.

    Raises:
        NotApplicable: the server claims no way of uploading that this suite knows.
    """
    if "chunked" in target.claims:
        wishes: dict[str, Any] = {"fileName": name, "chunkSize": target.sizes.maximum}
        upload = target.begin(data, **(wishes | ({"mimeType": mime_type} if mime_type else {})))
        target.put_chunks(upload)
        return target.complete(upload)
    if "single-request" in target.claims:
        return post_form(target, [file_part(name, data, mime_type or OCTETS)])
    raise NotApplicable("the server claims no way of uploading")


def upload_file(target: Target, data: bytes, name: str = "case.bin", mime_type: str = "") -> dict[str, Any]:
    """Upload a file and return FILE."""
    return file_of(offer(target, data, name, mime_type))


def file_of(answer: Answer) -> dict[str, Any]:
    """FILE in the answer that ends an upload, of either kind.

    Raises:
        Violation: the upload did not succeed.
    """
    if answer.asked.endswith("/complete"):
        expect(answer, status=200, state="completed")
        return members(answer.json.get("file"), "FILE in the answer to complete")
    expect(answer, status=201)
    return members(answer.json or None, "FILE in the answer to the form")


def file_path(target: Target, file: Mapping[str, Any]) -> str:
    """The resource of a finished file."""
    return f"{target.link('files')}/{file.get('fileId')}"


# -- one POST -----------------------------------------------------------------------------------------------


def file_part(name: str, data: bytes, mime_type: str = "", field: str = "file") -> bytes:
    """One part of a form that carries a file, named as browsers do it: UTF-8, a quote as %22."""
    quoted = name.replace('"', "%22")
    head = f'Content-Disposition: form-data; name="{field}"; filename="{quoted}"\r\n'
    if mime_type:
        head += f"Content-Type: {mime_type}\r\n"
    return head.encode() + b"\r\n" + data


def text_part(field: str, text: str) -> bytes:
    """One part of a form that carries a plain value."""
    return f'Content-Disposition: form-data; name="{field}"\r\n\r\n{text}'.encode()


def form(parts: list[bytes]) -> tuple[str, bytes]:
    """The content type and the body of a form."""
    boundary = secrets.token_hex(16)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return f"multipart/form-data; boundary={boundary}", body + b"--%s--\r\n" % boundary.encode()


def post_form(target: Target, parts: list[bytes], headers: Mapping[str, str] | None = None) -> Answer:
    """POST a form to where level 1 takes it."""
    kind, body = form(parts)
    fields = {"Content-Type": kind} | dict(headers or {})
    return target.request("POST", target.upload_path, body=body, headers=fields)


# -- sessions -----------------------------------------------------------------------------------------------


def committed(target: Target, upload: Upload) -> int:
    """Where the server says the upload stands.

    Asked directly where `resume` is claimed; a server without it tells when a handshake fails.
    """
    if "resume" in target.claims:
        answer = target.status(upload)
        expect(answer, status=200)
    else:
        answer = target.put(upload, BEYOND, b"?")
        expect(answer, status=409, code="offset-mismatch")
    return number(answer.json.get("uploadedBytes"), f"uploadedBytes in the answer to {answer.asked}")


def expect_committed(target: Target, upload: Upload, offset: int) -> None:
    """Hold the committed offset to a value.

    Raises:
        Violation
    """
    same(committed(target, upload), offset, "the committed offset")


def drop(target: Target, *uploads: Upload) -> None:
    """Leave no unfinished session behind where that can be helped: a server may bound their number."""
    if "cancel" in target.claims:
        for upload in uploads:
            target.cancel(upload)


def drop_opened(target: Target, answer: Answer) -> None:
    """The same for an init that was only sent to see whether it is accepted."""
    session_id = answer.json.get("sessionId")
    if answer.status == 201 and isinstance(session_id, str):
        drop(target, Upload(f"{target.upload_path}/{session_id}", session_id, b"", 1))
