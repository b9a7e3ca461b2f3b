"""Files as their first bytes: honest ones of every family, and disguises."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import wave
import zipfile
from typing import Final

from shared.content import HEAD_SIZE, UNKNOWN

ANY: Final[frozenset[str]] = frozenset()


def zipped(*names: str, first: bytes = b"") -> bytes:
    """A real ZIP archive; ``first`` is stored as it is, as OpenDocument and EPUB want their type."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, first if name == "mimetype" else b"<xml/>")
    return buffer.getvalue()


def wav(kind: bytes = b"RIFF") -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1000))
    return kind + buffer.getvalue()[4:]


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    box = b"ftyp" + major + b"\0\0\2\0" + b"".join(compatible or (major,))
    return (len(box) + 4).to_bytes(4, "big") + box + b"\0\0\0\x08free\0\0\1\0mdat" + bytes(200)


def box(name: bytes) -> bytes:
    return b"\0\0\2\0" + name + bytes(504)


def docx(folder: str) -> bytes:
    return zipped("[Content_Types].xml", "_rels/.rels", f"{folder}/document.xml")


OFFICE: Final = "application/vnd.openxmlformats-officedocument"
ODF: Final = "application/vnd.oasis.opendocument"
GIF: Final = b"GIF89a\x01\0\x01\0\x80\0\0" + bytes(30)
EMPTY_ZIP: Final = b"PK\x05\x06" + bytes(18)
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
ELF: Final = b"\x7fELF\x02\x01\x01" + bytes(100)
MZ: Final = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff" + bytes(100)
ID3: Final = b"ID3\x04\0\0\0\0\0\x0a" + bytes(200)

