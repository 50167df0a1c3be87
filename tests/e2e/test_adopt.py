#!/usr/bin/python3
"""Taking over a site that was made by hand: OpenSSL's certificates, lists on phones, databases of other tools."""
import contextlib
import json
import os
import shutil
import sqlite3
import tempfile

import harness
from harness import need, ringfence, run

NODE = 'adopted.example.org'
GOLDEN = os.path.join(harness.ROOT, 'tests', 'golden')
PHONES = ['SEP00112233440%d' % i for i in range(5)]


class Site:
    """A folder as somebody made it over the years. A context manager."""

    def __init__(self):
        need('openssl')
        self.folder = tempfile.mkdtemp(prefix='ringfence-')
        self.dir = self.path('site')
        os.mkdir(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def read(self, name):
        with open(os.path.join(self.dir, name), 'rb') as f:
            return f.read()

    def copy(self, golden, name=None):
        shutil.copy(os.path.join(GOLDEN, golden), os.path.join(self.dir, name or os.path.basename(golden)))

    def cert(self, name, subject, *options, key='rsa:2048'):
        """Self-signed, its key beside it. Returns a file with both, outside of the site."""
        crt, keyfile = (os.path.join(self.dir, name + s) for s in ('.crt', '.key'))
        run('openssl', 'req', '-x509', '-newkey', *key.split(' '), '-nodes', '-days', '100', '-subj', subject,
            '-keyout', keyfile, '-out', crt, *options)
        both = self.path(name + '.pem')
        with open(both, 'wb') as f:
            f.write(self.read(name + '.key') + self.read(name + '.crt'))
        return both

    def lsc(self, device, issuer='capf', cn=None):
        """Issued by CAPF's file of both. Returns its PEM."""
        request, out = self.path('request.pem'), self.path('lsc.pem')
        run('openssl', 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN={cn or device}/O=X', '-keyout',
            self.path(device + '.key'), '-out', request)
        both = self.path(issuer + '.pem')
        run('openssl', 'x509', '-req', '-in', request, '-CA', both, '-CAkey', both, '-days', '50', '-set_serial', '7',
            '-out', out)
        with open(out, encoding='ascii') as f:
            return f.read()

    def tlv(self, kind, name, signer, *records, options=()):
        ringfence('tlv', 'build', '--type', kind, '--signer', signer, *[w for r in records for w in ('--record', r)],
                  *options, '-o', os.path.join(self.dir, name))

    def init(self, *options, data=None, check=False):
        where = ('--data', data or self.path('node'))
        return ringfence('init', *where, '--node', NODE, '--ip', '127.0.0.1', '--org', 'X', '--unit', 'Y', '--adopt', self.dir,
                         *options, check=check, start_new_session=True)   # no terminal to ask for a passphrase

    def dry(self, *options):
        """Report of a dry run, and its exit status; nothing may have been written."""
        done = self.init('--dry-run', '--json', '--key-bits', '1024', *options)   # new keys are made quickly
        assert not os.path.exists(self.path('node'))
        assert done.stdout, done.stderr
        return json.loads(done.stdout), done.returncode

    def refused(self, *words, options=()):
        done = self.init('--key-bits', '1024', *options)
        said = done.stdout + done.stderr
        assert done.returncode == 1, (done.returncode, said)
        for w in words:
            assert w in said, f'{w}\n{said}'
        assert not os.path.exists(self.path('node')), 'something was written'


class Adopted(harness.Node):
    """A node out of a site, on free ports."""

    def __init__(self, site, *options):      # pylint: disable=super-init-not-called
        self.folder = tempfile.mkdtemp(prefix='ringfence-')
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, 'node')
        self.host = '127.0.0.1'
        self.serve_options = []
        self.process = None
        self.port = harness.free_ports(harness.KEYS, self.host)
        listen = [w for k in harness.KEYS for w in ('--listen', f'{k}=127.0.0.1:{self.port[k]}')]
        self.made = site.init(*listen, *options, data=self.data, check=True)

    def boot(self, state, *options, model='8861'):
        return ringfence('phone', 'boot', '--state', state, '--model', model, '--tftp', f'127.0.0.1:{self.port["tftp"]}',
                         '--http-port', self.port['http'], '--https-port', self.port['https'], *options, check=False)


