#!/usr/bin/python3
"""A real node, and emulated phones that decide for themselves: what changes do to phones.

The numbers are those of the scenarios that administrators know (behaviour.md 9). Each test compares three things: the
whole console log of a phone, what stands in its state folder, and its checksums with those of `show ctl` and `show itl`.
Generation 10.0 (CallManager signs) and 12.0 (ITLRecovery signs) are both tried where they differ.
"""
import contextlib
import glob
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import harness
from harness import Node, ringfence

GENERATIONS = ('10.0', '12.0')   # CallManager signs; ITLRecovery signs
TVS = 'Cisco Trust Verification Service'
DAY = 86400

OLD, SBD, NEW = '7960', '7975', '8861'   # asks no TVS; asks over TLS 1.0; asks over TLS 1.2 and 1.3, HTTP first

UNKNOWN_HERE = 'not known to the phone, and this model asks no trust verification server'
MISMATCH = 'the TVS certificate does not match the ITL'
NOBODY = 'no trust verification server answered'


# ---- the node ----

class Site(Node):
    """A node with a listener for TLS 1.0 beside the ordinary one, as a site with old and new phones has it."""

    def __init__(self, generation='12.0'):
        self.legacy = harness.free_port()
        self.generation = generation
        super().__init__(init=('--generation', generation, '--listen', f'legacy-tvs=127.0.0.1:{self.legacy}'))

    def start(self):
        super().start()
        self.do('set', 'parameter', 'Allow Insecure TLS 1.0 On Legacy Listeners', 'True')
        return self

    def do(self, *words):
        """A command that changes something, with its arguments one by one. What it printed."""
        return ringfence('admin', '--data', self.data, *words, '--yes').stdout

    def regen(self, unit, warned=()):
        """Regenerate; it must have warned in these words before it asked, and otherwise not of phones."""
        said = self.do('set', 'cert', 'regen', unit)
        before = said[:said.index('Proceed with regeneration')]
        for words in warned:
            assert words in before, f'{words}\n{said}'
        assert warned or 'stranded' not in before and 'No phone' not in before, said
        return said

    def service(self, what, name=TVS):
        return ringfence('admin', '--data', self.data, 'utils', 'service', what, *name.split()).stdout

    def restart(self):
        self.service('restart')
        self.service('restart', 'Cisco Tftp')

    def sums(self, kind):
        """(MD5, SHA-1, length) as `show ctl` or `show itl` prints them; None when it says that there is none."""
        shown = self.admin(f'show {kind.lower()}', check=False).stdout
        if f'{kind} File not found' in shown:
            assert 'Length of CTL file: 0' in shown and 'Error parsing the CTL File.' in shown, shown
            return None
        assert f'The {kind} file was verified successfully.' in shown, shown
        return (re.search(r'^(\w{32})\(MD5\)$', shown, re.M)[1], re.search(r'^(\w{40})\(SHA1\)$', shown, re.M)[1],
                int(re.search(rf'^Length of {kind} file: (\d+)$', shown, re.M)[1]))

    def mode(self):
        said = self.admin("run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'")
        return int(re.search(r'ClusterSecurityMode +(\d)', said.stdout)[1])


# ---- phones ----

