#!/usr/bin/python3
"""The CTL client's own side: what it refuses before anything is asked or signed, what it leaves behind, what it shows."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import harness
from harness import Node, ringfence, run
from terminal import Terminal
from test_tokens import MODULE, PIN, Client, Tokens, enter, finish

EVIL, GREEN = '\x1b[31mevil', '\x1b[32mgreen'   # a label and a name that would colour the terminal


@contextlib.contextmanager
def drawer():
    """Tokens without a server."""
    folder = tempfile.mkdtemp(prefix='ringfence-ctl-')
    try:
        yield Tokens(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def client(t, *words, status=0, **env):
    """A command of the CTL client; what it said on both outputs."""
    done = ringfence('ctl-client', *words, check=False, env={**t.env, **env})
    assert done.returncode == status, done
    return done.stdout + done.stderr


def objects(t, label):
    listed = client(t, 'list-tokens', '--module', MODULE, '--token', f'pkcs11:token={label}', '--login', '--pin-file', t.path('pin'),
                    '--json')
    return json.loads(listed)[0]['objects']


def init_token(t, label, *options, ca='ca', **kw):
    return client(t, 'init-token', '--module', MODULE, '--token', f'pkcs11:token={label}', '--pin-file', t.path('pin'), '--key-bits', '1024',
                  '--ca-cert', t.path(ca + '.pem'), '--ca-key', t.path(ca + '.key'), '--make-ca', *options, **kw)


def add_ca(t, label):
    """The certificate of an authority between, which has no key on the token."""
    subject = ('-subj', '/CN=Between', '-addext', 'basicConstraints=critical,CA:TRUE')
    run('openssl', 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', t.path('between.key'), '-out', t.path('between.csr'), *subject)
    run('openssl', 'x509', '-req', '-in', t.path('between.csr'), '-CA', t.path('ca.pem'), '-CAkey', t.path('ca.key'), '-set_serial', '7',
        '-copy_extensions', 'copy', '-outform', 'DER', '-out', t.path('between.der'))
    run('pkcs11-tool', '--module', MODULE, '--token-label', label, '--login', '--pin', PIN, '--write-object', t.path('between.der'),
        '--type', 'cert', '--id', '09', '--label', 'between', env=t.env)


def test_making():
    """what init-token cannot finish leaves nothing; list-tokens offers a PIN to one token"""
    with drawer() as t:
        t.new('one')
        for where in (t.path('no/such/folder.pem'), t.folder):
            assert where in init_token(t, 'one', '-o', where, status=1)
        # A subject that no certificate can hold shows when the CA and the key are made.
        init_token(t, 'one', '--org', 'x' * 65, '-o', t.path('one.pem'), status=1)
        assert objects(t, 'one') == [] and sorted(os.listdir(t.folder)) == ['password', 'pin', 'pulled', 'softhsm2.conf', 'tokens', 'wrong']
        assert 'is made' in init_token(t, 'one', '-o', t.path('one.pem'))
        assert 'already' in init_token(t, 'one', ca='other', status=1)
        assert not os.path.exists(t.path('other.pem')) and not os.path.exists(t.path('other.key'))
        # A PIN from a pipe, as late as it likes.
        with subprocess.Popen(['sh', '-c', f'sleep 0.2; cat {t.path("pin")}'], stdout=subprocess.PIPE) as late:
            done = ringfence('ctl-client', 'list-tokens', '--module', MODULE, '--login', '--pin-file', f'/dev/fd/{late.stdout.fileno()}',
                             pass_fds=[late.stdout.fileno()], env=t.env)
        assert 'private key' in done.stdout
        # With two of them a PIN that is given is not tried on both.
        t.new(EVIL)
        both = ('list-tokens', '--module', MODULE, '--login')
        for said in (client(t, *both, RINGFENCE_PIN='9999', status=1), client(t, *both, '--pin-file', t.path('wrong'), status=1),
                     client(t, *both, '--token', f'pkcs11:model=SoftHSM%20v2?pin-source={t.path("wrong")}', status=1)):
            assert 'with --token URI' in said and '\x1b' not in said, said
        assert client(t, *both[:-1]).count('state         ready') == 2
        assert 'private key' in client(t, *both, '--token', 'pkcs11:token=one', RINGFENCE_PIN=PIN)
        # At a terminal each is asked for its own; what is wrong with one does not hide the other.
        with Terminal(harness.RINGFENCE, 'ctl-client', *both, env={'SOFTHSM2_CONF': t.conf}) as term:
            term.wait('PIN of the token ')
            first = term.wait(': ')
            term.type('9999\n')
            term.wait('PIN of the token ')
            second = term.wait(': ')
            term.type(PIN + '\n')
            assert term.end() == 1
            assert {first, second} == {'one', r'\x1b[31mevil'} and '\x1b[31m' not in term.raw
            assert term.text().count('state         ready') == 1 and 'a wrong PIN was given' in term.text()


def test_command_lines():
    """wrong command lines end with 3 and say what is wrong; nothing is looked for before"""
    with drawer() as t:
        server = ('--server', '127.0.0.1:1', '--user', 'admin', '--password-file', t.path('password'), '--fingerprint', '00' * 32)
        remove, pins = ('--remove-token', 'x'), ('--pin-file', t.path('pin'))
        for words, said in (
                (('update', 'CTLFile', *server, *remove * 5), 'at most 4 tokens'),
                (('set-cluster', 'mixed-mode', 'foo', *server), "'foo' is not expected"),
                (('set-cluster', *server), 'mixed-mode or non-secure-mode is missing'),
                (('update', 'CTLFile', *server[2:]), '--server HOST[:PORT] is missing'),
                (('update', 'CTLFile', *server[:2]), '--user NAME is missing'),
                (('update', 'CTLFile', *server, *pins, '--token', 'pkcs11:token=a', *pins), 'stands behind the --token'),
                (('update', 'CTLFile', *server, '--token', 'pkcs11:token=a', *pins * 2), 'stands behind the --token'),
        ):
            assert said in client(t, *words, status=3), (words, said)
        # A PIN in a URI is not told.
        said = client(t, 'update', 'CTLFile', *server, '--module', MODULE, '--token', 'pkcs11:token=none?pin-value=4711', status=1)
        assert 'pkcs11:token=none: no such token' in said and '4711' not in said, said


def wizard_goes_mixed(node, c):
    """Tokens added, deleted and added again; answers that are too long or empty; a label that nobody should believe."""
    server = ('--server', c.server, '--user', 'admin', '--password-file', c.tokens.path('password'), '--fingerprint', c.fingerprint)
    add = lambda n: (enter(t, 'a', '[c] Cancel: '), enter(t), enter(t, n, 'Which of them? '), enter(t, 'a', '[c] Cancel: '))
    with c.wizard(*server) as t:
        enter(t, 'x' * 200 + '1', 'Which? ')
        t.wait('An answer has at most')
        enter(t, '3', 'Which? ')
        t.wait('the cluster is not in mixed mode')
        enter(t, '1', 'Which? ')
        enter(t)
        t.wait('3) ')
        enter(t, '1', 'Which of them? ')
        enter(t, 'a', '[c] Cancel: ')
        for _ in range(5):
            add('2')
            enter(t, 'd', '[c] Cancel: ')
            enter(t, '2', 'Delete which of them? ')
        enter(t, 'f', '[c] Cancel: ')
        t.wait('a CTL needs 2 security tokens')
        add('2')
        enter(t, 'a', '[c] Cancel: ')
        t.wait('a CTL has at most 2 security tokens beside the 2 certificates of this cluster')
        enter(t, 'd', '[c] Cancel: ')
        enter(t, '1', 'Delete which of them? ')
        add('1')
        shown = t.wait('[a] Add Tokens')
        assert shown.count('Security Token ') == 4 and shown.count('System Administrator Security Token ') == 2, shown
        enter(t, 'f', '[c] Cancel: ')
        t.wait('PIN of the token ')
        t.type('\n')
        t.wait('the PIN is empty')
        t.wait('PIN of the token ')
        t.type(PIN + '\n')
        enter(t, 'y', '(y/n):')
        t.wait('Cluster set to Mixed Mode')
        assert t.end() == 0
        assert '\x1b[3' not in t.raw and r'\x1b[31mevil' in t.text() and r'CN=\x1b[32mgreen' in t.text()
    assert node.admin('show ctl').stdout.count('System Administrator Security Token') == 4


def test_wizard_and_scripts():
    """the wizard and the commands for scripts: the limits are known before the PIN, and a URI counts whole"""
    node = Node(init=('--generation', '12.0', '--key-bits', '1024'))
    with node, Client(node.start()) as c:
        c.tokens.make('one')
        add_ca(c.tokens, 'one')
        assert 'not in mixed mode' in c.do('update', 'CTLFile', pin='none', options=('--dry-run',), status=1)
        # The certificate of the CA is no token.
        assert 'needs 2 security tokens' in c.do('set-cluster', 'mixed-mode', pin='none', options=('--dry-run',), status=1)
        c.tokens.make('two')
        c.tokens.new(EVIL)
        c.tokens.cn[EVIL] = GREEN
        assert '\x1b' not in init_token(c.tokens, '%1B%5B31mevil', '--name', GREEN)
        # Without --token all three would be in it.
        assert 'at most 2 security tokens' in c.do('set-cluster', 'mixed-mode', pin='none', options=('--dry-run',), status=1)
        wizard_goes_mixed(node, c)
        known = [label for label in c.tokens.cn if c.tokens.cn[label].split('m')[-1] in node.admin('show ctl').stdout]
        assert len(known) == 2
        uri = lambda label: 'pkcs11:token=' + label.replace('\x1b[', '%1B%5B')
        new = uri(next(label for label in c.tokens.cn if label not in known))
        server = c.args('update', 'CTLFile')
        plain = [w for i, w in enumerate(server) if '--module' not in server[max(i - 1, 0):i + 1]]
        # A third one is refused before the PIN, by --dry-run too; one that goes makes room, named as `show ctl` prints it.
        third = ('--token', uri(known[0]), '--token', new)
        assert '--remove-token CN' in client(c.tokens, *server[1:], *third, '--dry-run', status=1)
        gone = ('--remove-token', c.tokens.cn[known[1]] + '        ')
        assert 'Security Token' in client(c.tokens, *server[1:], *third, *gone, '--dry-run')
        # Module and PIN of the URI, and of no option. Two at once in one second have two dates.
        options = f'?module-path={MODULE}&pin-source=file:{c.tokens.path("pin")}'
        for _ in range(2):
            was = node.tftp('CTLFile.tlv')
            assert 'CTL file Updated' in client(c.tokens, *plain[1:], '--token', uri(known[1]) + options, '--token', uri(known[0]) + options, '--yes')
            assert node.tftp('CTLFile.tlv') != was
        assert 'CTL file Updated' in client(c.tokens, *server[1:], '--token', uri(known[0]) + '?pin-value=' + PIN, '--yes')
        # A URI names one certificate: what tells two apart is asked for.
        dry = lambda uri, status=1: client(c.tokens, *server[1:], '--token', uri, '--dry-run', status=status)
        assert 'certificates match, on the tokens' in dry('pkcs11:manufacturer=SoftHSM%20project')
        c.tokens.put('etoken1', 'one')
        said = dry('pkcs11:token=one?pin-value=4711')
        assert 'pkcs11:token=one: 2 certificates match' in said and 'add object= or id=' in said and '4711' not in said, said
        assert 'match' not in dry('pkcs11:token=one;object=' + c.tokens.cn['one'], status=0 if 'one' in known else 1)
        assert node.stop() == 0


if __name__ == '__main__':
    harness.main()
