"""A reader of trust lists and signed files that shares nothing with src/format: only what the interop tests need."""
import struct

CONTAINERS = {3, 7, 9, 16, 17, 21}
PADDING = 13


def header_elements(data):
    """(tag, offset, value) of each element that is no container, in order."""
    length = struct.unpack_from('>H', data, 8)[0]
    at = 0
    while at < length:
        tag = data[at]
        if tag == PADDING:
            at += 1
            continue
        size = struct.unpack_from('>H', data, at + 1)[0]
        if tag in CONTAINERS:
            at += 3
            continue
        yield tag, at, data[at + 3:at + 3 + size]
        at += 3 + size
    assert at == length, 'the elements do not fill the header'


def header(data):
    return {tag: value for tag, _, value in header_elements(data)}


def cut_signature(data):
    """(signature, everything else)"""
    for tag, at, value in header_elements(data):
        if tag == 12:
            return value, data[:at] + data[at + 3 + len(value):]
    raise AssertionError('no SIGNATURE')


def records(data):
    """Each record as {tag: value}."""
    at = struct.unpack_from('>H', data, 8)[0]
    while at < len(data):
        assert data[at:at + 3] == b'\x01\x00\x02'
        end = at + struct.unpack_from('>H', data, at + 3)[0]
        found = {}
        at += 5
        while at < end:
            tag, size = struct.unpack_from('>BH', data, at)
            found[tag] = data[at + 3:at + 3 + size]
            at += 3 + size
        assert at == end, 'the elements do not fill the record'
        yield found


def element(tag, value):
    return struct.pack('>BH', tag, len(value)) + value


def unsigned_file(version, signer, serial, issuer, hash_code, modulus_code, modulus_len, name, payload):
    """(where the SIGNATURE element belongs, the file without it), laid out as CUCM does."""
    head = element(1, bytes(version)) + element(2, b'\0\0')
    head += element(3, element(4, signer) + element(5, serial) + element(6, issuer))
    head += element(7, element(8, bytes([hash_code])) + element(9, element(10, b'\0') + element(11, bytes([modulus_code]))))
    at = len(head)
    head += element(14, name) + element(15, struct.pack('>I', 1700000000))
    raw = len(head) + 3 + modulus_len
    head += b'\x0d' * (-raw % 4)
    head = head[:8] + struct.pack('>H', raw + -raw % 4) + head[10:]
    return at, head + payload
