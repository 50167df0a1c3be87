#!/usr/bin/python3
"""ringfence capf against CAPF of a real node: what a phone gets, and what it refuses to do."""
import contextlib
import glob
import json
import os
import re
import socket
import ssl
import stat
import struct
import tempfile
import threading

import harness
import terminal
from capf_phone import (AUTH_REQUEST, AUTH_RESPONSE, END_SESSION, IN_PROGRESS, KEY_REQUEST, KEY_RESPONSE, KEY_SIZE,
                        PUBLIC_KEY, RETRY_LATER, STORE_REQUEST, VERSION, element, elements, frame, openssl, reason,
                        wrapped)
from harness import Node, ringfence, run, until

PHONE = 'SEP001122334455'


class Phone:
    """A device of a node, and the folder with its files."""

    def __init__(self, node, device=PHONE):
        self.node, self.device, self.n = node, device, 0
        self.folder = tempfile.mkdtemp(dir=node.folder)
        self.trust = node.path('published', 'current', 'ITLFile.tlv')
        self.key = self.cert = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def words(self, op, *options, trust=None):
        trusted = ['--trust', trust or self.trust] if trust != '' else []
        server = f'127.0.0.1:{self.node.port["capf"]}'
        return ['capf', op, '--server', server, *trusted, '--device', self.device, *options]

    def run(self, op, *options, trust=None, check=True, **kw):
        return ringfence(*self.words(op, *options, trust=trust), check=check, **kw)

    def outputs(self):
        """Names that nobody had before."""
        self.n += 1
        self.key, self.cert = self.path(f'{self.n}.key'), self.path(f'{self.n}.pem')
        return ['--key-out', self.key, '--cert-out', self.cert]

    def enroll(self, *options, **kw):
        return self.run('enroll', *self.outputs(), *options, **kw)

    def refused(self, op, *options, status=1, says, **kw):
        """The command fails, says why, and leaves no file behind."""
        before, names = sorted(os.listdir(self.folder)), (self.key, self.cert)
        done = self.run(op, *(self.outputs() if op == 'enroll' else []), *options, check=False, **kw)
        self.key, self.cert = names
        assert done.returncode == status, f'exit {done.returncode}\n{done.stdout}{done.stderr}'
        assert says in done.stderr, done.stderr
        assert sorted(os.listdir(self.folder)) == before

    def schedule(self, operation='Install/Upgrade', auth=None):
        if auth:
            self.node.admin(f'phone set {self.device} authentication mode {auth}')
        self.node.admin(f'phone set {self.device} certificate operation {operation}')

    def set(self, **fields):
        for name, value in fields.items():
            self.node.admin(f'phone set {self.device} {name.replace("_", " ")} {value}')

    def new_string(self):
        self.schedule('No Pending Operation')
        self.set(authentication_mode='By Authentication String')
        said = self.node.admin(f'phone string {self.device} --digits 10').stdout
        self.schedule()
        return re.search(r'\b\d{10}\b', said).group(0)

    def fields(self):
        lines = self.node.admin(f'phone show {self.device}').stdout.splitlines()
        return {m.group(1): m.group(2) for m in (re.match(r'(\S.*?) {2,}(.*)', line) for line in lines) if m}

    def good_pair(self, key=None):
        """OpenSSL: the certificate is for the key, for this device, and its chain holds."""
        public = openssl('pkey', '-in', key or self.key, '-pubout')
        assert openssl('x509', '-in', self.cert, '-noout', '-pubkey') == public
        capf = self.node.path('certs', 'CAPF', 'CAPF.pem')
        chain = openssl('verify', '-purpose', 'sslclient', '-CAfile', capf, self.cert)
        assert chain.decode().strip().endswith('OK'), chain
        assert 'CN = ' + self.device in openssl('x509', '-in', self.cert, '-noout', '-subject').decode()
        assert key or stat.S_IMODE(os.stat(self.key).st_mode) == 0o600
        assert self.fields()['Certificate Operation Status'] == 'Upgrade Success'


