#!/usr/bin/python3
"""Keys on a hardware token: a real PKCS#11 module (SoftHSM), a real node, and programs nobody here wrote."""
import glob
import os
import re
import shutil
import signal
import tempfile

from harness import Node, RINGFENCE, Skip, main, need, run, until

MODULE = '/usr/lib/softhsm/libsofthsm2.so'
PIN, SO_PIN = 'Cisco123', '12345678'
TOKEN_FLAGS = bytes.fromhex('000000008000534b' '0000000000000002')   # SoftHSM's attribute, a number
CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED = 1 << 17, 1 << 18


class Hsm:
    """SoftHSM in a folder of its own, with one token; the environment of whatever uses it."""

    def __init__(self, *labels):
        need('softhsm2-util')
        if not os.path.exists(MODULE):
            raise Skip(f'{MODULE} is not installed')
        self.folder = tempfile.mkdtemp(prefix='ringfence-hsm-')
        self.module = os.path.join(self.folder, 'module')   # all that the module needs of the disk
        self.tokens = os.path.join(self.module, 'tokens')
        os.makedirs(self.tokens, 0o700)
        conf = os.path.join(self.module, 'softhsm2.conf')
        with open(conf, 'w') as f:
            f.write(f'directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n')
        os.environ['SOFTHSM2_CONF'] = conf
        os.environ['RINGFENCE_PIN'] = PIN
        for label in labels or ('hsm',):
            run('softhsm2-util', '--init-token', '--free', '--label', label, '--pin', PIN, '--so-pin', SO_PIN)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ('SOFTHSM2_CONF', 'RINGFENCE_PIN'):
            os.environ.pop(name, None)

    def path(self, name):
        return os.path.join(self.folder, name)

    def flag(self, flag):
        """Set a flag of the token where the module keeps it: SoftHSM itself never locks a PIN."""
        for name in glob.glob(self.tokens + '/*/token.object'):
            with open(name, 'r+b') as f:
                data = f.read()
                at = data.index(TOKEN_FLAGS) + len(TOKEN_FLAGS)
                value = int.from_bytes(data[at:at + 8], 'big') | flag
                f.seek(at)
                f.write(value.to_bytes(8, 'big'))

    def objects(self, *options):
        """What OpenSC's program reads on the token."""
        return run(need('pkcs11-tool'), '--module', MODULE, '--login', '--pin', PIN, '-O', *options).stdout


def node(hsm, *init):
    return Node(init=('--keystore', f'pkcs11:token=hsm?module-path={MODULE}', '--keystore-folders', hsm.module, *init))


def keeper_of(n):
    return n.processes().get('rf-keeper')


def boot(n, state, device):
    return run(RINGFENCE, 'phone', 'boot', '--state', os.path.join(n.folder, state), '--device', device, '--model', '7975',
               '--tftp', f'127.0.0.1:{n.port["tftp"]}', '--http-port', n.port['http'], '--https-port', n.port['https'], check=False)


def test_node_on_a_token():
    """a node whose keys are on a token: phones, a CA, regeneration, a killed keeper, a token that is taken out"""
    with Hsm() as hsm, node(hsm, '--keystore-units', 'ITLRecovery, CallManager, CAPF, TVS') as n:
        assert sorted(f.split('.')[0] for f in os.listdir(n.path('keys'))) == \
            ['CallManager-ECDSA', 'ipsec', 'token', 'tomcat', 'tomcat-ECDSA']
        assert os.stat(n.path('keys', 'token.pin')).st_mode & 0o777 == 0o600
        said = hsm.objects('--type', 'privkey')
        labels = re.findall(r'label: +(\S+)', said)
        assert sorted(label.split('.')[0] for label in labels) == ['CAPF', 'CallManager', 'ITLRecovery', 'TVS'], said
        assert said.count('sensitive, always sensitive, never extractable, local') == 4, said
        n.provision('SEP001122334455.cnf.xml', '<device/>')
        n.start()
        assert 'Cluster set to Mixed Mode' in n.admin('utils ctl set-cluster mixed-mode --yes').stdout
        done = boot(n, 'phone', 'SEP001122334455')
        assert done.returncode == 0, done.stdout + done.stderr
        trust = n.path('certs', 'ITLRecovery', 'ITLRecovery.pem')
        assert run(RINGFENCE, 'inspect', n.path('published', 'current', 'CTLFile.tlv'), '--cert', trust).returncode == 0
        handshakes(n)
        move(n, hsm)
        regenerate(n, hsm)
        kill_keeper(n)
        nothing_to_export(n)
        take_out(n, hsm)
        copy_out(n)
        assert n.stop() == 0
        another_token(n, hsm)
        assert PIN not in n.log() and 'refused a request of a worker' not in n.log()


