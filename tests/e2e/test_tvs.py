#!/usr/bin/python3
"""TVS of a running node: what it answers, what it survives, and that changes count from the next request on."""
import contextlib
import os
import socket
import ssl
import struct
import time

import harness
from harness import Node, Skip, need, ringfence, run, until

GOLDEN = os.path.join(harness.ROOT, 'tests', 'golden', 'tvs')
LEGACY = 'Allow Insecure TLS 1.0 On Legacy Listeners'
SAST, CCM, CCM_TFTP, TFTP, CAPF, APP_SERVER, TVS = 0, 1, 2, 3, 4, 7, 21


def golden(name):
    with open(os.path.join(GOLDEN, name), 'rb') as f:
        return f.read()


def der(node, *parts):
    with open(node.path('certs', *parts)) as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def element(tag, value):
    return struct.pack('>BH', tag, len(value)) + value


def verify_request(certificate, session=1, device=b'\x01CP-8861-SEPB000B4BA0AEE'):
    body = (element(1, device) if device else b'') + element(2, certificate)
    return b'\x57\x01\x01\x00' + struct.pack('>IH', session, len(body)) + body


def context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE   # a phone compares the certificate with its ITL; so do these tests
    return ctx


class Client:
    """One TLS connection to a node's TVS."""

    def __init__(self, node, host=None, port=None):
        raw = socket.create_connection((host or node.host, port or node.port['tvs']), harness.PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context().wrap_socket(raw)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.tls.close()

    def certificate(self):
        return self.tls.getpeercert(True)

    def read(self, n):
        data = b''
        while len(data) < n:
            more = self.tls.recv(n - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    def answer(self):
        head = self.read(10)
        return head + self.read(struct.unpack('>H', head[8:])[0])

    def ask(self, message):
        self.tls.sendall(message)
        return self.answer()

    def verify(self, certificate, session=1):
        """(status, roles, ttl); roles and ttl None when absent."""
        return parse(self.ask(verify_request(certificate, session)), session)

    def closed(self):
        """Does the server close without a word?"""
        try:
            return self.tls.recv(1) == b''
        except (ConnectionError, ssl.SSLError):
            return True


def parse(message, session):
    assert message[:4] == b'\x57\x01\x02\x00', message.hex()
    assert struct.unpack('>I', message[4:8])[0] == session
    rest, got = message[10:], {}
    while rest:
        tag, n = struct.unpack('>BH', rest[:3])
        got[tag], rest = rest[3:3 + n], rest[3 + n:]
    return got[7][0], list(got[8]) if 8 in got else None, struct.unpack('>I', got[9])[0] if 9 in got else None


def counter(node, name):
    for line in node.admin('show status').stdout.splitlines():
        if ' '.join(line.split()[:-1]) == name:
            return int(line.split()[-1])
    raise AssertionError(f'show status has no {name}')


def test_answers():
    """own certificates are valid with their roles, others are not; the counters tell"""
    with Node().start() as node:
        with Client(node) as c:
            assert c.certificate() == der(node, 'TVS', 'TVS.pem')
            assert c.verify(der(node, 'CallManager', 'CallManager.pem'), 1001) == (0, [SAST, CCM_TFTP], 86400)
            assert c.verify(der(node, 'CallManager-ECDSA', 'CallManager-ECDSA.pem'), 1002) == (0, [CCM, TFTP], 86400)
            assert c.verify(der(node, 'CAPF', 'CAPF.pem')) == (0, [CAPF], 86400)
            assert c.verify(der(node, 'TVS', 'TVS.pem')) == (0, [TVS], 86400)
            assert c.verify(der(node, 'ITLRecovery', 'ITLRecovery.pem')) == (0, [SAST], 86400)
            assert c.ask(verify_request(der(node, 'tomcat', 'tomcat.pem'), 7)) == \
                b'\x57\x01\x02\x00\0\0\0\x07\0\x0f\x07\0\x01\0\x08\0\x01\x07\x09\0\x04\0\x01\x51\x80'
            assert c.ask(golden('verify-request.bin')) == golden('verify-response-invalid.bin')
            node.admin('set parameter TVS Certificate Cache Timeout 3600', '--yes')
            assert c.verify(der(node, 'tomcat', 'tomcat.pem')) == (0, [APP_SERVER], 3600)
        until('counters', lambda: counter(node, 'tvs verify requests answered valid') == 7)
        until('the other counter', lambda: counter(node, 'tvs verify requests answered invalid') == 1)
        assert counter(node, 'tvs certificates') == 8


def test_commands():
    """ringfence tvs verify and query: trusted is 0, not trusted is 1, and nothing is asked of a stranger (T-5)"""
    with Node().start() as node:
        itl = node.path('published', 'current', 'ITLFile.tlv')
        server = ['--server', f'127.0.0.1:{node.port["tvs"]}', '--trust', itl]
        ask = lambda *args: ringfence('tvs', *args, check=False)
        done = ask('verify', *server, node.path('certs', 'tomcat', 'tomcat.pem'))
        assert done.returncode == 0 and 'APP-SERVER' in done.stdout, done.stdout + done.stderr
        stranger = os.path.join(harness.ROOT, 'tests', 'golden', 'certs', 'tftp2048.pem')
        done = ask('verify', *server, stranger)
        assert done.returncode == 1 and 'status: 1' in done.stdout, done.stdout + done.stderr
        out = os.path.join(node.folder, 'signer.pem')
        done = ask('query', *server, '--out', out, itl)
        assert done.returncode == 0, done.stdout + done.stderr
        with open(out) as f:
            assert ssl.PEM_cert_to_DER_cert(f.read()) == der(node, 'ITLRecovery', 'ITLRecovery.pem')
        done = ask('query', *server, '--issuer', 'CN=nobody', '--serial', '01')
        assert done.returncode == 1, done.stdout
        with Node('another-pub').start() as other:
            done = ask('verify', '--server', f'127.0.0.1:{other.port["tvs"]}', '--trust', itl, stranger)
            assert done.returncode == 1 and 'status' not in done.stdout, done.stdout + done.stderr


def test_wire():
    """vectors: split into single octets, two in one write, unknown ones not found, bad ones closed without an answer"""
    with Node().start() as node:
        with Client(node) as c:
            for octet in golden('verify-request.bin'):
                c.tls.sendall(bytes([octet]))
            assert c.answer() == golden('verify-response-invalid.bin')
            c.tls.sendall(golden('verify-request.bin') + golden('query-request-tac-trace.bin'))
            assert c.answer() == golden('verify-response-invalid.bin')
            assert c.answer() == golden('query-response-notfound.bin')
            for device in (None, b'\x01CP-8832NR-SEP001122334455', b'\x01CSFJANE', b'CP-DX650-SEP001122334455'):
                assert c.ask(verify_request(der(node, 'TVS', 'TVS.pem'), 3, device))[:11] == \
                    b'\x57\x01\x02\x00\0\0\0\x03\0\x0f\x07'   # a name is not needed for a verdict (T-2)
        for name in ('bad-protocol-id.bin', 'bad-version-2.bin', 'bad-element-overrun.bin', 'bad-no-certificate.bin'):
            with Client(node) as c:
                c.tls.sendall(golden(name))
                assert c.closed(), name
        until('counters', lambda: counter(node, 'tvs requests malformed') == 4)


def test_changes_count_at_once():
    """set cert regen and mixed mode: the next request, on old connections of every worker too, gets the new answer"""
    with Node(serve=('--workers', '2')).start() as node, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(node)) for _ in range(8)]
        signer = der(node, 'CallManager', 'CallManager.pem')
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        for c in clients:
            assert c.verify(signer)[0] == 0
        assert 'CTLFile.tlv has been modified. Recaching CTL Certificate Cache' in node.log()
        assert 'Refreshing the local CTL certificate cache' in node.log()
        # The new one is known at once; the old one stands in the CTL until that is made anew.
        for unit, old_stays in (('CallManager', True), ('tomcat', False)):
            old = der(node, unit, unit + '.pem')
            node.admin(f'set cert regen {unit}', '--yes')
            new = der(node, unit, unit + '.pem')
            assert new != old
            for c in clients:
                assert c.verify(new)[0] == 0
                assert c.verify(old)[0] == (0 if old_stays else 1)
        node.admin('utils ctl update CTLFile', '--yes')
        for c in clients:
            assert c.verify(signer) == (1, None, None)


