#!/usr/bin/python3
"""The life of certificates: requests, authorities, trust stores; OpenSSL's command line judges what comes out."""
import os
import re
import subprocess
import time

import harness
from harness import Node, need, ringfence, run, until
from terminal import Terminal
from test_scenarios import LATE, NEW, OLD, SBD, Phone, Site, quiet, settle

CAPF_EXT = 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=digitalSignature,keyCertSign\n'
SERVER_EXT = 'keyUsage=digitalSignature,keyEncipherment,dataEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n'


class Authority:
    """A root and an intermediate below it, made by OpenSSL."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, 'ca')
        os.mkdir(self.folder)
        self.serial = 0
        self.root = self.make('root', '/O=Example/CN=Example Root', 'basicConstraints=critical,CA:TRUE\n')
        self.sub = self.make('sub', '/O=Example/CN=Example Issuing', 'basicConstraints=critical,CA:TRUE\n', self.root)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)
        return self.path(name)

    def sign(self, csr, name, ext, issuer, *options):
        """The certificate for a request, as a PEM file."""
        self.serial += 1
        run('openssl', 'x509', '-req', '-in', csr, '-CA', issuer + '.pem', '-CAkey', issuer + '.key', '-out', self.path(name + '.pem'),
            '-set_serial', self.serial, '-extfile', self.write(name + '.ext', ext), *(options or ('-days', '100')))
        return self.path(name + '.pem')

    def make(self, name, subject, ext, issuer=None, key='rsa:2048', options=()):
        """A key and a certificate of our own; its path without .pem."""
        base = self.path(name)
        algorithm = key.split(':')
        new = ['-newkey', key] if algorithm[0] == 'rsa' else ['-newkey', 'ec', '-pkeyopt', f'ec_paramgen_curve:{algorithm[1]}']
        run('openssl', 'req', *new, '-nodes', '-keyout', base + '.key', '-out', base + '.csr', '-subj', subject)
        if issuer:
            self.sign(base + '.csr', name, ext, issuer, *options)
        else:
            run('openssl', 'x509', '-req', '-in', base + '.csr', '-signkey', base + '.key', '-out', base + '.pem',
                '-extfile', self.write(name + '.ext', ext), *(options or ('-days', '1000')))
        return base


def names_of(csr):
    """-ext style line with the subjectAltNames of a request."""
    text = run('openssl', 'req', '-in', csr, '-noout', '-text').stdout
    found = re.search(r'X509v3 Subject Alternative Name: *\n *(.*)', text)
    return 'subjectAltName=' + found[1].replace('IP Address:', 'IP:').replace(' ', '') + '\n' if found else ''


class Shell:
    """Commands of one node, by words."""

    def __init__(self, node):
        self.node = node

    def do(self, *words, **kw):
        return harness.ringfence('admin', '--data', self.node.data, *words, **kw)

    def yes(self, *words):
        return self.do(*words, '--yes').stdout

    def refused(self, text, *words, **kw):
        """The command fails and says so; nothing has changed."""
        done = self.do(*words, check=False, **kw)
        assert done.returncode == 1 and text in done.stderr, (words, done.stdout, done.stderr)
        return done

    def request(self, unit, *options):
        """A new request, as a file that OpenSSL finds whole."""
        said = self.yes('set', 'csr', 'gen', unit, *options)
        assert f'Successfully Generated CSR  for {unit}\n' in said, said
        path = os.path.join(self.node.folder, unit + '.csr')
        with open(path, 'w') as f:
            f.write(self.do('show', 'csr', 'own', f'{unit}/{unit}.csr').stdout)
        assert 'verify OK' in run('openssl', 'req', '-in', path, '-noout', '-verify').stderr
        return path

    def trust(self, unit, path):
        said = self.do('set', 'cert', 'import', 'trust', unit, '--file', path).stdout
        assert f'Successfully imported certificate for {unit}.\n' in said, said

    def own(self, unit):
        return self.do('show', 'cert', 'own', unit, '--pem').stdout


def text_of(csr):
    return run('openssl', 'req', '-in', csr, '-noout', '-text').stdout


def pem(path):
    with open(path) as f:
        return f.read()


def test_requests():
    """requests: key sizes, digests, names, usages, as OpenSSL reads them; one a unit; keys stay where they are"""
    need('openssl')
    with Node() as node:
        node.start()
        sh = Shell(node)
        assert sh.do('show', 'csr', 'list', 'own').stdout == 'There are no certificate requests.\n'
        sh.refused('File /usr/local/platform/.security/tomcat/keys/tomcat.csr does not exist', 'show', 'csr', 'own', 'tomcat')
        asked = sh.do('set', 'csr', 'gen', 'tomcat', check=False, stdin=subprocess.DEVNULL)
        assert asked.returncode == 1 and '(yes|no)? n' in asked.stdout, asked.stdout
        assert 'Nothing was changed' in sh.do('set', 'csr', 'gen', 'tomcat', '--dry-run').stdout
        keys = os.listdir(node.path('keys'))

        text = text_of(sh.request('CallManager', '--names', 'voice.example.org,10.example.org'))
        for part in ('Public-Key: (2048 bit)', 'CN = cucm-1051-a-pub', 'DNS:cucm-1051-a-pub, DNS:voice.example.org, DNS:10.example.org',
                     'IP Address:127.0.0.1', 'TLS Web Server Authentication, TLS Web Client Authentication, ipsec End System',
                     'Digital Signature, Key Encipherment, Data Encipherment', 'sha256WithRSAEncryption'):
            assert part.lower() in text.lower(), (part, text)
        new = set(os.listdir(node.path('keys'))) - set(keys)
        assert len(new) == 1 and new.pop().startswith('CallManager.')
        sh.refused('no code for signatures of 3072', 'set', 'csr', 'gen', 'CallManager', '--bits', '3072', '--yes')
        text = text_of(sh.request('CallManager', '--bits', '4096', '--hash', 'sha512', '--multi-server'))
        assert '4096 bit' in text and 'sha512With' in text and 'CN = cucm-1051-a-pub-ms' in text, text
        assert len(os.listdir(node.path('keys'))) == len(keys) + 1, 'the key of the former request is gone'
        text = text_of(sh.request('CallManager-ECDSA'))
        assert '(384 bit)' in text and 'ecdsa-with-SHA384' in text and 'CN = cucm-1051-a-pub-EC' in text, text
        assert '(256 bit)' in text_of(sh.request('CallManager-ECDSA', '--bits', '256'))
        text = text_of(sh.request('CAPF'))
        assert 'CA:TRUE, pathlen:0' in text and 'Digital Signature, Certificate Sign' in text and 'CN = CAPF-' in text, text
        assert sh.do('show', 'csr', 'list').stdout == \
            'CallManager-ECDSA/CallManager-ECDSA.csr\nCallManager/CallManager.csr\nCAPF/CAPF.csr\n'
        assert '"multi_server": true' in sh.do('show', 'csr', 'list', 'own', '--json').stdout
        assert 'Certificate Request:' in sh.do('show', 'csr', 'own', 'CallManager', '--detail').stdout

        sh.refused('always self-signed', 'set', 'csr', 'gen', 'ITLRecovery', '--yes')
        sh.refused('for one server', 'set', 'csr', 'gen', 'ipsec', '--multi-server', '--yes')
        sh.refused('not of 1000', 'set', 'csr', 'gen', 'tomcat', '--bits', '1000', '--yes')
        sh.refused('wildcard', 'set', 'csr', 'gen', 'tomcat', '--names', '*.example.org', '--yes')
        # A dry run refuses what the command would, and says nothing else.
        for text, words in (('not of 257', ('set', 'csr', 'gen', 'CallManager', '--bits', '257')),
                            ('no digest', ('set', 'csr', 'gen', 'CallManager', '--hash', 'MD5')),
                            ('not of 521', ('set', 'csr', 'gen', 'CallManager-ECDSA', '--bits', '521')),
                            ('OAuth', ('set', 'cert', 'regen', 'AUTHZ')),
                            ('backup and restore stop', ('set', 'cert', 'delete', 'ipsec', 'cucm-1051-a-pub.pem')),
                            ('not UTF-8', ('set', 'web-security', '\udcff\udcfe', 'O', 'L', 'ST', 'PL')),
                            ('1 to 64', ('set', 'web-security', 'ż' * 65, 'O', 'L', 'ST', 'PL'))):
            assert sh.refused(text, *words, '--dry-run').stdout == ''
        assert 'made anew with this subject' in sh.do('set', 'web-security', 'ż' * 40, 'O', 'L', 'ST', 'PL', '--dry-run').stdout
        sh.refused('takes SHA384', 'set', 'csr', 'gen', 'tomcat-ECDSA', '--hash', 'SHA256', '--yes')


def refusals(sh, ca, csr, unit):
    """Every error of an upload, by what causes it (behaviour.md 2.6)."""
    here = ('set', 'cert', 'import', 'own', unit, '--yes', '--file')
    ext = SERVER_EXT + names_of(csr)
    good = ca.sign(csr, 'good', ext, ca.sub)
    before = sh.own(unit)
    sh.refused('File /usr/local/platform/.security/ipsec/keys/ipsec.csr does not exist', 'set', 'cert', 'import', 'own', 'ipsec',
               '--yes', '--file', good)
    sh.refused('CA certificate is not available in the trust-store', *here, good)
    sh.trust(unit, ca.sub + '.pem')
    assert 'Example Root' in sh.refused('CA certificate is not available in the trust-store', *here, good).stderr
    sh.trust(f'{unit}-trust', ca.root + '.pem')
    other = ca.make('other', '/CN=cucm-1051-a-pub', SERVER_EXT, ca.sub) + '.pem'
    sh.refused('CSR Public Key and Certificate Public Key do not match', *here, other)
    sh.refused('CSR SAN and Certificate SAN does not match', *here, ca.sign(csr, 'san', SERVER_EXT + 'subjectAltName=DNS:x.org\n', ca.sub))
    sh.refused('CSR SAN and Certificate SAN does not match', *here, ca.sign(csr, 'no-san', SERVER_EXT, ca.sub))
    sh.refused(f'The file /usr/local/platform/upload/certs//{unit}.der could not be uploaded', *here, ca.write('junk', 'junk\n'))
    sh.refused('has expired', *here, ca.sign(csr, 'old', ext, ca.sub, '-days', '-1'))
    sh.refused('lacks the extended key usage', *here, ca.sign(csr, 'eku', 'extendedKeyUsage=emailProtection\n' + names_of(csr), ca.sub))
    sh.refused('was not signed by Example_Root.pem', 'set', 'cert', 'import', 'own', unit, 'Example_Root.pem', '--yes', '--file', good)
    assert sh.own(unit) == before
    assert sh.do('show', 'csr', 'list', 'own').stdout == f'{unit}/{unit}.csr\n'
    return good


def test_two_levels():
    """a certificate of a two-level authority: request, upload of the authorities, every refusal by its cause, and the upload"""
    need('openssl')
    with Node() as node:
        node.start()
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        sh, ca = Shell(node), Authority(node.folder)
        csr = sh.request('CallManager')
        good = refusals(sh, ca, csr, 'CallManager')
        itl, ctl = node.tftp('ITLFile.tlv'), node.tftp('CTLFile.tlv')
        dry = sh.do('set', 'cert', 'import', 'own', 'CallManager', '--file', good, '--dry-run').stdout
        for part in ('Nothing was changed', 'ITLFile.tlv: made anew', "until 'utils ctl update CTLFile'", 'CallManager-trust'):
            assert part in dry, dry
        # Pasted, as on a terminal without --file; the question needs --yes.
        said = sh.do('set', 'cert', 'import', 'own', 'CallManager', 'Example_Issuing.pem', '--yes', input=pem(good) + '\n').stdout
        assert 'Successfully imported certificate for CallManager.\n' in said and 'utils ctl update CTLFile' in said, said
        assert said.index('ITLFile.tlv: made anew') < said.index('Proceed with import'), said
        assert sh.own('CallManager') == run('openssl', 'x509', '-in', good).stdout
        assert sh.do('show', 'cert', 'list', 'own').stdout.count('CallManager/CallManager.pem: Certificate Signed by Example Issuing\n') == 1
        assert 'no certificate requests' in sh.do('show', 'csr', 'list', 'own').stdout
        assert node.tftp('ITLFile.tlv') != itl and node.tftp('CTLFile.tlv') == ctl   # never silently
        assert 'verified successfully' in node.admin('show itl').stdout
        chain = run('openssl', 'verify', '-CAfile', ca.root + '.pem', '-untrusted', ca.sub + '.pem',
                    node.path('certs', 'CallManager', 'CallManager.pem')).stdout
        assert chain.strip().endswith(': OK'), chain
        # Signed configurations are signed with the new key at once.
        node.provision('SEP001122334455.cnf.xml', '<device/>')
        signed = os.path.join(node.folder, 'x.sgn')
        with open(signed, 'wb') as f:
            f.write(node.tftp('SEP001122334455.cnf.xml.sgn'))
        harness.ringfence('inspect', signed, '--cert', good)
        # A request that was used is used up, and regenerating goes back to a self-signed one.
        sh.refused('CallManager.csr does not exist', 'set', 'cert', 'import', 'own', 'CallManager', '--yes', '--file', good)
        said = sh.yes('set', 'cert', 'regen', 'CallManager')
        assert '\nWARNING: This operation will overwrite any CA signed certificate previously imported for  CallManager\n' in said, said
        assert 'CallManager.pem: Self-signed' in sh.do('show', 'cert', 'list', 'own').stdout

        # CAPF below the same authority, the chain in the file with it; it must be one that may issue.
        csr = sh.request('CAPF')
        for path in (ca.root, ca.sub):
            sh.trust('CAPF', path + '.pem')
        sh.refused('needs basicConstraints CA:TRUE', 'set', 'cert', 'import', 'own', 'CAPF', '--yes', '--file',
                   ca.sign(csr, 'no-ca', SERVER_EXT, ca.sub))
        good = ca.sign(csr, 'capf', CAPF_EXT, ca.sub)
        chain = ca.write('chain.pem', pem(good) + pem(ca.sub + '.pem') + pem(ca.root + '.pem'))
        said = sh.yes('set', 'cert', 'import', 'own', 'CAPF', '--file', chain)
        assert '2 other certificates in the file were not taken' in said, said
        assert len(re.findall(r'^CAPF-trust/CAPF-\w+\.pem', sh.do('show', 'cert', 'list', 'trust').stdout, re.M)) == 2


def test_trust_stores():
    """trust stores: PEM, DER, PKCS#7; names of files; the later one of a name stays; what is refused; deletion"""
    need('openssl')
    with Node() as node:
        node.start()
        sh, ca = Shell(node), Authority(node.folder)
        root, sub = ca.root + '.pem', ca.sub + '.pem'
        itl = node.tftp('ITLFile.tlv')
        before = sh.do('show', 'cert', 'list', 'trust').stdout
        assert 'Manufacturing' not in before and 'CAP-RTP' not in before   # only what somebody uploaded

        def listed(store):
            return re.findall(rf'^{store}/(.*?): ', sh.do('show', 'cert', 'list', 'trust').stdout, re.M)
        run('openssl', 'x509', '-in', root, '-outform', 'DER', '-out', ca.path('root.der'))
        run('openssl', 'crl2pkcs7', '-nocrl', '-certfile', root, '-certfile', sub, '-out', ca.path('both.p7b'))
        run('openssl', 'crl2pkcs7', '-nocrl', '-certfile', root, '-certfile', sub, '-outform', 'DER', '-out', ca.path('both.p7c'))
        both = ca.write('both.pem', pem(root) + '\n' + pem(sub))
        for store, path in (('Phone-trust', ca.path('root.der')), ('Phone-VPN-trust', ca.path('both.p7b')),
                            ('Phone-SAST-trust', ca.path('both.p7c')), ('directory-trust', both)):
            sh.trust(store, path)
            assert listed(store) == (['Example_Root.pem'] if path.endswith('.der') else ['Example_Issuing.pem', 'Example_Root.pem'])
        assert os.path.exists(node.path('certs', 'Phone-VPN-trust', 'Example_Issuing.pem'))
        sh.do('set', 'cert', 'import', 'trust', 'Phone-Edge-trust', '--dry-run', '--file', root)
        assert listed('Phone-Edge-trust') == []
        with open(ca.path('both.p7c'), 'rb') as f:
            done = subprocess.run([harness.RINGFENCE, 'admin', '--data', node.data, 'set', 'cert', 'import', 'trust', 'userlicensing-trust',
                                   '--file', '-'], stdin=f, capture_output=True, check=False)
        assert done.returncode == 0 and len(listed('userlicensing-trust')) == 2, done
        # By hand: pasted lines, then further commands from the same pipe.
        done = sh.do(input='set cert import trust TVS\n' + pem(root) + '\nshow cert list own\n')
        assert 'Successfully imported certificate for TVS.' in done.stdout and 'tomcat/tomcat.pem' in done.stdout, done.stdout
        assert listed('TVS-trust') == ['Example_Root.pem']
        with Terminal(harness.RINGFENCE, 'admin', '--data', node.data, env={'HOME': node.folder}) as t:
            for text, said in (('\x04', 'no certificate was pasted'), ('\x03', 'no certificate was pasted'),
                               (pem(sub).replace('\n', '\r') + '\r', 'Successfully imported certificate for TVS.')):
                t.wait('admin:')
                t.type('set cert import trust TVS\r')
                t.wait('an empty line ends it.')
                t.type(text)
                t.wait(said)
            t.wait('admin:')
            t.type('exit\r')
            assert t.end() == 0
        assert listed('TVS-trust') == ['Example_Issuing.pem', 'Example_Root.pem']

        # One of a name: the later one stays (behaviour.md 2.4).
        later = ca.make('later', '/O=Example/CN=Example Root', 'basicConstraints=CA:TRUE\n')
        time.sleep(1.1)
        last = ca.make('last', '/O=Example/CN=Example Root', 'basicConstraints=CA:TRUE\n')
        sh.trust('tomcat', last + '.pem')
        sh.refused('begins at the same time or later', 'set', 'cert', 'import', 'trust', 'tomcat', '--file', later + '.pem')
        sh.trust('Phone-trust', last + '.pem')
        assert listed('Phone-trust') == ['Example_Root.pem']

        # What a stranger has written into a certificate does not steer the terminal.
        said = sh.do('set', 'cert', 'import', 'trust', 'Phone-CTL', '--file', ca.make('esc', '/O=E\x1b[31m/CN=Example Escape', '') + '.pem').stdout
        assert '\x1b' not in said and '\\x1b[31m' in said, said
        assert listed('Phone-CTL-trust') == ['Example_Escape.pem']
        sh.refused('delete that one first', 'set', 'cert', 'import', 'trust', 'tomcat', '--file', later + '.pem', '--dry-run')
        # Two names that look alike as files: each keeps its own, whichever comes first in the alphabet.
        for cn in ('a_b_c', 'a b c'):
            sh.trust('directory', ca.make('alike', f'/CN={cn}', '') + '.pem')
        first, other = [n for n in listed('directory-trust') if n.startswith('a_b_c')]
        assert first == 'a_b_c.pem' and 'a_b_c' in sh.do('show', 'cert', 'trust', f'directory-trust/{first}').stdout
        assert 'CN=a b c' in sh.do('show', 'cert', 'trust', f'directory-trust/{other}').stdout
        sh.yes('set', 'cert', 'delete', 'directory', first)
        sh.yes('set', 'cert', 'delete', 'directory', other)
        # Older guides' words.
        sh.trust('cucm', ca.path('later.pem'))
        sh.yes('set', 'cert', 'delete', 'cucm', 'Example_Root.pem')
        assert sh.do('show', 'cert', 'list', 'type', 'own').stdout == sh.do('show', 'cert', 'list', 'own').stdout

        def refused(text, path, *more):
            sh.refused(text, 'set', 'cert', 'import', 'trust', 'CallManager', *more, '--file', path)
            assert 'CallManager-trust/Example' not in sh.do('show', 'cert', 'list', 'trust').stdout
        refused('has expired', ca.make('old', '/CN=Example Old', '', options=('-days', '-1')) + '.pem')
        refused('reserved for CAPF', ca.make('capf-ca', '/CN=My CAPF-1 CA', 'basicConstraints=CA:TRUE\n') + '.pem')
        refused('wildcard', ca.make('wild', '/CN=*.example.org', '') + '.pem')
        refused('more than 4096', ca.make('big', '/CN=Example Big', '', key='rsa:4104') + '.pem')
        refused('private key', ca.write('with-key.pem', pem(ca.root + '.key') + pem(root)))
        refused('damaged', ca.write('cut.pem', pem(root)[:400]))
        refused('no certificate in PEM', ca.write('none.pem', 'nothing\n'))
        refused('CA certificate is not available', sub, 'Example_Root.pem')
        # All of a file or nothing: the first one would do.
        refused('has expired', ca.write('mixed.pem', pem(root) + pem(ca.path('old.pem'))))
        assert node.tftp('ITLFile.tlv') == itl                              # a trust store is not in the ITL

        # Deletion: only from trust stores, only with yes, only there.
        asked = sh.do('set', 'cert', 'delete', 'Phone-VPN-trust', 'Example_Root.pem', check=False, stdin=subprocess.DEVNULL)
        assert asked.returncode == 1 and 'you are about to permanently delete this certificate' in asked.stdout, asked.stdout
        assert 'Nothing was changed' in sh.do('set', 'cert', 'delete', 'Phone-VPN-trust', 'Example_Root', '--dry-run').stdout
        assert len(listed('Phone-VPN-trust')) == 2
        sh.yes('set', 'cert', 'delete', 'Phone-VPN-trust', 'Example_Root.pem')
        assert listed('Phone-VPN-trust') == ['Example_Issuing.pem'] and len(listed('directory-trust')) == 2
        assert not os.path.exists(node.path('certs', 'Phone-VPN-trust', 'Example_Root.pem'))
        sh.refused('it holds: Example_Issuing.pem', 'set', 'cert', 'delete', 'Phone-VPN-trust', 'Example_Root.pem', '--yes')
        sh.refused('can be deleted', 'set', 'cert', 'delete', 'CallManager', 'CallManager.pem', '--yes')
        sh.refused('backup and restore stop', 'set', 'cert', 'delete', 'ipsec', 'cucm-1051-a-pub.pem', '--yes')
        capf = listed('CallManager-trust')[0]
        assert capf.startswith('CAPF-')
        said = sh.yes('set', 'cert', 'delete', 'CallManager', capf)
        assert 'Phones that have an LSC from it' in said and 'no longer register securely' in said, said
        assert capf in listed('CAPF-trust') and capf not in listed('CallManager-trust')
        assert node.tftp('ITLFile.tlv') == itl