def test_enroll():
    """null string, authentication string and LSC, versions 2 and 3; what is refused leaves nothing behind"""
    with Node().start() as node:
        phone = Phone(node)
        phone.refused('enroll', says='the server knows no such device (reason 9)')
        node.admin(f'phone add {PHONE}')
        phone.refused('enroll', says='nothing is scheduled for this device (reason 0)')
        for version in ('2', '3'):
            phone.schedule(auth='By Null String')
            said = json.loads(phone.enroll('--version', version, '--json').stdout)
            phone.good_pair()
            assert said['done'] and said['reason'] == 1 and said['version'] == int(version), said
            assert said['certificate']['key_bits'] == 2048 and said['certificate_file'] == phone.cert, said
        phone.schedule()
        taken = ['--key-out', phone.key, '--cert-out', phone.path('new.pem')]
        done = phone.run('enroll', *taken, check=False)
        assert done.returncode == 3 and 'exists' in done.stderr, done.stderr

        string = phone.new_string()
        phone.refused('enroll', '--string-file', '-', input='12345\n', says='the server declines')
        phone.refused('enroll', says='(reason 7)')
        phone.enroll('--string-file', '-', input=string + '\n')
        phone.good_pair()
        string = phone.new_string()
        with terminal.Terminal(harness.RINGFENCE, *phone.words('enroll', '--string', *phone.outputs())) as t:
            t.wait('Authentication string: ')
            t.type(string + '\n')
            assert t.end() == 0
            assert string not in t.text()
        phone.good_pair()

        phone.schedule(auth='By Existing Certificate (Precedence to LSC)')
        old = ['--cert', phone.cert, '--key', phone.key]
        phone.refused('enroll', says='(reason 7)')
        phone.enroll(*old)
        phone.good_pair()
        phone.schedule()
        phone.refused('enroll', *old, says='(reason 7)')     # the old LSC no longer counts
        new = ['--cert', phone.cert, '--key', phone.key]
        stranger, stranger_key = phone.path('stranger.pem'), phone.path('stranger.key')
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=' + PHONE, '-keyout', stranger_key,
                '-out', stranger)
        phone.refused('enroll', *new, '--sudi-cert', stranger, '--sudi-key', stranger_key, says='(reason 7)')
        phone.refused('enroll', *new, '--sudi-cert', stranger, '--sudi-key', new[3], status=3, says='does not belong')
        assert 'SUDI_DATA: it was issued by CN=' + PHONE in node.log()     # it was read, and its maker is nobody
        assert string not in node.log() + node.admin('show audit').stdout


def test_keys():
    """the key is what the server asks for: P-384, RSA 1024; a given one must be of that kind"""
    with Node().start() as node:
        node.admin(f'phone add {PHONE}')
        phone = Phone(node)
        phone.set(key_order='EC Only', ec_key_size='384')
        phone.schedule()
        phone.refused('enroll', '--version', '2', says='(reason 7)')
        phone.enroll()
        phone.good_pair()
        assert b'secp384r1' in openssl('pkey', '-in', phone.key, '-noout', '-text')
        phone.set(key_order='RSA Only', rsa_key_size='1024')
        phone.schedule(auth='By Existing Certificate (Precedence to LSC)')
        phone.enroll('--cert', phone.cert, '--key', phone.key)
        phone.good_pair()
        assert b'(1024 bit' in openssl('pkey', '-in', phone.key, '-noout', '-text')

        big = phone.path('big.key')
        openssl('genrsa', '-out', big, '4096')
        phone.schedule(auth='By Null String')
        cert = ['--cert-out', phone.path('big.pem')]
        done = phone.run('enroll', '--use-key', big, *cert, check=False)
        assert done.returncode == 1 and 'a key that cannot be given' in done.stderr, done.stderr
        phone.set(rsa_key_size='4096')
        phone.schedule()
        phone.run('enroll', '--use-key', big, *cert)
        phone.cert = phone.path('big.pem')
        phone.good_pair(big)