def units(report):
    return {u['unit']: u['file'] for u in report['units'] if u['file']}


def full_site(site):
    """Every kind of thing, in the forms in which other tools leave it."""
    sast = site.cert('sast', '/CN=SAST/O=SAST/OU=SAST')
    ccm = site.cert('asterisk-ccm', '/CN=Asterisk/O=X/OU=Y')
    tftp = site.cert('tftp', '/CN=Apache/O=X/OU=Y')
    edge = site.cert('edge', '/CN=Apache-EC/O=X/OU=Y', key='ec -pkeyopt ec_paramgen_curve:secp384r1')
    capf = site.cert('capf', '/CN=CAPF/O=X/OU=Y', '-addext', 'keyUsage=digitalSignature,keyCertSign')
    tvs = site.cert('tvs', '/CN=TVS/O=X/OU=Y')
    web = site.cert('web', '/CN=directory/O=X/OU=Y')
    site.tlv('itl', 'ITLFile.tlv', sast, f'SAST={sast}', f'CCM={ccm}', f'TFTP={tftp}', f'TFTP={edge}', f'CAPF={capf}',
             f'TVS={tvs}', options=('--names', 'C', '--digest', 'sha512', '--signer-version', '1.1'))
    # CAPF's key behind a passphrase, that of TVS in DER, the EC one together with its certificate
    key = os.path.join(site.dir, 'capf.key')
    run('openssl', 'pkey', '-in', key, '-aes256', '-passout', 'pass:Opensesame', '-out', key + '.new')
    os.replace(key + '.new', key)
    run('openssl', 'pkey', '-in', os.path.join(site.dir, 'tvs.key'), '-outform', 'DER', '-out', os.path.join(site.dir, 'tvs.der'))
    os.unlink(os.path.join(site.dir, 'tvs.key'))
    site.write('edge.crt', site.read('edge.key') + site.read('edge.crt'))
    os.unlink(os.path.join(site.dir, 'edge.key'))
    os.unlink(os.path.join(site.dir, 'web.key'))
    site.write(f'issued/{PHONES[0]}.pem', site.lsc(PHONES[0]))
    site.write(f'tftpboot/{PHONES[1]}.cnf.xml', '<device/>')
    site.write('tftpboot/ringlist.xml', '<x/>')
    databases(site, web)
    site.write('pass', 'Opensesame\n')
    return sast


def databases(site, web):
    with contextlib.closing(sqlite3.connect(os.path.join(site.dir, 'capf.sqlite3'))) as db:
        db.execute('CREATE TABLE devices (device_name TEXT PRIMARY KEY, operation TEXT, password TEXT, serial TEXT, '
                   'certificate BLOB)')
        pem = site.lsc(PHONES[2], cn='CP-8861-' + PHONES[2])
        db.executemany('INSERT INTO devices VALUES (?, ?, ?, ?, ?)', [
            (PHONES[0], 'none', None, 'a', None), (PHONES[2], 'none', '', 'b', pem),
            (PHONES[3], 'install', '12345', 'c', None), (PHONES[4], 'frobnicate', '12345', 'd', None)])
        db.commit()
    with contextlib.closing(sqlite3.connect(os.path.join(site.dir, 'tvs.sqlite3'))) as db:
        with open(web, encoding='ascii') as f:
            pem = f.read()
        db.execute('CREATE TABLE certificates (certificate TEXT, roles TEXT, ttl INTEGER)')
        db.execute('INSERT INTO certificates VALUES (?, ?, ?)', (pem[pem.index('-----BEGIN CERT'):], 'APP-SERVER', 3600))
        db.commit()


