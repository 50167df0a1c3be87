#!/usr/bin/python3
"""Encrypted configurations of a running node: nobody but the phone reads them, and the phone does. Also: what is put
into configurations that are not encrypted, and SHA-1 for phones that know nothing else."""
import hashlib
import json
import os
import re
import shutil
import sqlite3
import ssl
import struct
import subprocess
import tempfile

import harness
from harness import Node, need, ringfence, run

GOLDEN = os.path.join(harness.ROOT, 'tests', 'golden')
PHONE = 'SEP001122334455'
CONFIG = PHONE + '.cnf.xml'
SECRET = 'sw0rdf1sh'
PLAIN = f'''<?xml version="1.0" encoding="UTF-8"?>
<device>
  <loadInformation>sip78xx.14-3-1-0201-246</loadInformation>
  <sshPassword>{SECRET}</sshPassword>
</device>
'''
DEVICE_KEY = os.path.join(GOLDEN, 'keys', 'device2048.key')


def golden(*parts):
    with open(os.path.join(GOLDEN, *parts), 'rb') as f:
        return f.read()


def give_certificate(node, device, file, kind='LSC'):
    """What CAPF does when a phone has stored its LSC. The node does not run."""
    der = golden('certs', file)
    sha256 = hashlib.sha256(der).hexdigest()
    with sqlite3.connect(node.path('store.sqlite3')) as db:
        pkid, = db.execute('SELECT pkid FROM device WHERE name = ?', (device,)).fetchone()
        db.execute('INSERT INTO devicecertificate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
                   (pkid, sha256, kind, 'stored', 'CN=CAPF', '01', 0, 4000000000, 0, ssl.DER_cert_to_PEM_cert(der)))
        db.execute(f'UPDATE device SET {kind.lower()} = ? WHERE pkid = ?', (sha256, pkid))
    db.close()


def https(node, name):
    shown = f'[{node.host}]' if ':' in node.host else node.host
    done = subprocess.run(['curl', '-sS', '-k', '--fail', '--globoff', '--path-as-is', '-o', '-',
                           f'https://{shown}:{node.port["https"]}/{name}'], capture_output=True, timeout=harness.PATIENCE)
    return done.stdout if done.returncode == 0 else None


def everywhere(node, name):
    """What each transport serves under a name; None where it is not served."""
    return [node.tftp(name, check=False), node.http(name, check=False), https(node, name)]


def elements(header):
    """{tag: value} of a signed file's header, containers opened; and the header's length."""
    length = struct.unpack('>H', header[8:10])[0]
    found = {}

    def walk(octets):
        while octets:
            tag = octets[0]
            if tag == 0x0d:
                octets = octets[1:]
                continue
            n = struct.unpack('>H', octets[1:3])[0]
            value, octets = octets[3:3 + n], octets[3 + n:]
            found[tag] = value
            if tag in (3, 7, 9, 16, 17, 21):
                walk(value)
    walk(header[:length])
    return found, length


def payload(signed):
    return signed[elements(signed)[1]:]


def openssl_decrypt(folder, signed):
    """An .enc.sgn opened by nothing but OpenSSL's command line and the layout of formats-and-protocols.md 5.2."""
    header, length = elements(signed)
    paths = {n: os.path.join(folder, n) for n in ('wrapped', 'key', 'cipher', 'plain')}
    for name, data in (('wrapped', header[25]), ('cipher', signed[length:])):
        with open(paths[name], 'wb') as f:
            f.write(data)
    run('openssl', 'pkeyutl', '-decrypt', '-inkey', DEVICE_KEY, '-in', paths['wrapped'], '-out', paths['key'])
    with open(paths['key'], 'rb') as f:
        key = f.read()
    assert len(key) == 16
    run('openssl', 'enc', '-d', '-aes-128-cbc', '-nopad', '-K', key.hex(), '-iv', header[19].hex(),
        '-in', paths['cipher'], '-out', paths['plain'])
    with open(paths['plain'], 'rb') as f:
        plain = f.read()
    padding = struct.unpack('>H', header[20])[0]
    assert 1 <= padding <= 16 and plain.endswith(b'\r' * padding)
    plain = plain[:-padding]
    algorithm = {1: hashlib.sha1, 3: hashlib.sha512}[header[26][0]]
    assert algorithm(plain).digest() == header[27]
    return plain