class Phone:
    """An emulated phone of a site. Its configuration names the TVS servers and the directory it is given here."""

    count = 0

    def __init__(self, site, model=NEW, tvs=None):
        Phone.count += 1
        self.site, self.model = site, model
        self.name = f'SEP{Phone.count:012X}'
        self.state = os.path.join(site.folder, self.name)
        self.tvs = tvs or [site.legacy if model == SBD else site.port['tvs']]
        self.directory = None
        self.configure()

    def configure(self):
        # The member of the lowest priority is the first to be asked, wherever it stands.
        members = ''.join(f'<member priority="{n}"><port>{port}</port><address>127.0.0.1</address></member>'
                          for n, port in reversed(list(enumerate(self.tvs))))
        url = f'<secureDirectoryURL>{self.directory}</secureDirectoryURL>' if self.directory else ''
        self.configuration = (f'<?xml version="1.0"?>\n<device><fullConfig>true</fullConfig>{url}'
                              f'<TVS><members>{members}</members></TVS></device>\n')
        self.site.provision(self.name + '.cnf.xml', self.configuration)

    def boot(self, outcome, *options):
        """Reset it; the outcome must be this one. Its result, and in self.console what it logged and showed."""
        port = self.site.port
        known = () if os.path.exists(os.path.join(self.state, 'state')) else ('--device', self.name)
        args = ('phone', 'boot', '--state', self.state, '--model', self.model, '--tftp', f'127.0.0.1:{port["tftp"]}',
                '--http-port', port['http'], '--https-port', port['https'], *known, *options)
        done = ringfence(*args, check=False)
        lines = done.stdout.splitlines()
        end = next((i for i, line in enumerate(lines) if re.fullmatch(rf'{self.name} \w+', line)), None)
        assert end is not None, done.stdout + done.stderr
        self.console = [re.sub(r'^\d+: (NOT|ERR) [\d:.]+ ', '', line) for line in lines[:end]]
        assert lines[end] == f'{self.name} {outcome}', done.stdout
        assert done.returncode == (0 if outcome in ('took', 'kept') else 1), done.returncode
        return '\n'.join(lines[end:])

    def same(self, log):
        """The console is this log, line for line."""
        want = log.lines
        for i, (a, b) in enumerate(zip(self.console, want)):
            assert a == b, f'line {i + 1} of the console of {self.name}\n   is {a}\n not {b}'
        assert len(self.console) == len(want), '\n'.join(['the rest is'] + self.console[len(want):] +
                                                          ['and not'] + want[len(self.console):])

    def show(self):
        return json.loads(ringfence('phone', 'show', '--state', self.state, '--json').stdout)

    def held(self, kind):
        """(MD5, SHA-1, length) of its Trust List menu, which must be those of the file it keeps; None without a list."""
        menu = self.show()[kind]
        path = os.path.join(self.state, f'{kind}File.tlv')
        assert os.path.exists(path) == bool(menu), (kind, menu)
        if not menu:
            return None
        with open(path, 'rb') as f:
            data = f.read()
        sums = hashlib.md5(data).hexdigest(), hashlib.sha1(data).hexdigest(), len(data)
        assert sums == (menu['md5'], menu['sha1'], menu['length'])
        assert sums[0] in ringfence('phone', 'show', '--state', self.state).stdout
        return sums

    def lists(self):
        return self.held('CTL'), self.held('ITL')

    def agrees(self):
        """Its lists are those that `show ctl` and `show itl` describe, and its configuration is the node's."""
        want = self.site.sums('CTL'), None if self.model == OLD else self.site.sums('ITL')
        assert self.lists() == want, (self.lists(), want)
        with open(os.path.join(self.state, 'configuration.xml')) as f:
            assert f.read() == self.configuration

    def erase(self):
        assert 'Erasing CTL and ITL files' in ringfence('phone', 'erase', '--state', self.state).stdout
        assert self.lists() == (None, None)