def test_site_comes_along():
    """keys become units, LSCs and pending operations come along, and a phone that holds the old ITL follows"""
    with Site() as site:
        full_site(site)
        word = ('--passphrase-file', os.path.join(site.dir, 'pass'))
        before = {n: site.read(n) for n in ('capf.sqlite3', 'tvs.sqlite3', 'ITLFile.tlv')}
        report, status = site.dry(*word)
        assert status == 0 and not report['refused'] and not report['problems'], report
        assert units(report) == {
            'ITLRecovery': 'sast.crt', 'CallManager': 'asterisk-ccm.crt', 'CAPF': 'capf.crt', 'TVS': 'tvs.crt',
            'CallManager-ECDSA': 'edge.crt'}, units(report)
        assert {(t['file'], t['stores'], t['roles']) for t in report['trust']} == {
            ('tftp.crt', 'CallManager-trust', 'TFTP'), ('web.crt', 'tomcat-trust', 'APP-SERVER')}, report['trust']
        assert (report['generation'], report['digest'], report['names'], report['advanced']) == ('12.0', 'SHA-512', 'C', True)
        assert [report[k] for k in ('devices', 'lscs', 'pending', 'unknown_model')] == [5, 2, 1, 4]
        assert [p['verdict'] for p in report['phones']] == ['follows'], report['phones']
        # those that cannot have taken a list with SHA-512 are not asked
        assert report['phones'][0]['families'] == '7800, 8800' and report['phones'][0]['devices'] == 1
        assert any('1 operations in the table devices are not understood' in n for n in report['notes']), report['notes']
        assert any('not used: serial' in n for n in report['notes']), report['notes']
        left = {t['file']: t['why'] for t in report['not_taken']}
        assert set(left) == {'pass', 'tftpboot/ringlist.xml'}, left
        follows(site, word)
        assert before == {n: site.read(n) for n in before}
        assert not [n for n in os.listdir(site.dir) if n.startswith(('capf.sqlite3-', 'tvs.sqlite3-'))]


def follows(site, word):
    old, foreign = site.path('old'), site.path('foreign')
    os.mkdir(old)
    os.mkdir(foreign)
    shutil.copy(os.path.join(site.dir, 'ITLFile.tlv'), old)
    shutil.copy(os.path.join(GOLDEN, 'tlv', 'itl-5438.tlv'), os.path.join(foreign, 'ITLFile.tlv'))
    with Adopted(site, *word) as node:
        said = node.made.stdout
        assert 'follow\n' in said and 'is ready in' in said, said
        for i in (0, 1):
            node.provision(PHONES[i] + '.cnf.xml', '<device><fullConfig>true</fullConfig></device>')
        node.start()
        done = node.boot(old, '--device', PHONES[0])
        assert done.returncode == 0 and f'{PHONES[0]} took' in done.stdout, done.stdout
        with open(os.path.join(old, 'ITLFile.tlv'), 'rb') as f:
            assert f.read() == node.tftp(f'ITL{PHONES[0]}.tlv') != site.read('ITLFile.tlv')
        assert node.boot(foreign, '--device', PHONES[1]).returncode == 1
        for unit, name in (('ITLRecovery', 'sast'), ('CallManager', 'asterisk-ccm'), ('CAPF', 'capf'), ('TVS', 'tvs')):
            with open(node.path('certs', unit, unit + '.pem'), 'rb') as f:
                assert f.read().split() == site.read(name + '.crt').split(), unit
        shown = node.admin(f'phone show {PHONES[3]}').stdout
        assert 'Install/Upgrade' in shown and 'By Authentication String' in shown, shown
        shown = node.admin(f'phone show {PHONES[2]}').stdout
        assert '8861' in shown and 'CN=CAPF' in shown, shown
        assert '12345' not in said
        enrolls(site, node, os.path.join(old, 'ITLFile.tlv'))
        assert ringfence('doctor', '--data', node.data, check=False).returncode != 3