def encrypted_node(**kw):
    """A running node with an encrypted phone whose LSC it knows."""
    node = Node(**kw)
    node.provision(CONFIG, PLAIN)
    node.start()
    node.admin(f'phone add {PHONE} --model 8861 --encrypted-config True')
    node.stop()
    give_certificate(node, PHONE, 'device2048.der')
    return node.start()


def verified(node, name, data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, 'wb') as f:
            f.write(data)
        ringfence('sgn', 'verify', path, '--trust', node.path('published', 'current', 'ITLFile.tlv'), '--name', name)


def test_nobody_gets_the_plain_file():
    """curl gets the plain configuration under no name, by TFTP, HTTP or HTTPS"""
    need('curl')
    with encrypted_node() as node:
        node.provision(CONFIG + '~', PLAIN)
        node.provision(CONFIG + '.bak', PLAIN)
        node.provision('old-' + CONFIG, PLAIN)
        node.provision(PHONE + '.xml', PLAIN)
        node.provision(PHONE, PLAIN)
        node.provision('backup/' + CONFIG, PLAIN)
        node.provision(PHONE + '.cnf.xml.sgn.sgn', PLAIN)
        for name in (PHONE + '.txt', PHONE + '-copy', PHONE.lower() + ' (1)'):
            node.provision(name, PLAIN)
        os.link(node.path('provisioning', CONFIG), node.path('provisioning', 'hard.txt'))
        os.mkdir(node.path('provisioning', 'deep'))
        os.link(node.path('provisioning', CONFIG), node.path('provisioning', 'deep', 'hard.xml'))
        node.provision('two.txt', 'shared by two names')
        os.link(node.path('provisioning', 'two.txt'), node.path('provisioning', 'names.txt'))
        os.symlink(CONFIG, node.path('provisioning', 'alias.xml'))
        os.symlink('.', node.path('provisioning', 'here'))
        names = [CONFIG, CONFIG.lower(), CONFIG.upper(), '/' + CONFIG, '//' + CONFIG, CONFIG + '.sgn', CONFIG + '.SGN',
                 CONFIG.lower() + '.sgn', CONFIG + '.sgn.sgn', CONFIG + '~', CONFIG + '.bak', 'old-' + CONFIG, PHONE,
                 PHONE.lower(), PHONE + '.xml', PHONE + '.xml.sgn', PHONE + '.cnf', 'backup/' + CONFIG,
                 'backup/' + CONFIG + '.sgn', 'alias.xml', 'ALIAS.xml', 'alias.xml.sgn', 'here/' + CONFIG,
                 'here/alias.xml', 'backup/../' + CONFIG, './' + CONFIG, '../provisioning/' + CONFIG, CONFIG + '/',
                 'backup//' + CONFIG, CONFIG + '%00', '%53EP001122334455.cnf.xml', CONFIG + '?x', CONFIG + '.enc.sgn',
                 'CTL' + PHONE + '.tlv', 'ITL' + PHONE + '.tlv', 'published/' + CONFIG, PHONE + '.txt', PHONE + '-copy',
                 'hard.txt', 'hard.txt.sgn', 'deep/hard.xml']
        for name in names:
            for how, got in zip(('tftp', 'http', 'https'), everywhere(node, name)):
                assert got is None or SECRET.encode() not in got, f'{how} gives {name} away'
        assert node.http('two.txt') == node.tftp('names.txt') == b'shared by two names'
        # What is asked for plainly is the short file: firmware that cannot decrypt, HTTPS, phones without a trust list.
        for got in everywhere(node, CONFIG):
            assert b'<fullConfig>false</fullConfig>' in got


def test_it_becomes_secret_at_once():
    """once the command that turns encryption on has returned, no worker serves the plain file"""
    need('curl')
    with Node() as node:
        node.provision(CONFIG, PLAIN)
        node.start()
        node.admin(f'phone add {PHONE}')
        for _ in range(5):
            node.admin(f'phone set {PHONE} tftp encrypted config False')
            for name in (CONFIG, CONFIG + '.sgn'):
                assert SECRET.encode() in node.http(name) and SECRET.encode() in node.tftp(name)
            node.admin(f'phone set {PHONE} tftp encrypted config True')
            for name in (CONFIG, CONFIG + '.sgn'):
                for _ in range(8):   # all workers
                    assert SECRET.encode() not in node.http(name) and SECRET.encode() not in node.tftp(name)