def test_fetch_and_delete():
    """the server gets the certificate, or hears that it is gone; a phone that came for something else does nothing"""
    with Node().start() as node:
        node.admin(f'phone add {PHONE}')
        phone = Phone(node)
        phone.schedule()
        phone.enroll()
        key, cert = phone.key, phone.cert

        phone.schedule('Troubleshoot')
        phone.refused('enroll', says='the server wants to fetch the certificate')
        phone.refused('delete', '--remove', cert, says='nothing was changed')
        assert phone.fields()['Certificate Operation'] == 'Troubleshoot'
        assert 'has the certificate' in phone.run('fetch', '--cert', cert).stdout
        traced = node.path('trace', 'capf', PHONE + '-LSC.pem')
        assert openssl('x509', '-in', traced, '-outform', 'DER') == openssl('x509', '-in', cert, '-outform', 'DER')

        phone.schedule('Delete')
        phone.refused('enroll', says='the server wants to delete the certificate')
        phone.refused('fetch', '--cert', cert, says='nothing was changed')
        assert phone.fields()['Certificate Operation'] == 'Delete'
        phone.run('delete', '--cert', cert, '--key', key, '--remove', cert, '--remove', key)
        assert not os.path.exists(cert) and not os.path.exists(key)
        assert phone.fields()['Certificate Operation Status'] == 'Delete Success'

        phone.schedule()
        phone.refused('delete', says='the server wants to install a certificate')


def test_trust():
    """only the server that a list or certificate names is talked to; TLS 1.0 to the legacy listener alone"""
    legacy = harness.free_port()
    init = ['--listen', f'legacy-capf=127.0.0.1:{legacy}']
    with Node(init=init).start() as node, tempfile.TemporaryDirectory() as folder:
        node.admin(f'phone add {PHONE}')
        phone = Phone(node)
        phone.schedule()
        own = node.path('certs', 'CAPF', 'CAPF.pem')
        tvs = node.path('certs', 'TVS', 'TVS.pem')
        garbage = os.path.join(folder, 'garbage')
        with open(garbage, 'w') as f:
            f.write('no certificate')
        altered = os.path.join(folder, 'altered.tlv')
        with open(phone.trust, 'rb') as f:
            octets = bytearray(f.read())
        octets[-1] ^= 1
        with open(altered, 'wb') as f:
            f.write(octets)
        phone.refused('enroll', trust=tvs, says='it is not asked')
        phone.refused('enroll', trust=garbage, status=2, says=garbage)
        phone.refused('enroll', trust=altered, status=2, says=altered)
        phone.refused('enroll', trust='', status=3, says='--trust is needed')
        assert phone.fields()['Certificate Operation Status'] == 'Operation Pending'
        phone.enroll(trust=own)
        phone.schedule()
        phone.enroll('--insecure-any-server', trust='')
        phone.good_pair()
        node.admin('set parameter Allow Insecure TLS 1.0 On Legacy Listeners True', '--yes')
        modern, node.port['capf'] = node.port['capf'], legacy
        phone.schedule()
        until('the legacy listener is there', lambda: phone.enroll('--tls1.0', check=False).returncode == 0)
        phone.good_pair()
        until('it is known as one with old TLS', lambda: PHONE in node.admin('phone list --old-tls').stdout)
        node.port['capf'] = modern
        phone.schedule()
        phone.refused('enroll', '--tls1.0', says='the TLS handshake failed')
        node.port['capf'] = node.port['http']
        phone.refused('enroll', says=f'127.0.0.1 port {node.port["capf"]}')


class Impostor:
    """A CAPF server that says what a test wants: step(server, command, elements) answers each message of the phone."""

    def __init__(self, folder, step):
        self.cert, self.key = os.path.join(folder, 'server.pem'), os.path.join(folder, 'server.key')
        if not os.path.exists(self.cert):
            openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=CAPF', '-keyout', self.key,
                    '-out', self.cert)
        self.step, self.folder = step, folder
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = {'capf': self.listener.getsockname()[1]}
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def certificate(self, spki, name):
        """One of its own for the key that the phone sent; DER."""
        key, out = os.path.join(self.folder, 'spki'), os.path.join(self.folder, 'issued')
        with open(key, 'wb') as f:
            f.write(spki)
        openssl('x509', '-new', '-force_pubkey', key, '-subj', '/CN=' + name, '-CA', self.cert, '-CAkey', self.key,
                '-days', '9', '-outform', 'DER', '-out', out)
        with open(out, 'rb') as f:
            return f.read()

    def read(self, n):
        data = b''
        while len(data) < n:
            more = self.tls.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def serve(self):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.cert, self.key)
        raw, _ = self.listener.accept()
        raw.settimeout(harness.PATIENCE)
        with contextlib.suppress(OSError, EOFError), ctx.wrap_socket(raw, server_side=True) as self.tls:
            answer = self.step(self, None, {})
            while answer is not None:
                self.tls.sendall(answer)
                head = self.read(8)
                found = elements(self.read(struct.unpack('>H', head[6:])[0]))
                if head[1] != IN_PROGRESS:
                    answer = self.step(self, head[1], found)
                else:
                    answer = b''


