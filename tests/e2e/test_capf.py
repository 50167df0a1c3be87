#!/usr/bin/python3
"""CAPF of a running node, spoken to octet by octet: what phones may do there, and what strangers may not."""
import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time

import capf_phone
import harness
from capf_phone import (AUTH_RESPONSE, CERTIFICATE, DELETE_REQUEST, DELETE_RESPONSE, DEVICE_NAME, END_SESSION,
                        FETCH_REQUEST, FETCH_RESPONSE, IN_PROGRESS, KEY_REQUEST, KEY_RESPONSE, KEY_SIZE, KEY_TYPE,
                        PASSWORD, PUBLIC_KEY, STORE_REQUEST, STORE_RESPONSE, Connection, Key, element, ended, enrol,
                        openssl, reason, wrapped)
from harness import Node, until

PHONE, OTHER = 'SEP001122334455', 'SEP001122334466'


def fields(node, device):
    """What `phone show` says, as a dict."""
    lines = node.admin(f'phone show {device}').stdout.splitlines()
    return {m.group(1): m.group(2) for m in (re.match(r'(\S.*?) {2,}(.*)', line) for line in lines) if m}


def schedule(node, device, operation='Install/Upgrade', auth=None):
    if auth:
        node.admin(f'phone set {device} authentication mode {auth}')
    node.admin(f'phone set {device} certificate operation {operation}')


def audit(node):
    return node.admin('show audit').stdout


def assert_refusals(node, wanted):
    """The audit says that sessions were refused for these reasons, in any order (each worker has its own), and for no others."""
    def refusals():
        rows = json.loads(node.admin('show audit', '--json').stdout)
        return sorted(r['outcome'].removeprefix('refused: ') for r in rows
                      if r['command'] == 'session' and r['outcome'].startswith('refused: '))

    until(f'{len(wanted)} refusals', lambda: len(refusals()) >= len(wanted))    # what a worker refuses is told a moment later
    assert refusals() == sorted(wanted), refusals()


def write_pem(path, der):
    with open(path, 'w') as f:
        f.write(ssl.DER_cert_to_PEM_cert(der))
    return path


def counter(node, name):
    line = next(li for li in node.admin('show status').stdout.splitlines() if li.strip().startswith(name + ' '))
    return int(line.split()[-1])


def give_string(node):
    schedule(node, PHONE, 'No Pending Operation')
    node.admin(f'phone set {PHONE} authentication mode By Authentication String')
    return re.search(r'\b\d{10}\b', node.admin(f'phone string {PHONE} --digits 10').stdout).group(0)


def test_install_fetch_delete():
    """a phone installs, fetches and deletes its LSC; OpenSSL verifies the chain; nothing secret is in a log"""
    with tempfile.TemporaryDirectory() as folder, Node().start() as node:
        key = Key(folder)
        node.admin(f'phone add {PHONE}')
        with Connection(node) as c:
            assert ended(c.authenticate(PHONE)) == 0        # nothing scheduled
        with Connection(node) as c:
            assert ended(c.authenticate(OTHER)) == 9        # no such device
        schedule(node, PHONE)
        lsc = enrol(node, PHONE, key)
        pem = write_pem(os.path.join(folder, 'lsc.pem'), lsc)
        chain = openssl('verify', '-purpose', 'sslclient', '-CAfile', node.path('certs', 'CAPF', 'CAPF.pem'), pem)
        assert chain.decode().strip().endswith('OK'), chain
        text = openssl('x509', '-in', pem, '-noout', '-text').decode()
        for wanted in ('CN = ' + PHONE, 'URI:' + PHONE, 'CA:FALSE', '1.3.6.1.5.5.7.3.5', 'sha256WithRSAEncryption'):
            assert wanted in text or wanted.replace('1.3.6.1.5.5.7.3.5', 'IPSec End System') in text, f'{wanted}\n{text}'
        shown = fields(node, PHONE)
        assert shown['Certificate Operation'] == 'No Pending Operation', shown
        assert shown['Certificate Operation Status'] == 'Upgrade Success', shown
        assert shown['LSC'] != 'none is known', shown
        until('the contact is recorded', lambda: fields(node, PHONE)['Last Address'] == '127.0.0.1')

        schedule(node, PHONE, 'Troubleshoot')
        with Connection(node) as c:
            assert c.authenticate(PHONE)[0] == FETCH_REQUEST
            assert ended(c.ask(FETCH_RESPONSE, reason(1) + wrapped(lsc))) == 0
        assert os.path.exists(node.path('trace', 'capf', PHONE + '-LSC.pem'))

        schedule(node, PHONE, 'Delete')
        with Connection(node) as c:
            assert c.authenticate(PHONE)[0] == DELETE_REQUEST
            assert ended(c.ask(DELETE_RESPONSE, reason(1))) == 1
        assert fields(node, PHONE)['LSC'] == 'none is known'

        string = give_string(node)
        schedule(node, PHONE)
        enrol(node, PHONE, key, string)
        everything = node.log() + audit(node) + node.admin('phone list').stdout + node.admin('phone export').stdout
        assert string not in everything, 'the authentication string is in a log'
        assert 'PRIVATE' not in everything