class Log:
    """The console log that a phone should have written, put together from what it should have done."""

    def __init__(self, phone):
        self.phone, self.lines, self.transfer = phone, [], 0

    def add(self, *lines):
        self.lines += lines
        return self

    def request(self, name, limit=''):
        self.transfer += 1
        return self.add(f'TFTP: [{self.transfer}]:Requesting {name} from 127.0.0.1{limit}')

    def missing(self, name):
        return self.add(f'TFTP: [{self.transfer}]:Error --> File not found <{name}>')

    def got(self, octets):
        return self.add(f'TFTP: [{self.transfer}]:Finished --> rcvd {octets} bytes')

    def no_ctl(self):
        for name in (f'CTL{self.phone.name}.tlv', 'CTLFile.tlv'):
            self.add(f'SECD: tlRequestFile: Request {name}').request(name).missing(name)
        return self.add('screen: File Not Found <CTLFile.tlv>')

    def offered(self, kind):
        """A list comes; what the phone looks up in it follows."""
        name = f'{kind}{self.phone.name}.tlv'
        self.data = self.phone.site.tftp(name)
        return self.add(f'SECD: tlRequestFile: Request {name}').request(name).got(len(self.data))

    def accepted(self):
        header = int.from_bytes(self.data[8:10], 'big')   # the element HEADERLENGTH follows the version
        return self.add(f'SECD: validate_file_envelope: File sign verify SUCCESS; header length <{header}>')

    def taken(self):
        return self.accepted().add(
            'SECD: tvsReqFlushTvsCertCache: Sent Request to TVS proxy, len: 3708',
            'SECD: processTvsClntReq: TVS Certificate cache flush request received',
            'SECD: tvsFlushCertCache: Completed TVS Certificate cache flush request', 'screen: Trust List Updated')

    def refused(self, why):
        return self.add(f'SECD: EROR:validate_file_envelope: File sign verify FAILED; {why}',
                        'screen: Trust List Update Failed')

    def searching(self, function):
        return self.add(f'SECD: {function}: Searching TL from CTL file', f'SECD: {function}: Searching TL from ITL file')

    def tvs_begin(self, port):
        return self.add('SECD: processTvsClntReq: No server sock exists, must be created',
                        'SECD: connectToTvsServer: Successfully started a TLS connection establishment to the TVS server: '
                        f'IP:127.0.0.1, port:{port}; Waiting for it to get connected.')

    def tvs_dead(self, port):
        return self.tvs_begin(port).add(f'SECD: EROR:connectToTvsServer: TVS server IP:127.0.0.1, port:{port}: '
                                        'Connection refused')

    def tvs_found(self, port):
        """Connected, and its certificate stands in the ITL."""
        self.tvs_begin(port).add('SECD: srvr_cert_vfy: Server Certificate Validation needs to be done')
        self.searching('findByIssuerAndSerialAndRoleInTL')
        if self.phone.site.generation == '10.0':   # its ITL has hashes
            return self.add('SECD: verifyCertWithHashFromTL: cert hash and hash in TL MATCH',
                            'SECD: tvs_cert_vfy: TVS cert verified with hash from TL, <127.0.0.1>')
        return self.add('SECD: tvs_cert_vfy: TVS cert verified with cert from TL, <127.0.0.1>')

    def tvs_mismatch(self, port):
        self.tvs_begin(port).add('SECD: srvr_cert_vfy: Server Certificate Validation needs to be done')
        return self.searching('findByIssuerAndSerialAndRoleInTL').add(
            f'SECD: EROR:tvs_cert_vfy: TVS cert not verified, <127.0.0.1>; {MISMATCH}')

    def proxy(self):
        """The first words of a question about a signer."""
        return self.add('SECD: setupSocketToTvsProxy: Connected to TVS proxy server')

    def queried(self, port):
        """TVS is asked for the signer, and has it."""
        return self.proxy().tvs_found(port).asked_for_signer()

    def asked_for_signer(self):
        return self.add(
            'SECD: sendTvsClientReqToSrvr: Query Certificate : request sent to TVS server - waiting for response',
            'SECD: processTvsSrvrResponse: Query Response received, status : 0')

    def requested(self, signed=True):
        """The configuration is asked for, and comes."""
        name = self.phone.name + '.cnf.xml'
        self.add(f"tftpClient: tftp request rcv'd from /usr/tmp/tftp, srcFile = {name}, dstFile = /usr/ram/{name} "
                 'max size = 550001', 'tftpClient: auth server - tftpList[0] = ::ffff:127.0.0.1',
                 'tftpClient: look up server - 0')
        if signed:
            self.add('SECD: lookupCTL: TFTP SRVR secure', 'tftpClient: secVal = 0x9',
                     'tftpClient: ::ffff:127.0.0.1 is a secure server', 'tftpClient: retval = SRVR_SECURE',
                     'tftpClient: Secure file requested',
                     f'tftpClient: authenticated file approved - add .sgn -- {name}.sgn')
            name += '.sgn'
        else:
            self.add('SECD: lookupCTL: TFTP SRVR not secure')
        self.request(name, ' with size limit of 550001')
        return self.got(len(self.phone.site.tftp(name)))

    def verified(self):
        return self.add(f'SECD: verifyFile: verify SUCCESS </usr/ram/{self.phone.name}.cnf.xml>',
                        f'screen: {self.phone.name}.cnf.xml.sgn')

    def not_verified(self, why):
        return self.add(f'SECD: EROR:verifyFile: verify FAILED </usr/ram/{self.phone.name}.cnf.xml>; {why}',
                        'screen: Verification Failed')

    def configured(self):
        return self.requested().verified()

    def unsigned(self):
        return self.requested(signed=False).add(f'screen: {self.phone.name}.cnf.xml')

    def connected(self, port):
        """A TLS server is connected to, and its certificate looked for in the lists."""
        return self.add(
            f'SECD: clpSetupSsl: Trying to connect to IPV4, IP: 127.0.0.1, Port : {port}',
            f'SECD: clpSetupSsl: TCP connect() waiting, <127.0.0.1> c:8 s:9 port: {port}',
            'SECD: clpSetupSsl: TCP connected, <127.0.0.1> c:8 s:9',
            'SECD: clpSetupSsl: start SSL/TLS handshake, <127.0.0.1> c:8 s:9',
            'SECD: srvr_cert_vfy: Server Certificate Validation needs to be done')

    def in_no_list(self):
        return self.searching('findByCertAndRoleInTL').add(
            'SECD: EROR:https_cert_vfy: HTTPS cert not in CTL, <127.0.0.1>',   # nor in the ITL, as phones have it
            'SECD: processTvsClntReq: TVS Certificate Authentication request')

    def directory(self, port):
        return self.add('JVM: Startup Module Loader|cip.dir.TandunDirectories: ? - Directory url '
                        f'{self.phone.directory}').connected(port).in_no_list()

    def cached(self):
        return self.add('SECD: lookupAuthCertTvsCacheEntry: Found matching entry at cache')

    def not_cached(self):
        return self.add('SECD: lookupAuthCertTvsCacheEntry: No matching entry found at cache')

    def asked(self, status):
        return self.add('SECD: sendTvsClientReqToSrvr: Authenticate Certificate : request sent to TVS server - waiting for '
                        'response', f'SECD: processTvsSrvrResponse: Authentication Response received, status : {status}')

    def confirmed(self, ttl=f'default time-to-live value: {DAY}'):
        return self.asked(0).add(f'SECD: saveCertToTvsCache: Saving certificate in TVS cache with {ttl} seconds',
                                 'SECD: Authenticated the HTTPS conn via TVS')

    def fetched(self):
        return self.add(f'JVM: Startup Module Loader|cip.http.ae:? - listener.httpSucceed: {self.phone.directory}')


