#!/usr/bin/python3
"""What ringfence signs, OpenSSL's command line verifies, and the other way round. Python only cuts and joins octets."""
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
import tlvfile  # noqa: E402
from harness import need, ringfence, run  # noqa: E402

WORK = tempfile.TemporaryDirectory(prefix='ringfence-openssl-')
HASHES = {1: 'sha1', 3: 'sha512'}
XML = b'<?xml version="1.0"?>\n<device>\n  <fullConfig>true</fullConfig>\n</device>\n'


def path(name):
    return os.path.join(WORK.name, name)


def write(name, data):
    with open(path(name), 'wb') as f:
        f.write(data)
    return path(name)


def read(name):
    with open(path(name), 'rb') as f:
        return f.read()


def openssl(*args):
    return run(need('openssl'), *args)


def certificate(name, kind='rsa:2048', subject='/C=PL/O=Cisco/OU=TAC/CN={}/ST=Malopolska/L=Krakow'):
    """A key and its certificate, made by OpenSSL, in one file."""
    pem = path(name + '.pem')
    if os.path.exists(pem):
        return pem
    key, crt = path(name + '.key'), path(name + '.crt')
    more = ['-newkey', kind] if kind.startswith('rsa') else ['-newkey', 'ec', '-pkeyopt', f'ec_paramgen_curve:{kind}']
    openssl('req', '-x509', '-nodes', *more, '-keyout', key, '-out', crt, '-days', '30', '-subj', subject.format(name))
    openssl('x509', '-in', crt, '-outform', 'DER', '-out', path(name + '.der'))
    openssl('x509', '-in', crt, '-noout', '-pubkey', '-out', path(name + '.pub'))
    return write(name + '.pem', read(name + '.key') + read(name + '.crt'))


def openssl_verifies(data, name):
    """The signature of a file under a certificate's key, by `openssl dgst -verify` and by looking at the DigestInfo."""
    signature, signed = tlvfile.cut_signature(data)
    hash_name = HASHES[tlvfile.header(data)[8][0]]
    write('sig', signature)
    write('signed', signed)
    said = openssl('dgst', '-' + hash_name, '-verify', path(name + '.pub'), '-signature', path('sig'), path('signed'))
    assert said.stdout == 'Verified OK\n', said.stdout
    openssl('pkeyutl', '-verifyrecover', '-pubin', '-inkey', path(name + '.pub'), '-in', path('sig'), '-out', path('info'))
    assert read('info').endswith(hashlib.new(hash_name, signed).digest()), 'the DigestInfo holds another digest'
    assert openssl('asn1parse', '-inform', 'DER', '-in', path('info')).stdout.count('\n') == 5


def pkcs1(name):
    openssl('rsa', '-pubin', '-in', path(name + '.pub'), '-RSAPublicKey_out', '-outform', 'DER', '-out', path('pkcs1'))
    return read('pkcs1')


def serial(name):
    text = openssl('x509', '-in', path(name + '.crt'), '-noout', '-serial').stdout.strip().split('=')[1]
    return bytes.fromhex(text).lstrip(b'\0') or b'\0'


def test_trust_lists():
    """CTL and ITL, RSA 1024 to 4096, SHA-1 and SHA-512, both name forms, verified by openssl dgst and pkeyutl"""
    for bits in (1024, 2048, 4096):
        signer = certificate(f'signer{bits}', f'rsa:{bits}')
        for kind in ('ctl', 'itl'):
            for digest in ('sha1', 'sha512'):
                for names in ('A', 'C'):
                    ringfence('tlv', 'build', '--type', kind, '--signer', signer, '--digest', digest, '--names', names,
                              '--record', f'SAST={signer}', '--record', f'CCM+TFTP={signer}', '-o', path('list'))
                    openssl_verifies(read('list'), f'signer{bits}')


