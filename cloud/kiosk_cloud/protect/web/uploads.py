"""Uploads, streamed into the vault: what a form or an API request brings is never on a disk in clear."""

import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from kiosk_cloud.protect.web.vault import Writer

FIELD_BYTES_MAX: Final = 4096
HEADER_BYTES_MAX: Final = 4096
NAME_CHARACTERS_MAX: Final = 200


class UploadRefused(ValueError):
    """With what the uploader is told, and the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Form:
    """One form: the field `csrf`, then the file `table`. `allowed` is asked before the file's first byte is taken."""

    def __init__(self, boundary: bytes, allowed: Callable[[str], bool]) -> None:
        self._allowed = allowed
        self._field = self._value = self._text = b""
        self._headers: dict[bytes, bytes] = {}
        self._in_file = False
        self.name: str | None = None
        self.ready = bytearray()
        self.ended = False
        self.parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._grow("_field", data[start:end]),
                "on_header_value": lambda data, start, end: self._grow("_value", data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def _grow(self, what: str, data: bytes) -> None:
        grown = getattr(self, what) + data
        if len(grown) > HEADER_BYTES_MAX:
            raise UploadRefused("This form is not ours.", 400)
        setattr(self, what, grown)

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        _, said = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._headers = {}
        self._in_file = said.get(b"name") == b"table"
        if self._in_file:
            if self.name is not None or not self._allowed(self._text.decode(errors="replace")):
                raise UploadRefused("Your session is over. Sign in again.", 403)
            self.name = clean_name(said.get(b"filename", b"").decode(errors="replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.ready += data[start:end]
        else:
            self._grow("_text", data[start:end])

    def _part_end(self) -> None:
        self._in_file = False

    def _end(self) -> None:
        self.ended = True


async def take_form(
    stream: AsyncIterator[bytes], content_type: str, writer: Writer, bytes_max: int, allowed: Callable[[str], bool]
) -> str:
    """The file of a form into `writer`; its name. Raises UploadRefused."""
    kind, said = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not said.get(b"boundary"):
        raise UploadRefused("This form is not ours.", 400)
    form = _Form(said[b"boundary"], allowed)
    try:
        async for chunk in stream:
            form.parser.write(chunk)
            await _write(writer, bytes(form.ready), bytes_max)
            form.ready.clear()
        form.parser.finalize()
    except MultipartParseError as error:
        raise UploadRefused("This form is not ours.", 400) from error
    except ClientDisconnect as error:
        raise UploadRefused("The upload broke off.", 400) from error
    if not form.ended or not form.name:
        raise UploadRefused("Choose a file first.", 400)
    return form.name


async def take_body(stream: AsyncIterator[bytes], writer: Writer, bytes_max: int) -> None:
    """A request's whole body into `writer`. Raises UploadRefused."""
    try:
        async for chunk in stream:
            await _write(writer, chunk, bytes_max)
    except ClientDisconnect as error:
        raise UploadRefused("The upload broke off.", 400) from error


async def _write(writer: Writer, data: bytes, bytes_max: int) -> None:
    if writer.size + len(data) > bytes_max:
        raise UploadRefused(f"A file may have {bytes_max >> 20:,} MiB here. Use the command for larger ones.", 413)
    if data:
        await run_in_threadpool(writer.write, data)


def clean_name(said: str) -> str:
    """A file's name as it is shown: the last part of a path, nothing that cannot be printed."""
    last = said.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[:NAME_CHARACTERS_MAX]


def name_of_header(value: str) -> str:
    """Of the API's `X-File-Name`, percent-encoded UTF-8."""
    return clean_name(urllib.parse.unquote(value, errors="replace"))