HONEST: Final[list[tuple[str, bytes, str]]] = [
    # JPEG: JFIF, Exif, Adobe, a bare quantisation table, Samsung's and SPIFF
    ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(60), "image/jpeg"),
    ("a.jpeg", b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0" + bytes(60), "image/jpeg"),
    ("a.JPG", b"\xff\xd8\xff\xee\0\x0eAdobe" + bytes(60), "image/jpeg"),
    ("a.jpe", b"\xff\xd8\xff\xdb\0\x43\0" + bytes(60), "image/jpeg"),
    ("a.jfif", b"\xff\xd8\xff\xe8\0\x10SPIFF\0" + bytes(60), "image/jpeg"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(60), "image/png"),
    ("a.gif", b"GIF87a\x01\0\x01\0" + bytes(60), "image/gif"),
    ("a.gif", GIF, "image/gif"),
    ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(60), "image/webp"),
    ("a.webp", b"RIFF\x24\0\0\0WEBPVP8X" + bytes(60), "image/webp"),
    ("a.bmp", b"BM\x3a\0\0\0\0\0\0\0" + bytes(60), "image/bmp"),
    ("a.tif", b"II*\0\x08\0\0\0" + bytes(60), "image/tiff"),
    ("a.tiff", b"MM\0*\0\0\0\x08" + bytes(60), "image/tiff"),
    ("huge.tif", b"II+\0\x08\0\0\0" + bytes(60), "image/tiff"),
    ("a.heic", ftyp(b"heic", b"mif1", b"heic"), "image/heic"),
    ("a.heic", ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
    ("a.heif", ftyp(b"mif1"), "image/heif"),
    ("a.avif", ftyp(b"avif", b"mif1", b"miaf"), "image/avif"),
    ("a.avif", ftyp(b"mif1", b"avif", b"miaf"), "image/avif"),
    ("a.jxl", b"\xff\x0a\xfa\x1f" + bytes(60), "image/jxl"),
    ("a.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "image/jxl"),
    ("a.psd", b"8BPS\0\1" + bytes(60), "image/vnd.adobe.photoshop"),
    ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(60), "application/pdf"),
    ("bom.pdf", b"\xef\xbb\xbf%PDF-1.4\n" + bytes(60), "application/pdf"),
    ("mail.pdf", b"\r\n--boundary\r\n\r\n%PDF-1.4\n" + bytes(60), "application/pdf"),
    ("a.zip", zipped("a.txt"), "application/zip"),
    ("empty.zip", EMPTY_ZIP, "application/zip"),
    ("volume.zip", b"PK\x07\x08PK\x03\x04" + bytes(60), "application/zip"),
    ("a.jar", zipped("META-INF/MANIFEST.MF", "A.class"), "application/zip"),
    ("a.whl", zipped("a/__init__.py"), "application/zip"),
    ("a.docx", docx("word"), f"{OFFICE}.wordprocessingml.document"),
    ("a.xlsx", docx("xl"), f"{OFFICE}.spreadsheetml.sheet"),
    ("a.pptx", docx("ppt"), f"{OFFICE}.presentationml.presentation"),
    ("a.odt", zipped("mimetype", "content.xml", first=f"{ODF}.text".encode()), f"{ODF}.text"),
    ("a.ods", zipped("mimetype", first=f"{ODF}.spreadsheet".encode()), f"{ODF}.spreadsheet"),
    ("a.epub", zipped("mimetype", first=b"application/epub+zip"), "application/epub+zip"),
    ("with password.docx", OLE, UNKNOWN),
    ("a.gz", gzip.compress(b"x"), "application/gzip"),
    ("a.tar.gz", gzip.compress(b""), "application/gzip"),
    ("a.tgz", gzip.compress(b"x"), "application/gzip"),
    ("a.bz2", bz2.compress(b""), "application/x-bzip2"),
    ("a.tar.xz", lzma.compress(b""), "application/x-xz"),
    ("a.zst", b"\x28\xb5\x2f\xfd\x24\x00\x01\0\0\x99", "application/zstd"),
    ("a.zst", b"\x50\x2a\x4d\x18\4\0\0\0abcd\x28\xb5\x2f\xfd", "application/zstd"),
    ("a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(60), "application/x-7z-compressed"),
    ("a.rar", b"Rar!\x1a\x07\0" + bytes(60), "application/vnd.rar"),
    ("a.rar", b"Rar!\x1a\x07\1\0" + bytes(60), "application/vnd.rar"),
    # MP3: with a tag; bare frames of MPEG 1, 2 and 2.5, with and without checksum; padded; in a wrapper
    ("a.mp3", ID3, "audio/mpeg"),
    ("a.mp3", b"\xff\xfb\x90\x64" + bytes(60), "audio/mpeg"),
    ("a.mp3", b"\xff\xfa\x90\x64" + bytes(60), "audio/mpeg"),
    ("a.mp3", b"\xff\xf3\x40\xc0" + bytes(60), "audio/mpeg"),
    ("a.mp3", b"\xff\xe3\x18\xc4" + bytes(60), "audio/mpeg"),
    ("a.mp3", bytes(300) + b"\xff\xfb\x90\x64", "audio/mpeg"),
    ("a.mp3", wav(), "audio/wav"),
    ("a.flac", b"fLaC\0\0\0\x22" + bytes(60), "audio/flac"),
    ("tagged.flac", ID3, "audio/mpeg"),
    ("a.wav", wav(), "audio/wav"),
    ("large.wav", wav(b"RF64"), "audio/wav"),
    ("a.aif", b"FORM\0\0\0\x40AIFF" + bytes(60), "audio/aiff"),
    ("a.aifc", b"FORM\0\0\0\x40AIFC" + bytes(60), "audio/aiff"),
    ("a.mid", b"MThd\0\0\0\6" + bytes(60), "audio/midi"),
    ("a.ogg", b"OggS\0\2" + bytes(60), "audio/ogg"),
    ("a.opus", b"OggS\0\2" + bytes(22) + b"\1\x13OpusHead", "audio/ogg"),
    ("a.ogv", b"OggS\0\2" + bytes(60), "audio/ogg"),
    # MP4: brands as cameras, phones, browsers, ffmpeg, DASH packagers and old QuickTime write them
    ("a.mp4", ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
    ("a.mp4", ftyp(b"mp42", b"mp42", b"isom"), "video/mp4"),
    ("a.mp4", ftyp(b"iso5", b"iso6", b"mp41"), "video/mp4"),
    ("a.mp4", ftyp(b"iso6", b"iso6", b"dash"), "video/mp4"),
    ("a.mp4", ftyp(b"avc1"), "video/mp4"),
    ("a.mp4", ftyp(b"dash", b"iso6"), "video/mp4"),
    ("a.mp4", ftyp(b"MSNV", b"MSNV", b"mp42", b"isom"), "video/mp4"),
    ("a.mp4", ftyp(b"XAVC", b"XAVC", b"mp42", b"iso2"), "video/mp4"),
    ("a.m4v", ftyp(b"M4V ", b"M4V ", b"mp42"), "video/x-m4v"),
    ("a.m4a", ftyp(b"M4A ", b"M4A ", b"mp42"), "audio/mp4"),
    ("a.m4b", ftyp(b"M4B ", b"M4A "), "audio/mp4"),
    ("a.mov", ftyp(b"qt  "), "video/quicktime"),
    ("a.3gp", ftyp(b"3gp4", b"3gp4", b"isom"), "video/3gpp"),
    ("a.3g2", ftyp(b"3g2a"), "video/3gpp2"),
    ("old.mov", box(b"moov"), UNKNOWN),
    ("old.mov", box(b"wide"), UNKNOWN),
    ("camera.mov", box(b"mdat"), UNKNOWN),
    ("a.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm" + bytes(60), "video/webm"),
    ("a.mkv", b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska" + bytes(60), "video/x-matroska"),
    ("odd.mkv", b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x23\x42\x82\x40\x08matroska", "video/x-matroska"),
    ("a.avi", b"RIFF\x24\0\0\0AVI LIST" + bytes(60), "video/x-msvideo"),
    ("a.flv", b"FLV\x01\5\0\0\0\x09" + bytes(60), "video/x-flv"),
    ("a.wmv", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", "video/x-ms-wmv"),
    ("a.woff", b"wOFF\0\1\0\0" + bytes(60), "font/woff"),
    ("a.woff2", b"wOF2\0\1\0\0" + bytes(60), "font/woff2"),
    ("a.ttf", b"\0\1\0\0\0\x11\1\0" + bytes(60), "font/ttf"),
    ("a.otf", b"OTTO\0\x0b\0\x80" + bytes(60), "font/otf"),
    ("a.wasm", b"\0asm\1\0\0\0" + bytes(60), "application/wasm"),
    # No signature, no claim to check
    ("notes.txt", b"", UNKNOWN),
    ("notes.txt", "Grüße an alle\n".encode(), UNKNOWN),
    ("notes", b"", UNKNOWN),
    (".jpg.txt", b"not a picture", UNKNOWN),
    ("page.html", b"<!doctype html><script>alert(1)</script>", UNKNOWN),
    ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNKNOWN),
    ("table.csv", b"a,b\n1,2\n", UNKNOWN),
    ("disk.iso", bytes(1000), UNKNOWN),
    ("favicon.ico", b"\x89PNG\r\n\x1a\n" + bytes(60), "image/png"),
    ("old.doc", b"{\\rtf1 hello}", "application/rtf"),
]

DISGUISED: Final[list[tuple[str, bytes]]] = [
    ("holiday.jpg", ELF),
    ("holiday.jpg", MZ),
    ("holiday.JPEG", MZ),
    ("holiday.jpg", b""),
    ("holiday.jpg", b"\xff\xd8"),
    ("holiday.jpg", b"<html><script>alert(1)</script>"),
    ("holiday.jpg", b"<?xml version='1.0'?><svg onload='alert(1)'/>"),
    ("holiday.jpg", b"\x89PNG\r\n\x1a\n" + bytes(60)),
    ("holiday.png", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ("holiday.png", b" \x89PNG\r\n\x1a\n"),
    ("holiday.gif", b"GIF90a" + bytes(60)),
    ("holiday.webp", wav()),
    ("holiday.wav", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("invoice.pdf", MZ),
    ("invoice.pdf", bytes(1024) + b"%PDF-1.7"),
    ("invoice.pdf.exe.pdf", MZ),
    ("invoice.docx", b"hello, this is plain text"),
    ("invoice.odt", b"hello, this is plain text"),
    ("library.jar", GIF + zipped("A.class")),
    ("archive.zip", b"PK"),
    ("archive.zip", MZ + zipped("a.txt")),
    ("archive.gz", b"\x1f\x9d\x90"),
    ("archive.7z", zipped("a.txt")),
    ("archive.rar", zipped("a.txt")),
    ("film.mp4", b"ftypisom" + bytes(60)),
    ("film.mp4", ELF),
    ("film.mov", b"The free software"[1:]),
    ("film.webm", ftyp(b"isom")),
    ("song.mp3", b""),
    ("song.mp3", bytes(HEAD_SIZE)),
    ("song.mp3", "Grüße".encode("utf-16-le")),
    ("song.mp3", b"\xff\xfe" + "text with a byte order mark".encode("utf-16-le")),
    ("song.mp3", b"\xff\xf1\x50\x80" + bytes(60)),  # AAC
    ("song.flac", b"OggS" + bytes(60)),
    ("font.woff2", b"<script>"),
]
