#!/usr/bin/python3
"""A real node, and an emulated phone that enrols, renews and loses its certificates, and reads encrypted configurations.

The numbers are those of the scenarios that administrators know (behaviour.md 9).
"""
import functools
import glob
import hashlib
import http.server
import json
import os
import re
import sqlite3
import ssl
import stat
import subprocess
import threading
import time

import harness
from harness import Node, ringfence, run

SECRET = 'sw0rdf1sh'
DAY = 86400
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
        assert result['outcome'] in outcome.split(' or '), done.stdout + self.site.log()
        assert result.get('CAPF', {}).get('result') == capf, done.stdout + self.site.log()
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


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass


class Elsewhere:
    """A file server with an ITL that does not name the site's CAPF. A context manager."""

    def __init__(self, site):
        self.site, self.folder = site, os.path.join(site.folder, 'www')
        os.mkdir(self.folder)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=self.folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

    def publish(self, phone):
        site, pem, plain = self.site, os.path.join(self.site.folder, 'manager.pem'), os.path.join(self.site.folder, 'plain')
        with open(pem, 'w') as f:
            for path in (glob.glob(site.path('keys', 'CallManager.*.key'))[0],
                         site.path('certs', 'CallManager', 'CallManager.pem')):
                with open(path) as part:
                    f.write(part.read())
        ringfence('tlv', 'build', '--type', 'itl', '--signer', pem, '--record', f'SAST={pem}', '--record', f'CCM+TFTP={pem}',
                  '--record', 'TVS=' + site.path('certs', 'TVS', 'TVS.pem'), '-o', os.path.join(self.folder, 'ITLFile.tlv'))
        with open(plain, 'wb') as f:
            f.write(site.http(phone.name + '.cnf.xml'))
        ringfence('sgn', 'sign', '--signer', pem, plain, '-o', os.path.join(self.folder, phone.name + '.cnf.xml.sgn'))

    def boot(self, phone):
        """(outcome, CAPF, why its server was or was not trusted)"""
        done = ringfence('phone', 'boot', '--state', phone.state, '--device', phone.name, '--model', '8861', '--transport',
                         'http', '--tftp', '127.0.0.1', '--http-port', self.server.server_address[1], '--json', check=False)
        result = json.loads(done.stdout)
        return result['outcome'], result['CAPF']['result'], result['CAPF']['reason']


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
        before = phone.configuration()
        phone.boot('stranded', 'LSC deleted')    # nothing can be encrypted for it, and the short file is no configuration
        assert phone.configuration() == before
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


def manufacture(folder, device):
    """A manufacturer, and the certificate and key that it puts into a phone. Their paths."""
    path = {n: os.path.join(folder, n) for n in ('ca.key', 'ca.pem', 'mic.key', 'mic.csr', 'mic.pem', 'use')}
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/O=Cisco/CN=Cisco Root CA 2048',
        '-keyout', path['ca.key'], '-out', path['ca.pem'])
    run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/O=Cisco/CN=CP-8861-{device}', '-keyout',
        path['mic.key'], '-out', path['mic.csr'])
    with open(path['use'], 'w') as f:
        f.write('keyUsage = digitalSignature, keyEncipherment\n')
    run('openssl', 'x509', '-req', '-in', path['mic.csr'], '-CA', path['ca.pem'], '-CAkey', path['ca.key'], '-days', '30',
        '-CAcreateserial', '-extfile', path['use'], '-out', path['mic.pem'])
    return path


def test_manufacturers_certificate():
    """a phone shows its MIC and its SUDI data, is enrolled, and reads configurations encrypted for the MIC"""
    with Site() as site:
        phone = Phone(site)
        made = manufacture(site.folder, phone.name)
        mic = ('--mic', made['mic.pem'], '--mic-key', made['mic.key'])
        site.admin('set cert import trust CAPF', '--file', made['ca.pem'])
        site.parameter('CAPF SUDI Data Required', 'True')
        phone.set('authentication mode By Existing Certificate (Precedence to MIC)')
        phone.install()
        phone.boot('took', 'refused by the server')          # it has none
        phone.boot('kept', 'LSC installed', *mic)
        phone.known('^MIC +' + hashlib.sha256(phone.certificate('mic.pem')).hexdigest())
        assert phone.shown()['MIC']['subject'].startswith('CN=CP-8861-' + phone.name), phone.shown()
        phone.set('certificate operation Delete')
        phone.boot('kept', 'LSC deleted')                    # the MIC is kept in its folder
        phone.encrypt()
        result = phone.boot('kept')
        assert result['encrypted configuration']['reason'] == 'decrypted' and phone.shown()['LSC'] is None, result
        half = ringfence('phone', 'boot', '--state', phone.state, '--tftp', '127.0.0.1', *mic[:2], check=False)
        assert half.returncode == 3, half.stderr
        wrong = ringfence('phone', 'boot', '--state', phone.state, '--tftp', '127.0.0.1', *mic[:3], made['ca.key'],
                          check=False)
        assert wrong.returncode == 1 and 'is not the key of' in wrong.stderr, wrong.stderr