def handshakes(n):
    """TLS with the keys of TVS and CAPF, TLS 1.3 and 1.2; an LSC."""
    trust = n.path('published', 'current', 'ITLFile.tlv')
    done = run(RINGFENCE, 'tvs', 'verify', '--server', f'127.0.0.1:{n.port["tvs"]}', '--trust', trust,
               n.path('certs', 'CAPF', 'CAPF.pem'))
    assert 'CAPF' in done.stdout, done.stdout
    for version in ('-tls1_2', '-tls1_3'):
        for unit in ('TVS', 'CAPF'):
            said = run('openssl', 's_client', '-connect', f'127.0.0.1:{n.port[unit.lower()]}', version, '-CAfile',
                       n.path('certs', unit, unit + '.pem'), '-verify_return_error', input='', errors='replace', check=False)
            assert 'Verify return code: 0 (ok)' in said.stdout, said.stdout + said.stderr
    n.admin('phone add SEP001122334455')
    n.admin('phone set SEP001122334455 authentication mode By Null String')
    n.admin('phone set SEP001122334455 certificate operation Install/Upgrade')
    lsc = os.path.join(n.folder, 'lsc.pem')
    run(RINGFENCE, 'capf', 'enroll', '--server', f'127.0.0.1:{n.port["capf"]}', '--trust', trust, '--device',
        'SEP001122334455', '--key-out', os.path.join(n.folder, 'lsc.key'), '--cert-out', lsc)
    run('openssl', 'verify', '-CAfile', n.path('certs', 'CAPF', 'CAPF.pem'), lsc)


def move(n, hsm):
    """A unit that had its key in a file: named in ringfence.conf, read again, regenerated."""
    conf = n.path('ringfence.conf')
    with open(conf) as f:
        text = f.read()
    with open(conf, 'w') as f:
        f.write(text.replace('units = ITL', 'units = tomcat, ITL'))
    old = keeper_of(n)
    n.process.send_signal(signal.SIGHUP)
    until('a keeper with the new list', lambda: keeper_of(n) not in (None, old))
    until('a regeneration', lambda: n.admin('set cert regen tomcat --yes', check=False).returncode == 0)
    assert 'tomcat.' in hsm.objects('--type', 'privkey')
    assert 'Every certificate of this node has its key' in run(RINGFENCE, 'doctor', '--data', n.data).stdout


def regenerate(n, hsm):
    before = hsm.objects('--type', 'privkey')
    said = n.admin('set cert regen CallManager --yes').stdout
    assert 'only a copy of the token brings it back' in said and 'recovery export' not in said, said
    assert hsm.objects('--type', 'privkey').count('CallManager.') == before.count('CallManager.') + 1
    assert not glob.glob(n.path('keys', 'CallManager.*'))
    run('openssl', 'verify', '-CAfile', n.path('certs', 'CallManager', 'CallManager.pem'),
        n.path('certs', 'CallManager', 'CallManager.pem'))


def kill_keeper(n):
    old = keeper_of(n)
    os.kill(old, signal.SIGKILL)
    until('another keeper', lambda: keeper_of(n) not in (None, old))
    n.provision('SEP001122334466.cnf.xml', '<device/>')
    until('a signature', lambda: n.http('SEP001122334466.cnf.xml.sgn', check=False))


def nothing_to_export(n):
    with open(n.path('..', 'words'), 'w') as f:
        f.write('correct horse\n')
    done = run(RINGFENCE, 'recovery', 'export', '--data', n.data, '--out', n.path('..', 'x.p12'), '--passphrase-file',
               n.path('..', 'words'), check=False)
    assert done.returncode == 1 and 'on the token' in done.stderr, done.stderr
    assert 'on a hardware token' in run(RINGFENCE, 'doctor', '--data', n.data).stdout


