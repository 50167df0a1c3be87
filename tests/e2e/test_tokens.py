#!/usr/bin/python3
"""CTLs that hardware tokens sign: the CTL Provider, the CTL client, and phones. The tokens are SoftHSM's.

The numbers are those of the scenarios that administrators know (behaviour.md 9); the pages of the wizard are those of the
seeds 000 and 004, and so are the sizes of the files.
"""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import harness
from harness import ROOT, Node, ringfence, run
from terminal import Terminal
from test_scenarios import NEW, OLD, Phone, Site, settle

MODULE = '/usr/lib/softhsm/libsofthsm2.so'
PIN, PASSWORD = '1234', 'Cisco123'
GOLDEN = os.path.join(ROOT, 'tests', 'golden')
NOT_IN_CTL = '''The Security Token you have inserted does not exist in the CTL File
Please remove any Security Tokens already inserted and insert another
Security Token. Click Ok when done.'''
NO_CTL = '''No CTL File exists on the server but the Call Manager Cluster Security Mode is in Secure Mode.
For the system to function, you must create the CTL File and set Call Manager Cluster the Secure Mode.'''
RESTART = 'Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services\n'


class Tokens:
    """SoftHSM tokens in a folder of their own; `pulled` holds those that are not inserted."""

    def __init__(self, folder):
        if not os.path.exists(MODULE):
            raise harness.Skip('softhsm2 is not installed')
        self.folder = folder
        self.conf = os.path.join(folder, 'softhsm2.conf')
        self.inserted, self.pulled = os.path.join(folder, 'tokens'), os.path.join(folder, 'pulled')
        self.where, self.cn = {}, {}
        os.mkdir(self.inserted)
        os.mkdir(self.pulled)
        with open(self.conf, 'w') as f:
            f.write(f'directories.tokendir = {self.inserted}\nobjectstore.backend = file\nlog.level = ERROR\n')
        self.env = {**os.environ, 'SOFTHSM2_CONF': self.conf}
        for name, text in (('pin', PIN), ('wrong', '9999'), ('password', PASSWORD)):
            with open(os.path.join(folder, name), 'w', opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(text + '\n')

    def path(self, name):
        return os.path.join(self.folder, name)

    def new(self, label):
        before = set(os.listdir(self.inserted))
        run('softhsm2-util', '--init-token', '--free', '--label', label, '--pin', PIN, '--so-pin', '12345678', env=self.env)
        self.where[label] = (set(os.listdir(self.inserted)) - before).pop()

    def make(self, *labels):
        """With a key and a certificate of the operator's token CA."""
        for label in labels:
            self.new(label)
            made = ringfence('ctl-client', 'init-token', '--module', MODULE, '--token', f'pkcs11:token={label}', '--pin-file',
                      self.path('pin'), '--ca-cert', self.path('ca.pem'), '--ca-key', self.path('ca.key'), '--make-ca', '--key-bits', '1024',
                      env=self.env).stdout
            self.cn[label] = re.search(r'certificate of (SAST-ADN[0-9a-f]{8})', made)[1]

    def golden(self, label):
        """A token of the seeds, with the names and sizes that theirs had."""
        self.new(label)
        self.put(label, label)

    def put(self, name, label):
        """A key and its certificate of the seeds onto a token."""
        key = self.path(name + '.p8')
        run('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', os.path.join(GOLDEN, 'keys', name + '.key'), '-out', key)
        run('softhsm2-util', '--import', key, '--token', label, '--label', name, '--id', '01', '--pin', PIN, env=self.env)
        run('pkcs11-tool', '--module', MODULE, '--token-label', label, '--login', '--pin', PIN, '--write-object',
            os.path.join(GOLDEN, 'certs', name + '.der'), '--type', 'cert', '--id', '01', '--label', name, env=self.env)

    def move(self, label, inserted):
        places = (self.pulled, self.inserted) if inserted else (self.inserted, self.pulled)
        if os.path.exists(os.path.join(places[0], self.where[label])):
            os.rename(*(os.path.join(p, self.where[label]) for p in places))

    def only(self, *labels):
        for label in self.where:
            self.move(label, label in labels)


class Client:
    """The CTL client of an administrator of this node."""

    def __init__(self, node):
        self.node = node
        self.folder = tempfile.mkdtemp(prefix='ringfence-ctl-')
        self.tokens = Tokens(self.folder)
        node.admin('utils service activate Cisco CTL Provider')
        assert 'would be created' in node.admin('set account name admin --dry-run').stdout
        with Terminal(harness.RINGFENCE, 'admin', '--data', node.data, 'set', 'account', 'name', 'admin') as t:
            for prompt in ('Password of admin: ', 'The same again: '):
                t.wait(prompt)
                t.type(PASSWORD + '\n')
            assert t.end() == 0
        made = node.admin('show account').stdout
        self.fingerprint = re.search(r'^((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$', made, re.M)[1]
        self.server = f'127.0.0.1:{node.port["ctl-provider"]}'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.folder, ignore_errors=True)

    def args(self, *words, password='password', fingerprint=None):
        return ('ctl-client', *words, '--server', self.server, '--user', 'admin', '--module', MODULE, '--password-file',
                self.tokens.path(password), '--fingerprint', fingerprint or self.fingerprint)

    def do(self, *words, tokens=(), pin='pin', options=('--yes',), status=0, **kw):
        """A command for scripts; what it said."""
        named = [w for t in tokens for w in ('--token', f'pkcs11:token={t}')]
        done = ringfence(*self.args(*words, **kw), *named, '--pin-file', self.tokens.path(pin), *options,
                         check=False, env=self.tokens.env)
        assert done.returncode == status, done
        return done.stdout + done.stderr

    def wizard(self, *options):
        return Terminal(harness.RINGFENCE, 'ctl-client', 'wizard', '--module', MODULE, *options, columns=300,
                        env={'SOFTHSM2_CONF': self.tokens.conf})

    def login(self, t):
        t.wait('Cisco Unified Communications Manager Server')
        t.wait('Hostname or IP Address[:Port]: ')
        t.type(self.server + '\n')
        t.wait('Username: ')
        t.type('admin\n')
        t.wait('Password: ')
        t.type(PASSWORD + '\n')
        t.wait('SHA-256 ' + self.fingerprint)
        t.wait('Is it the same? (y/n): ')
        t.type('y\n')