def test_fleet():
    """phones that enrol at once: none is lost, and they are counted; with state they have their LSCs the next time"""
    with Site() as site:
        n, csv, key = 24, os.path.join(site.folder, 'phones.csv'), os.path.join(site.folder, 'fleet.key')
        with open(csv, 'w') as f:
            f.write('Device Name,Certificate Operation\n')
            f.writelines(f'SEP{i:012X},Install/Upgrade\n' for i in range(1, n + 1))
        site.admin(f'phone import {csv}')
        for i in range(1, n + 1):
            site.provision(f'SEP{i:012X}.cnf.xml', CONFIG)
        run('openssl', 'genpkey', '-algorithm', 'RSA', '-out', key)

        def fleet(*options):
            port = site.port
            done = ringfence('phone', 'fleet', '--count', n + 1, '--model', '8861', '--tftp', f'127.0.0.1:{port["tftp"]}',
                             '--http-port', port['http'], '--https-port', port['https'], '--capf-retry-interval', '0',
                             '--state', os.path.join(site.folder, 'fleet'), '--json', *options, check=False)
            return json.loads(done.stdout)

        result = fleet('--capf-key', key)                    # nobody provided for the last one
        assert result['capf'] == dict(installed=n, nothing=0, fetched=0, deleted=0, refused=0, failed=0), result
        assert (result['took'], result['failed']) == (n, 1), result
        assert site.admin('phone list').stdout.count('Upgrade Success') == n
        for i in range(1, n + 1):
            site.admin(f'phone set SEP{i:012X} tftp encrypted config True')
        result = fleet()
        assert (result['kept'], result['failed'], result['capf']['installed']) == (n, 1, 0), result
        with open(os.path.join(site.folder, 'fleet', f'SEP{n:012X}', 'configuration.xml')) as f:
            assert SECRET in f.read()


def test_capf_by_tvs():
    """a CAPF that no list of the phone names: TVS vouches for it; when TVS is stopped the phone does not enrol there"""
    with Site() as site, Elsewhere(site) as www:
        phone = Phone(site)
        phone.install()
        www.publish(phone)
        assert www.boot(phone) == ('took', 'LSC installed', 'tvs-confirmed')
        phone.install()
        os.unlink(phone.path('state'))                       # and what TVS said with it
        ringfence('admin', '--data', site.data, 'utils', 'service', 'stop', *TVS.split())
        assert www.boot(phone) == ('refused', 'server not trusted', 'tvs-unreachable')


def dated(der, key, begin, end):
    """The same certificate with another validity, signed again."""
    body = der[4:8 + int.from_bytes(der[6:8], 'big')]
    at = re.search(rb'\x17\x0d.{13}\x17\x0d.{13}', body, re.DOTALL)
    times = b''.join(b'\x17\x0d' + time.strftime('%y%m%d%H%M%SZ', time.gmtime(t)).encode() for t in (begin, end))
    body = body[:at.start()] + times + body[at.end():]
    signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', key], input=body, capture_output=True, check=True,
                               timeout=harness.PATIENCE).stdout
    return der[:4] + body + der[4 + len(body):-len(signature)] + signature