def test_openssl_decrypts():
    """OpenSSL's command line decrypts the file, and it is the operator's octet for octet"""
    need('curl')
    need('openssl')
    with encrypted_node() as node, tempfile.TemporaryDirectory() as folder:
        for got in everywhere(node, CONFIG + '.enc.sgn'):
            verified(node, CONFIG + '.enc.sgn', got)
            assert openssl_decrypt(folder, got) == PLAIN.encode()
        # A changed file is encrypted anew, without a command.
        node.provision(CONFIG, PLAIN.replace('14-3', '14-4'))
        assert b'14-4' in openssl_decrypt(folder, node.http(CONFIG + '.enc.sgn'))


def test_the_short_file():
    """certHash in the short file is the MD5 of the certificate's DER; without a certificate it leads to CAPF"""
    need('curl')
    with encrypted_node() as node:
        md5 = hashlib.md5(golden('certs', 'device2048.der')).hexdigest()
        signed = node.tftp(CONFIG + '.sgn')
        verified(node, CONFIG + '.sgn', signed)
        stub = payload(signed).decode()
        assert f'<certHash>{md5}</certHash>\n  <encrConfig>true</encrConfig>\n</device>' in stub, stub
        assert '<capfList>' in stub and '<loadInformation>sip78xx' in stub
        assert node.http(CONFIG) == stub.encode()
        node.admin('phone add SEP0011223344AA --encrypted-config True')
        node.provision('SEP0011223344AA.cnf.xml', PLAIN)
        stub = payload(node.http('SEP0011223344AA.cnf.xml.sgn')).decode()
        assert '<fullConfig>false' in stub and '<capfAuthMode>2<' in stub and '<phonePort>3804<' in stub, stub
        assert 'certHash' not in stub and 'encrConfig' not in stub and SECRET not in stub
        assert everywhere(node, 'SEP0011223344AA.cnf.xml.enc.sgn') == [None, None, None]
        assert 'neither an LSC nor a MIC' in node.log()
        assert f'encrypted, certHash {md5}' in node.admin('phone show ' + PHONE).stdout
        assert 'neither an LSC nor a MIC' in node.admin('phone show SEP0011223344AA').stdout


def test_ec_only():
    """a phone with nothing but an EC certificate gets the short file, and the log says why and what to do"""
    need('curl')
    with Node() as node:
        node.provision(CONFIG, PLAIN)
        node.start()
        node.admin(f'phone add {PHONE} --encrypted-config True')
        node.stop()
        give_certificate(node, PHONE, 'ec384.der')
        node.start()
        assert everywhere(node, CONFIG + '.enc.sgn') == [None, None, None]
        assert 'certHash' not in payload(node.http(CONFIG + '.sgn')).decode()
        assert 'EC keys' in node.log() and 'RSA Only' in node.log()


def test_in_doubt():
    """workers that cannot read the index of phones serve no configuration"""
    need('curl')
    with encrypted_node() as node:
        assert b'fullConfig' in node.http(CONFIG + '.sgn')
        index = node.path('published', 'phones.index')
        os.rename(index, index + '.away')   # as if nobody had ever written it
        for got in everywhere(node, CONFIG) + everywhere(node, CONFIG + '.sgn') + everywhere(node, 'XMLDefault.cnf.xml'):
            assert got is None
        os.rename(index + '.away', index)
        assert b'fullConfig' in node.http(CONFIG + '.sgn')


