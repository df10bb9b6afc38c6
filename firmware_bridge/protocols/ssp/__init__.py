"""ITL SSP/eSSP as pure code: bytes and values in, values and bytes out (`docs/devices/note-validator.md`).

Facts are from `../shared/protocols/ssp.md` (GA138 v2.2, GA973 v2.2 and two open host libraries).
"""