def enrolls(site, node, itl):
    """What CAPF had to do it does: by the string that was given out, and for a phone that shows its adopted LSC."""
    def enroll(device, *options):
        new = site.path('new-' + device)
        return ringfence('capf', 'enroll', '--server', f'127.0.0.1:{node.port["capf"]}', '--trust', itl, '--device', device,
                         '--key-out', new + '.key', '--cert-out', new + '.pem', *options)
    with open(site.path('string'), 'w', encoding='ascii') as f:
        f.write('12345\n')
    enroll(PHONES[3], '--string-file', site.path('string'))
    lsc = ('--cert', os.path.join(site.dir, 'issued', PHONES[0] + '.pem'), '--key', site.path(PHONES[0] + '.key'))
    node.admin(f'phone set {PHONES[0]} authentication mode By Existing Certificate (precedence to LSC)')
    node.admin(f'phone set {PHONES[0]} certificate operation Install/Upgrade')
    enroll(PHONES[0], *lsc)
    assert 'Upgrade Success' in node.admin(f'phone show {PHONES[0]}').stdout


def test_one_certificate_for_all():
    """a signer that is call manager as well: lists that CallManager signs; a phone that cannot SHA-512 follows too"""
    with Site() as site:
        all_in_one = site.cert('server', '/CN=pbx/O=X/OU=Y')
        site.tlv('itl', 'ITLFile.tlv', all_in_one, f'SAST={all_in_one}', f'CCM+TFTP={all_in_one}', f'TVS={all_in_one}')
        site.tlv('ctl', 'CTLFile.tlv', all_in_one, f'SAST={all_in_one}', f'CCM+TFTP={all_in_one}')
        report, status = site.dry()
        assert status == 0 and units(report) == {'CallManager': 'server.crt'}, report
        assert report['generation'] == '11.5' and report['signer'] == 'CallManager' and report['digest'] == 'SHA-1'
        assert {p['verdict'] for p in report['phones']} == {'follows'}
        assert '7900-colour' in report['phones'][0]['families']
        # another generation is signed by a key that no phone knows
        os.chmod(os.path.join(site.dir, 'server.key'), 0o644)
        report, status = site.dry('--generation', '12.0')
        assert any('server.key: others may read this private key (mode 0644)' in n for n in report['notes']), report['notes']
        assert status == 1 and report['stranded'] and not report['problems'], report
        state = site.path('old')
        os.mkdir(state)
        for name in ('ITLFile.tlv', 'CTLFile.tlv'):
            shutil.copy(os.path.join(site.dir, name), state)
        with Adopted(site, '--json') as node:
            assert not json.loads(node.made.stdout)['refused']
            node.provision(PHONES[0] + '.cnf.xml', '<device><fullConfig>true</fullConfig></device>')
            node.start()
            done = node.boot(state, '--device', PHONES[0], model='7975')
            assert done.returncode == 0 and f'{PHONES[0]} took' in done.stdout, done.stdout
            # mixed mode as before: the phone's old CTL knows who signs the new one
            node.admin('utils ctl set-cluster mixed-mode', '--yes')
            done = node.boot(state, model='7975')
            assert done.returncode == 0 and f'{PHONES[0]} took' in done.stdout, done.stdout
            with open(os.path.join(state, 'CTLFile.tlv'), 'rb') as f:
                assert f.read() == node.tftp('CTLFile.tlv')


def test_no_key_that_phones_know():
    """without the key of a SAST nothing is made, unless the operator will reset phones by hand; with TVS's key some follow"""
    with Site() as site:
        sast = site.cert('sast', '/CN=SAST/O=SAST/OU=SAST')
        tvs = site.cert('tvs', '/CN=TVS/O=X/OU=Y')
        site.tlv('itl', 'ITLFile.tlv', sast, f'SAST={sast}', f'TVS={tvs}')
        os.unlink(os.path.join(site.dir, 'sast.key'))
        site.refused('not all phones would follow', 'STRANDED', '7940-7960', '--reset-phones-by-hand')
        report, _ = site.dry()
        verdicts = {p['verdict']: p['families'] for p in report['phones']}
        assert '8800' in verdicts['by-tvs'] and '7940-7960' in verdicts['stranded'], verdicts
        assert [(t['stores'], t['roles']) for t in report['trust']] == [('Phone-SAST-trust', 'SAST')]
        os.unlink(os.path.join(site.dir, 'tvs.key'))
        report, status = site.dry()
        assert status == 1 and {p['verdict'] for p in report['phones']} == {'stranded'}
        report, status = site.dry('--reset-phones-by-hand')
        assert status == 0 and report['stranded'] and not report['refused']
        # no list at all: nobody can say
        os.unlink(os.path.join(site.dir, 'ITLFile.tlv'))
        site.refused('whether phones will follow cannot be said')


