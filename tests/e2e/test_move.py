#!/usr/bin/python3
"""Two nodes, each a cluster of its own in mixed mode, and phones that move from one to the other and back (scenario 27)."""
import hashlib
import os
import shutil
import subprocess

import harness
import test_phone_capf
from harness import ringfence

TVS = 'Cisco Trust Verification Service'
NEW, OLD, FEW = '8861', '7960', '6921'   # asks TVS, and has an LSC; asks no TVS; takes two SAST records in a list
UPDATE = "run 'utils ctl update CTLFile'"


class Site(test_phone_capf.Site):
    """A cluster in mixed mode."""

    def __init__(self, name):
        super().__init__(name=name, init=('--key-bits', '1024'))
        self.name = name
        self.do('utils', 'ctl', 'set-cluster', 'mixed-mode')

    def certificate(self, unit):
        return self.path('certs', unit, unit + '.pem')

    def trust(self, store, path, *options):
        return self.admin(f'set cert import trust {store}', '--file', path, *options).stdout

    def update(self):
        """(What the command said before its question, what after it)"""
        said = self.do('utils', 'ctl', 'update', 'CTLFile')
        return said.split('This operation updates the CTLFile.')

    def ctl(self):
        """SHA-256 of the CTL, and what `show ctl` says behind its listing."""
        shown = self.admin('show ctl').stdout
        return hashlib.sha256(self.tftp('CTLFile.tlv')).hexdigest(), shown[shown.index('The CTL file was verified'):]

    def sast(self):
        """How many SAST records the CTL has."""
        return self.admin('show ctl').stdout.count('System Administrator Security Token')


class Phone(test_phone_capf.Phone):
    """One that is told of another TFTP server by DHCP: self.site."""

    def at(self, site):
        """From now on it asks there, where it has a configuration and is known."""
        if not os.path.exists(site.path('provisioning', self.name + '.cnf.xml')):
            site.provision(self.name + '.cnf.xml', test_phone_capf.CONFIG)
            site.admin(f'phone add {self.name} --model {self.model}')
        self.site = site
        return self

    def held(self):
        with open(self.path('CTLFile.tlv'), 'rb') as f:
            return hashlib.sha256(f.read()).hexdigest()

    def refuses(self, why, outcome='stranded'):
        """It takes neither CTL nor ITL nor configuration, and keeps what it has."""
        before = self.held(), self.configuration()
        result = self.boot(outcome)
        assert result['CTL']['result'] == 'refused' and result['CTL']['reason'] == why, result
        assert (self.held(), self.configuration()) == before

    def takes(self, capf=None):
        """The CTL of the site, because an installed list knows its signer: nobody is asked."""
        result = self.boot('took', capf)
        assert result['CTL']['reason'] == 'sast', result
        assert self.held() == self.site.ctl()[0]
        return result

    def renews(self):
        """An operation by existing certificate is scheduled here."""
        self.set('authentication mode By Existing Certificate (precedence to LSC)')
        self.install()

    def issuer(self):
        return self.shown()['LSC']['issuer']


def lsc_at(site, phone):
    """What CAPF of this site says to the phone's LSC."""
    done = ringfence('capf', 'enroll', '--server', f'127.0.0.1:{site.port["capf"]}', '--trust',
                     site.path('published', 'current', 'ITLFile.tlv'), '--device', phone.name, '--cert', phone.path('lsc.pem'),
                     '--key', phone.path('lsc.key'), '--key-out', os.path.join(site.folder, 'k'), '--cert-out',
                     os.path.join(site.folder, 'c'), check=False)
    return done.returncode, done.stdout + done.stderr


def one_by_one(old, new):
    """Signers of the new cluster to the old one."""
    for unit in ('CallManager', 'ITLRecovery'):
        for store in ('Phone-SAST-trust', 'CallManager-trust'):
            said = old.trust(store, new.certificate(unit))
            assert ("until 'utils ctl update CTLFile'" in said) == (store == 'Phone-SAST-trust'), said