def test_impostors():
    """what a phone keeps and says when the server breaks off, lies, is silent or ends it for a reason nobody knows"""
    hello = frame(AUTH_REQUEST, 7, element(VERSION, b'\3'))

    def install(name, last):
        def step(server, command, found):
            if command is None:
                return hello
            if command == AUTH_RESPONSE:
                return frame(KEY_REQUEST, 7, element(KEY_SIZE, b'\4\0'))
            if command == KEY_RESPONSE:
                return frame(STORE_REQUEST, 7, wrapped(server.certificate(found[PUBLIC_KEY], name)))
            return last
        return step

    def meet(step, *options, says, kept=False):
        server = Impostor(folder, step)
        files = [os.path.join(folder, n) for n in ('phone.key', 'phone.pem')]
        done = ringfence('capf', 'enroll', '--server', f'127.0.0.1:{server.port["capf"]}', '--trust', server.cert,
                         '--device', PHONE, '--key-out', files[0], '--cert-out', files[1], *options, check=False)
        server.listener.close()
        server.thread.join(harness.PATIENCE)
        assert done.returncode == 1 and says in done.stderr, done
        assert [os.path.exists(f) for f in files] == [kept, kept], done
        for f in files if kept else []:
            os.remove(f)

    def in_place_of_a_key(answer):
        return lambda server, command, found: answer if command else hello

    with tempfile.TemporaryDirectory() as folder:
        meet(install(PHONE, None), says='was stored', kept=True)
        meet(install(PHONE, frame(END_SESSION, 7, reason(7))), says='the server may not count it', kept=True)
        meet(install('SEP001122334456', frame(END_SESSION, 7, reason(1))), says='another device')
        meet(install('SEP001122334456', None), says='another device')
        meet(in_place_of_a_key(frame(END_SESSION, 7, reason(3))), says='(reason 3)')
        meet(in_place_of_a_key(frame(RETRY_LATER, 7, element(12, b'\0\x5a'))), says='come back in 90 seconds')
        meet(in_place_of_a_key(b''), '--timeout', '1', says='does not answer')
        meet(lambda server, command, found: b'220 mail.example.net ESMTP\r\n', says='127.0.0.1 port')


def test_offline_authority():
    """an authority elsewhere: the key waits in its file until the certificate is there"""
    with Node().start() as node:
        node.admin(f'phone add {PHONE}')
        issuer = 'set parameter Certificate Issuer to Endpoint'.split()
        ringfence('admin', '--data', node.data, *issuer, 'Offline CA', '--yes')
        phone = Phone(node)
        phone.schedule()
        done = phone.enroll('--json', check=False)
        said = json.loads(done.stdout)
        assert done.returncode == 1 and said['retry_after'] == 3600 and said['key_file'] == phone.key, done
        assert not os.path.exists(phone.cert)
        csr, ext = phone.path('csr.pem'), phone.path('ext')
        with open(csr, 'w') as f:
            f.write(node.admin('utils capf csr dump').stdout)
        with open(ext, 'w') as f:
            f.write('keyUsage=critical,digitalSignature,keyEncipherment\n')
        # the authority: OpenSSL with the CAPF key, whose certificate is trusted
        ca, ca_key = node.path('certs', 'CAPF', 'CAPF.pem'), glob.glob(node.path('keys', 'CAPF.*.key'))[0]
        openssl('x509', '-new', '-force_pubkey', csr, '-subj', '/CN=' + PHONE, '-CA', ca, '-CAkey', ca_key, '-days',
                '9', '-extfile', ext, '-out', phone.path('lsc.pem'))
        node.admin('utils capf cert import ' + phone.path('lsc.pem'))
        phone.refused('enroll', says='--use-key')
        key = phone.path('1.key')
        phone.run('enroll', '--use-key', key, '--cert-out', phone.path('got.pem'))
        run('cmp', phone.path('got.pem'), phone.path('lsc.pem'))
        assert phone.fields()['Certificate Operation Status'] == 'Upgrade Success'


if __name__ == '__main__':
    harness.main()