def test_records():
    """records hold the key, serial, signature and certificate that OpenSSL sees"""
    signer = certificate('signer2048')
    tvs, ec = certificate('tvs', 'rsa:2048'), certificate('ec', 'P-384')
    ringfence('tlv', 'build', '--type', 'itl', '--generation', '8.0', '--signer-version', '1.1', '--signer', signer,
              '--record', f'SAST={signer}', '--record', f'TVS={tvs}', '--record', f'TFTP={ec}', '-o', path('list'))
    data = read('list')
    assert tlvfile.header(data)[28] == b'\x01\x01'
    first, second, third = tlvfile.records(data)
    assert first[9] == read('signer2048.der') and first[7] == pkcs1('signer2048') and first[6] == serial('signer2048')
    assert first[9].endswith(first[8]) and len(first[8]) == 256
    assert 9 not in second and second[11] == hashlib.sha1(read('tvs.der')).digest() and second[12] == b'\x01'
    assert second[7] == pkcs1('tvs') and second[4] == b'\0\x15'
    assert third[7][0] == 4 and len(third[7]) == 97 and read('ec.pub') and third[9].endswith(third[8])


def test_addresses():
    """a CTL record says where the server is; an ITL record does not"""
    signer = certificate('signer2048')
    where = f'CCM+TFTP={signer},dns=cucm-1.example.org,ip=192.0.2.10'
    for kind, dns, ip in (('ctl', b'cucm-1.example.org\0', bytes([192, 0, 2, 10])), ('itl', b'\0\0', None)):
        ringfence('tlv', 'build', '--type', kind, '--signer', signer, '--record', where, '-o', path('list'))
        sast, server = tlvfile.records(read('list'))
        assert (sast[4], server[4]) == (b'\0\0', b'\0\x02')
        assert server[2] == dns and server.get(10) == ip


def test_signed_files():
    """.sgn files verified by openssl; verify and strip give the file back"""
    signer = certificate('signer2048')
    for digest in ('sha1', 'sha512'):
        for payload in (XML, b'', XML * 100):
            plain = write('SEP001122334455.cnf.xml', payload)
            ringfence('sgn', 'sign', '--signer', signer, '--digest', digest, plain)
            data = read('SEP001122334455.cnf.xml.sgn')
            openssl_verifies(data, 'signer2048')
            assert tlvfile.header(data)[14] == b'SEP001122334455.cnf.xml.sgn\0'
            assert data.endswith(payload)
            ringfence('sgn', 'verify', path('SEP001122334455.cnf.xml.sgn'), '--cert', path('signer2048.crt'))
            os.unlink(plain)
            ringfence('sgn', 'strip', path('SEP001122334455.cnf.xml.sgn'), '--cert', path('signer2048.crt'))
            assert read('SEP001122334455.cnf.xml') == payload


def test_signed_by_openssl():
    """a file that openssl dgst -sign signed, SHA-256 too, is verified by ringfence; one changed octet is not"""
    certificate('signer2048')
    name = b'CN=signer2048;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL\0'
    for code, digest in ((1, 'sha1'), (2, 'sha256'), (3, 'sha512')):   # 2 is read and never written
        at, unsigned = tlvfile.unsigned_file((1, 0), name, serial('signer2048'), name, code, 2, 256, b'a.xml.sgn\0', XML)
        write('unsigned', unsigned)
        openssl('dgst', '-' + digest, '-sign', path('signer2048.key'), '-out', path('sig'), path('unsigned'))
        data = unsigned[:at] + tlvfile.element(12, read('sig')) + unsigned[at:]
        ringfence('sgn', 'verify', write('a.xml.sgn', data), '--cert', path('signer2048.crt'), '--name', 'a.xml.sgn')
        changed = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        assert ringfence('sgn', 'verify', write('a.xml.sgn', changed), '--cert', path('signer2048.crt'),
                         check=False).returncode == 2


def test_system_security_level():
    """SHA-1 and RSA-1024 verify where the system's OpenSSL forbids them"""
    signer = certificate('signer1024', 'rsa:1024')
    ringfence('tlv', 'build', '--type', 'itl', '--signer', signer, '-o', path('list'))
    conf = write('strict.cnf', b'openssl_conf = a\n[a]\nalg_section = b\nssl_conf = c\n[b]\n'
                 b'rh-allow-sha1-signatures = no\n[c]\nsystem_default = d\n[d]\nCipherString = DEFAULT@SECLEVEL=5\n')
    strict = dict(os.environ, OPENSSL_CONF=conf)
    ringfence('inspect', path('list'), '--cert', path('signer1024.crt'), env=strict)


if __name__ == '__main__':
    harness.main()