def later(site, phone, days):
    """So many days after CAPF certificate and LSC were made with the default validity: both end together. The node does not run."""
    begin = int(time.time() - days * DAY)
    end = begin + 1825 * DAY
    key = glob.glob(site.path('keys', 'CAPF.*.key'))[0]
    with sqlite3.connect(site.path('store.sqlite3')) as db:
        pkid, name, pem = db.execute('SELECT pkid, commonname, certificate FROM certificate '
                                     "WHERE commonname LIKE 'CAPF-%'").fetchone()
        der = dated(ssl.PEM_cert_to_DER_cert(pem), key, begin, end)
        pem = ssl.DER_cert_to_PEM_cert(der)
        db.execute('UPDATE certificate SET certificate = ?, sha256 = ?, notafter = ? WHERE pkid = ?',
                   (pem, hashlib.sha256(der).hexdigest(), end, pkid))
        lsc = dated(phone.certificate(), key, begin + DAY, end)
        sha256 = hashlib.sha256(lsc).hexdigest()
        db.execute("UPDATE devicecertificate SET certificate = ?, sha256 = ?, notbefore = ?, notafter = ? WHERE kind = 'LSC'",
                   (ssl.DER_cert_to_PEM_cert(lsc), sha256, begin + DAY, end))
        db.execute('UPDATE device SET lsc = ?, lscnotafter = ?', (sha256, end))
    db.close()
    for path in glob.glob(site.path('certs', 'C*', name + '.pem')) + [site.path('certs', 'CAPF', 'CAPF.pem')]:
        with open(path, 'w') as f:
            f.write(pem)
    with open(site.path('certs', 'CAPF', 'CAPF.der'), 'wb') as f:
        f.write(der)
    with open(phone.path('lsc.pem'), 'w') as f:
        f.write(ssl.DER_cert_to_PEM_cert(lsc))


def test_41_encrypted_before_lsc():
    """scenario 41, Encrypted before an LSC exists: CAPF comes first; not by authentication string, which nobody starts"""
    with Site() as site:
        site.do(*'utils ctl set-cluster mixed-mode'.split())
        phone = Phone(site)
        phone.encrypt()
        string_of(phone)
        phone.install()
        refused = site.admin(f'phone set {phone.name} device security mode Encrypted', check=False)
        assert refused.returncode and 'nobody is asked for the string' in refused.stderr, refused.stderr
        # The short file is no configuration, and replaces none.
        phone.boot('stranded', 'waits for an authentication string')
        assert phone.shown()['LSC'] is None and not os.path.exists(phone.path('configuration.xml'))
        phone.set('authentication mode By Null String')
        phone.set('device security mode Encrypted')
        result = phone.boot('kept', 'LSC installed')
        assert result['encrypted configuration']['result'] == 'taken' and SECRET in phone.configuration()
        assert '<deviceSecurityMode>3<' in phone.configuration()


def test_10_capf_expired():
    """scenario 10, CAPF expired and its LSCs with it: signed and encrypted files still load; a new CAPF renews by the LSCs"""
    with Site() as site:
        phone = enrolled(site)
        phone.encrypt()
        site.stop()
        later(site, phone, 1300)                 # the LSC is due, but would gain nothing
        site.start()
        status = site.admin('show status').stdout
        assert re.search(r'^LSC renewal +WAITS: 1 LSC is due .* certificate ends on .*set cert regen CAPF', status, re.M), status
        assert json.loads(site.admin('show status', '--json').stdout)['lsc_renewals_waiting'] == 1
        monitor = site.admin('show cert monitor').stdout
        assert re.search(r'^CAPF/CAPF.der: .*, ending;.*\n  1 LSC is due for renewal', monitor, re.M), monitor
        doctor = ringfence('doctor', '--data', site.data, check=False).stdout
        assert '1 LSC is due for renewal and waits' in doctor, doctor
        site.stop()
        later(site, phone, 1825.5)
        site.start()
        phone.set('authentication mode By Existing Certificate (Precedence to LSC)')
        phone.install()
        old = phone.certificate()
        for outcome in ('took', 'kept'):         # its ITL changes with the certificate
            result = phone.boot(outcome, 'refused by the server')
            assert result['encrypted configuration']['reason'] == 'decrypted', result
        phone.known('^Certificate Operation Status +Upgrade Failed: CA Rejected Connection')
        assert phone.certificate() == old
        site.do('set', 'cert', 'regen', 'CAPF')
        site.restart(CAPF, 'Cisco Tftp')
        assert phone.boot('took', 'LSC installed')['encrypted configuration']['reason'] == 'decrypted'
        assert phone.certificate() != old
        assert 'LSC renewal' not in site.admin('show status').stdout


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
        with open(note) as f:
            string = f.read().strip()
        assert string not in site.log() + phone.read('state') + site.admin('show audit').stdout
        ringfence('admin', '--data', site.data, 'utils', 'service', 'stop', *CAPF.split())
        phone.set('authentication mode By Null String')
        phone.install()
        phone.boot('kept', 'no answer')          # three tries, and it goes on
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
        known.boot('took or kept')               # a list of another second is another
        result = stranger.boot('stranded')
        assert result['configuration']['reason'] == result['ITL']['reason'] == 'digest-unsupported', result
        site.parameter('TFTP File Signature Algorithm', 'SHA-1')
        stranger.boot('took or kept')


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
