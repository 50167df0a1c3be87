"""The wire side of a CAPF phone for tests: messages by hand, keys and proofs by OpenSSL's command line.
Source: formats-and-protocols.md 7."""
import os
import socket
import ssl
import struct
import subprocess

import harness

AUTH_REQUEST, AUTH_RESPONSE, KEY_REQUEST, KEY_RESPONSE = 1, 2, 3, 4
STORE_REQUEST, STORE_RESPONSE, FETCH_REQUEST, FETCH_RESPONSE = 9, 10, 11, 12
DELETE_REQUEST, DELETE_RESPONSE, END_SESSION, RETRY_LATER, IN_PROGRESS = 13, 14, 15, 16, 17
REASON, CERTIFICATE, SIGNED_DATA, VERSION, PUBLIC_KEY, KEY_SIZE, PASSWORD = 1, 4, 6, 7, 9, 10, 11
DEVICE_NAME, SUDI_DATA, KEY_TYPE, CURVE, SHA2_SIGNED_DATA = 13, 16, 17, 18, 20


def element(tag, value):
    return struct.pack('>BH', tag, len(value)) + value


def reason(code):
    return element(REASON, bytes([code]))


def wrapped(der, kind=1):
    return element(CERTIFICATE, element(1, bytes([0, kind]) + der))


def frame(command, session, body=b''):
    return struct.pack('>BBIH', 0x55, command, session, len(body)) + body


def elements(body):
    found = {}
    while body:
        tag, n = struct.unpack('>BH', body[:3])
        found[tag] = body[3:3 + n]
        body = body[3 + n:]
    return found


def openssl(*args, data=None):
    done = subprocess.run(['openssl', *map(str, args)], input=data, capture_output=True, timeout=harness.PATIENCE)
    assert done.returncode == 0, f'openssl {args}: {done.stderr.decode()}'
    return done.stdout


class Key:
    """A key pair in a file."""

    def __init__(self, folder, name='key', args=('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')):
        self.path = os.path.join(folder, name + '.pem')
        openssl('genpkey', *args, '-out', self.path)
        self.spki = openssl('pkey', '-in', self.path, '-pubout', '-outform', 'DER')

    def proofs(self, device, der, sha1=None):
        """SIGNED_DATA and SHA2_SIGNED_DATA of 7.6 for an RSA key."""
        signed = device.encode() + b'\0' + der
        parts = []
        for name in ('sha1', 'sha512'):
            digest = openssl('dgst', '-' + name, '-binary', data=signed)
            parts.append(openssl('pkeyutl', '-sign', '-inkey', self.path, '-pkeyopt', 'rsa_padding_mode:pkcs1',
                                 data=digest))
        return element(SIGNED_DATA, sha1 or parts[0]) + element(
            SHA2_SIGNED_DATA, b'\x03' + struct.pack('>H', len(parts[1])) + parts[1])


class Connection:
    """One TLS connection to a CAPF server; the AUTH_REQUEST is read at once."""

    def __init__(self, node, source=None):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection((node.host, node.port['capf']), timeout=harness.PATIENCE,
                                       source_address=(source, 0) if source else None)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = ctx.wrap_socket(raw)
        self.buffer = b''
        command, self.session, found = self.receive()
        assert command == AUTH_REQUEST and found[VERSION] == b'\x03', (command, found)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.tls.close()

    def send(self, command, body=b'', session=None):
        self.tls.sendall(frame(command, self.session if session is None else session, body))

    def receive(self):
        """(command, session, elements) of the next message; command None when the server has closed."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + struct.unpack('>H', self.buffer[6:8])[0]:
            try:
                got = self.tls.recv(65536)
            except ssl.SSLEOFError:
                got = b''
            except ConnectionResetError:
                got = b''
            if not got:
                return None, None, {}
            self.buffer += got
        magic, command, session, n = struct.unpack('>BBIH', self.buffer[:8])
        assert magic == 0x55
        body, self.buffer = self.buffer[8:8 + n], self.buffer[8 + n:]
        return command, session, elements(body)

    def ask(self, command, body=b''):
        self.send(command, body)
        got, _, found = self.receive()
        return got, found

    def authenticate(self, device, password='', version=3, extra=b''):
        text = device if isinstance(device, bytes) else device.encode()
        body = reason(1) + element(VERSION, bytes([version])) + element(DEVICE_NAME, text + b'\0') + extra
        if version >= 3:
            body += element(PASSWORD, password.encode() + b'\0')
        return self.ask(AUTH_RESPONSE, body)

    def certificate(self, found):
        """DER out of a STORE_CERTIFICATE_REQUEST."""
        value = found[CERTIFICATE]
        assert value[:1] == b'\x01' and value[3:5] == b'\x00\x01', value[:8]
        return value[5:]


def ended(answer):
    """The reason with which the server ended the session."""
    command, found = answer
    assert command == END_SESSION, f'{command}: {found}'
    return found[REASON][0]


def enrol(node, device, key, password='', version=3, extra=b''):
    """A whole installation; the LSC as DER."""
    with Connection(node) as c:
        command, found = c.authenticate(device, password, version, extra)
        assert command == KEY_REQUEST, f'{command}: {found}'
        if version >= 3:
            c.send(IN_PROGRESS)
        command, found = c.ask(KEY_RESPONSE, element(PUBLIC_KEY, key.spki))
        assert command == STORE_REQUEST, f'{command}: {found}'
        lsc = c.certificate(found)
        assert ended(c.ask(STORE_RESPONSE, reason(1))) == 1
    return lsc