def settle(phone):
    """A phone that was there before the change: it has what the node has."""
    phone.boot('kept' if phone.model == OLD and not phone.site.sums('CTL') else 'took')
    phone.agrees()
    return phone


def quiet(phone):
    """Another reset changes nothing, and needs nobody."""
    assert 'TVS' not in phone.boot('kept'), phone.console
    phone.agrees()


# ---- scenarios ----

def test_1_new_cluster():
    """scenario 1, new cluster: phones take the ITL and signed files; no CTL is normal"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            assert site.sums('CTL') is None and site.mode() == 0
            for model in (SBD, NEW):
                phone = Phone(site, model)
                assert 'CTL            not offered' in phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').taken().configured())
                phone.agrees()
                assert phone.show()['tvs'] == [{'host': '127.0.0.1', 'port': phone.tvs[0]}]
                phone.boot('kept')
                phone.same(Log(phone).no_ctl().offered('ITL').accepted().configured())
                phone.agrees()
            phone = Phone(site, OLD)   # without Security By Default there is no ITL
            phone.boot('kept')
            phone.same(Log(phone).no_ctl().add('screen: No Trust List Installed').unsigned())
            phone.agrees()


def test_2_mixed_mode():
    """scenario 2, to mixed mode: phones take the CTL; the ITL stays; models without TVS become signed too"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            phones = [settle(Phone(site, model)) for model in (OLD, SBD, NEW)]
            itl = site.sums('ITL')
            site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
            site.restart()
            assert site.mode() == 1 and site.sums('ITL') == itl
            for phone in phones:
                said = phone.boot('took')
                log = Log(phone).offered('CTL').taken()
                if phone.model == OLD:
                    log.configured()
                else:
                    assert 'CTL            taken: signed by a security token (SAST) record of an installed trust list, ITL' in said
                    assert 'ITL            unchanged' in said
                    log.offered('ITL').accepted().configured()
                phone.same(log)
                quiet(phone)
            new = Phone(site, NEW)     # the CTL without check, and then the ITL because of the CTL
            new.boot('took')
            new.same(Log(new).offered('CTL').taken().offered('ITL').taken().configured())
            new.agrees()