def test_golden_site():
    """keys and lists as the existing tools make them, all expired: adopted, and said"""
    with Site() as site:
        for name in ('sast2048', 'tftp2048', 'capf2048', 'ec384'):
            site.copy(f'certs/{name}.pem')
            site.copy(f'keys/{name}.key')
        site.copy('certs/tvs.der')
        site.copy('keys/tvs2048.key')
        # an export of a key with its certificate, as a recovery key is kept
        pair = [os.path.join(site.dir, 'capf2048.' + s) for s in ('pem', 'key')]
        run('openssl', 'pkcs12', '-export', '-in', pair[0], '-inkey', pair[1], '-passout', 'pass:Opensesame', '-out',
            os.path.join(site.dir, 'CAPF.p12'))
        for path in pair:
            os.unlink(path)
        with open(site.path('pass'), 'w', encoding='ascii') as f:
            f.write('Opensesame\n')
        word = ('--passphrase-file', site.path('pass'))
        site.copy('tlv/itl-peer-sha512.tlv', 'ITLFile.tlv')
        site.write('SEP001122334455.pem', open(os.path.join(GOLDEN, 'capf', 'lsc-issued-by-peer.pem'), 'rb').read())
        site.copy('tlv/itl-peer-sha512.tlv', 'ITLSEP001122334455.tlv')
        report, status = site.dry(*word)
        assert status == 0 and set(units(report)) == {'ITLRecovery', 'CallManager', 'CallManager-ECDSA', 'CAPF', 'TVS'}, report
        assert units(report)['CAPF'] == 'CAPF.p12' and (report['devices'], report['lscs']) == (1, 1), report
        site.refused('CAPF.p12 is encrypted: there is no terminal')
        assert {p['verdict'] for p in report['phones']} == {'follows'} and report['names'] == 'C'
        assert sum('expired on' in n for n in report['notes']) == 5, report['notes']


def test_what_is_in_the_way():
    """what cannot be told or used is said with its remedy, and nothing is written"""
    with Site() as site:
        site.refused('nothing can be adopted')
        os.symlink('/etc/passwd', os.path.join(site.dir, 'link.pem'))
        os.symlink('.', os.path.join(site.dir, 'circle'))
        os.symlink('gone', os.path.join(site.dir, 'nowhere.pem'))
        site.refused('nothing can be adopted')
        sast = site.cert('sast', '/CN=SAST/O=SAST/OU=SAST')
        site.tlv('itl', 'ITLFile.tlv', sast, f'SAST={sast}')
        site.cert('lonely', '/CN=lonely/O=X/OU=Y')
        os.unlink(os.path.join(site.dir, 'lonely.crt'))
        site.cert('what', '/CN=unknown/O=X/OU=Y')
        report, status = site.dry()
        left = {t['file']: t['why'] for t in report['not_taken']}
        assert status == 0, report
        for name, why in (('link.pem', 'a symbolic link out of the folder'), ('circle', 'which is not followed'),
                          ('nowhere.pem', 'a symbolic link to nothing'), ('lonely.key', 'whose certificate is not here'),
                          ('what.crt', 'say so with --adopt-as UNIT=what.crt')):
            assert why in left[name], left
        report, status = site.dry('--adopt-as', 'tomcat=what.crt')
        assert status == 0 and units(report) == {'ITLRecovery': 'sast.crt', 'tomcat': 'what.crt'}, report
        report, status = site.dry('--adopt-as', 'Phone-VPN-trust=what.crt')
        assert report['trust'][0]['stores'] == 'Phone-VPN-trust'
        for folder, why in ((os.path.join(site.dir, 'inside'), 'the folder that is adopted'), ('/etc/passwd/n3', 'Not a directory')):
            done = site.init('--dry-run', data=folder)
            assert done.returncode == 1 and why in done.stderr and not done.stdout, done
        site.refused('there is no unit or trust store', options=('--adopt-as', 'sast=what.crt'))
        site.refused('there is no certificate in a file of that name', options=('--adopt-as', 'CAPF=nope.pem'))
        obstacles(site)


