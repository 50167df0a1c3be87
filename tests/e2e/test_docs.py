#!/usr/bin/python3
"""The examples of README.md and of the manual pages, run as they stand but for addresses, folders and passphrases."""
import glob
import os
import re
import shutil
import subprocess

import harness
from harness import Node, ringfence

# Lines that are not commands to run here, and why.
NOT_RUN = {
    './start': 'is the tour, a test of its own',
    './check': 'is what runs this',
    'ringfence admin --data /var/lib/ringfence': 'asks for a terminal; test_terminal.py has one',
    'ringfence ctl-client wizard --server 192.0.2.10 --user admin': 'asks for a terminal; test_tokens.py has one',
}


def readme_examples():
    with open(os.path.join(harness.ROOT, 'README.md')) as f:
        for block in re.findall(r'```\n(.*?)```', f.read(), re.S):
            yield 'README.md', block


def manual_examples():
    # The tokens of ringfence-ctl-client(1) come last: the others' phones do not know them.
    for path in sorted(glob.glob(os.path.join(harness.ROOT, 'man', '*.[1-8]')), key=lambda p: ('ctl-client' in p, p)):
        with open(path) as f:
            section = re.search(r'^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)', f.read(), re.S | re.M)
        for block in re.findall(r'^\.Bd [^\n]*\n(.*?)^\.Ed', section[1] if section else '', re.S | re.M):
            if block.startswith('['):
                continue   # a file, not commands
            yield os.path.basename(path), block.replace('\\e\n', '\\\n').replace('\\-', '-')


def commands(block):
    """Commands of a block: continued lines joined, comments cut; a line that begins with blanks belongs to the one before."""
    joined = re.sub(r'\\\n\s*', '', block)
    joined = re.sub(r'\n\s+', ' ', joined)
    for line in joined.splitlines():
        line = re.sub(r'\s+#.*', '', line).strip()
        if line:
            yield line


