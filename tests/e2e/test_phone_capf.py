#!/usr/bin/python3
"""A real node, and an emulated phone that enrols, renews and loses its certificates, and reads encrypted configurations.

The numbers are those of the scenarios that administrators know (behaviour.md 9).
"""
import hashlib
import json
import os
import re
import sqlite3
import ssl
import stat
import subprocess

import harness
from harness import Node, ringfence, run

SECRET = 'sw0rdf1sh'
CONFIG = f'<?xml version="1.0"?>\n<device><fullConfig>true</fullConfig><sshPassword>{SECRET}</sshPassword></device>\n'
CAPF = 'Cisco Certificate Authority Proxy Function'
TVS = 'Cisco Trust Verification Service'


class Site(Node):
    """A running node whose configurations lead to its CAPF."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.start()
        self.parameter('CAPF Phone Port', self.port['capf'])
        self.parameter('Complete Phone Configurations', 'True')

    def do(self, *words):
        return ringfence('admin', '--data', self.data, *words, '--yes').stdout

    def parameter(self, name, value):
        self.do('set', 'parameter', name, value)

    def restart(self, *services):
        for name in services:
            ringfence('admin', '--data', self.data, 'utils', 'service', 'restart', *name.split())


class Phone:
    """An emulated phone that the site knows."""

    count = 0

    def __init__(self, site, model='8861'):
        Phone.count += 1
        self.site, self.model = site, model
        self.name = f'SEP{Phone.count:012X}'
        self.state = os.path.join(site.folder, self.name)
        site.provision(self.name + '.cnf.xml', CONFIG)
        site.admin(f'phone add {self.name} --model {model}')

    def set(self, what):
        self.site.admin(f'phone set {self.name} {what}')

    def install(self):
        self.set('certificate operation Install/Upgrade')

    def boot(self, outcome, capf=None, *options):
        """Reset it; what becomes of it, and of CAPF (None: not contacted). The result."""
        port = self.site.port
        done = ringfence('phone', 'boot', '--state', self.state, '--device', self.name, '--model', self.model, '--tftp',
                         f'127.0.0.1:{port["tftp"]}', '--http-port', port['http'], '--https-port', port['https'],
                         '--capf-retry-interval', '0', '--json', *options, check=False)
        result = json.loads(done.stdout)
        assert result['outcome'] == outcome and result.get('CAPF', {}).get('result') == capf, done.stdout + self.site.log()
        return result

    def path(self, name):
        return os.path.join(self.state, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def configuration(self):
        return self.read('configuration.xml')

    def certificate(self, name='lsc.pem'):
        return ssl.PEM_cert_to_DER_cert(self.read(name))

    def shown(self):
        return json.loads(ringfence('phone', 'show', '--state', self.state, '--json').stdout)

    def known(self, words):
        """The administrator's view of it says so."""
        said = self.site.admin('phone show ' + self.name).stdout
        assert re.search(words, said, re.MULTILINE), f'{words}\n{said}'

    def encrypt(self):
        self.set('tftp encrypted config True')


def enrolled(site, **kw):
    """A phone with an LSC."""
    phone = Phone(site, **kw)
    phone.install()
    phone.boot('took', 'LSC installed')
    return phone


def test_enrols_and_decrypts():
    """null string: the LSC is the phone's and the node's; encryption on: the phone decrypts; LSC lost: it goes to CAPF"""
    with Site() as site:
        phone = Phone(site)
        phone.boot('took')                       # nothing is scheduled, and its configuration says so
        assert phone.shown()['LSC'] is None and not os.path.exists(phone.path('lsc.pem'))
        phone.install()
        assert phone.boot('kept', 'LSC installed')['CAPF']['where'] == 'ITL'
        der = phone.certificate()
        assert stat.S_IMODE(os.stat(phone.path('lsc.key')).st_mode) == 0o600
        phone.known('^Certificate Operation Status +Upgrade Success$')
        phone.known('^LSC +' + hashlib.sha256(der).hexdigest())
        shown = phone.shown()
        assert shown['LSC']['cert_hash'] == hashlib.md5(der).hexdigest() and phone.name in shown['LSC']['subject'], shown
        assert shown['MIC'] is None
        text = ringfence('phone', 'show', '--state', phone.state).stdout
        assert 'LSC  Installed' in text and shown['LSC']['cert_hash'] in text and 'MIC  Not Installed' in text, text
        assert 'PRIVATE' not in text + phone.read('state')
        ringfence('phone', 'erase', '--state', phone.state)
        assert phone.certificate() == der        # **# is for the lists
        phone.boot('took')

        phone.encrypt()
        result = phone.boot('kept')
        assert result['encrypted configuration']['reason'] == 'decrypted', result
        assert SECRET in phone.configuration()
        phone.known('^Configuration Served +encrypted, certHash ' + shown['LSC']['cert_hash'])

        os.unlink(phone.path('lsc.pem'))         # certHash is another's now
        before = phone.configuration()
        result = phone.boot('stranded', 'nothing scheduled')
        assert result['encrypted configuration']['reason'] == 'no-certificate', result
        assert phone.configuration() == before   # it keeps what it had
        assert not os.path.exists(phone.path('lsc.key'))
        phone.install()
        assert phone.boot('kept', 'LSC installed')['encrypted configuration']['result'] == 'taken'
        assert phone.certificate() != der

        phone.set('certificate operation Troubleshoot')
        phone.boot('kept', 'certificate fetched')
        phone.set('certificate operation Delete')
        phone.boot('kept', 'LSC deleted')
        assert phone.shown()['LSC'] is None and not os.path.exists(phone.path('lsc.key'))
        phone.known('^LSC +none is known$')