def test_6_callmanager():
    """scenario 6, CallManager regenerated: old lists do not know the new signer, TVS does; from 12.0 nobody is asked"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            phones = [settle(Phone(site, model)) for model in (OLD, SBD, NEW)]
            before = site.sums('ITL')
            site.regen('CallManager')
            site.restart()
            assert site.sums('ITL') != before
            for phone in phones:
                said = phone.boot('kept' if phone.model == OLD else 'took')
                log = Log(phone).no_ctl()
                if phone.model == OLD:
                    log.add('screen: No Trust List Installed').unsigned()
                elif generation == '10.0':
                    assert 'ITL            taken: confirmed by a trust verification server, TVS' in said
                    log.offered('ITL').queried(phone.tvs[0]).taken().configured()
                else:
                    log.offered('ITL').taken().configured()
                phone.same(log)
                quiet(phone)


def test_6_tvs_stopped():
    """scenario 6 while TVS is stopped: nothing is taken, and nothing is lost when it is started"""
    with Site('10.0') as site:
        site.start()
        phones = [settle(Phone(site, model)) for model in (SBD, NEW)]
        site.regen('CallManager', ['Those that ask TVS take it while Cisco Trust Verification Service runs'])
        site.service('stop')
        for phone in phones:
            before, port = phone.lists(), phone.tvs[0]
            phone.boot('stranded')
            phone.same(Log(phone).no_ctl().offered('ITL').proxy().tvs_dead(port).refused(NOBODY)
                       .requested().proxy().tvs_dead(port).not_verified(NOBODY))
            assert phone.lists() == before
        site.service('start')
        for phone in phones:
            settle(phone)


def test_7_callmanager_mixed():
    """scenario 7, CallManager regenerated in mixed mode: TVS vouches for the new CTL; models that ask no TVS stay behind"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
            old, sbd, new = [settle(Phone(site, model)) for model in (OLD, SBD, NEW)]
            before = old.lists()
            site.regen('CallManager')
            site.do('utils', 'ctl', 'update', 'CTLFile')
            site.restart()
            assert site.sums('CTL') != before[0]
            for phone in (sbd, new):
                phone.boot('took')
                log = Log(phone).offered('CTL')
                if generation == '10.0':
                    log.queried(phone.tvs[0])
                phone.same(log.taken().offered('ITL').taken().configured())
                quiet(phone)
            if generation == '12.0':   # ITLRecovery signed the CTL, and the old one knows it
                old.boot('took')
                old.same(Log(old).offered('CTL').taken().configured())
                old.agrees()
                continue
            old.boot('stranded')
            old.same(Log(old).offered('CTL').refused(UNKNOWN_HERE).requested().not_verified(UNKNOWN_HERE))
            assert old.lists() == before
            old.erase()                # the remedy: the CTL deleted by hand
            settle(old)


def locked_out(phone, kinds=('ITL',), configuration=False):
    """It knows neither the signer nor the TVS server: nothing is taken, and its folder stays as it was. configuration: it
    still takes that, because the key that signs configurations is the old one."""
    before, port = phone.lists(), phone.tvs[0]
    said = phone.boot('refused' if configuration else 'stranded')
    log = Log(phone)
    if 'CTL' not in kinds:
        log.no_ctl()
    for kind in kinds:
        assert f'{kind}            refused: {MISMATCH}' in said, said
        log.offered(kind).proxy().tvs_mismatch(port).refused(MISMATCH)
    log.requested()
    phone.same(log.verified() if configuration else log.proxy().tvs_mismatch(port).not_verified(MISMATCH))
    assert phone.lists() == before
    assert before[1] != phone.site.sums('ITL')


LATE = ['Phones that have not loaded the ITL since', 'would be stranded',
        'Reset all phones and wait until they have registered before going on.']


def test_8_callmanager_and_tvs():
    """scenario 8, CallManager and TVS together: 10.0 strands every phone, and says so before; 12.0 strands none"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            phones = [settle(Phone(site, model)) for model in (SBD, NEW)]
            site.regen('TVS')
            if generation == '12.0':
                site.regen('CallManager')
                for phone in phones:
                    phone.boot('took')
                    phone.same(Log(phone).no_ctl().offered('ITL').taken().configured())
                    quiet(phone)
                continue
            itl = site.sums('ITL')
            asked = site.admin('set cert regen CallManager', check=False, stdin=subprocess.DEVNULL)
            assert asked.returncode == 1 and site.sums('ITL') == itl, asked.stdout
            for words in LATE:
                assert asked.stdout.index(words) < asked.stdout.index('Proceed with regeneration'), asked.stdout
            site.regen('CallManager', LATE)
            site.restart()
            for phone in phones:
                locked_out(phone)
                locked_out(phone)   # time heals nothing
            phones[0].erase()       # by hand, on every phone
            settle(phones[0])


def test_8_itlrecovery_and_tvs():
    """scenario 8 from 12.0 on: after ITLRecovery and TVS no list is taken, and after CallManager no configuration"""
    for mixed in (False, True):
        with Site('12.0') as site:
            site.start()
            if mixed:
                site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
            phone = settle(Phone(site))
            site.regen('TVS')
            site.regen('ITLRecovery', LATE)
            kinds = ('ITL',)
            if mixed:
                site.do('utils', 'ctl', 'update', 'CTLFile')
                kinds = 'CTL', 'ITL'
            site.restart()
            locked_out(phone, kinds, configuration=True)
            site.regen('CallManager', LATE)
            if mixed:
                site.do('utils', 'ctl', 'update', 'CTLFile')
            locked_out(phone, kinds)
            phone.erase()
            settle(phone)


def test_11_tvs():
    """scenario 11, TVS regenerated alone: the signer is known, nobody is asked"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            phones = [settle(Phone(site, model)) for model in (SBD, NEW)]
            site.regen('TVS')
            site.restart()
            for phone in phones:
                assert 'ITL            taken: signed by a security token (SAST) record' in phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').taken().configured())
                quiet(phone)
            # The new TVS certificate vouches for what comes next. That phones have it already the node cannot know.
            site.regen('CallManager', LATE if generation == '10.0' else ())
            for phone in phones:
                phone.boot('took')
                log = Log(phone).no_ctl().offered('ITL')
                if generation == '10.0':
                    log.queried(phone.tvs[0])
                phone.same(log.taken().configured())
                quiet(phone)


