#!/usr/bin/python3
"""Certificates of trust stores that have expired: what an adoption drops, who says so, and which phones notice."""
import json
import os
import shutil

import harness
from harness import ringfence, run
from test_adopt import Adopted, Site, units
from test_scenarios import Web

ON, OLD, TOKEN = 'SEP0000000051A1', 'SEP0000000051B2', 'SEP0000000051C3'
CA = 'basicConstraints = critical, CA:TRUE\nkeyUsage = critical, digitalSignature, keyCertSign\n'
AS_IT_WAS = ('--adopt-as', 'CAPF-trust=CAPF-trust/old-capf.crt')


def make(site, name, subject, days=100, extensions=''):
    """Self-signed, in a file below the site; its key is elsewhere. Returns a file with both."""
    key, request, use, both = (site.path(os.path.basename(name) + s) for s in ('.key', '.csr', '.ext', '.pem'))
    crt = os.path.join(site.dir, name + '.crt')
    os.makedirs(os.path.dirname(crt), exist_ok=True)
    with open(use, 'w', encoding='ascii') as f:
        f.write(extensions)
    run('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', subject, '-keyout', key, '-out', request)
    run('openssl', 'x509', '-req', '-in', request, '-signkey', key, '-days', days, '-extfile', use, '-out', crt)
    with open(both, 'wb') as f:
        for path in (key, crt):
            with open(path, 'rb') as part:
                f.write(part.read())
    return both


def big_key(path):
    """A public key of 4608 bits, without the time that a real one takes."""
    def der(tag, body):
        return bytes((tag, 0x82)) + len(body).to_bytes(2, 'big') + body
    rsa = der(0x30, der(2, b'\0' + ((1 << 4607) + 1).to_bytes(576, 'big')) + bytes.fromhex('0203010001'))
    with open(path, 'wb') as f:
        f.write(der(0x30, bytes.fromhex('300d06092a864886f70d0101010500') + der(3, b'\0' + rsa)))
    return path


def old_site(site):
    """CallManager signs. Of CAPF, the directory server and the security token there is one that has expired."""
    manager = site.cert('CallManager', '/CN=pbx/O=X/OU=Y')
    capf = site.cert('capf', '/CN=CAPF-11111111/O=X/OU=Y', '-addext', 'keyUsage=digitalSignature,keyCertSign')
    tvs = site.cert('tvs', '/CN=TVS/O=X/OU=Y')
    make(site, 'CAPF-trust/old-capf', '/CN=CAPF-00000000/O=X/OU=Y', -1, CA)
    make(site, 'tomcat-trust/web', '/CN=directory/O=X/OU=Y')
    make(site, 'tomcat-trust/old-web', '/CN=old directory/O=X/OU=Y', -1)
    token = make(site, 'Phone-SAST-trust/token', '/CN=SAST-token/O=X/OU=Y', -1)
    run('openssl', 'x509', '-new', '-force_pubkey', big_key(site.path('big.pub')), '-subj', '/CN=Big/O=X', '-CA', capf, '-CAkey', capf,
        '-out', os.path.join(site.dir, 'CAPF-trust', 'big.crt'))
    site.tlv('itl', 'ITLFile.tlv', manager, f'SAST={manager}', f'CCM+TFTP={manager}', f'CAPF={capf}', f'TVS={tvs}')
    site.tlv('ctl', 'CTLFile.tlv', token, f'SAST={token}', f'CCM+TFTP={manager}', f'CAPF={capf}')
    for device, issuer in ((ON, 'capf'), (OLD, 'old-capf')):
        site.write(f'issued/{device}.pem', site.lsc(device, issuer))