def test_web_security_and_bulk():
    """another subject for what is made from now on; certificates of two clusters, exchanged by a folder"""
    with Node() as node, Node(name='other.example.org', init=('--generation', '10.0')) as other:
        node.start()
        sh, there = Shell(node), Shell(other)
        words = ('set', 'web-security', 'Voice Team', 'Example', 'Paris', 'IDF')
        sh.refused('cannot be changed', *words, 'FR', '--yes')
        sh.refused('no host name', *words, 'PL', 'not a name', '--yes')
        assert 'Nothing was changed' in sh.do(*words, 'PL', '--dry-run').stdout
        assert 'OU=TAC' in sh.do('show', 'cert', 'own', 'tomcat').stdout
        itl = node.tftp('ITLFile.tlv')
        assert 'Successfully Regenerated Certificate for tomcat.' in sh.yes(*words, 'PL', 'web.example.org')

        def subject_and_names(unit):
            text = run('openssl', 'x509', '-in', node.path('certs', unit, unit + '.pem'), '-noout', '-subject', '-ext', 'subjectAltName',
                       '-nameopt', 'RFC2253').stdout
            return 'OU=Voice Team,O=Example' in text and 'L=Paris' in text and 'C=PL' in text, 'DNS:web.example.org' in text
        assert subject_and_names('tomcat') == (True, True) and subject_and_names('CallManager') == (False, False)
        assert node.tftp('ITLFile.tlv') == itl
        sh.yes('set', 'cert', 'regen', 'TVS')
        assert subject_and_names('TVS') == (True, False)
        assert 'OU = Voice Team' in text_of(sh.request('tomcat'))

        other.start()
        sh.refused("'set cert bulk export tomcat' on each cluster", 'set', 'cert', 'bulk', 'consolidate', 'all')
        sh.refused('consolidated.capf.pem is not there', 'set', 'cert', 'bulk', 'import', 'capf')
        assert 'would be exported: 5.' in sh.do('set', 'cert', 'bulk', 'export', 'all', '--dry-run').stdout
        assert not os.path.exists(node.path('bulk')) or not os.listdir(node.path('bulk'))
        for shell in (sh, there):
            assert 'Successfully exported all certificate(s)' in shell.do('set', 'cert', 'bulk', 'export', 'all').stdout
        for name in os.listdir(other.path('bulk')):
            run('cp', other.path('bulk', name), node.path('bulk'))
        assert not [n for n in os.listdir(node.path('bulk')) if 'PRIVATE' in pem(node.path('bulk', n))]
        sh.do('set', 'cert', 'bulk', 'consolidate', 'all')
        assert 'would be imported: 5.' in sh.do('set', 'cert', 'bulk', 'import', 'all', '--dry-run').stdout
        assert 'other.example.org' not in sh.do('show', 'cert', 'list', 'trust').stdout
        said = sh.do('set', 'cert', 'bulk', 'import', 'all').stdout
        assert 'Successfully imported all certificates.' in said and 'Certificates: 5.' in said, said
        assert said.count('only a CTL of mixed mode has signers of Phone-SAST-trust') == 1, said
        listed = sh.do('show', 'cert', 'list', 'trust').stdout
        for name in ('tomcat-trust/other.example.org.pem', 'tomcat-trust/other-EC.example.org.pem', 'CallManager-trust/other.example.org.pem',
                     'Phone-SAST-trust/other.example.org.pem', 'Phone-SAST-trust/ITLRECOVERY_other.example.org.pem'):
            assert name + ':' in listed, (name, listed)
        assert len(re.findall('^CallManager-trust/CAPF-', listed, re.M)) == 2 and listed.count('Phone-SAST-trust/') == 2
        sh.do('set', 'cert', 'bulk', 'import', 'capf')   # again: they are there already
        with open(node.path('bulk', 'junk.capf.pem'), 'w') as f:
            f.write('junk')
        sh.refused('bulk/junk.capf.pem: no certificate', 'set', 'cert', 'bulk', 'consolidate', 'capf')