def test_versions_and_keys():
    """version 2 has neither password nor KEY_TYPE; RSA and EC keys are what was asked for, or nothing is issued"""
    with tempfile.TemporaryDirectory() as folder, Node().start() as node:
        node.admin(f'phone add {PHONE}')
        keys = {bits: Key(folder, f'rsa{bits}', ('-algorithm', 'RSA', '-pkeyopt', f'rsa_keygen_bits:{bits}'))
                for bits in (1024, 2048)}
        for bits, key in keys.items():
            node.admin(f'phone set {PHONE} rsa key size {bits}')
            schedule(node, PHONE)
            with Connection(node) as c:
                command, found = c.authenticate(PHONE, version=2)
                assert command == KEY_REQUEST and set(found) == {KEY_SIZE}, found
                assert int.from_bytes(found[KEY_SIZE], 'big') == bits
                command, found = c.ask(KEY_RESPONSE, element(PUBLIC_KEY, key.spki))
                assert command == STORE_REQUEST
                assert ended(c.ask(STORE_RESPONSE, reason(1))) == 1
        schedule(node, PHONE)                                # RSA-2048 asked for, RSA-1024 given
        with Connection(node) as c:
            assert c.authenticate(PHONE)[1][KEY_TYPE] == b'\0'
            assert ended(c.ask(KEY_RESPONSE, element(PUBLIC_KEY, keys[1024].spki))) == 7
        assert 'Key Generation Failed' in fields(node, PHONE)['Certificate Operation Status']
        with Connection(node) as c:                          # still pending; the phone says that it could not
            c.authenticate(PHONE)
            for _ in range(20):
                c.send(IN_PROGRESS)
            assert ended(c.ask(KEY_RESPONSE, reason(7))) == 7
        for bits, curve in ((256, 'prime256v1'), (384, 'secp384r1'), (521, 'secp521r1')):
            node.admin(f'phone set {PHONE} key order EC Only')
            node.admin(f'phone set {PHONE} ec key size {bits}')
            schedule(node, PHONE)
            enrol(node, PHONE, Key(folder, curve, ('-algorithm', 'EC', '-pkeyopt', f'ec_paramgen_curve:{curve}')))
        schedule(node, PHONE)
        with Connection(node) as c:
            assert ended(c.authenticate(PHONE, version=2)) == 7
        assert 'EC only' in fields(node, PHONE)['Certificate Operation Status']


def authenticated_by(key, device, der, **kw):
    return wrapped(der, kw.pop('kind', 1)) + key.proofs(device, der, **kw)


