"""Families of file types that can be told by their first bytes, and how honest files of each begin.

A family is as wide as real files are: whoever claims ``.mp4`` may send any brand of the ISO container, and a
``.docx`` may be encrypted, which makes it an OLE file. Types whose honest files have no common beginning
(plain text, SVG, old Office, tar, ``.ico`` that is a PNG) are not here: they claim nothing to be checked.

The lists are explicit and not read from the machine's MIME tables, so that every server refuses the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """Types that share a signature.

    Attributes:
        name: for the sentence a person reads.
        carried: whether these first bytes are such a file's.
        extensions: what names end in, lower case, without the dot, separated by blanks.
        types: MIME types in use for it, lower case, separated by blanks.
        says: the type to report when no other source knows the bytes; ``""``: do not guess.
    """

    name: str
    carried: Callable[[bytes], bool]
    extensions: str
    types: str
    says: str = ""

    def claimed_by(self, extension: str, mime_type: str) -> bool:
        """Whether a file of this extension or MIME type says that it belongs here."""
        return extension in self.extensions.split() or mime_type in self.types.split()


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _chunk_file(outer: tuple[bytes, ...], inner: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    """RIFF and its kin: four letters, a length, four letters more."""
    return lambda head: head[:4] in outer and head[8:12] in inner


def is_iso_media(head: bytes) -> bool:
    """MP4, QuickTime and HEIF: boxes of a length and a four-letter name (ISO/IEC 14496-12, section 4.2).

    A file usually begins with ``ftyp``. QuickTime files from before it existed begin with any of the others,
    and so do fragments.
    """
    return head[4:8] in (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"free", b"skip", b"pnot")


def is_pdf(head: bytes) -> bool:
    """Readers look for the header in the first 1,024 bytes (ISO 32000-1, appendix H.3.4.1), so writers got
    away with something before it."""
    return b"%PDF-" in head[:1024]


def is_mpeg_audio(head: bytes) -> bool:
    """An ID3 tag, or a frame header: eleven bits set, a version, layer II or III. A decoder skips zeros.

    Some old encoders wrapped the stream into a WAVE file and left the name ``.mp3``.
    """
    data = head.lstrip(b"\0")
    if data.startswith(b"ID3") or _WAVE(head):
        return True
    if len(data) < 2 or data[0] != 0xFF:  # noqa: PLR2004
        return False
    sync, version, layer = data[1] & 0xE0, data[1] & 0x18, data[1] & 0x06
    return sync == 0xE0 and version != 0x08 and layer in (0x02, 0x04)  # noqa: PLR2004


def _is_zstandard(head: bytes) -> bool:
    """A frame, or a skippable frame before it (RFC 8878, sections 3.1.1 and 3.1.2)."""
    return head.startswith(b"\x28\xb5\x2f\xfd") or (
        head[1:4] == b"\x2a\x4d\x18" and head[:1] >= b"\x50" and head[:1] <= b"\x5f"
    )


_WAVE: Final = _chunk_file((b"RIFF", b"RIFX", b"RF64", b"BW64"), (b"WAVE",))
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # with entries, empty, in several volumes
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = "application/vnd.oasis.opendocument"

FAMILIES: Final[tuple[Family, ...]] = (
    # Images. JPEG: JFIF, Exif, Adobe and raw quantisation tables differ only after the third byte.
    Family(
        "JPEG image", _starts(b"\xff\xd8\xff"), "jpg jpeg jpe jfif jif", "image/jpeg image/jpg image/pjpeg"
    ),
    Family("PNG image", _starts(b"\x89PNG\r\n\x1a\n"), "png apng", "image/png image/apng image/x-png"),
    Family("GIF image", _starts(b"GIF87a", b"GIF89a"), "gif", "image/gif"),
    Family("WebP image", _chunk_file((b"RIFF",), (b"WEBP",)), "webp", "image/webp"),
    Family("BMP image", _starts(b"BM", b"BA"), "bmp dib", "image/bmp image/x-ms-bmp"),
    Family(
        "TIFF image", _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "tif tiff", "image/tiff", "image/tiff"
    ),
    Family("HEIF or AVIF image", is_iso_media, "heic heif avif", "image/heic image/heif image/avif"),
    Family("JPEG XL image", _starts(b"\xff\x0a", b"\0\0\0\x0cJXL "), "jxl", "image/jxl", "image/jxl"),
    Family("Photoshop image", _starts(b"8BPS"), "psd psb", "image/vnd.adobe.photoshop"),
    # Documents and archives.
    Family("PDF document", is_pdf, "pdf", "application/pdf application/x-pdf", "application/pdf"),
    Family(
        "ZIP archive",
        _starts(*_ZIP),
        "zip jar war ear apk aab ipa xpi whl kmz cbz nupkg vsix epub odt ods odp odg",
        "application/zip application/x-zip-compressed application/java-archive application/epub+zip"
        f" application/vnd.android.package-archive {_OPEN}.text {_OPEN}.spreadsheet {_OPEN}.presentation",
        "application/zip",
    ),
    Family(
        "Office document",
        _starts(*_ZIP, _OLE),  # with a password: an OLE file around the encrypted ZIP
        "docx docm dotx xlsx xlsm xltx pptx pptm potx",
        f"{_OFFICE}.wordprocessingml.document {_OFFICE}.spreadsheetml.sheet"
        f" {_OFFICE}.presentationml.presentation",
    ),
    Family(
        "gzip archive",
        _starts(b"\x1f\x8b"),
        "gz tgz",
        "application/gzip application/x-gzip",
        "application/gzip",
    ),
    Family("bzip2 archive", _starts(b"BZh"), "bz2 tbz2", "application/x-bzip2 application/x-bzip"),
    Family("xz archive", _starts(b"\xfd7zXZ\0"), "xz txz", "application/x-xz"),
    Family("Zstandard archive", _is_zstandard, "zst tzst", "application/zstd", "application/zstd"),
    Family("7-Zip archive", _starts(b"7z\xbc\xaf\x27\x1c"), "7z", "application/x-7z-compressed"),
    Family(
        "RAR archive", _starts(b"Rar!\x1a\x07"), "rar", "application/vnd.rar application/x-rar-compressed"
    ),
    # Sound.
    Family("FLAC sound", _starts(b"fLaC", b"ID3"), "flac", "audio/flac audio/x-flac"),
    Family("WAVE sound", _WAVE, "wav wave", "audio/wav audio/x-wav audio/wave audio/vnd.wave", "audio/wav"),
    Family(
        "AIFF sound",
        _chunk_file((b"FORM",), (b"AIFF", b"AIFC")),
        "aif aiff aifc",
        "audio/aiff audio/x-aiff",
        "audio/aiff",
    ),
    Family("MIDI file", lambda head: head[:4] == b"MThd" or head[8:12] == b"RMID", "mid midi", "audio/midi"),
    # After WAVE, which may be an MP3 in a wrapper.
    Family("MP3 sound", is_mpeg_audio, "mp3", "audio/mpeg audio/mp3 audio/x-mp3", "audio/mpeg"),
    Family("Ogg stream", _starts(b"OggS"), "ogg oga ogv ogx opus spx", "audio/ogg video/ogg application/ogg"),
    # Film.
    Family(
        "MP4 or QuickTime file",
        is_iso_media,
        "mp4 m4v m4a m4b mov qt 3gp 3g2 f4v",
        "video/mp4 audio/mp4 audio/x-m4a audio/m4a video/x-m4v video/quicktime video/3gpp video/3gpp2",
    ),
    Family(
        "Matroska or WebM file",
        _starts(b"\x1a\x45\xdf\xa3"),
        "mkv mka mk3d mks webm",
        "video/webm audio/webm video/x-matroska audio/x-matroska video/matroska audio/matroska",
        "video/x-matroska",
    ),
    Family("AVI film", _chunk_file((b"RIFF",), (b"AVI ",)), "avi", "video/x-msvideo video/avi video/vnd.avi"),
    Family("Flash film", _starts(b"FLV\x01"), "flv", "video/x-flv"),
    Family(
        "Windows Media file",
        _starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
        "wmv wma asf",
        "video/x-ms-wmv audio/x-ms-wma video/x-ms-asf",
    ),
    # Fonts and programs.
    Family("WOFF font", _starts(b"wOFF", b"wOF2"), "woff woff2", "font/woff font/woff2"),
    Family(
        "OpenType font", _starts(b"OTTO", b"\0\1\0\0", b"true", b"ttcf"), "otf ttf ttc", "font/otf font/ttf"
    ),
    Family("WebAssembly module", _starts(b"\0asm"), "wasm", "application/wasm"),
)