def string_of(phone):
    """An authentication string, in a file as if it stood on a note beside the phone."""
    phone.set('authentication mode By Authentication String')
    said = phone.site.admin(f'phone string {phone.name} --digits 6').stdout
    path = os.path.join(phone.site.folder, 'note')
    with open(path, 'w') as f:
        f.write(re.search(r'\b\d{6}\b', said)[0] + '\n')
    return path


def test_41_encrypted_before_lsc():
    """scenario 41, Encrypted before an LSC exists: CAPF comes first; not by authentication string, which nobody starts"""
    with Site() as site:
        phone = Phone(site)
        phone.set('device security mode Encrypted')
        phone.encrypt()
        phone.install()
        phone.set('authentication mode By Authentication String')
        phone.boot('took', 'waits for an authentication string')
        assert phone.shown()['LSC'] is None and SECRET not in phone.configuration()
        phone.set('authentication mode By Null String')
        result = phone.boot('kept', 'LSC installed')
        assert result['encrypted configuration']['result'] == 'taken' and SECRET in phone.configuration()
        assert '<deviceSecurityMode>3<' in phone.configuration()


def test_42_by_hand():
    """scenario 42, the LSC does not come: somebody types the string on the phone; a wrong one is refused"""
    with Site() as site:
        phone = Phone(site)
        note = string_of(phone)
        phone.install()
        phone.boot('took')
        phone.boot('kept')
        assert phone.shown()['LSC'] is None
        wrong = note + '.wrong'
        with open(wrong, 'w') as f:
            f.write('1234567890\n')
        phone.boot('kept', 'refused by the server', '--capf-string-file', wrong)
        phone.known('^Certificate Operation +Install/Upgrade$')
        phone.boot('kept', 'LSC installed', '--capf-string-file', note)
        phone.boot('kept')
        string = open(note).read().strip()
        assert string not in site.log() + phone.read('state') + site.admin('show audit').stdout
        empty = ringfence('phone', 'boot', '--state', phone.state, '--tftp', '127.0.0.1', '--capf-string-file', '/dev/null',
                          check=False)
        assert empty.returncode == 1 and 'authentication string' in empty.stderr, empty.stderr


def test_44_old_firmware():
    """scenario 44, encrypted configuration and firmware too old: the short file; newer firmware reads all of it"""
    with Site() as site:
        phone = enrolled(site)
        phone.encrypt()
        phone.boot('kept', None, '--old-firmware')
        assert '<fullConfig>false<' in phone.configuration() and SECRET not in phone.configuration()
        phone.boot('kept')
        assert SECRET in phone.configuration()


def test_45_sha512():
    """scenario 45, SHA-512 set: phones that cannot read it stop, unless the node knows their model; SHA-1 brings them back"""
    with Site() as site:
        known, stranger = Phone(site, '7975'), Phone(site, '7975')
        stranger.set('model 8861')               # the administrator's mistake
        for phone in (known, stranger):
            phone.boot('took')
        site.parameter('TFTP File Signature Algorithm', 'SHA-512')
        known.boot('kept')
        result = stranger.boot('stranded')
        assert result['configuration']['reason'] == result['ITL']['reason'] == 'digest-unsupported', result
        site.parameter('TFTP File Signature Algorithm', 'SHA-1')
        stranger.boot('kept')


def test_9_capf_regenerated():
    """scenario 9, CAPF regenerated: the ITL changes, old LSCs decrypt and vouch for their renewal by the new CAPF"""
    with Site() as site:
        site.do(*'utils ctl set-cluster mixed-mode'.split())
        phone = enrolled(site)
        phone.encrypt()
        phone.boot('kept')
        old, issuer = phone.certificate(), phone.shown()['LSC']['issuer']
        site.do('set', 'cert', 'regen', 'CAPF')
        site.do('utils', 'ctl', 'update', 'CTLFile')
        site.restart(CAPF, TVS, 'Cisco Tftp')
        result = phone.boot('took')
        assert result['ITL']['result'] == result['CTL']['result'] == 'taken', result
        assert result['encrypted configuration']['reason'] == 'decrypted' and phone.certificate() == old, result
        phone.set('authentication mode By Existing Certificate (Precedence to LSC)')
        phone.install()
        assert phone.boot('kept', 'LSC installed')['encrypted configuration']['reason'] == 'decrypted'
        assert phone.certificate() != old and phone.shown()['LSC']['issuer'] != issuer
        run('openssl', 'verify', '-purpose', 'sslclient', '-CAfile', site.path('certs', 'CAPF', 'CAPF.pem'),
            phone.path('lsc.pem'))
        phone.boot('kept')


if __name__ == '__main__':
    harness.main()