def test_attacks_with_certificates():
    """another's name, a replayed answer, a forged and a truncated proof: nothing changes, and the audit says so"""
    with tempfile.TemporaryDirectory() as folder, Node().start() as node:
        key, other_key = Key(folder, 'one'), Key(folder, 'two')
        for device in (PHONE, OTHER):
            node.admin(f'phone add {device}')
            schedule(node, device)
        lsc, other_lsc = enrol(node, PHONE, key), enrol(node, OTHER, other_key)
        for device in (PHONE, OTHER):
            schedule(node, device, auth='By Existing Certificate (Precedence to LSC)')
        before = fields(node, PHONE)

        def refused(extra, device=PHONE):
            with Connection(node) as c:
                assert ended(c.authenticate(device, extra=extra)) == 7
            after = fields(node, device)
            assert after['LSC'] == before['LSC'] or device != PHONE
            assert after['Certificate Operation'] == 'Install/Upgrade', after

        refused(b'')                                                      # no certificate at all
        refused(authenticated_by(other_key, PHONE, other_lsc))            # enrolling under another's name
        refused(wrapped(lsc) + other_key.proofs(PHONE, lsc))              # another's key
        refused(wrapped(lsc) + key.proofs(OTHER, lsc))                    # the proof of another name
        good = authenticated_by(key, PHONE, lsc)
        refused(good[:-1] + bytes([good[-1] ^ 1]))                        # one bit
        # the digest at the end of a block whose padding is nothing: what a lax server takes (C-2)
        digest = openssl('dgst', '-sha1', '-binary', data=PHONE.encode() + b'\0' + lsc)
        block = b'\0\1' + b'\xff' * 8 + b'\0' + b'\x55' * (256 - 11 - len(digest)) + digest
        raw = openssl('rsautl', '-sign', '-raw', '-inkey', key.path, data=block)
        refused(wrapped(lsc) + key.proofs(PHONE, lsc, sha1=raw))
        # a certificate of one's own with exponent 3: everybody can make cube roots
        cube = Key(folder, 'cube', ('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-pkeyopt',
                                    'rsa_keygen_pubexp:3'))
        own = os.path.join(folder, 'own.pem')
        openssl('req', '-x509', '-new', '-key', cube.path, '-subj', '/CN=' + PHONE, '-days', '9', '-out', own)
        der = ssl.PEM_cert_to_DER_cert(open(own).read())
        refused(authenticated_by(cube, PHONE, der))

        with Connection(node) as c:                                       # a right answer of another session
            body = reason(1) + element(7, b'\3') + element(PASSWORD, b'\0') + element(DEVICE_NAME, PHONE.encode() + b'\0')
            c.send(AUTH_RESPONSE, body + good, session=c.session ^ 1)
            command, _, found = c.receive()
            assert command == END_SESSION and found[1] == b'\7'
            replayed = f'127.0.0.1: a bad message: the message belongs to session {c.session ^ 1:08x}, this is {c.session:08x}'
        assert enrol(node, PHONE, key, extra=good) != lsc                 # and the phone itself still can
        with Connection(node) as c:                                       # the old certificate no longer
            schedule(node, PHONE)
            assert ended(c.authenticate(PHONE, extra=good)) == 7
        mine = f'{PHONE} at 127.0.0.1: its certificate is not accepted: '
        assert_refusals(node, [
            f'{PHONE} at 127.0.0.1: it sent no certificate to authenticate with',
            mine + f'it is the certificate of "{OTHER}"', *[mine + 'the signature does not verify'] * 4,
            mine + "the certificate's RSA exponent is below 65537: its signatures prove nothing", replayed,
            mine + 'it is superseded by a later LSC of the phone'])
        assert replayed in node.log()            # a warning, too