def sizes(listing):
    """What the seeds print of a CTL and a certificate does not change: its size, and every line but hashes and keys."""
    shown = re.sub(r'^([0-9a-f]{1,2} +){7}[0-9a-f]{1,2}$\n', '', listing, flags=re.M)
    shown = re.sub(r'^[0-9a-f]+\(.*\)$|The CTL File was last modified on .*|(?<= )([0-9A-F]{2} ){19}[0-9A-F]{2}', '', shown,
                   flags=re.M)
    return re.sub(r'SERIALNUMBER +16 .*|CAPF-[0-9a-f]{8}', '', shown)


def golden(name):
    with open(os.path.join(GOLDEN, 'tlv', name + '.show.txt')) as f:
        return sizes(f.read())


def another_second():
    """A CTL is dated to the second: what is made in the same one is the same file."""
    began = int(time.time())
    harness.until('the clock goes on', lambda: int(time.time()) > began)


def enter(t, answer='', wait='[q] Cancel: '):
    t.wait(wait)
    t.type(answer + '\n')


def seed_cluster(node):
    """The two nodes of seed 000."""
    other = Node('cucm-1051-a-sub1', init=('--generation', '10.0', '--key-bits', '1024'))
    with other:
        node.admin('set network cluster subscriber details cucm-1051-a-sub1 10.48.47.156')
        node.admin('set network cluster subscriber certificate cucm-1051-a-sub1 CallManager '
                   + other.path('certs', 'CallManager', 'CallManager.pem'))