class Desk:
    """A folder with everything that the examples name, beside a node that serves."""

    def __init__(self, node):
        self.node = node
        self.folder = os.path.join(node.folder, 'desk')
        os.mkdir(self.folder)
        self.put('bin/ringfence', f'#!/bin/sh\nexec {harness.RINGFENCE} "$@"\n', 0o755)
        self.put('bin/jq', '#!/bin/sh\nexec python3 -m json.tool\n', 0o755)
        self.put('passphrase', 'a passphrase\n', 0o600)
        for unit in ('CallManager', 'TVS', 'CAPF', 'tomcat'):
            key = glob.glob(node.path('keys', unit + '.*.key'))[0]
            with open(key) as f, open(node.path('certs', unit, unit + '.pem')) as g:
                self.put({'CallManager': 'server'}.get(unit, unit.lower()) + '.pem', f.read() + g.read(), 0o600)
        shutil.copy(os.path.join(self.folder, 'server.pem'), os.path.join(self.folder, 'tftp.pem'))
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        ctl, itl = node.tftp('CTLFile.tlv'), node.tftp('ITLFile.tlv')
        for name in ('CTLFile.tlv', 'published/CTLFile.tlv', 'new/CTLFile.tlv'):
            self.put(name, ctl)
        for name in ('ITLFile.tlv', 'installed.tlv', 'old/ITLFile.tlv', 'new.tlv'):
            self.put(name, itl)
        self.put('g3-tones.xml', '<tones/>\n')
        self.put('SEP001122334455.cnf.xml', '<device>\n  <fullConfig>true</fullConfig>\n</device>\n')
        golden = os.path.join(harness.ROOT, 'tests', 'golden')
        shutil.copy(os.path.join(golden, 'certs', 'device2048.pem'), os.path.join(self.folder, 'lsc.pem'))
        shutil.copy(os.path.join(golden, 'keys', 'device2048.key'), os.path.join(self.folder, 'lsc.key'))
        self.put('cmterm.cop.sgn', bytes.fromhex('0100020100020002000a') + b'\x1f\x8b a package')
        self.tokens()
        for device in range(1, 4):
            node.provision(f'SEP00000000000{device}.cnf.xml', '<device></device>')

    def tokens(self):
        """Two of SoftHSM's, empty; and an account for those who sign with them."""
        os.mkdir(os.path.join(self.folder, 'tokens'))
        self.put('softhsm2.conf', f'directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\n')
        self.env = dict(os.environ, PATH=os.path.join(self.folder, 'bin') + ':' + os.environ['PATH'],
                        SOFTHSM2_CONF=os.path.join(self.folder, 'softhsm2.conf'), RINGFENCE_PIN='1234')
        for label in ('one', 'two'):
            harness.run('softhsm2-util', '--init-token', '--free', '--label', label, '--pin', '1234', '--so-pin', '12345678',
                        env=self.env)
        self.put('password', 'Cisco123\n', 0o600)
        self.node.admin(f'set account name admin {os.path.join(self.folder, "password")}')
        self.node.admin('utils service activate Cisco CTL Provider')

    def put(self, name, content, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)

    def adapt(self, line):
        port = self.node.port
        if line.startswith('ringfence init'):
            listen = ' '.join(f'--listen {k}=127.0.0.1:{harness.free_port()}' for k in harness.KEYS)
            shutil.rmtree(os.path.join(self.folder, 'fresh'), ignore_errors=True)
            return re.sub(r'--ip 192\.0\.2\.\d+', '--ip 127.0.0.1', re.sub(r'--data \S+', '--data fresh', line)) + ' ' + listen
        line = re.sub(r'--data \S+', f'--data {self.node.data}', line)
        if line.startswith('ringfence ctl-client'):
            line += ' --module /usr/lib/softhsm/libsofthsm2.so'
            server = f'--server 127.0.0.1:{port["ctl-provider"]} --password-file password --trust tomcat.pem'
            return re.sub(r'--server 192\.0\.2\.\d+', server, line)
        line = re.sub(r'192\.0\.2\.\d+:6970', f'127.0.0.1:{port["http"]}', line)
        if line.startswith('ringfence capf'):
            line = re.sub(r'--server 192\.0\.2\.\d+', f'--server 127.0.0.1:{port["capf"]}', line)
            line = line.replace('--string ', '--string-file string ')
        line = re.sub(r'--(server|tvs) 192\.0\.2\.\d+', rf'--\1 127.0.0.1:{port["tvs"]}', line)
        line = re.sub(r'--tftp 192\.0\.2\.\d+', f'--tftp 127.0.0.1:{port["tftp"]}', line)
        line = re.sub(r'--ip 192\.0\.2\.\d+', '--ip 127.0.0.1', line)
        line = line.replace('/media/stick/', '')
        line = re.sub(r'--count \d+', '--count 3', line)
        if re.match(r'ringfence recovery (export|verify)', line):
            line += ' --passphrase-file passphrase'
        if line.startswith('openssl pkcs12'):
            line += ' -passin file:passphrase'
        if line.startswith('ringfence serve'):
            line += ' --check'
        if 'utils ctl' in line:
            line += ' --yes'
        return line

    def prepare(self, line):
        """What an administrator has done before somebody at a phone can do this."""
        device = re.search(r'--device (\S+)', line)
        if not line.startswith('ringfence capf enroll') or not device:
            return
        self.node.admin(f'phone add {device[1]}', check=False)
        mode = 'By Authentication String' if '--string' in line else 'By Existing Certificate (Precedence to LSC)'
        self.node.admin(f'phone set {device[1]} authentication mode {mode}')
        if '--string' in line:
            self.put('string', re.search(r'\b\d{10}\b', self.node.admin(f'phone string {device[1]} --digits 10').stdout)[0])
        self.node.admin(f'phone set {device[1]} certificate operation Install/Upgrade')

    def run(self, line):
        return subprocess.run(['bash', '-c', line], cwd=self.folder, env=self.env, text=True,
                              capture_output=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL)


def run_all(examples):
    done = 0
    with Node() as node:
        node.start()
        desk = Desk(node)
        for where, block in examples:
            for line in commands(block):
                if line in NOT_RUN:
                    print(f'# {where}: not run: {line}: {NOT_RUN[line]}')
                    continue
                desk.prepare(line)
                adapted = desk.adapt(line)
                got = desk.run(adapted)
                # A list that nobody vouches for is intact and no more: inspect says so with 1.
                bare = line.startswith('ringfence inspect') and '--trust' not in line and '--cert' not in line
                assert got.returncode in ((0, 1) if bare else (0,)), f'{where}: {line}\nrun as: {adapted}\nexit {got.returncode}\n' \
                                            f'{got.stdout[-1500:]}{got.stderr[-1500:]}'
                assert 'stranded' not in got.stdout or 'fleet' in line, f'{where}: {line}: {got.stdout}'
                done += 1
    return done


def test_readme():
    """every command of README.md works"""
    assert run_all(readme_examples()) >= 4


def test_manuals():
    """every example of the manual pages works"""
    assert run_all(manual_examples()) >= 12


def test_help():
    """every command and subcommand explains itself, and has a manual page"""
    top = ringfence('--help').stdout
    names = re.findall(r'^  ([a-z-]+) ', top, re.M)
    assert len(names) >= 10, top
    for name in names:
        text = ringfence(name, '--help').stdout
        assert text.startswith(f'usage: ringfence {name}'), text
        for sub in re.findall(r'^  ([a-z]+) {2,}', text, re.M):
            more = ringfence(name, sub, '--help', check=False)
            if more.returncode == 0:
                assert f'ringfence {name} {sub}' in more.stdout
        assert glob.glob(os.path.join(harness.ROOT, 'man', f'ringfence-{name}.[1-8]')), f'no manual page for {name}'


if __name__ == '__main__':
    harness.main()