def test_attacks_without():
    """guessing over many connections, names with paths, 64 KiB elements, a drop at every message, floods"""
    with tempfile.TemporaryDirectory() as folder, Node().start() as node:
        key = Key(folder)
        node.admin(f'phone add {PHONE}')
        schedule(node, PHONE)

        def untouched():
            shown = fields(node, PHONE)
            return shown['LSC'] == 'none is known' and shown['Certificate Operation'] == 'Install/Upgrade'

        for name in (b'../../etc/passwd', b'SEP0011/../22', b'SEP' + b'A' * 300, b'', b'SEP"; DROP TABLE', b'SEP\xff'):
            with Connection(node) as c:
                assert ended(c.authenticate(name)) in (7, 9)
        assert not os.path.exists(node.path('trace', 'capf')) or not os.listdir(node.path('trace', 'capf'))
        with Connection(node) as c:
            try:
                c.send(AUTH_RESPONSE, element(PASSWORD, b'1' * 65500))
            except OSError:
                pass                             # hung up on before all of it was sent
        # What is no CAPF at all is hung up on; everybody else hears reason 7.
        for junk, answer in ((b'GET / HTTP/1.1\r\n\r\n', None), (b'\x55\x63' + bytes(6), END_SESSION), (bytes(64), None),
                             (b'\x55\x02' + bytes(4) + b'\0\5\7\0\7\3\0', END_SESSION)):
            with Connection(node) as c:
                c.tls.sendall(junk)
                command, _, found = c.receive()
                assert command == answer and (not command or found[1] == b'\7'), (junk, command, found)
        strange = ['there is no device "../../etc/passwd"', 'there is no device "SEP0011/../22"',
                   'there is no device "SEP"; DROP TABLE"', 'there is no device "SEP\\xff"']
        bad = ['element 13 of 304 octets is not what it should be', 'element 13 of 1 octets is not what it should be',
               'a message of more than 32768 octets', 'a CAPF message starts with 55, not with 47', 'command 99 is unknown',
               'a CAPF message starts with 55, not with 00', 'an element runs past the end of the message']
        assert_refusals(node, ['127.0.0.1: ' + w for w in strange + ['a bad message: ' + b for b in bad]])
        assert 'a message of more than 32768 octets' in node.log()
        assert untouched()

        # the connection dropped after each message of an installation
        for drop_at in range(4):
            with Connection(node) as c:
                if drop_at == 0:
                    continue
                assert c.authenticate(PHONE)[0] == KEY_REQUEST
                if drop_at == 1:
                    continue
                c.send(IN_PROGRESS)
                if drop_at == 2:
                    continue
                assert c.ask(KEY_RESPONSE, element(PUBLIC_KEY, key.spki))[0] == STORE_REQUEST
        until('the session is given up', lambda: counter(node, 'capf sessions now') == 0)
        assert untouched()
        assert fields(node, PHONE)['Certificate Operation Status'] == 'Upgrade Failed: Phone Communication Failure'

        # a session that began by null string, and an operation that is cancelled and secured while it runs
        with Connection(node) as c:
            assert c.authenticate(PHONE)[0] == KEY_REQUEST
            string = give_string(node)
            schedule(node, PHONE)
            assert ended(c.ask(KEY_RESPONSE, element(PUBLIC_KEY, key.spki))) == 7
        assert untouched()

        # an authentication string, guessed over many connections from several addresses
        statuses = set()
        for i in range(12):
            with Connection(node, source=f'127.0.0.{2 + i % 3}') as c:
                statuses.add(ended(c.authenticate(PHONE, f'{1000 + i}')))
        assert statuses == {7}
        with Connection(node) as c:
            assert ended(c.authenticate(PHONE, string)) == 7       # right, but the device is locked now
        assert untouched()
        rows = audit(node)
        assert 'wrong authentication string' in rows and 'locked out' in rows, rows
        assert string not in rows + node.log()

        # the address is locked out; the administrator sees that, and lifts it
        node.admin('set parameter CAPF Failures per Address 5', '--yes')
        with Connection(node, source='127.0.0.2') as c:
            assert ended(c.authenticate(PHONE, '1000')) == 7
        with Connection(node, source='127.0.0.2') as c:
            assert ended(c.authenticate(OTHER)) == 7           # unknown, but that is not looked at
        status = node.admin('show status').stdout
        assert re.search(r'^CAPF lock-outs +1: 127.0.0.2 until ', status, re.M), status
        assert [x['address'] for x in json.loads(node.admin('show status', '--json').stdout)['capf_lockouts']] == ['127.0.0.2']
        node.admin('utils capf lockout delete 127.0.0.2')
        with Connection(node, source='127.0.0.2') as c:
            assert ended(c.authenticate(OTHER)) == 9

        silent = socket.create_connection((node.host, node.port['capf']))    # no handshake, while others are served
        with Connection(node) as c:
            assert ended(c.authenticate(OTHER)) == 9
        silent.close()
        until('they are counted', lambda: counter(node, 'capf messages malformed') >= 3)   # once a second