def reported(site):
    """A dry run tells of all three, and what stops; in the order of their files."""
    report, status = site.dry()
    assert status == 0 and not report['stranded'], report
    assert units(report) == {'CallManager': 'CallManager.crt', 'CAPF': 'capf.crt', 'TVS': 'tvs.crt'}, report
    dropped = {d['file']: d for d in report['dropped']}
    assert {f: d['stores'] for f, d in dropped.items()} == {
        'CAPF-trust/big.crt': 'CAPF-trust', 'CAPF-trust/old-capf.crt': 'CAPF-trust', 'tomcat-trust/old-web.crt': 'tomcat-trust',
        'Phone-SAST-trust/token.crt': 'Phone-SAST-trust'}, dropped
    assert [t['file'] for t in report['trust']] == ['tomcat-trust/web.crt'], report['trust']
    assert dropped['CAPF-trust/old-capf.crt']['phones'] == [OLD] and not dropped['tomcat-trust/old-web.crt']['phones']
    assert 'CAPF takes no certificate that it has issued' in dropped['CAPF-trust/old-capf.crt']['stops'][0]
    assert 'HTTPS services' in dropped['tomcat-trust/old-web.crt']['stops'][0]
    assert report['lscs'] == 2
    assert dropped['CAPF-trust/big.crt']['why'] == 'its key has 4608 bits, and more than 4096 are not taken'
    report, _ = site.dry(*AS_IT_WAS)
    assert len(report['dropped']) == 3 and any('because --adopt-as names it' in n for n in report['notes']), report


class Phone:
    """One of the site: it has the lists and the LSC that the site gave it, and reads its directory over HTTPS."""

    def __init__(self, site, node, name, lists, web=None):
        self.site, self.node, self.name = site, node, name
        self.state = os.path.join(node.folder, name)
        os.mkdir(self.state)
        for held in lists:
            shutil.copy(os.path.join(site.dir, held), self.state)
        url = f'<secureDirectoryURL>https://127.0.0.1:{web.port}/</secureDirectoryURL>' if web else ''
        node.provision(name + '.cnf.xml', f'<device><fullConfig>true</fullConfig>{url}<TVS><members><member priority="0"><port>'
                       f'{node.port["tvs"]}</port><address>127.0.0.1</address></member></members></TVS></device>\n')

    def with_lsc(self):
        shutil.copy(os.path.join(self.site.dir, 'issued', self.name + '.pem'), os.path.join(self.state, 'lsc.pem'))
        shutil.copy(self.site.path(self.name + '.key'), os.path.join(self.state, 'lsc.key'))
        os.chmod(os.path.join(self.state, 'lsc.key'), 0o600)
        return self

    def renew(self, mode):
        self.node.admin(f'phone set {self.name} authentication mode {mode}')
        self.node.admin(f'phone set {self.name} certificate operation Install/Upgrade')

    def boot(self):
        done = self.node.boot(self.state, '--device', self.name, '--capf-retry-interval', '0', '--json')
        return json.loads(done.stdout)


BY_LSC = 'By Existing Certificate (precedence to LSC)'


def start(node):
    node.start()
    for name, value in (('CAPF Phone Port', node.port['capf']), ('Complete Phone Configurations', 'True')):
        ringfence('admin', '--data', node.data, 'set', 'parameter', name, value, '--yes')