def stranger(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers('DEFAULT:@SECLEVEL=0')
    return context.wrap_socket(socket.create_connection(('127.0.0.1', port), harness.PATIENCE))


def asked(s, type, elements=b''):
    """What the CTL Provider answers to this message: type and elements (docs/ctl-provider.md)."""
    s.sendall(b'C\1' + bytes((type, 0)) + len(elements).to_bytes(4, 'big') + elements)
    got = b''
    while len(got) < 8 or len(got) < 8 + int.from_bytes(got[4:8], 'big'):
        more = s.recv(65536)
        assert more, 'the connection ended'
        got += more
    return got[2], got[8:]


def finish(t, token, pin=PIN):
    enter(t, 'f', '[c] Cancel: ')
    t.wait(f'PIN of the token {token}: ')
    t.type(pin + '\n')


def test_wizard():
    """4, 5, 19: the pages of the seeds on a terminal, and their files: 4947, 5728 and 3746 octets"""
    node = Node(init=('--generation', '10.0', '--key-bits', '1024', '--ip', '10.48.47.155'))
    with node, Client(node.start()) as c:
        seed_cluster(node)
        c.tokens.golden('etoken1')
        c.tokens.golden('etoken2')
        node.admin('set parameter', 'TVS Accepts Expired Certificates', 'True', '--yes')   # they ended in 2024
        node.admin('utils ctl set-cluster mixed-mode --yes')
        assert sizes(node.admin('show ctl').stdout) == golden('ctl-4947')
        # Seed 000: no token signs a tokenless CTL.
        c.tokens.only('etoken1')
        with c.wizard() as t:
            c.login(t)
            t.wait('2) Set Cisco Unified CallManager Cluster to Non-Secure Mode')
            t.wait('3) Update CTL File')
            enter(t, '3', 'Which? ')
            enter(t)
            t.wait(NOT_IN_CTL)
            enter(t, 'q')
            assert t.end() == 1
        assert sizes(node.admin('show ctl').stdout) == golden('ctl-4947')
        # Seed 000, steps 2 and 11 to 19.
        node.admin('file delete tftp CTLFile.tlv --yes')
        with c.wizard() as t:
            c.login(t)
            t.wait(NO_CTL)
            enter(t)
            enter(t, '3', 'Which? ')
            t.wait('Please insert a Security Token. Click Ok when done.')
            enter(t)
            t.wait('Subject Name  CN=SAST-ADN0054f509')
            t.wait('Issuer Name   CN=Cisco Manufacturing CA;O=Cisco Systems')
            enter(t, 'a', '[c] Cancel: ')
            t.wait('CTL Entries')
            enter(t, 'f', '[c] Cancel: ')
            t.wait('a CTL needs 2 security tokens')
            enter(t, 'a', '[c] Cancel: ')
            enter(t)
            t.wait('is in the CTL Entries already')
            c.tokens.only('etoken2')
            enter(t)
            t.wait('SAST-ADN008580ef')
            enter(t, 'a', '[c] Cancel: ')
            shown = t.wait('[a] Add Tokens, [d] Delete Token, [f] Finish')
            assert shown.count('Security Token ') == 2 and shown.count('CCM+TFTP') == 2 and 'CAPF' in shown, shown
            finish(t, 'etoken2', '9999')
            t.wait('PIN of the token etoken2: ')
            c.tokens.only('etoken1')   # pulled out just now
            t.type(PIN + '\n')
            t.wait('Please insert the Security Token that signs the CTL File')
            c.tokens.only('etoken2')
            enter(t)
            t.wait('PIN of the token etoken2: ')
            t.type(PIN + '\n')
            t.wait('Phones do not know the next signer of the CTL')
            enter(t, 'y', '(y/n):')
            said = t.wait('CTL file Updated\n' + RESTART)
            assert re.search(r'cucm-1051-a-pub +CTL file stored', said) and 'sub1' not in said, said
            t.wait('Not reached: cucm-1051-a-sub1. Copy published/current/CTLFile.tlv')
            assert t.end() == 0
        assert sizes(node.admin('show ctl').stdout) == golden('ctl-5728')
        # Seed 004: one of the two is enough; the first one this time.
        c.tokens.only('etoken1')
        with c.wizard() as t:
            c.login(t)
            enter(t, '2', 'Which? ')
            enter(t)
            enter(t, 'n', '[c] Cancel: ')
            finish(t, 'etoken1')
            enter(t, 'y', '(y/n):')
            t.wait('Cluster set to Non Secure Mode\n' + RESTART)
            assert t.end() == 0
        want = golden('ctl-3746').replace('10.48.47.153', '10.48.47.155').replace('10.48.47.154', '10.48.47.156')
        assert sizes(node.admin('show ctl').stdout) == want
        assert 'ClusterSecurityMode 0' in node.admin(
            "run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'").stdout
        assert 'admin from 127.0.0.1' in node.admin('show audit').stdout


class SmallSite(Site):
    """With small keys, which are made sooner."""

    def __init__(self, generation):
        self.legacy, self.generation = harness.free_port(), generation
        Node.__init__(self, init=('--generation', generation, '--key-bits', '1024', '--listen',
                                  f'legacy-tvs=127.0.0.1:{self.legacy}'))


def to_tokens(site, c, phone, *tokens):
    """Scenario 4, step by step: from a CTL without tokens to one with these two, which a phone takes because TVS knows them."""
    lists = site.path('published', 'current', 'ITLFile.tlv')
    assert NOT_IN_CTL in c.do('update', 'CTLFile', tokens=tokens, status=1)
    site.admin('file delete tftp CTLFile.tlv --yes')
    for label in tokens:
        pem = c.tokens.path(label + '.pem')
        roles = lambda: ringfence('tvs', 'verify', '--server', f'127.0.0.1:{site.port["tvs"]}', '--trust', lists, pem, check=False)
        ringfence('ctl-client', 'export', '--module', MODULE, '--token', f'pkcs11:token={label}', '--pin-file', c.tokens.path('pin'),
                  '-o', pem, env=c.tokens.env)
        assert 'not trusted' in roles().stdout
        site.admin(f'set cert import trust Phone-SAST-trust --file {pem}')
        harness.until('TVS knows the token', lambda: 'Security Token, TFTP' in roles().stdout)   # no CTL has it
        assert f'Phone-SAST-trust/{c.tokens.cn[label]}' in site.admin('show cert list trust').stdout
    assert 'Phones do not know the next signer of the CTL' in c.do('update', 'CTLFile', tokens=tokens, options=(), status=1)
    c.do('update', 'CTLFile', tokens=tokens)
    assert 'CTL            taken: confirmed by a trust verification server, TVS' in phone.boot('took')
    phone.agrees()


def test_before_10_0():
    """5, 23: a release without tokenless CTLs: back to it, and after all tokens are lost; phones without TVS stay behind"""
    with SmallSite('10.0') as site, Client(site.start()) as c:
        c.tokens.make('one', 'two')
        new, old = settle(Phone(site)), settle(Phone(site, OLD))
        site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
        new.boot('took')
        old.boot('took')
        # 5: the CTL is carried over, and nothing can update it.
        was = site.sums('CTL')
        assert 'No hardware token is in it' in site.do('set', 'parameter', 'TrustListGeneration', '8.0')
        assert site.sums('CTL') == was and new.boot('kept' if site.sums('ITL') == new.held('ITL') else 'took')
        assert 'only with hardware tokens' in site.admin('utils ctl update CTLFile --yes', check=False).stderr
        to_tokens(site, c, new, 'one', 'two')
        left_behind(old)
        # 23: both are lost; those that would be left behind are told of before.
        c.tokens.make('three', 'four')
        c.tokens.only('three', 'four')
        site.admin('file delete tftp CTLFile.tlv --yes')
        for phone in (new, old):
            phone.boot('kept')
        said = c.do('update', 'CTLFile', options=(), status=1)
        assert 'models that do not ask TVS keep what they have' in said and 'nothing was changed' in said, said
        c.do('update', 'CTLFile')
        left_behind(old)
        new.boot('took')
        new.agrees()
        c.do('set-cluster', 'non-secure-mode')
        for phone in (new, old):
            assert 'TVS' not in phone.boot('took')
            phone.agrees()


def left_behind(phone):
    """It refuses the new CTL with each restart, until its own is deleted by hand."""
    held = phone.held('CTL')
    assert 'CTL            refused' in phone.boot('refused') and phone.held('CTL') == held
    phone.boot('refused')
    phone.erase()
    phone.boot('took')
    phone.agrees()


def scenarios(generation):
    """Phones of a site whose tokens sign, take over, get lost and come back."""
    with SmallSite(generation) as site, Client(site.start()) as c:
        c.tokens.make('one', 'two')
        new, old = settle(Phone(site)), settle(Phone(site, OLD))
        said = c.do('set-cluster', 'mixed-mode', tokens=('one', 'two'))
        assert 'Cluster set to Mixed Mode' in said and site.mode() == 1
        assert 'confirmed by TVS' in new.boot('took') or 'TVS' in '\n'.join(new.console)
        old.boot('took')   # has no list that could refuse it
        new.agrees()
        old.agrees()
        # 19, 24: one of them is enough, also when the other one is lost.
        c.tokens.only('one')
        assert 'Cluster set to Non Secure Mode' in c.do('set-cluster', 'non-secure-mode') and site.mode() == 0
        for phone in (new, old):
            assert 'TVS' not in phone.boot('took')
            phone.agrees()
        c.tokens.make('spare')
        options = ('--yes', '--remove-token', c.tokens.cn['two'])
        assert 'has no such token' in c.do('set-cluster', 'mixed-mode', options=('--remove-token', 'nobody'), status=1)
        assert 'cannot be removed' in c.do('set-cluster', 'mixed-mode', options=('--remove-token', c.tokens.cn['one']), status=1)
        c.do('set-cluster', 'mixed-mode', tokens=('one', 'spare'), options=options)
        for phone in (new, old):
            phone.boot('took')
        c.tokens.only('spare')
        c.do('update', 'CTLFile')
        for phone in (new, old):
            phone.boot('took')
            phone.agrees()
        # 3: without tokens from now on; up to 11.5 only phones that ask TVS follow.
        said = site.do('utils', 'ctl', 'update', 'CTLFile')
        assert 'signed by a hardware token' in said, said
        new.boot('took')
        new.agrees()
        old.boot('took' if generation == '12.0' else 'refused')
        # 4: and back, by way of deleting the CTL.
        c.tokens.only('one', 'spare')
        to_tokens(site, c, new, 'one', 'spare')
        # 20, 22, 21: all tokens are lost; the command line needs none, and takes the file away in the end.
        c.tokens.only()
        said = site.do('utils', 'ctl', 'set-cluster', 'non-secure-mode')
        assert said.count('becomes no record of the CTL: a hardware token') == 2, said   # though they are in Phone-SAST-trust
        assert 'SAST-ADN' not in site.admin('show ctl').stdout
        new.boot('took')
        new.agrees()
        site.admin('file delete activelog cm/tftpdata/CTLFile.tlv --yes')
        assert site.sums('CTL') is None and new.boot('kept') and new.held('CTL')


def test_scenarios_10_0():
    """3, 4, 19, 20, 21, 22, 24 with generation 10.0"""
    scenarios('10.0')


def test_scenarios_12_0():
    """3, 4, 19, 20, 21, 22, 24 with generation 12.0"""
    scenarios('12.0')


def test_bad_days():
    """refused, lost and late: what is published is as before, and the client says what happened"""
    node = Node(init=('--generation', '8.0', '--key-bits', '1024'))
    with node, Client(node.start()) as c:
        c.tokens.make('one', 'two')
        port = node.port['ctl-provider']
        served = re.search(' serves (.*)', node.log())[1]
        assert 'tvs 127.0.0.1' in served and 'ctl-provider' not in served, served   # it was not activated yet
        assert 'is missing' in ringfence('ctl-client', 'update', 'CTLFile', '--token', 'pkcs11:token=one', '--module', MODULE,
                                         check=False, env=c.tokens.env).stderr
        # Nothing is sent to a server that is not the right one.
        other = ('BB:' if c.fingerprint.startswith('AA:') else 'AA:') + c.fingerprint[3:]
        assert 'shows another certificate' in c.do('set-cluster', 'mixed-mode', fingerprint=other, status=1)
        assert 'needs 2 security tokens' in c.do('set-cluster', 'mixed-mode', tokens=('one',), status=1)
        assert 'no such token is there' in c.do('set-cluster', 'mixed-mode', tokens=('none',), status=1)
        assert 'PIN' in c.do('set-cluster', 'mixed-mode', pin='wrong', status=1)
        assert 'nothing was changed' in c.do('set-cluster', 'mixed-mode', options=(), status=1)
        assert 'not in mixed mode' in c.do('update', 'CTLFile', status=1)
        assert 'Security Token' in c.do('set-cluster', 'mixed-mode', options=('--dry-run',))
        assert 'CTL File not found' in node.admin('show ctl', check=False).stdout
        assert 'only with hardware tokens' in node.admin('utils ctl set-cluster mixed-mode --yes', check=False).stderr
        c.do('set-cluster', 'mixed-mode')
        was = node.tftp('CTLFile.tlv')
        # Two at once: whoever comes second begins again.
        with c.wizard('--server', c.server, '--user', 'admin', '--password-file', c.tokens.path('password'),
                      '--fingerprint', c.fingerprint) as t:
            enter(t, '3', 'Which? ')
            enter(t)
            enter(t, '1', 'Which of them? ')
            enter(t, 'n', '[c] Cancel: ')
            t.wait('CTL Entries')
            another_second()
            c.do('update', 'CTLFile')
            now = node.tftp('CTLFile.tlv')
            assert now != was
            t.wait('[f] Finish')
            t.type('f\n')
            t.wait('PIN of the token ')
            t.type(PIN + '\n')
            t.wait('published anew while this CTL was being made')
            assert t.end() == 1
        assert node.tftp('CTLFile.tlv') == now
        # Killed in the middle: the CTL in force is one of the two, and the client does not say otherwise.
        another_second()
        director = int(re.search(r'director\[(\d+)\]', node.log().splitlines()[-1] + node.log())[1])
        with subprocess.Popen([harness.RINGFENCE, *c.args('update', 'CTLFile'), '--pin-file', c.tokens.path('pin'), '--yes'],
                              env=c.tokens.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            harness.until('it logs in', lambda: 'login' in node.admin('show audit 1', check=False).stdout
                          or client.poll() is not None)
            os.kill(director, signal.SIGKILL)
            said = client.communicate(timeout=harness.PATIENCE)[0]
        harness.until('a director answers', lambda: node.admin('show ctl', check=False).returncode == 0)
        after = node.tftp('CTLFile.tlv')
        assert 'The CTL file was verified successfully.' in node.admin('show ctl').stdout
        assert (after != now) == (client.returncode == 0), said
        # Guessing is slow and ends.
        with open(c.tokens.path('guess'), 'w') as f:
            f.write('Cisco124\n')
        guesses = [subprocess.Popen([harness.RINGFENCE, *c.args('update', 'CTLFile', password='guess')], env=c.tokens.env,
                                    stderr=subprocess.PIPE, text=True) for _ in range(5)]
        for guess in guesses:
            assert 'User name or password is wrong' in guess.communicate(timeout=harness.PATIENCE)[1]
        assert 'User name or password is wrong' in c.do('update', 'CTLFile', status=1)
        assert 'locked until' in node.admin('show account').stdout
        node.admin(f'set password user admin {c.tokens.path("password")}')
        c.do('update', 'CTLFile')
        # Phones that know no SHA-512 get the same CTL with SHA-1, also from a token.
        node.admin('set parameter', 'TFTP File Signature Algorithm', 'SHA-512', '--yes')
        c.do('update', 'CTLFile')
        for name, digest in (('CTLFile.tlv', 3), ('CTLFile.sha1.tlv', 1)):
            path = node.path('published', 'current', name)
            assert ringfence('inspect', path, '--trust', path).returncode == 0
            with open(path, 'rb') as f:
                assert bytes((8, 0, 1, digest)) in f.read(200), name
        node.admin('set parameter', 'TFTP File Signature Algorithm', 'SHA-1', '--yes')
        assert 'Length of CTL file: 4276' in node.admin('show ctl').stdout
        # Everybody has the CTLs of before: without a token none comes back.
        login = b'\1\0\5admin\2\0\x08' + PASSWORD.encode()
        present = node.tftp('CTLFile.tlv')
        with stranger(port) as s:
            asked(s, 1, login)
            generation = asked(s, 3)[1][4:15]   # behind MODE
            for ctl in (was, now, present):
                kind, said = asked(s, 7, b'\5\0\1\3' + generation + b'\x10' + len(ctl).to_bytes(2, 'big') + ctl + b'\x12\0\1\1')
                assert kind == 10 and said[:4] == b'\3\0\1\4' and b'no CTL is taken a second time' in said, said
        assert node.tftp('CTLFile.tlv') == present
        # A login does not outlive its account.
        for end, again in ((f'set password user admin {c.tokens.path("password")}', None),
                           ('delete account admin', f'set account name admin {c.tokens.path("password")}')):
            with stranger(port) as s:
                assert asked(s, 1, login) == (2, b'') and asked(s, 3)[0] == 4
                node.admin(end)
                kind, said = asked(s, 3)
                assert kind == 10 and said[:4] == b'\3\0\1\3' and b'log in again' in said
            if again:
                node.admin(again)
        # Strangers: what is no login, or is none of these messages, ends the connection.
        for octets in (b'GET / HTTP/1.0\r\n\r\n', b'C\1\3\0\0\0\0\0', b'C\1\1\0\0\1\0\0' + bytes(300), b'C\1\2\0\0\0\0\0'):
            with stranger(port) as s:
                s.sendall(octets)
                assert s.recv(100) == b''
        counted = lambda: json.loads(node.admin('show status --json').stdout)['counters']
        harness.until('they are counted', lambda: counted()['ctl-provider messages malformed'] == 4)
        node.admin('utils service stop Cisco CTL Provider')
        assert 'refused' in c.do('update', 'CTLFile', status=1)
        assert node.stop() == 0


if __name__ == '__main__':
    harness.main()