def test_completed_configurations():
    """TVS, CAPF and the rest are put into configurations when the parameter says so, and not a blank otherwise"""
    need('curl')
    with Node() as node:
        odd = '<?xml version="1.0"?>\r\n<!-- mine --><device  ctiid = "1"><b/>\r\n\t<a>&amp;&#228;</a></device>\r\n'
        node.provision(CONFIG, odd)
        node.provision('SEP00112233440B.cnf.xml', 'no xml <at all')
        node.start()
        node.admin('phone add ' + PHONE)   # before it adds itself by asking
        assert node.http(CONFIG) == odd.encode() and payload(node.http(CONFIG + '.sgn')) == odd.encode()
        run(harness.RINGFENCE, 'admin', '--data', node.data, 'set', 'parameter', 'Complete Phone Configurations', 'True',
            '--yes')
        full = node.http(CONFIG).decode()
        assert payload(node.http(CONFIG + '.sgn')).decode() == full
        for piece in ('<!-- mine --><device  ctiid = "1"><b/>\r\n\t<a>&amp;&#228;</a>',
                      f'<port>{node.port["tvs"]}</port>', '<address>127.0.0.1</address>', '<phonePort>3804</phonePort>',
                      '<deviceSecurityMode>1</deviceSecurityMode>', '<encrConfig>false</encrConfig>', '<certHash></certHash>'):
            assert piece in full, (piece, full)
        # The nodes of its CallManager group, and no other, in their order; at once when the group is changed.
        servers = lambda: re.findall(r'<address>(.*?)</address>', node.http(CONFIG).decode())
        for i in (2, 3):
            node.admin(f'set network cluster subscriber details cucm-{i} 192.0.2.{i}')
        assert 'group set' in node.admin(f'phone set {PHONE} callmanager group', 'West', check=False).stderr
        done = node.admin('group set West cucm-3 cucm-1051-a-pub CUCM-2')
        assert 'No TVS certificate of cucm-3 is known' in done.stdout, done.stdout
        assert servers() == ['127.0.0.1', '192.0.2.2', '192.0.2.3']
        node.admin(f'phone set {PHONE} callmanager group', 'West')
        assert servers() == ['192.0.2.3', '127.0.0.1', '192.0.2.2']
        node.admin('group set West cucm-2')
        assert servers() == ['192.0.2.2']
        assert json.loads(node.admin('group list --json').stdout) == [{'name': 'West', 'nodes': ['cucm-2'], 'phones': 1}]
        assert PHONE in node.admin('group delete West --yes', check=False).stderr
        node.admin(f'phone set {PHONE} callmanager group', '')
        node.admin('group delete West --yes')
        assert len(servers()) == 3 and node.admin('group list').stdout == '0 groups\n'
        # Malformed: as it is, and said so.
        assert node.http('SEP00112233440B.cnf.xml') == b'no xml <at all'
        assert 'SEP00112233440B.cnf.xml is served as it is' in node.log()


def test_shown_as_it_is():
    """phone show says what becomes of a file that cannot be served as it should be"""
    need('curl')
    with encrypted_node() as node:
        show = lambda: json.loads(node.admin(f'phone show {PHONE} --json').stdout)['configuration_served']
        assert show()['encrypted'] is True and show()['served'] is True and show()['file_problem'] == '', show()
        node.provision(CONFIG, PLAIN.replace('</device>', '<!--' + 600000 * 'x' + '--></device>'))
        assert node.http(CONFIG + '.enc.sgn', check=False) is None
        assert show()['encrypted'] is False and show()['served'] is False, show()
        assert '550001' in node.admin(f'phone show {PHONE}').stdout
        node.provision(CONFIG, '<device><a>')
        assert show()['served'] is True and 'line 1' in show()['file_problem'], show()
        os.rename(node.path('provisioning', CONFIG), node.path('provisioning', CONFIG.lower()))
        assert 'line 1' in show()['file_problem'], show()
        os.unlink(node.path('provisioning', CONFIG.lower()))
        assert 'no file of this phone' in show()['file_problem'], show()


def test_sha1_phones():
    """phones that know no SHA-512 get SHA-1 lists and files under their names, and are counted"""
    need('curl')
    with Node() as node:
        for name in ('SEP0000000000A1', 'SEP0000000000B1', 'SEP0000000000C1'):
            node.provision(name + '.cnf.xml', PLAIN)
        node.start()
        node.admin('phone add SEP0000000000A1 --model 7975')
        node.admin('phone add SEP0000000000B1 --model CP-8861')
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        run(harness.RINGFENCE, 'admin', '--data', node.data, 'set', 'parameter', 'TFTP File Signature Algorithm', 'SHA-512',
            '--yes')
        node.admin('utils ctl update CTLFile', '--yes')

        def digest(name):
            return elements(node.http(name))[0][8][0]
        for name, code in (('SEP0000000000A1', 1), ('SEP0000000000B1', 3), ('SEP0000000000C1', 3)):
            for file in (f'CTL{name}.tlv', f'ITL{name}.tlv', f'{name}.cnf.xml.sgn'):
                assert digest(file) == code, (file, digest(file))
        assert digest('ITLFile.tlv') == 3
        # The phone's list verifies, and verifies its file.
        with tempfile.TemporaryDirectory() as folder:
            for name in ('ITLSEP0000000000A1.tlv', 'CTLSEP0000000000A1.tlv', 'SEP0000000000A1.cnf.xml.sgn'):
                with open(os.path.join(folder, name), 'wb') as f:
                    f.write(node.tftp(name))
            for name in ('ITLSEP0000000000A1.tlv', 'CTLSEP0000000000A1.tlv'):
                assert run(harness.RINGFENCE, 'inspect', os.path.join(folder, name), check=False).returncode == 1
                ringfence('sgn', 'verify', os.path.join(folder, 'SEP0000000000A1.cnf.xml.sgn'), '--trust',
                          os.path.join(folder, name))
        status = node.admin('show status').stdout
        assert re.search(r'^SHA-1 phones +1 \(7975: 1\)', status, re.MULTILINE), status