def test_21_ctl_deleted():
    """scenario 21, back to non-secure and the CTL file deleted: phones keep the CTL they have"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
            phones = [settle(Phone(site, model)) for model in (OLD, SBD, NEW)]
            delete = 'file', 'delete', 'activelog', 'cm/tftpdata/CTLFile.tlv'
            refused = ringfence('admin', '--data', site.data, *delete, '--yes', check=False)
            assert refused.returncode == 1 and site.sums('CTL'), refused.stdout   # only when mode = 0
            site.do('utils', 'ctl', 'set-cluster', 'non-secure-mode')
            assert site.mode() == 0
            for phone in phones:
                phone.boot('took')
                log = Log(phone).offered('CTL').taken()
                if phone.model == OLD:   # this CTL names no TFTP server with a key, and it has no other list
                    phone.same(log.unsigned())
                else:
                    phone.same(log.offered('ITL').accepted().configured())
                phone.agrees()
            ctl = site.sums('CTL')
            assert 'files: found = 1, deleted = 1' in site.do(*delete)
            assert site.sums('CTL') is None
            for phone in phones:
                phone.boot('kept')
                log = Log(phone).no_ctl()
                phone.same(log.unsigned() if phone.model == OLD else log.offered('ITL').accepted().configured())
                assert phone.held('CTL') == ctl and phone.held('ITL') == (None if phone.model == OLD else site.sums('ITL'))


def test_46_phones_off():
    """scenario 46, phones that were off during two changes are locked out; those that followed each are not"""
    for generation, signer in zip(GENERATIONS, ('CallManager', 'ITLRecovery')):
        with Site(generation) as site:
            site.start()
            on = [settle(Phone(site, model)) for model in (SBD, NEW)]
            off = [settle(Phone(site, model)) for model in (SBD, NEW)]
            site.regen(signer)
            site.restart()
            for phone in on:
                phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').queried(phone.tvs[0]).taken().configured())
                phone.agrees()
            site.regen('TVS', LATE)
            site.restart()
            for phone in on:
                phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').taken().configured())
                quiet(phone)
            if generation == '12.0':   # configurations are signed by CallManager, which is the same
                for phone in off:
                    locked_out(phone, configuration=True)
                site.regen('CallManager', LATE)
            for phone in off:
                locked_out(phone)
                phone.erase()
                settle(phone)


# ---- TVS ----

class Web:
    """An HTTPS server with a certificate of the node: what its web pages will be. A context manager."""

    def __init__(self, certificate, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        self.context.set_ciphers('ALL:@SECLEVEL=0')   # for phones that end at TLS 1.0
        self.context.load_cert_chain(certificate, key)
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer = self.socket.accept()[0]
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(harness.PATIENCE)
                with self.context.wrap_socket(peer, server_side=True) as tls:
                    tls.recv(1)   # until the phone has seen enough

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(harness.PATIENCE)


def web_of(site, unit='tomcat'):
    key, = glob.glob(site.path('keys', f'{unit}.*.key'))
    return Web(site.path('certs', unit, f'{unit}.pem'), key)


def with_directory(site, web, model=NEW, tvs=None):
    """A phone whose configuration names this directory."""
    phone = Phone(site, model, tvs)
    phone.directory = f'https://127.0.0.1:{web.port}/ccmcip/xmldirectoryinput.jsp?name={phone.name}'
    phone.configure()
    return phone


def test_directory():
    """the HTTPS directory: not in a list, TVS confirms, the cache holds for 86,400 seconds and not one more"""
    for generation, model in zip(GENERATIONS, (NEW, SBD)):
        with Site(generation) as site, web_of(site) as web:
            site.start()
            phone = with_directory(site, web, model)
            port, now = phone.tvs[0], int(time.time())
            begin = Log(phone).no_ctl().offered('ITL').taken().configured().directory(web.port)
            said = phone.boot('took', '--now', now)
            assert 'directory      taken: confirmed by a trust verification server, TVS' in said
            phone.same(begin.not_cached().tvs_found(port).confirmed().fetched())
            assert phone.show()['tvs_cache'] == 1

            def again():
                return Log(phone).no_ctl().offered('ITL').accepted().configured().directory(web.port)

            site.service('stop')
            for later in (0, DAY - 1):
                said = phone.boot('kept', '--now', now + later)
                assert 'directory      taken: a trust verification server confirmed the certificate earlier, TVS cache' in said
                phone.same(again().cached().fetched())
            said = phone.boot('refused', '--now', now + DAY)
            assert f'directory      refused: {NOBODY}' in said, said
            phone.same(again().not_cached().tvs_dead(port).add('screen: Host Not Found'))
            assert phone.show()['tvs_cache'] == 0
            site.service('start')
            phone.boot('kept', '--now', now + DAY)
            phone.same(again().not_cached().tvs_found(port).confirmed().fetched())

            site.regen('CAPF')   # a new list empties the cache
            phone.boot('took', '--now', now + DAY)
            phone.same(Log(phone).no_ctl().offered('ITL').taken().configured().directory(web.port).not_cached()
                       .tvs_found(port).confirmed().fetched())
            site.service('stop')
            phone.erase()        # and so does a user
            assert phone.show()['tvs_cache'] == 0


def begun(phone, web):
    """Everything until its directory server is to be decided on, at the first boot."""
    return Log(phone).no_ctl().offered('ITL').taken().configured().directory(web.port).not_cached()


def test_directory_of_a_stranger():
    """the HTTPS directory of a server that TVS does not know is refused, and not remembered"""
    openssl = harness.need('openssl')
    with Site() as site:
        site.start()
        stranger = os.path.join(site.folder, 'stranger')
        harness.run(openssl, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=cucm-1051-a-pub',
                    '-keyout', stranger + '.key', '-out', stranger + '.pem')
        with Web(stranger + '.pem', stranger + '.key') as web:
            phone = with_directory(site, web)
            why = 'the trust verification server does not know it'
            assert f'directory      refused: {why}, TVS' in phone.boot('refused')
            phone.same(begun(phone, web).tvs_found(phone.tvs[0]).asked(1).add('screen: Host Not Found'))
            assert phone.show()['tvs_cache'] == 0
            phone.agrees()   # its lists and configuration are what they were


def test_https_in_the_lists():
    """a server in the lists needs no TVS: signer version 1.1 sends phones with EC to port 6971, which the ITL names"""
    for generation in GENERATIONS:
        with Site(generation) as site:
            site.start()
            site.do('set', 'parameter', 'Endpoint Advanced Encryption Algorithms Support', 'True')
            phone = Phone(site, NEW)
            name, https = phone.name + '.cnf.xml.sgn', site.port['https']

            def fetched(log):
                """The configuration comes as it is, and nothing is verified: the server was."""
                log.request(name, ' with size limit of 550001').got(len(phone.configuration)).add(f'screen: {name}')
                phone.same(log)
                phone.agrees()

            log = Log(phone).no_ctl().offered('ITL').taken().connected(https)
            phone.boot('took')
            if generation == '12.0':
                log.add('SECD: findByCertAndRoleInTL: Searching TL from CTL file',
                        'SECD: findByCertAndRoleInTL: Searching TL from ITL file',
                        'SECD: https_cert_vfy: HTTPS cert found in ITL, <127.0.0.1>')
                fetched(log)
            else:   # its ITL has no EC certificate, and a new phone knows no TVS server yet: the signed file does as well
                log.in_no_list().not_cached().add(
                    'SECD: EROR:https_cert_vfy: HTTPS cert not trusted, <127.0.0.1>; not known to the phone, which has no '
                    'trust verification server to ask').configured()
                phone.same(log)
                phone.boot('kept')
                log = Log(phone).no_ctl().offered('ITL').accepted().connected(https).in_no_list().not_cached()
                fetched(log.tvs_found(phone.tvs[0]).confirmed())


def test_tvs_mismatch():
    """a TVS server whose certificate does not match the ITL is not asked; the next one is"""
    with Site() as site:
        site.start()
        with web_of(site) as web, web_of(site, 'CallManager') as impostor:
            phone = with_directory(site, web, tvs=[impostor.port])
            assert f'directory      refused: {MISMATCH}, TVS' in phone.boot('refused')
            phone.same(begun(phone, web).tvs_mismatch(impostor.port).add('screen: Host Not Found'))
            phone.agrees()
            phone = with_directory(site, web, tvs=[impostor.port, site.port['tvs']])
            phone.boot('took')
            phone.same(begun(phone, web).tvs_mismatch(impostor.port).tvs_found(site.port['tvs']).confirmed().fetched())


def test_three_tvs_servers():
    """three TVS servers are tried in order; a fourth is not"""
    with Site('10.0') as site, contextlib.ExitStack() as held:
        dead = []
        for _ in range(3):   # bound, and nobody listens
            s = held.enter_context(socket.socket())
            s.bind(('127.0.0.1', 0))
            dead.append(s.getsockname()[1])
        site.start()
        third = settle(Phone(site, tvs=[*dead[:2], site.port['tvs']]))
        fourth = settle(Phone(site, tvs=[*dead, site.port['tvs']]))
        assert len(fourth.show()['tvs']) == 4
        site.regen('CallManager', ['Those that ask TVS take it'])
        third.boot('took')
        log = Log(third).no_ctl().offered('ITL').proxy().tvs_dead(dead[0]).proxy().tvs_dead(dead[1])
        third.same(log.proxy().tvs_found(site.port['tvs']).asked_for_signer().taken().configured())
        quiet(third)
        before = fourth.lists()
        fourth.boot('stranded')
        log = Log(fourth).no_ctl().offered('ITL')
        for port in dead:
            log.proxy().tvs_dead(port)
        log.refused(NOBODY).requested()
        for port in dead:
            log.proxy().tvs_dead(port)
        fourth.same(log.not_verified(NOBODY))
        assert fourth.lists() == before


# ---- a fleet ----

FLEET = 200


def fleet(site, *options):
    """Exit status and output of a fleet of phones of two kinds that keep their state."""
    done = ringfence('phone', 'fleet', '--count', FLEET, '--model', f'{SBD},{NEW}', '--state',
                     os.path.join(site.folder, 'fleet'), '--tftp', f'127.0.0.1:{site.port["tftp"]}', '--http-port',
                     site.port['http'], '--https-port', site.port['https'], *options, check=False)
    return done.returncode, done.stdout


def count(site, **want):
    """Boot them all; the summary has these numbers and no others. As the command prints it as JSON."""
    code, said = fleet(site, '--json')
    got = json.loads(said)
    want = {'phones': FLEET, **dict.fromkeys(('took', 'kept', 'refused', 'stranded', 'failed'), 0), **want}
    assert {k: got[k] for k in want} == want, said
    assert code == (0 if want['took'] + want['kept'] == FLEET else 1)
    assert got['seconds'] > 0 and got['peak_kib'] > 0
    return got


def test_fleet():
    """200 phones: a change that strands none of them, and one that strands them all"""
    names = [f'SEP{n:012X}' for n in range(1, FLEET + 1)]
    with Site('10.0') as site:
        for i, name in enumerate(names):
            port = site.port['tvs'] if i % 2 else site.legacy
            site.provision(name + '.cnf.xml', '<device><fullConfig>true</fullConfig><TVS><members><member priority="0">'
                           f'<port>{port}</port><address>127.0.0.1</address></member></members></TVS></device>\n')
        site.start()
        got = count(site, took=FLEET, asked_tvs=0)
        assert got['reasons'] == {} and got['stranded_first'] == []
        count(site, kept=FLEET, asked_tvs=0)
        itl = site.sums('ITL')
        for name in names:
            with open(os.path.join(site.folder, 'fleet', name, 'ITLFile.tlv'), 'rb') as f:
                assert hashlib.md5(f.read()).hexdigest() == itl[0], name

        site.regen('CallManager', ['Those that ask TVS take it'])   # none
        count(site, took=FLEET, asked_tvs=FLEET, reasons={})
        site.regen('TVS', LATE)
        count(site, took=FLEET, asked_tvs=0, reasons={})

        site.regen('CallManager', LATE)                             # all
        site.regen('TVS', LATE)
        got = count(site, stranded=FLEET, asked_tvs=FLEET, reasons={'tvs-mismatch': 2 * FLEET})
        assert len(got['stranded_first']) == 20 and set(got['stranded_first']) < set(names)
        code, said = fleet(site)
        assert code == 1
        for pattern in (rf'^{FLEET} phones in [\d.]+ s \(\d+ a second\), 256 at a time, [\d.]+ MiB$', rf'^  stranded +{FLEET}$',
                        r'^  took +0$', rf'^  asked TVS +{FLEET}$', rf'^refused {2 * FLEET} times: {MISMATCH}$',
                        rf'^stranded: {FLEET - 20} more$'):
            assert re.search(pattern, said, re.M), f'{pattern}\n{said}'


if __name__ == '__main__':
    harness.main()