def in_bulk(old, new):
    """The same by the folder that certificates are exchanged in."""
    new.admin('set cert bulk export tftp')
    shutil.copytree(new.path('bulk'), old.path('bulk'), dirs_exist_ok=True)
    old.admin('set cert bulk consolidate tftp')
    said = old.admin('set cert bulk import tftp').stdout
    assert 'Certificates: 2.' in said and "until 'utils ctl update CTLFile'" in said, said


def prepare(old, new, put=one_by_one):
    """What comes before `utils ctl`: new signers to the old cluster, old CAPF to the new."""
    put(old, new)
    for store in ('CAPF-trust', 'CallManager-trust'):
        new.trust(store, old.certificate('CAPF'))
    assert 'False' in old.admin('show parameter', 'Prepare Cluster for Rollback to pre 8.0').stdout


def test_27_moved_between_mixed_clusters():
    """27: the naive move strands; the procedure lets phones move without TVS, LSC and all; who keeps two SAST is named before"""
    with Site('old.example.org') as old, Site('new.example.org') as new:
        phone, plain, few = [Phone(old, model) for model in (NEW, OLD, FEW)]
        phone.install()
        phone.boot('took', 'LSC installed')
        for other in (plain, few):
            other.boot('took')
        # The naive move. The 8861 asks the TVS of the old cluster, which does not know whose CTL that is.
        phone.at(new).refuses('tvs-no')
        plain.at(new).refuses('no-tvs-support')
        phone.renews()
        code, said = lsc_at(new, phone)
        assert code == 1 and 'the server declines' in said, said
        phone.known('^Certificate Operation Status +Upgrade Failed')
        # Step by step.
        recovery = new.certificate('ITLRecovery')
        was = old.ctl()[0]
        said = old.trust('Phone-SAST-trust', recovery, '--dry-run')
        assert 'Nothing was changed.' in said and 'stays as it is until \'utils ctl update CTLFile\'' in said, said
        prepare(old, new)
        ctl, warned = old.ctl()
        assert ctl == was and warned.count(f'of Phone-SAST-trust: {UPDATE}') == 2, warned
        asked = old.admin('utils ctl update CTLFile', check=False, stdin=subprocess.DEVNULL)
        assert asked.returncode == 1 and old.ctl()[0] == was, asked.stdout
        before, _ = old.update()
        for words in ('as SAST: ITLRECOVERY_new.example.org.pem, new.example.org.pem.', 'The CTL will have 4 SAST records.',
                      f'1 is of such a model: {few.name} (model {FEW}).'):
            assert words in before and words in asked.stdout, before
        ctl, warned = old.ctl()
        assert ctl != was and 'Phone-SAST-trust' not in warned and old.sast() == 4, warned
        # They are reset, and take it but for the one that was named. Then they move; the old TVS is not needed for that.
        for one in (phone, plain):
            one.at(old).takes()
        few.at(old).refuses('sast-too-many', 'refused')
        old.admin('utils service stop ' + TVS)
        phone.at(new).renews()
        issuer = phone.issuer()
        phone.takes('LSC installed')
        assert phone.issuer() != issuer
        phone.known('^Certificate Operation Status +Upgrade Success$')
        plain.at(new).takes()
        few.at(new).refuses('no-tvs-support')
        # And back: what they hold now knows the new cluster alone.
        old.admin('utils service start ' + TVS)
        phone.at(old).refuses('tvs-no')
        plain.at(old).refuses('no-tvs-support')
        prepare(new, old, in_bulk)
        new.update()
        for one in (phone, plain):
            one.at(new).takes()
        phone.at(old).renews()
        assert phone.takes('LSC installed') and phone.issuer() == issuer
        plain.at(old).takes()
        # All have moved: what is no longer needed goes, and phones hear of it.
        for name in ('new.example.org', 'ITLRECOVERY_new.example.org'):
            said = old.do('set', 'cert', 'delete', 'Phone-SAST-trust', name)
            assert 'The CTL file names it as SAST' in said[:said.index('you are about to')], said
        assert old.ctl()[1].count('but Phone-SAST-trust has no such signer any more') == 2
        old.update()
        assert old.sast() == 2 and 'Phone-SAST-trust' not in old.ctl()[1]
        for one in (phone, plain, few.at(old)):
            one.takes()


if __name__ == '__main__':
    harness.main()
