#!/usr/bin/python3
"""Exit status and output of the tools for files: inspect, diff, tlv, sgn."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
from harness import ROOT, need, ringfence, run  # noqa: E402

GOLDEN = os.path.join(ROOT, 'tests', 'golden')
WORK = tempfile.TemporaryDirectory(prefix='ringfence-inspect-')
LISTS = ('ctl-3746', 'ctl-4947', 'ctl-5728', 'ctl-6113', 'itl-5438', 'itl-blank-guess', 'itl-peer-sha512',
         'itl-serial-leading-zero')


def golden(*names):
    return os.path.join(GOLDEN, *names)


def path(name):
    return os.path.join(WORK.name, name)


def write(name, data):
    with open(path(name), 'wb') as f:
        f.write(data)
    return path(name)


def read(name):
    with open(name, 'rb') as f:
        return f.read()


def status(*args, **kw):
    return ringfence(*args, check=False, **kw).returncode


def signer():
    """Key and certificate of the vectors in one file."""
    return write('pub2048.pem', read(golden('keys', 'pub2048.key')) + read(golden('certs', 'pub2048.pem')))


def tftp_signer():
    return write('tftp2048.pem', read(golden('keys', 'tftp2048.key')) + read(golden('certs', 'tftp2048.pem')))


def test_lists_intact():
    """a list that only verifies with itself exits 1, and the words say so"""
    for name in LISTS:
        done = ringfence('inspect', golden('tlv', name + '.tlv'), check=False)
        assert done.returncode == 1, (name, done.returncode)
        assert 'Intact, but not verified' in done.stdout and '--trust' in done.stdout


def test_lists_verified():
    """--trust and --cert verify, strangers do not"""
    ctl = golden('tlv', 'ctl-3746.tlv')
    assert status('inspect', ctl, '--trust', golden('tlv', 'ctl-5728.tlv')) == 0
    assert status('inspect', golden('tlv', 'ctl-4947.tlv'), '--cert', golden('certs', 'pub1024.pem')) == 0
    assert status('inspect', golden('tlv', 'ctl-4947.tlv'), '--cert', golden('certs', 'pub1024.der')) == 0
    assert status('inspect', ctl, '--trust', golden('tlv', 'ctl-4947.tlv')) == 1
    assert status('inspect', ctl, '--trust', golden('tlv', 'ctl-4947.tlv'), '--cert', golden('certs', 'etoken1.pem')) == 0


def test_forged_list():
    """a list signed by another key with the names and the serial of a trusted signer is not verified"""
    forger = path('forger.pem')
    run(need('openssl'), 'req', '-x509', '-nodes', '-newkey', 'rsa:2048', '-keyout', path('f.key'), '-out', path('f.crt'),
        '-subj', '/C=PL/O=Cisco/OU=TAC/CN=cucm-1051-a-pub/ST=Malopolska/L=Krakow',
        '-set_serial', '0x70CAF64E090751B9DF22F49F754FC5BB')
    write('forger.pem', read(path('f.key')) + read(path('f.crt')))
    ringfence('tlv', 'build', '--type', 'ctl', '--signer', forger, '-o', path('forged.tlv'))
    done = ringfence('inspect', path('forged.tlv'), '--trust', golden('tlv', 'ctl-4947.tlv'), check=False)
    assert done.returncode == 1 and 'did not sign the file' in done.stdout, done.stdout
    assert status('diff', golden('tlv', 'ctl-4947.tlv'), path('forged.tlv')) == 1


def test_listings():
    """the listing of each vector is its show.txt, octet for octet"""
    times = {'ctl-4947': 1425675367, 'ctl-5728': 1425674928, 'ctl-3746': 1424792265, 'ctl-6113': 1425917272}
    for name, when in times.items():
        copy = path(name + '.tlv')
        shutil.copyfile(golden('tlv', name + '.tlv'), copy)
        os.utime(copy, (when, when))
        done = ringfence('inspect', copy, check=False, env=dict(os.environ, TZ='CET-1'))
        assert done.stdout.startswith(read(golden('tlv', name + '.show.txt')).decode()), name


def test_bad_files():
    """each bad vector exits 2 and names its rule"""
    rules = {
        'first-tag-not-1.tlv': 'version-element', 'hash-algorithm-9.tlv': 'digest-unknown',
        'header-length-zero.tlv': 'headerlength-range', 'record-length-zero.tlv': 'record-length',
        'record-length-cuts-element.tlv': 'element-past-record', 'signature-bit-flipped.tlv': 'signature',
        'truncated-after-record-2.tlv': 'signature', 'signer-is-not-sast.tlv': 'signer-not-in-list',
        'signer-unknown.tlv': 'signer-not-in-list', 'empty.tlv': 'file-too-short',
    }
    for name in sorted(os.listdir(golden('bad'))):
        if name == 'ORIGIN' or name.endswith('.sgn'):
            continue
        done = ringfence('inspect', '--json', golden('bad', name), check=False)
        assert done.returncode == 2, (name, done.returncode)
        got = json.loads(done.stdout)
        assert got['status'] == 'malformed' and got['rule'], name
        assert got['rule'] == rules.get(name, got['rule']), (name, got['rule'])


def test_signed():
    """.sgn: unverified without trust, verified by list and certificate, damaged is 2"""
    sgn, cert = golden('sgn', 'sha512.cnf.xml.sgn'), golden('certs', 'tftp2048.pem')
    assert status('inspect', sgn) == 1
    assert status('inspect', sgn, '--trust', golden('tlv', 'itl-peer-sha512.tlv')) == 0
    assert status('inspect', sgn, '--cert', cert) == 0
    assert status('inspect', sgn, '--trust', golden('tlv', 'ctl-4947.tlv')) == 1
    for name in ('byte-appended', 'payload-flipped', 'truncated-payload'):
        bad = golden('bad', f'sgn-{name}.cnf.xml.sgn')
        assert status('inspect', bad, '--cert', cert) == 2
        assert status('sgn', 'verify', bad, '--cert', cert) == 2
        assert status('sgn', 'strip', bad, '--cert', cert, '-o', path('never')) == 2
        assert not os.path.exists(path('never'))
    assert status('sgn', 'verify', sgn, '--trust', golden('tlv', 'ctl-4947.tlv')) == 1
    assert status('sgn', 'verify', sgn, '--cert', cert, '--name', 'other.sgn') == 1
    assert status('sgn', 'verify', sgn) == 3


def test_encrypted():
    """.enc.sgn: the encryption elements are shown"""
    enc = golden('enc', 'SEP001122334456.cnf.xml.enc.sgn')
    done = ringfence('inspect', enc, '--cert', golden('certs', 'tftp2048.pem'))
    assert 'IV              16      A0 A1 A2' in done.stdout and 'PADDINGLENGTH' in done.stdout
    header = json.loads(ringfence('inspect', '--json', enc, check=False).stdout)['header']
    assert header['key_bits'] == 2048 and header['padding'] == 11 and header['plaintext_digest'] == 'SHA-512'
    assert status('sgn', 'strip', enc, '--cert', golden('certs', 'tftp2048.pem'), '-o', path('never')) == 3


def test_other_files():
    """firmware, packages, garbage, text and nothing: said what it is"""
    firmware = write('jar45.sgn', bytes.fromhex('0100020100020002000d') + b'\xc8\0\0' + b'firmware')
    package = write('x.cop.sgn', bytes.fromhex('0100020100020002000cffff') + b'\x1f\x8b archive')
    for name in (firmware, package):
        done = ringfence('inspect', name, check=False)
        assert done.returncode == 1 and 'Firmware or a package' in done.stdout, done.stdout
    ringfence('sgn', 'strip', '--no-verify', package)
    assert read(path('x.cop')) == b'\x1f\x8b archive'
    for data, words in ((b'', 'empty'), (b'<?xml?><device/>', 'XML'), (b'-----BEGIN CERTIFICATE-----', 'PEM'),
                        (os.urandom(100), 'Neither'), (b'\x01\x00\x02', 'Neither')):
        done = ringfence('inspect', write('thing', data), check=False)
        assert done.returncode == 2 and words in done.stdout, (data, done.stdout)


def test_usage():
    """wrong usage and files that are not there exit 3"""
    assert status() == 3 and status('inspekt') == 3
    assert "did you mean 'inspect'?" in ringfence('inspekt', check=False).stderr
    assert status('inspect') == 3 and status('inspect', 'a', 'b') == 3
    assert status('inspect', path('nothing')) == 3
    assert status('inspect', golden('tlv', 'ctl-4947.tlv'), '--trust', golden('bad', 'signer-unknown.tlv')) == 3
    assert status('inspect', golden('tlv', 'ctl-4947.tlv'), '--cert', golden('tlv', 'ctl-4947.tlv')) == 3
    assert status('diff', golden('tlv', 'ctl-4947.tlv')) == 3
    for command in ('inspect', 'diff', 'tlv', 'sgn', 'tlv build', 'sgn sign', 'sgn verify', 'sgn strip'):
        done = ringfence(*command.split(), '--help')
        assert done.stdout.startswith(f'usage: ringfence {command}'), command
        assert done.stdout == ringfence('help', *command.split()).stdout


def test_standard_input():
    """- is standard input"""
    data = read(golden('tlv', 'ctl-4947.tlv'))
    done = subprocess.run([harness.RINGFENCE, 'inspect', '-', '--json'], input=data, capture_output=True, timeout=60)
    assert done.returncode == 1 and json.loads(done.stdout)['length'] == 4947


def test_diff():
    """diff: what changed and whether a phone takes it"""
    before, after = golden('tlv', 'ctl-5728.tlv'), golden('tlv', 'ctl-3746.tlv')
    done = ringfence('diff', '--json', before, after)
    got = json.loads(done.stdout)
    assert got['taken'] and got['reason'] == 'sast' and got['record'] == 1
    assert [r['function'] for r in got['removed']] == ['CCM+TFTP', 'CAPF', 'CCM+TFTP']
    assert [r['dns_name'] for r in got['added']] == ['10.48.47.153', '10.48.47.153', '10.48.47.154']
    done = ringfence('diff', golden('tlv', 'ctl-4947.tlv'), golden('tlv', 'ctl-6113.tlv'), check=False)
    assert done.returncode == 1 and 'not by itself' in done.stdout and 'TVS' in done.stdout
    assert 'signature: RSA-1024 -> RSA-2048' in done.stdout
    same = ringfence('diff', before, before)
    assert 'the files are the same' in same.stdout
    assert status('diff', before, golden('bad', 'payload-bit-flipped.tlv')) == 2
    assert status('diff', golden('bad', 'signer-unknown.tlv'), before) == 2
    assert status('diff', before, golden('bad', 'record-length-zero.tlv')) == 2
    assert status('diff', before, path('nothing')) == 3


def test_build_refused():
    """tlv build: three SAST records, duplicates, wrong roles, signers that cannot sign; nothing is written"""
    me, out = signer(), path('refused.tlv')
    certs = [golden('certs', n + '.pem') for n in ('pub1024', 'sub1024')]

    def refused(words, *args, signed_by=me, code=3):
        done = ringfence('tlv', 'build', '--type', 'ctl', '--signer', signed_by, *args, '-o', out, check=False,
                         stdin=subprocess.DEVNULL)
        assert done.returncode == code and words in done.stderr, (done.returncode, done.stderr)
        assert not os.path.exists(out)

    five = [golden('certs', n + '.pem') for n in ('sast2048', 'tftp2048', 'itlsigner', 'capf2048', 'pub1024')]
    refused('phones keep at most 4', *[w for c in five for w in ('--record', f'SAST={c}')])
    refused('phones keep at most 2', '--type', 'itl', '--record', f'SAST={certs[0]}', '--record', f'SAST={certs[1]}')
    refused('record 3 repeats record 2', '--record', f'CAPF={certs[0]}', '--record', f'CAPF={certs[0]}')
    refused('ROLE=PEM', '--record', f'BOSS={certs[0]}')
    refused('no IPv4 address', '--record', f'CAPF={certs[0]},ip=somewhere')
    refused('there is no private key', signed_by=certs[0])
    write('mixed.pem', read(golden('keys', 'sub1024.key')) + read(golden('certs', 'pub1024.pem')))
    refused('does not belong', signed_by=path('mixed.pem'))
    openssl = need('openssl')
    run(openssl, 'req', '-x509', '-nodes', '-newkey', 'rsa:3072', '-keyout', path('k'), '-out', path('c'), '-subj', '/CN=big')
    write('big.pem', read(path('k')) + read(path('c')))
    refused('its key has 3072 bits', signed_by=path('big.pem'))
    run(openssl, 'pkey', '-in', golden('keys', 'pub2048.key'), '-aes128', '-passout', 'pass:secret', '-out', path('k'))
    write('locked.pem', read(path('k')) + read(golden('certs', 'pub2048.pem')))
    refused('protected by a passphrase', signed_by=path('locked.pem'))
    write('ec.pem', read(golden('keys', 'ec384.key')) + read(golden('certs', 'ec384.pem')))
    refused('its key is not RSA', signed_by=path('ec.pem'))


def test_build_limit():
    """tlv build: more than phones load is refused"""
    big = [golden('certs', n + '.pem') for n in ('pub1024', 'sub1024', 'capf1024', 'capf1024b', 'tvs', 'capfitl', 'sast2048',
                                                 'tftp2048', 'device2048', 'itlsigner', 'capf2048', 'ec384')]
    words = [w for c in big for role in ('CCM', 'CCM+TFTP', 'TFTP', 'CAPF', 'APP-SERVER', 'TVS')
             for w in ('--record', f'{role}={c}')]
    done = ringfence('tlv', 'build', '--type', 'ctl', '--signer', signer(), *words, '-o', path('big.tlv'), check=False)
    assert done.returncode == 1 and 'phones do not load more than 65536' in done.stderr, done.stderr
    assert not os.path.exists(path('big.tlv'))


def test_strip_keeps_files():
    """sgn strip: neither the input nor an existing file is written to"""
    me = tftp_signer()
    plain = write('a.cnf.xml', b'<device/>')
    ringfence('sgn', 'sign', '--signer', me, plain)
    signed = path('a.cnf.xml.sgn')
    before = read(signed)
    os.symlink(signed, path('link.xml'))
    assert status('sgn', 'strip', signed, '--cert', me) == 3                     # a.cnf.xml exists
    assert status('sgn', 'strip', signed) == 3                                   # whom to trust?
    for out in (signed, path('link.xml'), WORK.name):
        assert status('sgn', 'strip', signed, '--cert', me, '--force', '-o', out) == 3, out
    assert read(signed) == before and read(plain) == b'<device/>'
    write('a.cnf.xml', b'something else')
    ringfence('sgn', 'strip', signed, '--cert', me, '--force')
    assert read(plain) == b'<device/>' and read(signed) == before
    overrun = write('overrun.sgn', before[:8] + b'\xff\xff' + before[10:])
    write('overrun', b'kept')
    assert status('sgn', 'strip', '--no-verify', '--force', overrun) == 2
    assert read(path('overrun')) == b'kept'


def test_full_disk():
    """an output that cannot be written is an error and leaves the old file"""
    me = tftp_signer()
    assert status('sgn', 'sign', '--signer', me, golden('sgn', 'g3-tones.xml'), '-o', '/nonexistent/x.sgn') == 3
    with open('/dev/full', 'w') as full:
        assert subprocess.run([harness.RINGFENCE, 'inspect', golden('tlv', 'ctl-4947.tlv'), '--cert',
                               golden('certs', 'pub1024.pem')], stdout=full, stderr=subprocess.DEVNULL).returncode == 1


if __name__ == '__main__':
    harness.main()
