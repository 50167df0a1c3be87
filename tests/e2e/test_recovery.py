#!/usr/bin/python3
"""The passphrase of a recovery export, asked for on a terminal; and init, as people run it."""
import fcntl
import os
import pty
import select
import signal
import stat
import subprocess
import termios
import time

import harness
from harness import PATIENCE, RINGFENCE, Node, main, ringfence, run


def on_terminal(args, answers):
    """Run a command with a terminal of its own; answer each prompt in turn. Exit status and what the terminal showed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(RINGFENCE, [RINGFENCE, *args])
    shown, waiting = '', list(answers)
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, f'it hangs after: {shown}'
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            octets = os.read(fd, 4096)
        except OSError:
            octets = b''
        if not octets:
            break
        shown += octets.decode()
        if waiting and shown.endswith(': '):
            os.write(fd, (waiting.pop(0) + '\n').encode())
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), shown


def test_terminal():
    """the passphrase is asked for twice, is not shown, and opens the export again"""
    with Node() as node:
        out = os.path.join(node.folder, 'recovery.p12')
        export = ['recovery', 'export', '--data', node.data, '--out', out]
        code, shown = on_terminal(export, ['correct horse', 'correct house'])
        assert code == 1 and 'differ' in shown, shown
        assert not os.path.exists(out)
        code, shown = on_terminal(export, ['short', 'short'])
        assert code == 1 and not os.path.exists(out), shown
        code, shown = on_terminal(export, ['correct horse', 'correct horse'])
        assert code == 0, shown
        assert 'horse' not in shown, shown
        assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
        verify = ['recovery', 'verify', '--data', node.data, out]
        code, shown = on_terminal(verify, ['wrong horse'])
        assert code == 1 and 'passphrase' in shown, shown
        code, shown = on_terminal(verify, ['correct horse'])
        assert code == 0 and 'ITLRecovery.' in shown and 'horse' not in shown, shown


def test_interrupted():
    """Ctrl-C at the prompt ends the command and leaves a terminal that shows what is typed"""
    with Node() as node:
        out = os.path.join(node.folder, 'recovery.p12')
        master, terminal = pty.openpty()
        shown_before = termios.tcgetattr(terminal)[3] & termios.ECHO

        def take_terminal():
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        process = subprocess.Popen([RINGFENCE, 'recovery', 'export', '--data', node.data, '--out', out],
                                   stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=take_terminal)
        shown = b''
        while b'Passphrase: ' not in shown:
            shown += os.read(master, 100)
        os.write(master, b'half a \x03')
        assert process.wait(PATIENCE) == -signal.SIGINT
        assert termios.tcgetattr(terminal)[3] & termios.ECHO == shown_before != 0
        assert not os.path.exists(out)
        os.close(master)
        os.close(terminal)


def test_no_terminal():
    """without a terminal and without a file there is no passphrase, and nothing is written"""
    with Node() as node:
        out = os.path.join(node.folder, 'recovery.p12')
        done = subprocess.run([RINGFENCE, 'recovery', 'export', '--data', node.data, '--out', out], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, start_new_session=True, timeout=PATIENCE)
        assert done.returncode == 1 and '--passphrase-file' in done.stderr, done.stderr
        assert not os.path.exists(out)


def test_earlier_export():
    """an export never replaces a file; what is no export is malformed"""
    with Node() as node:
        secret, out = os.path.join(node.folder, 'secret'), os.path.join(node.folder, 'x.p12')
        for path, text in ((secret, 'correct horse\nsecond line\n'), (out, 'precious')):
            with open(path, 'w') as f:
                f.write(text)
        done = ringfence('recovery', 'export', '--data', node.data, '--out', out, '--passphrase-file', secret, check=False)
        assert done.returncode == 1 and 'exists' in done.stderr
        done = ringfence('recovery', 'verify', '--data', node.data, out, '--passphrase-file', secret, check=False)
        assert done.returncode == 2, done.stderr
        with open(out) as f:
            assert f.read() == 'precious'


def test_openssl_reads_the_keys():
    """OpenSSL takes the keys out of an export; they are those of the certificates in certs/"""
    with Node() as node:
        secret, out = os.path.join(node.folder, 'secret'), os.path.join(node.folder, 'x.p12')
        with open(secret, 'w') as f:
            f.write('correct horse\n')
        ringfence('recovery', 'export', '--data', node.data, '--out', out, '--passphrase-file', secret)
        text = run('openssl', 'pkcs12', '-in', out, '-passin', f'file:{secret}', '-nodes').stdout
        keys = text.split('-----BEGIN PRIVATE KEY-----')[1:]
        assert len(keys) == 3
        public = set()
        for key in keys:
            pem = '-----BEGIN PRIVATE KEY-----' + key.split('-----END')[0] + '-----END PRIVATE KEY-----\n'
            public.add(subprocess.run(['openssl', 'pkey', '-pubout'], input=pem, capture_output=True, text=True,
                                      check=True).stdout)
        own = {run('openssl', 'x509', '-in', node.path('certs', u, f'{u}.pem'), '-pubkey', '-noout').stdout
               for u in ('ITLRecovery', 'CallManager', 'CAPF')}
        assert public == own


def test_init_refuses():
    """init says what is wrong with a command line, touches no foreign folder, and keeps a node that is there"""
    with Node() as node:
        done = ringfence('init', '--data', node.data, '--node', 'x', *harness.SUBJECT, check=False)
        assert done.returncode == 1 and 'holds a node already' in done.stderr
        foreign = os.path.join(node.folder, 'foreign')
        os.mkdir(foreign)
        with open(os.path.join(foreign, 'thesis.txt'), 'w') as f:
            f.write('x')
        done = ringfence('init', '--data', foreign, '--node', 'x', *harness.SUBJECT, check=False)
        assert done.returncode == 1 and 'thesis.txt' in done.stderr
        assert os.listdir(foreign) == ['thesis.txt']
        wrong = (['--node', 'a b'], ['--country', 'pl'], ['--key-bits', '3072'], ['--generation', '9'], ['--ip', '1.2.3'],
                 ['--listen', 'tftp=nowhere'], ['--listen', 'smtp=*:25'], ['operand'])
        for words in wrong:
            done = ringfence('init', '--data', foreign + '2', '--node', 'x', *harness.SUBJECT, *words, check=False)
            assert done.returncode == 3, (words, done.stderr)
            assert not os.path.exists(foreign + '2')


if __name__ == '__main__':
    main()