def test_enc_command():
    """enc encrypt and decrypt: OpenSSL agrees, inputs stay, tampered files are refused before anything is written"""
    need('openssl')
    folder = tempfile.mkdtemp(prefix='ringfence-')
    try:
        def path(name):
            return os.path.join(folder, name)
        with open(path('signer.pem'), 'wb') as f:
            f.write(golden('keys', 'tftp2048.key') + golden('certs', 'tftp2048.pem'))
        with open(path(CONFIG), 'w') as f:
            f.write(PLAIN)
        cert = os.path.join(GOLDEN, 'certs', 'tftp2048.pem')
        ringfence('enc', 'encrypt', '--signer', path('signer.pem'), '--device', os.path.join(GOLDEN, 'certs', 'device2048.pem'),
                  '--stub', '--digest', 'sha512', path(CONFIG))
        with open(path(CONFIG + '.enc.sgn'), 'rb') as f:
            made = f.read()
        assert openssl_decrypt(folder, made) == PLAIN.encode()
        with open(path(CONFIG)) as f:
            assert f.read() == PLAIN
        with open(path(CONFIG + '.sgn'), 'rb') as f:
            assert hashlib.md5(golden('certs', 'device2048.der')).hexdigest().encode() in payload(f.read())
        ringfence('enc', 'decrypt', path(CONFIG + '.enc.sgn'), '--key', DEVICE_KEY, '--cert', cert, '-o', path('out'))
        with open(path('out')) as f:
            assert f.read() == PLAIN
        assert os.stat(path('out')).st_mode & 0o777 == 0o600
        for at in (130, len(made) - 1):
            with open(path('bad.enc.sgn'), 'wb') as f:
                f.write(made[:at] + bytes([made[at] ^ 1]) + made[at + 1:])
            done = ringfence('enc', 'decrypt', path('bad.enc.sgn'), '--key', DEVICE_KEY, '--cert', cert, check=False)
            assert done.returncode == 2 and not os.path.exists(path('bad')), done.stderr
            assert os.path.exists(path('bad.enc.sgn'))
        # Both files or none.
        with open(path('SEP9.cnf.xml'), 'w') as f:
            f.write('<device><a>')
        done = ringfence('enc', 'encrypt', '--signer', path('signer.pem'), '--device', cert, '--stub', path('SEP9.cnf.xml'),
                         check=False)
        assert done.returncode == 2 and 'the short file' in done.stderr, done.stderr
        assert not [name for name in os.listdir(folder) if name.startswith('SEP9') and name != 'SEP9.cnf.xml']
        other = os.path.join(GOLDEN, 'keys', 'tftp2048.key')
        done = ringfence('enc', 'decrypt', path(CONFIG + '.enc.sgn'), '--key', other, '--cert', cert, '-o', path('no'), check=False)
        assert done.returncode == 1 and not os.path.exists(path('no'))
        done = ringfence('enc', 'encrypt', '--signer', path('signer.pem'), '--device', os.path.join(GOLDEN, 'certs', 'ec384.pem'),
                         path(CONFIG), '-o', path('ec'), check=False)
        assert done.returncode == 3 and 'RSA' in done.stderr and not os.path.exists(path('ec'))
        assert ringfence('enc', 'inspect', path(CONFIG + '.enc.sgn'), '--cert', cert).returncode == 0
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    harness.main()
