#!/usr/bin/env python3
"""HTTPS for phones that speak nothing better than TLS 1.0: legacy-https, and which phones still need such a listener."""
import json
import os
import re
import signal
import ssl
import subprocess

import harness
from harness import Node, Skip, need, ringfence, run, until

LEGACY = 'Allow Insecure TLS 1.0 On Legacy Listeners'
PHONE, NEW_PHONE = 'SEP001122334455', 'SEP001122334466'
CONFIG = '<device><fullConfig>true</fullConfig>%s</device>\n'
RSA = ('AES256-SHA', 'AES128-SHA')


def shake(port, cipher='AES256-SHA', *options):
    """What s_client says of a handshake as a 7900 begins it; '' when there was none."""
    done = run(need('openssl'), 's_client', '-connect', f'127.0.0.1:{port}', '-tls1', '-cipher', f'{cipher}:@SECLEVEL=0',
               *options, check=False, input='')
    return done.stdout if f'Cipher    : {cipher}' in done.stdout else ''


def fetch(port, name, *options):
    """(status, octets) of curl over HTTPS; status 0: no answer."""
    done = subprocess.run(['curl', '-sSk', '--path-as-is', '-w', '%{stderr}%{http_code}', *options,
                           f'https://127.0.0.1:{port}/{name}'], capture_output=True, timeout=harness.PATIENCE)
    return int(done.stderr[-3:] or 0) if done.returncode == 0 else 0, done.stdout


def old_curl(port, name):
    return fetch(port, name, '--tlsv1.0', '--tls-max', '1.0', '--ciphers', 'DEFAULT@SECLEVEL=0')


def counter(node, name):
    return json.loads(node.admin('show status', '--json').stdout)['counters'][name]


def set_listen(node, key, value):
    with open(node.path('ringfence.conf')) as f:
        text = f.read()
    new = re.sub(rf'(?m)^{key} =.*$', f'{key} = {value}', text)
    assert new != text
    with open(node.path('ringfence.conf'), 'w') as f:
        f.write(new)


def answers_as_https(node, port):
    """Every octet as on the ordinary port, where a configuration's signed name means the plain file; and its certificate."""
    names = (PHONE + '.cnf.xml.sgn', PHONE + '.cnf.xml', 'ITLFile.tlv', f'ITL{PHONE}.tlv', 'rings.xml.sgn', 'absent.xml',
             '../ringfence.conf')
    for name in names:
        assert old_curl(port, name) == fetch(node.port['https'], name), name
    assert old_curl(port, PHONE + '.cnf.xml.sgn') == (200, (CONFIG % '').encode())
    for cipher in RSA:
        said = shake(port, cipher)
        assert 'Protocol  : TLSv1\n' in said
    with open(node.path('certs', 'tomcat', 'tomcat.pem')) as f:
        shown = re.search(r'-----BEGIN.*?-----END CERTIFICATE-----\n', said, re.S)[0]
        assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(f.read())
    assert not shake(port, 'DES-CBC3-SHA') and not shake(port, 'NULL-SHA')


def boot(node, name, model, tvs, directory):
    """A phone whose configuration names this TVS server and this HTTPS directory. What became of the directory."""
    node.provision(name + '.cnf.xml', CONFIG % (
        f'<secureDirectoryURL>https://127.0.0.1:{directory}/directory.xml</secureDirectoryURL><TVS><members>'
        f'<member priority="0"><port>{tvs}</port><address>127.0.0.1</address></member></members></TVS>'))
    port = node.port
    done = ringfence('phone', 'boot', '--quiet', '--state', os.path.join(node.folder, name), '--device', name, '--model', model,
                     '--tftp', f'127.0.0.1:{port["tftp"]}', '--http-port', port['http'], '--https-port', port['https'],
                     check=False)
    found = re.search(r'(?m)^ *directory +(.*)$', done.stdout)
    assert found, done.stdout + done.stderr
    return found[1]