def test_new_certificate_of_its_own():
    """set cert regen TVS: connections from then on show the new certificate, without a restart"""
    with Node(serve=('--workers', '2')).start() as node:
        with Client(node) as before:
            node.admin('set cert regen TVS', '--yes')
            for _ in range(6):
                with Client(node) as c:
                    assert c.certificate() == der(node, 'TVS', 'TVS.pem')
                    assert c.certificate() != before.certificate()
            assert before.verify(der(node, 'TVS', 'TVS.pem'))[0] == 0


def test_service():
    """stopped, TVS refuses connections and closes those it has; started, it answers"""
    with Node().start() as node:
        with Client(node) as c:
            node.admin('utils service stop Cisco Trust Verification Service')
            assert c.closed()
        with socket.socket() as s:
            until('tvs is refused', lambda: s.connect_ex(('127.0.0.1', node.port['tvs'])) != 0)
        node.admin('utils service start Cisco Trust Verification Service')
        with Client(node) as c:
            assert c.verify(der(node, 'TVS', 'TVS.pem'))[0] == 0


def slow_sender(tls, message):
    """Send one octet now; the rest some other time."""
    tls.sendall(message[:1])
    return message[1:]


def test_hostile_clients():
    """silence, half handshakes, noise and single octets cost others nothing, and end by themselves (D-1 to D-5)"""
    with Node(serve=('--workers', '1')).start() as node, contextlib.ExitStack() as stack:
        own = der(node, 'TVS', 'TVS.pem')
        held = [stack.enter_context(socket.create_connection(('127.0.0.1', node.port['tvs']))) for _ in range(300)]
        for i, s in enumerate(held[:100]):
            s.sendall((b'\x16\x03\x01', b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')[i % 2])
        for s in held[100:110]:
            with contextlib.suppress(ConnectionError):   # closed as soon as it is clear that this is no TLS
                s.sendall(os.urandom(65536))
        slow = stack.enter_context(Client(node))
        rest = slow_sender(slow.tls, verify_request(own))
        noise = stack.enter_context(Client(node))
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            noise.tls.sendall(b'\x57\x01\x01\x00' + os.urandom(65532))
        began, times, ended = time.monotonic(), [], None
        while ended is None:
            start = time.monotonic()
            with Client(node) as c:
                assert c.verify(own)[0] == 0
            times.append(time.monotonic() - start)
            try:
                rest = slow_sender(slow.tls, rest)
                if len(times) % 10 == 0 and slow.tls.pending() == 0:
                    slow.tls.settimeout(0.01)
                    with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
                        if slow.tls.recv(1) == b'':
                            ended = time.monotonic() - began
                    slow.tls.settimeout(harness.PATIENCE)
            except (ConnectionError, ssl.SSLError):
                ended = time.monotonic() - began
            assert time.monotonic() - began < harness.PATIENCE, 'the slow client is never closed'
            time.sleep(0.05)
        times.sort()
        print(f'# {len(times)} verifications beside 300 hostile clients: median {times[len(times) // 2] * 1000:.1f} ms, '
              f'slowest {times[-1] * 1000:.0f} ms; one octet at a time was ended after {ended:.1f} s')
        assert noise.closed()
        until('handshakes that never ended are ended', lambda: counter(node, 'tvs handshakes failed') >= 300)
        until('connections are gone', lambda: counter(node, 'tvs connections now') == 0)
        until('the slow client is counted', lambda: counter(node, 'tvs connections timed out') >= 1)


def test_legacy_listener():
    """TLS 1.0 with AES256-SHA only on legacy-tvs, and only when the parameter says so"""
    openssl = need('openssl')
    port = harness.free_port()

    def shake(to):
        done = run(openssl, 's_client', '-connect', f'127.0.0.1:{to}', '-tls1', '-cipher', 'AES256-SHA@SECLEVEL=0',
                   check=False, input='')
        return 'Cipher    : AES256-SHA' in done.stdout

    with Node(init=('--listen', f'legacy-tvs=127.0.0.1:{port}')).start() as node:
        assert not shake(port)
        assert 'legacy-tvs has an address' in node.log()
        node.admin(f'set parameter {LEGACY} True', '--yes')
        if not shake(port):
            raise Skip('this OpenSSL does not speak TLS 1.0')
        assert not shake(node.port['tvs'])
        done = ringfence('tvs', 'verify', '--tls1.0', '--server', f'127.0.0.1:{port}', '--trust',
                         node.path('published', 'current', 'ITLFile.tlv'), node.path('certs', 'tomcat', 'tomcat.pem'))
        assert 'APP-SERVER' in done.stdout
        with Client(node, port=port) as c:   # who can do better does
            assert c.tls.version() == 'TLSv1.2' and 'ECDHE' in c.tls.cipher()[0]
        node.admin(f'set parameter {LEGACY} False', '--yes')
        assert not shake(port)


def test_ipv6():
    """TVS over IPv6"""
    try:
        harness.free_port(host='::1')
    except OSError:
        raise Skip('this machine has no IPv6') from None
    with Node(host='::1').start() as node:
        with Client(node) as c:
            assert c.verify(der(node, 'TVS', 'TVS.pem'))[0] == 0
        done = ringfence('tvs', 'verify', '--server', f'[::1]:{node.port["tvs"]}', '--trust',
                         node.path('published', 'current', 'ITLFile.tlv'), node.path('certs', 'tomcat', 'tomcat.pem'))
        assert 'APP-SERVER' in done.stdout


if __name__ == '__main__':
    harness.main()