# ---- what becomes of phones ----

def test_units_and_phones():
    """scenarios 12, 13, 14, 15, 18: which regenerations and deletions phones notice, and that none of them is lost"""
    with Site('12.0') as site:
        site.start()
        sh = Shell(site)
        phones = [settle(Phone(site, model)) for model in (OLD, SBD, NEW)]
        askers = phones[1:]

        def nothing(said):
            assert 'ITLFile.tlv: stays as it is.' in said and 'Phones: nothing changes for them.' in said, said
            for phone in phones:
                quiet(phone)
        nothing(site.regen('tomcat'))                                                               # 14
        nothing(site.regen('tomcat-ECDSA'))
        nothing(site.regen('ipsec'))                                                                # 15
        assert 'tomcat-trust/cucm-1051-a-pub-EC.pem' in sh.do('show', 'cert', 'list', 'trust').stdout
        itl = site.sums('ITL')
        sh.yes('set', 'cert', 'delete', 'tomcat', 'cucm-1051-a-pub.pem')                            # 18
        sh.yes('set', 'cert', 'delete', 'CallManager', 'cucm-1051-a-pub.pem')
        assert site.sums('ITL') == itl
        for phone in phones:
            quiet(phone)

        def asked(what):
            for phone in askers:
                said = phone.boot('took')
                assert re.search(rf'{what} +taken: confirmed by a trust verification server', said), said
                quiet(phone)
        said = site.regen('ITLRecovery', ['Those that ask TVS take it'])                            # 12
        assert 'signed by ITLRecovery with the new key' in said and 'before generating the ITL Recovery certificate' in said
        assert "In this order: 'utils itl reset localkey'" in said and 'CTL' not in said.split('In this order')[1], said
        site.restart()
        asked('ITL')
        site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')                                        # 13
        for phone in phones:
            phone.boot('took')
            phone.agrees()
        said = site.regen('ITLRecovery', ['Those that ask TVS take it'])
        steps = [said.index(words) for words in ("'utils ctl reset localkey', which", "'utils ctl update CTLFile'; 'phone reset all' a second")]
        assert steps == sorted(steps), said
        ctl = site.sums('CTL')
        assert 'does not name the ITLRecovery certificate that is installed' in site.admin('show ctl').stdout
        assert 'does not name' not in site.admin('show itl').stdout
        asked('ITL')
        assert site.sums('CTL') == ctl                                                              # never silently
        site.do('utils', 'ctl', 'update', 'CTLFile')
        assert 'does not name' not in site.admin('show ctl').stdout
        for phone in askers:
            phone.boot('took')
            quiet(phone)
        phones[0].boot('refused')                                                                   # asks no TVS: by hand