def dropped(site):
    """Each is named; who needed one notices, and others do not."""
    with Adopted(site) as node, Web(*2 * (site.path('web.pem'),)) as web, Web(*2 * (site.path('old-web.pem'),)) as old_web:
        said = node.made.stdout
        for words in ('Dropped, because their keys are too large:', 'CAPF-trust/big.crt out of CAPF-trust: CN=Big;O=X, its key has 4608',
                      'Dropped, because they have expired:', 'CAPF-trust/old-capf.crt out of CAPF-trust: CN=CAPF-00000000',
                      f'1 phone has an LSC for which nothing else vouches: {OLD}',
                      '--adopt-as CAPF-trust=CAPF-trust/old-capf.crt', 'Phone-SAST-trust/token.crt out of Phone-SAST-trust'):
            assert words in said, f'{words}\n{said}'
        start(node)
        shown = node.admin('show cert list trust').stdout
        assert 'directory' in shown and 'old_directory' not in shown and 'SAST-token' not in shown and '00000000' not in shown
        audit = node.admin('show audit').stdout
        assert audit.count('done: it expired on') == 3 and 'drop oversized certificate' in audit and 'Phone-SAST-trust: CN=SAST-token' in audit, audit
        assert 'expired on' not in ringfence('doctor', '--data', node.data, check=False).stdout

        on = Phone(site, node, ON, ['ITLFile.tlv'], web).with_lsc()
        off = Phone(site, node, OLD, ['ITLFile.tlv'], old_web).with_lsc()
        for phone in on, off:
            phone.renew(BY_LSC)
        result = on.boot()
        assert result['outcome'] == 'took' and result['directory']['result'] == 'taken', result
        assert result['CAPF']['result'] == 'LSC installed', result
        result = off.boot()        # the ITL is taken as by the other: its signer is the same
        assert result['ITL']['result'] == 'taken' and result['directory']['result'] == 'refused', result
        assert result['directory']['reason'] == 'tvs-no' and result['CAPF']['result'] == 'refused by the server', result
        assert 'Invalid LSC' in node.admin(f'phone show {OLD}').stdout
        off.renew('By Null String')
        assert off.boot()['CAPF']['result'] == 'LSC installed'
        tokens(site, node)


def tokens(site, node):
    """A CTL that phones hold goes on counting when its token has expired: they know no dates. TVS vouches for no such token."""
    phone = Phone(site, node, TOKEN, ['CTLFile.tlv'])
    result = phone.boot()
    assert result['outcome'] == 'took' and result['ITL']['result'] == 'taken', result
    again = Phone(site, node, 'SEP0000000051D4', ['ITLFile.tlv'])
    assert again.boot()['outcome'] == 'took'   # now it knows a TVS server
    shutil.copy(os.path.join(site.dir, 'CTLFile.tlv'), node.path('provisioning', f'CTL{again.name}.tlv'))
    result = again.boot()
    assert result['CTL']['result'] == 'refused' and result['CTL']['reason'] == 'tvs-no', result
    assert result['ITL']['result'] == 'unchanged', result


def kept(site):
    """What the operator keeps is named by doctor and before a later generation, until it is deleted."""
    with Adopted(site, *AS_IT_WAS) as node:
        start(node)
        name = 'CAPF-trust/CAPF-00000000.pem'
        said = ringfence('doctor', '--data', node.data, check=False).stdout
        for words in (f'The certificate {name} expired on ', "'set cert delete CAPF-trust CAPF-00000000.pem'",
                      '1 phone has an LSC from it: renew those first.'):
            assert words in said, f'{words}\n{said}'
        generation = ('set', 'parameter', 'TrustListGeneration')
        said = ringfence('admin', '--data', node.data, *generation, '12.0', '--dry-run').stdout
        assert f'{name} expired on ' in said and '1 phone has an LSC from it' in said and '14SU2' in said, said
        assert 'expired' not in ringfence('admin', '--data', node.data, *generation, '10.0', '--dry-run').stdout

        phone = Phone(site, node, OLD, ['ITLFile.tlv']).with_lsc()
        phone.renew(BY_LSC)
        assert phone.boot()['CAPF']['result'] == 'LSC installed'
        said = ringfence('doctor', '--data', node.data, check=False).stdout
        assert name in said and 'has an LSC from it' not in said, said
        ringfence('admin', '--data', node.data, 'set', 'cert', 'delete', 'CAPF-trust', 'CAPF-00000000.pem', '--yes')
        assert name not in ringfence('doctor', '--data', node.data, check=False).stdout
        said = ringfence('admin', '--data', node.data, *generation, '12.0', '--yes').stdout
        assert 'expired' not in said and 'TrustListGeneration set to 12.0' in said, said


def test_51():
    """scenario 51: expired certificates of trust stores are dropped by an adoption and named; phones that needed one notice"""
    with Site() as site:
        old_site(site)
        reported(site)
        dropped(site)
        kept(site)


if __name__ == '__main__':
    harness.main()
