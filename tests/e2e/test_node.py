#!/usr/bin/python3
"""A node that phones boot from: what its shell says and what its ports give are the same thing."""
import hashlib
import os
import re
import subprocess
import tempfile
import time

import harness
from harness import Node, ringfence, run, until

CONFIG = '<?xml version="1.0" encoding="UTF-8"?>\n<device>\n  <fullConfig>true</fullConfig>\n</device>\n'
SEP = 'SEP001122334455'


def verdict(data, *trust):
    """Exit status and output of inspect on these octets, trusting the lists given as octets."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, octets in enumerate((data, *trust)):
            paths.append(os.path.join(folder, str(i)))
            with open(paths[-1], 'wb') as f:
                f.write(octets)
        options = [w for p in paths[1:] for w in ('--trust', p)]
        done = ringfence('inspect', paths[0], *options, check=False)
        return done.returncode, done.stdout + done.stderr


def test_first_lists():
    """a new node publishes an ITL that verifies and has no CTL"""
    with Node() as node:
        node.start()
        shown = node.admin('show itl').stdout
        assert 'The ITL file was verified successfully.' in shown, shown
        itl = node.tftp('ITLFile.tlv')
        assert f'Length of ITL file: {len(itl)}' in shown
        assert hashlib.md5(itl).hexdigest() + '(MD5)' in shown
        assert node.tftp(f'ITL{SEP}.tlv') == itl
        assert node.http(f'ITL{SEP}.tlv') == itl
        missing = node.admin('show ctl', check=False).stdout
        assert 'Length of CTL file: 0' in missing
        assert 'CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.' in missing
        assert 'Error parsing the CTL File.' in missing
        for name in ('CTLFile.tlv', f'CTL{SEP}.tlv', f'ext_ITL{SEP}.tlv'):
            began = time.monotonic()
            assert node.tftp(name, check=False) is None, name
            assert node.http(name, check=False) is None, name
            assert time.monotonic() - began < harness.PATIENCE / 2


def test_mixed_mode():
    """mixed mode, update and non-secure mode: prompts, texts, parameter, checksums"""
    with Node() as node:
        node.start()
        refused = node.admin('utils ctl set-cluster mixed-mode', check=False, stdin=subprocess.DEVNULL)
        assert refused.returncode == 1, refused.stdout
        assert node.tftp('CTLFile.tlv', check=False) is None
        done = node.admin('utils ctl set-cluster mixed-mode', '--yes').stdout
        for text in ('This operation sets the cluster to Mixed mode. Do you want to continue? (y/n):',
                     'Moving Cluster to Mixed Mode', 'Cluster set to Mixed Mode'):
            assert text in done, done
        ctl = node.tftp('CTLFile.tlv')
        shown = node.admin('show ctl').stdout
        assert 'The CTL file was verified successfully.' in shown
        assert hashlib.md5(ctl).hexdigest() + '(MD5)' in shown
        assert hashlib.sha1(ctl).hexdigest() + '(SHA1)' in shown
        assert node.http(f'CTL{SEP}.tlv') == ctl
        assert verdict(ctl, ctl)[0] == 0
        mode = "run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
        assert re.search(r'ClusterSecurityMode +1\b', node.admin(mode).stdout)

        done = node.admin('utils ctl update CTLFile', '--yes').stdout
        for text in ('This operation updates the CTLFile. Do you want to continue? (y/n):', 'Updating CTL file',
                     'CTL file Updated'):
            assert text in done, done
        again = node.tftp('CTLFile.tlv')
        assert verdict(again, ctl)[0] == 0

        done = node.admin('utils ctl set-cluster non-secure-mode', '--yes').stdout
        for text in ('This operation will set the cluster to non secure mode. Do you want to continue? (y/n):',
                     'Moving Cluster to Non Secure Mode', 'Cluster set to Non Secure Mode'):
            assert text in done, done
        bare = node.tftp('CTLFile.tlv')
        assert len(bare) < len(again)
        assert verdict(bare, ctl)[0] == 0
        assert re.search(r'ClusterSecurityMode +0\b', node.admin(mode).stdout)
        done = node.admin('file delete activelog cm/tftpdata/CTLFile.tlv', '--yes').stdout
        assert 'files: found = 1, deleted = 1' in done, done
        assert node.tftp('CTLFile.tlv', check=False) is None


def test_signed_configuration():
    """a configuration comes back signed, follows its file, and is the same by TFTP and HTTP"""
    with Node() as node:
        node.start()
        itl = node.tftp('ITLFile.tlv')
        node.provision(f'{SEP}.cnf.xml', CONFIG)
        signed = node.tftp(f'{SEP}.cnf.xml.sgn')
        assert verdict(signed, itl)[0] == 0
        assert signed.endswith(CONFIG.encode())
        assert f'{SEP}.cnf.xml.sgn'.encode() + b'\0' in signed
        assert node.http(f'{SEP}.cnf.xml.sgn') == signed
        assert node.tftp(f'{SEP}.cnf.xml.sgn') == signed    # kept, not made again
        assert node.tftp(f'{SEP}.cnf.xml') == CONFIG.encode()

        changed = CONFIG.replace('true', 'false')
        node.provision(f'{SEP}.cnf.xml', changed)
        signed = node.tftp(f'{SEP}.cnf.xml.sgn')
        assert signed.endswith(changed.encode()) and verdict(signed, itl)[0] == 0
        os.unlink(node.path('provisioning', f'{SEP}.cnf.xml'))
        assert node.tftp(f'{SEP}.cnf.xml.sgn', check=False) is None
        assert node.http(f'{SEP}.cnf.xml', check=False) is None
        node.provision('New_Zealand/g3-tones.xml', '<tones/>\n')
        tones = node.tftp('New_Zealand/g3-tones.xml.sgn')
        assert b'New_Zealand/g3-tones.xml.sgn\0' in tones and verdict(tones, itl)[0] == 0


def test_names():
    """names: wrong case found; firmware not signed; nothing outside the folder; overrides win"""
    with Node() as node:
        secret = os.path.join(node.folder, 'secret.xml')
        with open(secret, 'w') as f:
            f.write('secret')
        os.chmod(secret, 0o644)
        node.provision('Desktops/320x212x12/List.xml', '<list/>')
        node.provision(f'{SEP}.cnf.xml', CONFIG)
        node.provision('term75.default.loads', 'loads')
        node.provision('image.sbn', b'\x01\x00\x02firmware')
        node.provision(f'ITL{SEP}.tlv', b'a list of its own')
        os.symlink(secret, node.path('provisioning', 'link.xml'))
        os.symlink('/etc/passwd', node.path('provisioning', 'passwd.xml'))
        node.start()
        assert node.tftp('Desktops/320x212x12/list.xml') == b'<list/>'
        assert node.tftp(f'{SEP.lower()}.cnf.xml') == CONFIG.encode()
        assert node.tftp('/term75.default.loads') == b'loads'
        assert node.tftp('term75.default.loads.sgn', check=False) is None
        assert node.tftp('image.sbn.sgn', check=False) is None
        assert node.tftp(f'ITL{SEP}.tlv') == b'a list of its own'
        assert node.tftp('ITLSEP00AABBCCDDEE.tlv') == node.tftp('ITLFile.tlv') != b'a list of its own'
        for name in ('link.xml', 'passwd.xml', 'link.xml.sgn', '../secret.xml', '..%2fsecret.xml', 'a/../../secret.xml',
                     '/etc/passwd', 'Desktops', 'Desktops/', '..\\secret.xml', '../keys', '../store.sqlite3',
                     'ringfence.conf'):
            assert node.tftp(name, check=False) is None, name
            assert node.http(name, check=False) is None, name


def test_existing_tftpboot():
    """pointing provisioning at an existing tftpboot folder works and writes nothing there"""
    with Node() as node, tempfile.TemporaryDirectory() as boot:
        os.chmod(boot, 0o755)
        path = os.path.join(boot, f'{SEP}.cnf.xml')
        with open(path, 'w') as f:
            f.write(CONFIG)
        os.chmod(path, 0o644)
        with open(node.path('ringfence.conf')) as f:
            conf = f.read()
        conf, n = re.subn(r'(?m)^(\s*provisioning\s*=).*$', rf'\1 {boot}', conf)
        assert n == 1, conf
        with open(node.path('ringfence.conf'), 'w') as f:
            f.write(conf)
        before = os.stat(boot).st_mtime_ns, sorted(os.listdir(boot))
        node.start()
        assert node.tftp(f'{SEP}.cnf.xml.sgn').endswith(CONFIG.encode())
        assert (os.stat(boot).st_mtime_ns, sorted(os.listdir(boot))) == before


def test_https():
    """HTTPS has an EC certificate that the ITL names, and gives the plain configuration under its signed name"""
    harness.need('openssl')
    with Node() as node:
        node.provision(f'{SEP}.cnf.xml', CONFIG)
        node.start()
        url = f'https://127.0.0.1:{node.port["https"]}'
        for version in ('--tlsv1.2', '--tlsv1.3'):
            got = run('curl', '-sS', '-k', version, f'{url}/{SEP}.cnf.xml.sgn').stdout
            assert got == CONFIG
        old = run('curl', '-sS', '-k', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', '--tlsv1.0', url + '/x', check=False)
        assert old.returncode != 0 and '404' not in old.stdout
        shown = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{node.port["https"]}'],
                               input='', capture_output=True, text=True, timeout=harness.PATIENCE).stdout
        text = run('openssl', 'x509', '-noout', '-text', input=shown[shown.index('-----BEGIN'):]).stdout
        assert 'id-ecPublicKey' in text and 'P-384' in text, text


def test_http_semantics():
    """HTTP: HEAD, keep-alive, exact length, 404, refused methods"""
    with Node() as node:
        node.provision(f'{SEP}.cnf.xml', CONFIG)
        node.start()
        url = f'http://127.0.0.1:{node.port["http"]}'
        head = run('curl', '-sS', '-I', f'{url}/{SEP}.cnf.xml').stdout
        assert head.startswith('HTTP/1.1 200') and f'Content-Length: {len(CONFIG)}'.lower() in head.lower(), head
        two = run('curl', '-sS', '-v', f'{url}/{SEP}.cnf.xml', f'{url}/{SEP}.cnf.xml')
        assert two.stdout == CONFIG * 2 and 'Re-using existing connection' in two.stderr, two.stderr
        for method, want in (('POST', '405'), ('DELETE', '405'), ('GET', '404')):
            got = run('curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '-X', method, f'{url}/nothing.xml').stdout
            assert got == want, (method, got)


def test_ipv6():
    """TFTP and HTTP answer over IPv6"""
    with Node(host='::1') as node:
        node.provision(f'{SEP}.cnf.xml', CONFIG)
        node.start()
        assert node.tftp(f'{SEP}.cnf.xml') == CONFIG.encode()
        assert node.http(f'{SEP}.cnf.xml') == CONFIG.encode()


def test_run_sql():
    """the three queries that administrators know run as they stand; writing is refused"""
    with Node() as node:
        node.start()
        node.admin("run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'")
        roles = node.admin('run sql select c.subjectname, c.serialnumber, c.ipv4address, t.name from certificate as c, '
                           'certificatetrustrolemap as r, typetrustrole as t where c.pkid = r.fkcertificate and '
                           't.enum = r.tktrustrole').stdout
        assert 'cucm-1051-a-pub' in roles, roles
        stored = node.admin('run sql select c.servername, tcs.name, dist.moniker, c.ipv4address, c.certificate from '
                            'certificate as c inner join certificateservicecertificatemap as cscm on c.pkid = '
                            'cscm.fkcertificate inner join typecertificateservice as tcs on cscm.tkcertificateservice = '
                            'tcs.enum inner join typecertificatedistribution as dist on c.tkcertificatedistribution = '
                            'dist.enum').stdout
        assert 'CallManager' in stored and 'BEGIN CERTIFICATE' in stored, stored[:500]
        for text in ("update processconfig set paramvalue='1'", 'delete from certificate', 'drop table certificate',
                     "attach '/tmp/x' as x", 'pragma journal_mode=delete', 'vacuum'):
            done = node.admin('run sql ' + text, check=False)
            assert done.returncode == 1, (text, done.stdout)
        assert re.search(r'ClusterSecurityMode +0\b', node.admin('run sql select * from processconfig').stdout)


def test_recovery():
    """until an export has been verified, init, status and log say so"""
    with Node() as node:
        assert 'recovery export' in node.made.stdout + node.made.stderr
        node.start()
        until('the log says so', lambda: 'recovery export' in node.log())
        assert 'recovery export' in node.admin('show status').stdout
        secret = os.path.join(node.folder, 'passphrase')
        with open(secret, 'w') as f:
            f.write('correct horse\n')
        out = os.path.join(node.folder, 'recovery.p12')
        ringfence('recovery', 'export', '--data', node.data, '--out', out, '--passphrase-file', secret)
        assert os.stat(out).st_mode & 0o077 == 0
        run('openssl', 'pkcs12', '-in', out, '-passin', f'file:{secret}', '-nokeys', '-noout')
        with open(secret + '.wrong', 'w') as f:
            f.write('wrong\n')
        wrong = ringfence('recovery', 'verify', '--data', node.data, out, '--passphrase-file', secret + '.wrong', check=False)
        assert wrong.returncode == 1 and 'passphrase' in wrong.stderr
        ringfence('recovery', 'verify', '--data', node.data, out, '--passphrase-file', secret)
        status = node.admin('show status').stdout
        assert 'no recovery export' not in status.lower(), status


def test_doctor():
    """doctor is content with a new node, and names a taken port and a readable key with the remedy"""
    with Node() as node:
        key = next(os.path.join(node.path('keys'), n) for n in os.listdir(node.path('keys')))
        os.chmod(key, 0o644)
        done = ringfence('doctor', '--data', node.data, check=False)
        assert done.returncode == 1 and os.path.basename(key) in done.stdout and 'chmod' in done.stdout, done.stdout
        os.chmod(key, 0o600)
        import socket
        with socket.socket() as s:
            s.bind(('127.0.0.1', node.port['http']))
            s.listen()
            done = ringfence('doctor', '--data', node.data, check=False)
            assert done.returncode == 1 and str(node.port['http']) in done.stdout, done.stdout


def test_serve_check():
    """serve --check names file and line of every mistake"""
    with Node() as node:
        ringfence('serve', '--data', node.data, '--check')
        with open(node.path('ringfence.conf'), 'a') as f:
            f.write('\n[listen]\nsnmp = *:161\nhttp = *:99999\n')
        with open(node.path('ringfence.conf')) as f:
            lines = f.read().split('\n')
        done = ringfence('serve', '--data', node.data, '--check', check=False)
        text = done.stdout + done.stderr
        assert done.returncode != 0
        for word in ('snmp', '99999'):
            line = next(i for i, t in enumerate(lines, 1) if word in t)
            assert f'ringfence.conf:{line}:' in text, text


def test_keys_stay_where_they_are():
    """private keys are 0600, in no database and in no log"""
    with Node() as node:
        node.start()
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        keys = node.path('keys')
        assert os.stat(keys).st_mode & 0o077 == 0
        found = 0
        for name in os.listdir(keys):
            assert os.stat(os.path.join(keys, name)).st_mode & 0o177 == 0, name
            with open(os.path.join(keys, name)) as f:
                body = [line for line in f.read().split('\n') if line and not line.startswith('-')]
            found += 1
            for base, _, files in os.walk(node.folder):
                for other in files:
                    path = os.path.join(base, other)
                    if path.startswith(keys) or not os.path.isfile(path):
                        continue
                    with open(path, 'rb') as f:
                        assert body[1].encode() not in f.read(), path
        assert found >= 7


if __name__ == '__main__':
    harness.main()
