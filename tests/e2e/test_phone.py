#!/usr/bin/python3
"""The emulated phone against a site of files: what it takes, keeps and refuses, its menu, and a fleet."""
import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import tempfile
import threading

import harness
from harness import need, ringfence, run

SEP = 'SEP001122334455'
CONFIG = ('<?xml version="1.0"?>\n<device><fullConfig>true</fullConfig><TVS><members><member priority="0">'
          '<port>%d</port><address>127.0.0.1</address></member></members></TVS></device>\n')


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass


class Site:
    """Certificates, lists and configurations in a folder, and Python's HTTP server over it. A context manager."""

    def __init__(self):
        need('openssl')
        self.folder = tempfile.mkdtemp(prefix='ringfence-')
        self.www = os.path.join(self.folder, 'www')
        os.mkdir(self.www)
        handler = functools.partial(Quiet, directory=self.www)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.dead = harness.free_port()   # nobody listens there

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def pem(self, name):
        """Key and certificate in one file; made when it is not there."""
        path = self.path(name + '.pem')
        if not os.path.exists(path):
            run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj',
                f'/CN={name}/O=Cisco/OU=TAC', '-keyout', path + '.key', '-out', path + '.crt')
            with open(path, 'w') as out:
                for part in ('.key', '.crt'):
                    with open(path + part) as f:
                        out.write(f.read())
        return path

    def publish(self, manager, tvs, devices=(SEP,), ctl=False):
        """Lists and configurations as the node would serve them, signed by `manager`."""
        m = self.pem(manager)
        ringfence('tlv', 'build', '--type', 'itl', '--signer', m, '--record', f'SAST={m}', '--record', f'CCM+TFTP={m}',
                  '--record', f'TVS={self.pem(tvs)}', '-o', os.path.join(self.www, 'ITLFile.tlv'))
        if ctl:
            ringfence('tlv', 'build', '--type', 'ctl', '--signer', m, '--record', f'SAST={m}', '--record',
                      f'CCM+TFTP={m}', '-o', os.path.join(self.www, 'CTLFile.tlv'))
        for device in devices:
            plain = self.path(device + '.cnf.xml')
            with open(plain, 'w') as f:
                f.write(CONFIG % self.dead)
            ringfence('sgn', 'sign', '--signer', m, plain, '-o', os.path.join(self.www, device + '.cnf.xml.sgn'))

    def boot(self, state, *options, device=SEP):
        return ringfence('phone', 'boot', '--state', self.path(state), '--device', device, '--model', '8861',
                         '--transport', 'http', '--tftp', f'127.0.0.1:{self.dead}', '--http-port', self.port,
                         *options, check=False)

    def fleet(self, *options):
        done = ringfence('phone', 'fleet', '--model', '8861', '--transport', 'http', '--tftp',
                         f'127.0.0.1:{self.dead}', '--http-port', self.port, '--json', *options, check=False)
        return done.returncode, json.loads(done.stdout)

    def sum(self, name, kind):
        with open(os.path.join(self.www, name), 'rb') as f:
            return hashlib.new(kind, f.read()).hexdigest()


def test_first_boot_and_second():
    """a new phone takes the ITL and then only signed files; the second boot changes nothing; its menu has the checksums"""
    with Site() as site:
        site.publish('manager', 'tvs')
        first = site.boot('p')
        assert first.returncode == 0, first.stdout + first.stderr
        for words in (f'SECD: tlRequestFile: Request CTL{SEP}.tlv', 'screen: File Not Found <CTLFile.tlv>',
                      'screen: Trust List Updated', 'SECD: lookupCTL: TFTP SRVR secure',
                      f'SECD: verifyFile: verify SUCCESS </usr/ram/{SEP}.cnf.xml>', f'{SEP} took'):
            assert words in first.stdout, f'{words}\n{first.stdout}'
        second = site.boot('p', '--json')
        assert second.returncode == 0
        assert json.loads(second.stdout)['outcome'] == 'kept'
        menu = ringfence('phone', 'show', '--state', site.path('p')).stdout
        assert site.sum('ITLFile.tlv', 'md5') in menu and site.sum('ITLFile.tlv', 'sha1') in menu, menu
        assert 'CTL File\n  Not Installed' in menu
        shown = json.loads(ringfence('phone', 'show', '--state', site.path('p'), '--json').stdout)
        assert shown['ITL']['sha1'] == site.sum('ITLFile.tlv', 'sha1') and shown['tvs'][0]['port'] == site.dead