class Secondary(Site):
    """The second TFTP server of a cluster."""

    def __init__(self, generation):   # pylint: disable=super-init-not-called
        self.legacy = harness.free_port()
        self.generation = generation
        Node.__init__(self, 'cucm-1051-a-sub', init=('--generation', generation, '--listen', f'legacy-tvs=127.0.0.1:{self.legacy}'))


def introduce(node, other, name, *units):
    """What the cluster does for its nodes: each knows the certificates of the other."""
    for unit in units:
        Shell(node).do('set', 'network', 'cluster', 'subscriber', 'certificate', name, unit, other.path('certs', unit, unit + '.pem'))


def one_tftp_server_after_the_other():
    """Scenario 16: the primary is changed while phones load from the secondary, then the other way round."""
    names = 'cucm-1051-a-pub', 'cucm-1051-a-sub'
    with Site('10.0') as primary, Secondary('10.0') as secondary:
        nodes = primary, secondary
        for node, other, name in ((primary, secondary, names[1]), (secondary, primary, names[0])):
            node.start()
            Shell(node).do('set', 'network', 'cluster', 'subscriber', 'details', name, '127.0.0.1')
            introduce(node, other, name, 'CallManager', 'TVS')
        phone = Phone(primary, SBD, tvs=[node.legacy for node in nodes])
        secondary.provision(phone.name + '.cnf.xml', phone.configuration)
        settle(phone)
        for changed, other, name in ((primary, secondary, names[0]), (secondary, primary, names[1])):
            changed.service('stop', 'Cisco Tftp')
            changed.regen('CallManager', ['Those that ask TVS take it'])
            introduce(other, changed, name, 'CallManager')
            phone.site = other
            phone.boot('took')
            quiet(phone)
            changed.service('start', 'Cisco Tftp')