def obstacles(site):
    good = site.read('ITLFile.tlv')
    site.write('SEP001122334455/ITLSEP001122334455.tlv', good[:-1])
    site.write('tvs.sqlite3', b'SQLite format 3\0' + bytes(range(256)) * 16)
    site.cert('tvs', '/CN=CAPF-12345678/O=X/OU=Y')
    site.cert('tftp', '/CN=weak/O=X/OU=Y', key='rsa:512')
    site.refused('ITLSEP001122334455.tlv is no trust list', 'tvs.sqlite3: not a database that can be read',
                 'by its subject (CN=CAPF-12345678;OU=Y;O=X) CAPF', 'RSA with 512 bits is too weak', '4 things are in the way')
    none = [w for f in ('SEP001122334455/ITLSEP001122334455.tlv', 'tvs.sqlite3', 'tftp.crt') for w in ('--adopt-as', 'none=' + f)]
    report, status = site.dry(*none, '--adopt-as', 'TVS=tvs.crt')
    assert status == 0 and units(report)['TVS'] == 'tvs.crt', report
    os.unlink(os.path.join(site.dir, 'tvs.sqlite3'))
    os.unlink(os.path.join(site.dir, 'SEP001122334455/ITLSEP001122334455.tlv'))
    site.cert('tftp', '/CN=odd/O=X/OU=Y', key='rsa:3072')
    site.cert('tvs', '/CN=tvs/O=X/OU=Y', key='ed25519')
    site.cert('capf', '/CN=one/O=X/OU=Y')
    site.cert('old-capf', '/CN=two/O=X/OU=Y')
    site.refused('no code for signatures of 3072', 'CAPF: several certificates with their keys could be it',
                 'tvs.crt: TVS needs an RSA key')
    for name in ('tftp', 'old-capf'):
        os.unlink(os.path.join(site.dir, name + '.crt'))
    key = os.path.join(site.dir, 'capf.key')
    run('openssl', 'pkey', '-in', key, '-aes256', '-passout', 'pass:Opensesame', '-out', key + '.new')
    os.replace(key + '.new', key)
    os.mkdir(site.path('elsewhere'))
    with open(site.path('elsewhere', 'pass'), 'w', encoding='ascii') as f:
        f.write('wrong\n')
    site.refused('the passphrase does not open this private key', options=('--passphrase-file', site.path('elsewhere', 'pass')))


def test_failing_leaves_nothing():
    """an init that cannot be finished takes back what it made"""
    with Site() as site:
        sast = site.cert('sast', '/CN=SAST/O=SAST/OU=SAST')
        site.tlv('itl', 'ITLFile.tlv', sast, f'SAST={sast}')
        data = site.path('node')
        os.makedirs(os.path.join(data, 'keys'))
        os.chmod(os.path.join(data, 'keys'), 0o755)   # a folder of keys that others may enter is refused
        done = site.init()
        assert done.returncode == 1 and 'chmod 700' in done.stderr, done.stderr
        assert os.listdir(data) == []
        assert site.init().returncode == 0
        done = site.init()
        assert done.returncode == 1 and 'holds a node already' in done.stderr and os.path.exists(os.path.join(data, 'certs'))


if __name__ == '__main__':
    harness.main()