def test_processes_that_die():
    """a process dies in the middle, or the store is held by another: the phone is told no, and the next attempt succeeds"""
    with tempfile.TemporaryDirectory() as folder, Node(serve=['--workers', '1']).start() as node:
        key = Key(folder)
        node.admin(f'phone add {PHONE}')
        schedule(node, PHONE)

        def process(name):
            return next((p for n, p in node.processes().items() if n.startswith(name)), None)

        for name in ('rf-worker', 'rf-director', 'rf-keeper'):
            with until('CAPF asks for a key', lambda: asked_for_key(node)) as c:
                old = process(name)
                os.kill(old, 9)
                until('another one runs', lambda: process(name) not in (None, old))
                if name == 'rf-keeper':
                    continue                     # it holds no state of sessions
                try:
                    answer = c.ask(KEY_RESPONSE, element(PUBLIC_KEY, key.spki))
                    assert answer[0] in (None, END_SESSION), answer
                except OSError:
                    pass
            assert fields(node, PHONE)['Certificate Operation'] == 'Install/Upgrade'
        # Somebody else holds the store: nothing can be recorded, so nothing is decided, and the phone is told no.
        holder = sqlite3.connect(node.path('store.sqlite3'), isolation_level=None)
        holder.execute('BEGIN IMMEDIATE')
        try:
            with Connection(node) as c:
                assert ended(c.authenticate(PHONE)) == 7
        finally:
            holder.execute('ROLLBACK')
            holder.close()
        assert 'decisions could not be recorded' in node.log()
        assert fields(node, PHONE)['Certificate Operation'] == 'Install/Upgrade'
        until('CAPF answers again', lambda: try_enrol(node, key))
        assert fields(node, PHONE)['Certificate Operation Status'] == 'Upgrade Success'


def asked_for_key(node):
    """A session that waits for the phone's key; None: who has to answer is not there yet."""
    try:
        c = Connection(node)
        if c.authenticate(PHONE)[0] == KEY_REQUEST:
            return c
        c.tls.close()
    except OSError:
        pass
    time.sleep(0.1)
    return None


def try_enrol(node, key):
    try:
        return enrol(node, PHONE, key)
    except (AssertionError, OSError):
        time.sleep(0.1)
        return None


def test_legacy_capf():
    """legacy-capf answers TLS 1.0 with AES256-SHA when the parameter allows it, and the ordinary port never does"""
    port = harness.free_port()
    with Node(init=['--listen', f'legacy-capf=127.0.0.1:{port}']).start() as node:
        def old_phone(to):
            done = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{to}', '-tls1', '-cipher',
                                   'AES256-SHA:@SECLEVEL=0', '-brief'], capture_output=True, stdin=subprocess.DEVNULL,
                                  timeout=harness.PATIENCE)
            return b'AES256-SHA' in done.stderr

        assert not old_phone(port) and not old_phone(node.port['capf'])
        assert 'legacy-capf has an address' in node.log()
        node.admin('set parameter Allow Insecure TLS 1.0 On Legacy Listeners True', '--yes')
        until('legacy-capf answers', lambda: old_phone(port))
        assert not old_phone(node.port['capf'])


def test_auto_registration():
    """a phone that nobody added is added at its first contact, not in mixed mode, and only under a phone's name"""
    with Node().start() as node:
        for name in ('SEPAABBCCDDEEFF', 'CIPCSOFTPHONE', 'XMLDefault'):
            node.tftp(name + '.cnf.xml', check=False)
        until('it is there', lambda: 'SEPAABBCCDDEEFF' in node.admin('phone list').stdout)
        listed = node.admin('phone list').stdout
        assert 'CIPC' not in listed and 'XMLDefault' not in listed, listed
        assert fields(node, 'SEPAABBCCDDEEFF')['Last Address'] == '127.0.0.1'
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        node.tftp('SEPAABBCCDDEE00.cnf.xml', check=False)
        node.http('CTLSEPAABBCCDDEEFF.tlv', check=False)
        time.sleep(2.2)                          # two looks
        assert 'SEPAABBCCDDEE00' not in node.admin('phone list').stdout


if __name__ == '__main__':
    harness.main()