def backup(site):
    """What keeps the keys: the recovery export, verified."""
    out, secret = os.path.join(site.folder, 'recovery.p12'), os.path.join(site.folder, 'secret')
    with open(secret, 'w') as f:
        f.write('a long passphrase\n')
    os.chmod(secret, 0o600)
    if os.path.exists(out):
        os.unlink(out)
    for what in (('export', '--data', site.data, '--out', out), ('verify', '--data', site.data, out)):
        ringfence('recovery', *what, '--passphrase-file', secret)


def copies(site, store, unit):
    """Is the unit's certificate in that trust store?"""
    own = pem(site.path('certs', unit, unit + '.pem'))
    folder = site.path('certs', store)
    return any(pem(os.path.join(folder, name)) == own for name in os.listdir(folder))


def with_answers(site, command, expected):
    """On a terminal, as the document has it: a question, yes, Enter."""
    with Terminal(harness.RINGFENCE, 'admin', '--data', site.data, env={'HOME': site.folder}) as t:
        t.wait('admin:')
        t.type(command + '\r')
        t.wait('(yes|no)?')
        t.type('yes\r')
        t.wait(expected)
        t.wait('admin:')
        t.type('exit\r')
        assert t.end() == 0


def test_seed_001():
    """the document on regeneration (with scenario 16) from top to bottom, on its release; phones stay registered all the way"""
    with Site('10.0') as site:
        site.start()
        sh, ca = Shell(site), Authority(site.folder)
        phones = [settle(Phone(site, model)) for model in (SBD, NEW)]
        until('both are added at their first contact', lambda: '2 phones' in site.admin('phone list').stdout)

        def reset():
            """Every phone comes back with what the node has: it registers."""
            for phone in phones:
                phone.boot('took')
                quiet(phone)
        # When: certificates of five years; which services each is for; a backup first; in which mode is the cluster?
        assert 'Validity From' in sh.do('show', 'cert', 'own', 'CallManager/CallManager.pem').stdout
        ends = int(run('openssl', 'x509', '-in', site.path('certs/CallManager/CallManager.pem'), '-noout', '-checkend', 1824 * 86400,
                       check=False).returncode)
        assert ends == 0, 'five years'
        backup(site)
        assert site.mode() == 0
        site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
        assert site.mode() == 1 and 'This etoken was used to sign the CTL file.' in site.admin('show ctl').stdout
        site.restart()
        reset()
        # How problems of the ITL are avoided: the rollback parameter around a change; one TFTP server after the other.
        for value in ('True', 'False'):
            said = site.do('set', 'parameter', 'Prepare', 'Cluster', 'for', 'Rollback', 'to', 'pre', '8.0', value)
            assert 'all 2 phones are reset automatically' in said and 'The phones are reset now' in said, said
            site.restart()
            for phone in phones:
                phone.boot('took')
            assert ('The ITL is blank' in site.admin('show status').stdout) == (value == 'True')
            if value == 'True':
                site.regen('TVS')
                site.restart()
                for phone in phones:
                    phone.boot('kept')   # nobody's certificate is in it
        one_tftp_server_after_the_other()
        # Regeneration. CAPF: into two trust stores, the former one stays; the CTL follows by command only.
        before = set(os.listdir(site.path('certs/CAPF-trust')))
        with_answers(site, 'set cert regen CAPF', 'Successfully Regenerated Certificate for CAPF.')
        assert copies(site, 'CAPF-trust', 'CAPF') and copies(site, 'CallManager-trust', 'CAPF')
        assert before < set(os.listdir(site.path('certs/CAPF-trust')))
        reset()
        assert 'does not name the CAPF certificate' in site.admin('show ctl').stdout
        site.do('utils', 'ctl', 'update', 'CTLFile')
        site.restart()
        reset()
        # CallManager, in a run of its own; phones ask TVS for the new signer.
        with_answers(site, 'set cert regen CallManager', 'Successfully Regenerated Certificate for CallManager.')
        assert copies(site, 'CallManager-trust', 'CallManager')
        reset()
        site.do('utils', 'ctl', 'update', 'CTLFile')
        site.restart()
        reset()
        # ipsec and Tomcat: no phone notices.
        for unit in ('ipsec', 'tomcat'):
            with_answers(site, f'set cert regen {unit}', f'Successfully Regenerated Certificate for {unit}.')
            assert copies(site, f'{unit}-trust', unit)
            for phone in phones:
                quiet(phone)
        # TVS after everybody has the new signer; it warns of those that were off.
        assert all(words in site.do('set', 'cert', 'regen', 'TVS', '--dry-run') for words in LATE)
        with_answers(site, 'set cert regen TVS', 'Successfully Regenerated Certificate for TVS.')
        site.restart()
        reset()
        # Deletion, store by store: a certificate that nobody needs any more.
        for store in ('CAPF-trust', 'CallManager-trust'):
            old = before & set(os.listdir(site.path('certs', store)))
            with_answers(site, f'set cert delete {store} {old.pop()}', 'Successfully deleted certificate')
            assert copies(site, store, 'CAPF')
        for store in ('ipsec-trust', 'tomcat-trust', 'TVS-trust'):
            sh.trust(store, ca.root + '.pem')
            with_answers(site, f'set cert delete {store} Example_Root.pem', 'Successfully deleted certificate')
        for phone in phones:
            quiet(phone)
        # Afterwards: services as the last table names them (IPSec's and Tomcat's have nothing to do here), LSCs anew from the new CAPF (Install/Upgrade, By Null String), and another backup.
        for service in ('Cisco Tomcat', 'Cisco DRF Local', 'Cisco DRF Master'):
            assert f'no process stands behind {service} here' in site.service('restart', service)
        assert 'Nothing was changed' in site.admin('utils ipsec restart').stdout
        site.service('restart', 'Cisco Certificate Authority Proxy Function')
        site.restart()
        for phone in phones:
            sh.do('phone', 'add', phone.name, check=False)   # those that were not added at their first contact
            sh.do('phone', 'set', phone.name, 'certificate', 'operation', 'Install/Upgrade')
            lsc = os.path.join(phone.state, 'lsc.pem')
            ringfence('capf', 'enroll', '--server', f'127.0.0.1:{site.port["capf"]}', '--trust', os.path.join(phone.state, 'ITLFile.tlv'),
                      '--device', phone.name, '--key-out', os.path.join(phone.state, 'lsc.key'), '--cert-out', lsc)
            assert run('openssl', 'verify', '-CAfile', site.path('certs/CAPF/CAPF.pem'), lsc).stdout.strip().endswith('OK')
            quiet(phone)
        backup(site)
        assert site.mode() == 1


if __name__ == '__main__':
    harness.main()