def take_out(n, hsm):
    """What was signed before is served; what is new has to wait, with a reason; then the token is back."""
    signed = n.http('SEP001122334466.cnf.xml.sgn')
    away = hsm.path('away')
    os.rename(hsm.tokens, away)
    os.mkdir(hsm.tokens, 0o700)
    n.provision('SEP001122334477.cnf.xml', '<device/>')
    assert n.http('SEP001122334477.cnf.xml.sgn', check=False) is None
    assert n.http('SEP001122334466.cnf.xml.sgn') == signed
    assert n.tftp('ITLFile.tlv')
    done = n.admin('set cert regen CallManager --yes', check=False)
    assert done.returncode == 1 and 'the token hsm is not there' in done.stdout + done.stderr, done.stdout + done.stderr
    said = run(RINGFENCE, 'doctor', '--data', n.data, check=False).stdout
    assert 'Put in the token, or a copy of it' in said and 'Restore keys' not in said, said
    os.rmdir(hsm.tokens)
    os.rename(away, hsm.tokens)
    until('a signature again', lambda: n.http('SEP001122334477.cnf.xml.sgn', check=False))


def another_token(n, hsm):
    """Lists that must be made anew, and a token of the same name that has not the keys."""
    shutil.rmtree(hsm.tokens)
    os.mkdir(hsm.tokens, 0o700)
    run('softhsm2-util', '--init-token', '--free', '--label', 'hsm', '--pin', PIN, '--so-pin', SO_PIN)
    for name in glob.glob(n.path('published', 'generation-*')):
        shutil.rmtree(name)
    said = run(RINGFENCE, 'serve', '--data', n.data, check=False).stderr
    assert 'neither on the token nor in keys/ (put in the token that has it' in said and 'export' not in said, said


def copy_out(n):
    """A call control that wants the CallManager key, which is on the token: said before, while and after it fails."""
    never, remedy = 'which never gives it out', 'take CallManager out of units in [keystore]'
    folder = os.path.join(n.folder, 'callcontrol')
    os.mkdir(folder)
    shutil.chown(folder, os.stat(n.data).st_uid, os.stat(n.data).st_gid)
    services = lambda: n.admin('utils service list', check=False).stdout
    doctor = lambda: run(RINGFENCE, 'doctor', '--data', n.data, check=False)
    with open(n.path('ringfence.conf'), 'a') as f:
        f.write(f'\n[callcontrol]\nadapter = files\nfolder = {folder}\n')
    done = run(RINGFENCE, 'serve', '--data', n.data, '--check', check=False)
    assert done.returncode == 1 and never in done.stdout and remedy in done.stdout, done
    done = doctor()
    assert done.returncode == 1 and 'cannot have the CallManager key' in done.stdout and 'Take CallManager' in done.stdout, done
    n.process.send_signal(signal.SIGHUP)
    until('the list says so', lambda: 'Cisco CallManager[STOPPED]  the call control cannot' in services())
    assert 'error: Cisco CallManager cannot run' in n.log()
    assert remedy in n.admin('utils service activate Cisco CallManager', check=False).stderr
    # The next key would be made in a file, but the present one is on the token yet.
    with open(n.path('ringfence.conf')) as f:
        text = f.read()
    with open(n.path('ringfence.conf'), 'w') as f:
        f.write(text.replace('CallManager, CAPF', 'CAPF'))
    assert run(RINGFENCE, 'serve', '--data', n.data, '--check').returncode == 0
    assert 'cannot have the CallManager key' in doctor().stdout
    n.process.send_signal(signal.SIGHUP)
    until('it is activated', lambda: n.admin('utils service activate Cisco CallManager', check=False).returncode == 0)
    until('the list says so', lambda: never in services() and 'Cisco CallManager[STARTED]  not reloaded' in services())
    assert not os.listdir(folder) and remedy in n.log()
    n.admin('set cert regen CallManager --yes')
    until('it has its key', lambda: os.path.exists(os.path.join(folder, 'ccm.key')))
    until('the list is content', lambda: 'Cisco CallManager[STARTED]\n' in services())
    assert 'CallManager key' not in doctor().stdout


def refused_start(n):
    done = run(RINGFENCE, 'serve', '--data', n.data, check=False)
    assert done.returncode == 1, done
    return done.stderr


