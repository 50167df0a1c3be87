#!/usr/bin/python3
"""Our TFTP server against the clients that Debian has: tftp-hpa, atftp, curl, busybox."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
from harness import PATIENCE, Skip, need  # noqa: E402

SERVER = os.environ.get('TFTP_HARNESS', os.path.join(harness.ROOT, 'build', 'tests', 'bench', 'tftp_harness'))

FILES = {
    'SEP001122334455.cnf.xml': b'<device>\n  <loadInformation>SIP45.9-4-2SR3-1S</loadInformation>\n</device>\n',
    'one.xml': b'x',
    'block.bin': bytes(range(256)) * 2,             # one block and an empty one
    'config-6k.xml': bytes(i * 7 & 255 for i in range(6144)),
    'large.loads': b''.join(i.to_bytes(4, 'big') for i in range(300000)),
    'New_Zealand/g3-tones.xml': b'<tones/>\n',
    'Desktops/320x212x12/List.xml': b'<CiscoIPPhoneImageList/>\n',
}


class Server:
    """A server over FILES on a free port. A context manager."""

    def __init__(self, host='127.0.0.1', workers=2):
        self.host, self.workers = host, workers

    def __enter__(self):
        if ':' in self.host:
            try:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                    s.bind((self.host, 0))
            except OSError as e:
                raise Skip(f'no IPv6 here ({e})') from e
        self.work = tempfile.mkdtemp(prefix='ringfence-tftp-')
        self.root = os.path.join(self.work, 'served')
        for name, octets in FILES.items():
            path = os.path.join(self.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as f:
                f.write(octets)
        os.makedirs(os.path.join(self.work, 'got'))
        published = os.path.join(self.work, 'published')
        os.makedirs(published)
        self.process = subprocess.Popen([SERVER, self.host, '0', str(self.workers), self.root, published],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().split()[1]
        return self

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        try:
            _, self.counters = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        if not exc[0]:
            assert self.process.returncode == 0, self.counters

    def client(self, *command):
        """Run a client in the folder where it puts what it gets."""
        return subprocess.run([str(c) for c in command], cwd=os.path.join(self.work, 'got'), capture_output=True,
                              timeout=PATIENCE, check=False)

    def local(self, name='got'):
        return os.path.join(self.work, 'got', name)

    def taken(self):
        """What a client has put into its file; None: no file, or an empty one. Removes it."""
        try:
            with open(self.local(), 'rb') as f:
                octets = f.read()
            os.unlink(self.local())
        except FileNotFoundError:
            return None
        return octets or None


def hpa_get(server, name, *options):
    family = ['-6'] if ':' in server.host else ['-4']
    return server.client(need('tftp'), *family, *options, '-m', 'binary', server.host, server.port, '-c', 'get', name, 'got')


def atftp_get(server, name, *options):
    return server.client(need('atftp'), *options, '--get', '-r', name, '-l', 'got', server.host, server.port)


def curl_url(server, name):
    host = f'[{server.host}]' if ':' in server.host else server.host
    return f'tftp://{host}:{server.port}/{name}'


def curl_get(server, name, *options):
    return server.client(need('curl'), '-sS', '--globoff', '--path-as-is', *options, '-o', 'got', curl_url(server, name))


def busybox_get(server, name, *options):
    return server.client(need('busybox'), 'tftp', '-g', *options, '-r', name, '-l', 'got', server.host, server.port)


def all_files(get, *options, host='127.0.0.1', names=FILES):
    with Server(host) as server:
        for name in names:
            done = get(server, name, *options)
            got = server.taken()
            assert got == FILES[name], f'{name}: {len(got or b"")} octets, {done.stdout}{done.stderr}'


def nothing(get):
    """Names that must give nothing."""
    with Server() as server:
        os.symlink('/etc/passwd', os.path.join(server.root, 'link.xml'))
        for name in ('missing.xml', 'CTLSEP001122334455.tlv', 'ITLFile.tlv', 'ext_ITLSEP001122334455.tlv',
                     'SEP001122334455.cnf.xml.sgn', '../served/one.xml', 'New_Zealand', 'link.xml'):
            done = get(server, name)
            got = server.taken()
            assert got is None, f'{name}: got {got!r}, {done.stdout}{done.stderr}'


def put_is_refused(command):
    with Server() as server:
        with open(server.local('mine'), 'wb') as f:
            f.write(b'mine')
        done = server.client(*command(server))
        said = done.stdout + done.stderr
        assert sorted(os.listdir(server.root)) == sorted({n.split('/')[0] for n in FILES}), (os.listdir(server.root), said)
        with open(os.path.join(server.root, 'one.xml'), 'rb') as f:
            assert f.read() == FILES['one.xml'], 'the file was written to'


def test_hpa():
    """tftp-hpa gets every file"""
    all_files(hpa_get)


def test_hpa_ipv6():
    """tftp-hpa over IPv6"""
    all_files(hpa_get, host='::1')


def test_hpa_netascii():
    """netascii is served like octet"""
    with Server() as server:
        server.client(need('tftp'), '-4', '-m', 'ascii', server.host, server.port, '-c', 'get', 'SEP001122334455.cnf.xml', 'got')
        assert server.taken() == FILES['SEP001122334455.cnf.xml']


def test_hpa_nothing():
    """tftp-hpa gets nothing for what is not there or not served"""
    nothing(hpa_get)


def test_hpa_put():
    """tftp-hpa may not write"""
    put_is_refused(lambda s: [need('tftp'), '-4', s.host, s.port, '-c', 'put', 'mine', 'one.xml'])


def test_atftp():
    """atftp gets every file"""
    all_files(atftp_get)


def test_atftp_options():
    """atftp with each option and all together"""
    for options in (['blksize 8'], ['blksize 1428'], ['blksize 65464'], ['tsize 0'], ['timeout 3'], ['windowsize 8'],
                    ['blksize 1024', 'tsize 0', 'timeout 2', 'windowsize 16']):
        words = [w for o in options for w in ('--option', o)]
        names = [n for n in FILES if 'large' not in n] if options == ['blksize 8'] else FILES
        all_files(atftp_get, *words, names=names)


def test_atftp_nothing():
    """atftp gets nothing for what is not there or not served"""
    nothing(atftp_get)


def test_atftp_put():
    """atftp may not write"""
    put_is_refused(lambda s: [need('atftp'), '--put', '-l', 'mine', '-r', 'one.xml', s.host, s.port])


def test_curl():
    """curl gets every file"""
    all_files(curl_get)


def test_curl_options():
    """curl without options, and with small and large blocks"""
    all_files(curl_get, '--tftp-no-options')
    all_files(curl_get, '--tftp-blksize', '8', names=[n for n in FILES if 'large' not in n])
    all_files(curl_get, '--tftp-blksize', '65464')


def test_curl_ipv6():
    """curl over IPv6"""
    all_files(curl_get, host='::1')


def test_curl_wildcard():
    """curl reaches a server on all addresses, and is answered from the one it asked"""
    with Server('0.0.0.0') as server:
        for host in ('127.0.0.1', '127.0.0.5'):
            server.host = host
            curl_get(server, 'config-6k.xml')
            assert server.taken() == FILES['config-6k.xml'], host


def test_curl_nothing():
    """curl gets nothing for what is not there or not served, and says why"""
    nothing(curl_get)
    with Server() as server:
        assert curl_get(server, 'missing.xml').returncode == 68    # CURLE_TFTP_NOTFOUND
        assert curl_get(server, '../one.xml').returncode == 69     # CURLE_TFTP_PERM


def test_curl_put():
    """curl may not write"""
    put_is_refused(lambda s: [need('curl'), '-sS', '-T', 'mine', curl_url(s, 'one.xml')])


def test_busybox():
    """busybox gets every file, with its block size and with ours"""
    all_files(busybox_get)
    all_files(busybox_get, '-b', '8192')
    all_files(busybox_get, '-b', '512')


def test_busybox_nothing():
    """busybox gets nothing for what is not there or not served"""
    nothing(busybox_get)


def test_busybox_put():
    """busybox may not write"""
    put_is_refused(lambda s: [need('busybox'), 'tftp', '-p', '-l', 'mine', '-r', 'one.xml', s.host, s.port])


def test_names():
    """wrong case, leading slashes"""
    with Server() as server:
        for name, same_as in (('sep001122334455.CNF.xml', 'SEP001122334455.cnf.xml'), ('//one.xml', 'one.xml'),
                              ('New_Zealand/G3-TONES.xml', 'New_Zealand/g3-tones.xml')):
            atftp_get(server, name)
            assert server.taken() == FILES[same_as], name


def test_changes():
    """a changed, a new and a deleted file show at the next request"""
    with Server(workers=1) as server:
        path = os.path.join(server.root, 'changing.xml')
        for i in range(10):
            with open(path, 'w', encoding='ascii') as f:
                f.write(f'version {i}')
            curl_get(server, 'changing.xml')
            assert server.taken() == f'version {i}'.encode()
        os.unlink(path)
        curl_get(server, 'changing.xml')
        assert server.taken() is None


def test_many():
    """forty clients at once"""
    with Server() as server, contextlib.ExitStack() as stack:
        running = []
        for i in range(40):
            command = [need('curl'), '-sS', '-o', server.local(f'got-{i}'), curl_url(server, 'config-6k.xml')]
            running.append(stack.enter_context(subprocess.Popen(command)))
        for i, process in enumerate(running):
            assert process.wait(PATIENCE) == 0
            with open(server.local(f'got-{i}'), 'rb') as f:
                assert f.read() == FILES['config-6k.xml']


harness.main()