def test_mixed_mode():
    """the first CTL of a phone that has an ITL is taken when its signer stands there"""
    with Site() as site:
        site.publish('manager', 'tvs')
        assert site.boot('p').returncode == 0
        site.publish('manager', 'tvs', ctl=True)
        done = site.boot('p')
        assert done.returncode == 0 and 'taken: signed by a security token (SAST) record' in done.stdout, done.stdout
        assert os.path.exists(site.path('p', 'CTLFile.tlv'))


def test_stranded_and_erased():
    """a signer that nothing knows and no TVS that answers: stranded, exit 1, nothing installed; erasing repairs it"""
    with Site() as site:
        site.publish('manager', 'tvs')
        assert site.boot('p').returncode == 0
        before = ringfence('phone', 'show', '--state', site.path('p')).stdout
        site.publish('other', 'tvs2')
        done = site.boot('p')
        assert done.returncode == 1, done.stdout
        assert 'screen: Trust List Update Failed' in done.stdout and 'screen: Verification Failed' in done.stdout
        assert f'{SEP} stranded' in done.stdout
        assert ringfence('phone', 'show', '--state', site.path('p')).stdout == before
        ringfence('phone', 'erase', '--state', site.path('p'))
        assert site.boot('p').returncode == 0


def test_damage_on_the_way():
    """a configuration with one octet changed is refused"""
    with Site() as site:
        site.publish('manager', 'tvs')
        assert site.boot('p').returncode == 0
        path = os.path.join(site.www, SEP + '.cnf.xml.sgn')
        with open(path, 'r+b') as f:
            f.seek(-3, os.SEEK_END)
            f.write(b'x')
        done = site.boot('p', '--json')
        assert done.returncode == 1
        result = json.loads(done.stdout)
        assert result['outcome'] == 'stranded' and result['configuration']['reason'] == 'signature', result


def test_state_is_whose_it_is():
    """a folder belongs to one phone; a damaged one is refused and not overwritten"""
    with Site() as site:
        site.publish('manager', 'tvs')
        assert site.boot('p').returncode == 0
        assert site.boot('p', device='SEP0000000000AA').returncode == 3
        with open(site.path('p', 'state'), 'w') as f:
            f.write('nonsense\n')
        done = site.boot('p')
        assert done.returncode == 1 and 'damaged' in done.stderr, done.stderr
        with open(site.path('p', 'state')) as f:
            assert f.read() == 'nonsense\n'


def test_fleet():
    """forty phones at once: taken, kept, and all stranded after a change that no TVS vouches for"""
    names = [f'SEP{n:012X}' for n in range(1, 41)]
    with Site() as site:
        site.publish('manager', 'tvs', names)
        state = ('--count', 40, '--concurrency', 16, '--state', site.path('fleet'))
        code, result = site.fleet(*state)
        assert code == 0 and result['took'] == 40, result
        code, result = site.fleet(*state)
        assert code == 0 and result['kept'] == 40, result
        old = site.path('old.tlv')
        shutil.copy(os.path.join(site.www, 'ITLFile.tlv'), old)
        site.publish('other', 'tvs2', names)
        code, result = site.fleet(*state)
        assert code == 1 and result['stranded'] == 40, result
        assert result['reasons'] == {'tvs-unreachable': 80}, result['reasons']
        code, result = site.fleet('--count', 5, '--holding', old)
        assert code == 1 and result['stranded'] == 5 and result['reasons'] == {'no-tvs-server': 10}, result


def test_nobody_there():
    """without a server a phone ends, and says so"""
    with Site() as site:
        with contextlib.suppress(OSError):
            site.server.shutdown()
            site.server.server_close()
        done = site.boot('p', '--quiet')
        assert done.returncode == 1 and f'{SEP} failed' in done.stdout, done.stdout


if __name__ == '__main__':
    harness.main()