def test_pins():
    """a wrong PIN, one try left, a locked PIN, a PIN that others may read: the node does not start, and says why"""
    with Hsm() as hsm, node(hsm, '--keystore-units', 'CAPF') as n:
        pin = n.path('keys', 'token.pin')
        assert glob.glob(n.path('keys', 'CallManager.*'))
        os.chmod(pin, 0o644)
        assert 'others may read this PIN' in refused_start(n)
        os.chmod(pin, 0o600)
        with open(pin, 'w') as f:
            f.write('wrong\n')
        said = refused_start(n)
        assert 'the PIN is wrong' in said and 'wrong\n' not in said.replace('the PIN is wrong\n', ''), said
        with open(pin, 'w') as f:
            f.write(PIN + '\n')
        hsm.flag(CKF_USER_PIN_FINAL_TRY)
        assert 'one more wrong PIN would lock the token' in refused_start(n)
        hsm.flag(CKF_USER_PIN_LOCKED)
        assert 'the PIN is locked' in refused_start(n)
        os.environ['RINGFENCE_PIN'] = 'wrong'
        said = run(RINGFENCE, 'init', '--data', n.path('..', 'other'), '--node', 'x', '--org', 'O', '--unit', 'U',
                   '--loopback', '--keystore', f'pkcs11:token=nothere?module-path={MODULE}', check=False)
        assert said.returncode == 1 and 'the token nothere is not there' in said.stderr, said
        assert not os.path.exists(n.path('..', 'other', 'keys', 'token.pin'))


def test_tokens_of_the_ctl_client():
    """init-token: key and certificate on the token, a CA of one's own, what others read of it, and what is refused"""
    with Hsm('tok1', 'tok2') as hsm:
        ca, key, out = (hsm.path(x) for x in ('ca.pem', 'ca.key', 'token.pem'))

        def client(word, *options, token='tok1', check=True):
            return run(RINGFENCE, 'ctl-client', word, '--module', MODULE, '--token', f'pkcs11:token={token}', *options,
                       check=check)
        files = ('--ca-cert', ca, '--ca-key', key)
        done = client('init-token', *files, check=False)
        assert done.returncode == 1 and '--make-ca' in done.stderr
        made = client('init-token', *files, '--make-ca', '-o', out).stdout
        name = re.search(r'SAST-ADN[0-9a-f]{8}', made).group()
        assert os.stat(key).st_mode & 0o777 == 0o600
        run('openssl', 'verify', '-CAfile', ca, out)
        subject = run('openssl', 'x509', '-in', out, '-noout', '-subject').stdout
        assert f'O = "Cisco Systems, Inc.", OU = IPCBU, CN = "{name}        "' in subject, subject
        done = client('init-token', *files, check=False)
        assert done.returncode == 1 and name in done.stderr
        client('init-token', *files, token='tok2')   # from the same CA
        client('export', '-o', hsm.path('again.pem'))
        with open(out) as a, open(hsm.path('again.pem')) as b:
            assert a.read() == b.read()
        read_by_opensc(hsm, out, name)
        os.environ['RINGFENCE_PIN'] = 'wrong'
        done = client('export', '-o', hsm.path('never'), check=False)
        assert done.returncode == 1 and 'the PIN is wrong' in done.stderr
        assert 'a wrong PIN was given' in client('list-tokens').stdout


def read_by_opensc(hsm, cert, name):
    """The certificate and a signature, by pkcs11-tool; the signature is checked by openssl."""
    tool = (need('pkcs11-tool'), '--module', MODULE, '--token-label', 'tok1', '--login', '--pin', PIN)
    der, data, sig = (hsm.path(x) for x in ('read.der', 'data', 'sig'))
    run(*tool, '--read-object', '--type', 'cert', '--label', name, '-o', der)
    run('openssl', 'x509', '-inform', 'DER', '-in', der, '-out', hsm.path('read.pem'))
    with open(cert) as a, open(hsm.path('read.pem')) as b:
        assert a.read() == b.read()
    with open(data, 'w') as f:
        f.write('what is signed')
    run(*tool, '--sign', '--mechanism', 'SHA256-RSA-PKCS', '--label', name, '-i', data, '-o', sig)
    with open(hsm.path('pub.pem'), 'w') as f:
        f.write(run('openssl', 'x509', '-in', cert, '-noout', '-pubkey').stdout)
    run('openssl', 'dgst', '-sha256', '-verify', hsm.path('pub.pem'), '-signature', sig, data)


if __name__ == '__main__':
    main()