def old_phones(node):
    return [p['name'] for p in json.loads(node.admin('phone list --old-tls', '--json').stdout)]


def test_legacy_https():
    """legacy-https answers TLS 1.0 as https answers TLS 1.2, only when the parameter says so; its phones are named"""
    port, tvs, moved = (harness.free_port() for _ in range(3))
    with Node(init=('--listen', f'legacy-https=127.0.0.1:{port}')) as node:
        said = ringfence('serve', '--check', '--data', node.data).stdout
        assert 'legacy' not in said and 'is right' in said, said
        node.provision(PHONE + '.cnf.xml', CONFIG % '')
        node.provision('rings.xml', '<rings/>\n')
        node.start()
        # An address alone is not enough, and the log says what is missing.
        assert old_curl(port, 'ITLFile.tlv')[0] == 0 and not shake(port)
        assert 'legacy-https has an address' in node.log()
        assert 'Cisco Tftp[STARTED]' in node.admin('utils service list').stdout
        node.admin(f'set parameter {LEGACY} True', '--yes')
        if not shake(port):
            raise Skip('this OpenSSL does not speak TLS 1.0')
        answers_as_https(node, port)
        # The ordinary port is what it was, and whoever can do better here does.
        assert old_curl(node.port['https'], 'ITLFile.tlv')[0] == 0
        assert not any(shake(node.port['https'], cipher) for cipher in RSA)
        best = run(need('openssl'), 's_client', '-connect', f'127.0.0.1:{port}', '-brief', input='').stderr
        assert 'TLSv1.2' in best and 'ECDHE' in best, best

        until('connections are counted', lambda: counter(node, 'https legacy connections') >= 10)
        # Each worker counts for itself, once a second.
        until('those that failed too', lambda: counter(node, 'https legacy handshakes failed') >= 1 and
              counter(node, 'https handshakes failed') >= 2)

        # SIGHUP: another address, and one more listener, whose key the keeper then decrypts with, too.
        set_listen(node, 'legacy-https', f'127.0.0.1:{moved}')
        set_listen(node, 'legacy-tvs', f'127.0.0.1:{tvs}')
        node.process.send_signal(signal.SIGHUP)
        until('the new address answers', lambda: old_curl(moved, 'ITLFile.tlv')[0] == 200 and shake(moved))
        until('the old one does not', lambda: old_curl(port, 'ITLFile.tlv')[0] == 0)
        until('legacy-tvs answers', lambda: shake(tvs))

        # A phone finds its directory there, and TVS vouches for it.
        assert boot(node, PHONE, '7975', tvs, moved) == 'taken: confirmed by a trust verification server, TVS'
        said = boot(node, PHONE, '7975', tvs, node.port['https'])
        assert said.startswith('no answer') and 'alert protocol version' in said, said
        boot(node, NEW_PHONE, '8861', node.port['tvs'], moved)
        until('the old phone is known as such', lambda: old_phones(node) == [PHONE])
        assert 'Old TLS phones   1 seen' in node.admin('show status').stdout
        assert 'Phones seen with TLS below 1.2: 1 ' in ringfence('doctor', '--data', node.data, check=False).stdout
        assert 'Last Contact Below TLS 1.2' in node.admin(f'phone show {PHONE}').stdout
        until('the new phone is known, too', lambda: node.admin(f'phone show {NEW_PHONE}', check=False).returncode == 0)
        assert 'Below' not in node.admin(f'phone show {NEW_PHONE}').stdout

        # Who would be left behind is said before the question.
        said = node.admin(f'set parameter {LEGACY} False', '--dry-run').stdout
        assert PHONE in said and NEW_PHONE not in said, said
        node.admin(f'set parameter {LEGACY} False', '--yes')
        until('nothing answers', lambda: old_curl(moved, 'ITLFile.tlv')[0] == 0 and not shake(moved))
        assert fetch(node.port['https'], 'ITLFile.tlv')[0] == 200


if __name__ == '__main__':
    harness.main()
