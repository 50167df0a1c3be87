"""What the end-to-end tests share: a real node in a temporary folder, and TAP.

A test file defines functions test_*(...) and ends with harness.main(). Each
function is one TAP line; its first docstring line is the name. A function
raises AssertionError to fail and harness.Skip to be skipped, aloud.

The binary is $RINGFENCE, or ringfence of the build folder next to the sources.
"""
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RINGFENCE = os.environ.get('RINGFENCE', os.path.join(ROOT, 'build', 'src', 'cmd', 'ringfence'))
PATIENCE = float(os.environ.get('PATIENCE', '60'))   # seconds until something that must happen counts as never

KEYS = ('tftp', 'http', 'https', 'tvs', 'capf', 'ctl-provider', 'web')
SUBJECT = ['--org', 'Cisco', '--unit', 'TAC', '--locality', 'Krakow', '--state', 'Malopolska', '--country', 'PL']


class Skip(Exception):
    """This test cannot run here; the text says why."""


def need(program):
    """Skip unless a program is installed."""
    path = shutil.which(program) or shutil.which(program, path='/usr/sbin:/sbin')
    if not path:
        raise Skip(f'{program} is not installed')
    return path


def free_port(kind=socket.SOCK_STREAM, host='127.0.0.1'):
    """One that no client gets by chance before the node has it: below those that the kernel gives away."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        with socket.socket(family, kind) as s, contextlib.suppress(OSError):
            s.bind((host, port))
            return port
    raise OSError(f'{host} has no free port')


def free_ports(keys, host):
    """A free port for each key; no two the same."""
    while True:
        port = {k: free_port(socket.SOCK_DGRAM if k == 'tftp' else socket.SOCK_STREAM, host) for k in keys}
        if len(set(port.values())) == len(port):
            return port


def until(what, predicate, seconds=None):
    """Wait until predicate() is true; fail with `what` when it never becomes so."""
    deadline = time.monotonic() + (seconds or PATIENCE)
    while True:
        got = predicate()
        if got:
            return got
        assert time.monotonic() < deadline, f'never happened: {what}'
        time.sleep(0.02)


def run(*args, check=True, **kw):
    """Run a command to its end; text output captured. check: it must exit 0."""
    kw.setdefault('timeout', PATIENCE)
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)
    if check:
        assert done.returncode == 0, f'{args}: exit {done.returncode}\n{done.stdout}{done.stderr}'
    return done


def ringfence(*args, **kw):
    return run(RINGFENCE, *args, **kw)


class Node:
    """A node in a folder of its own, on free ports of 127.0.0.1. A context manager: stopped and removed at the end."""
    serve_prefix = ()   # a command that becomes `ringfence serve`, and before that what the test needs around it

    def __init__(self, name='cucm-1051-a-pub', init=(), serve=(), host='127.0.0.1'):
        self.folder = tempfile.mkdtemp(prefix='ringfence-')
        os.chmod(self.folder, 0o755)   # workers of a root supervisor are somebody else
        self.data = os.path.join(self.folder, 'node')
        self.host = host
        self.serve_options = list(serve)
        self.process = None
        self.port = free_ports(KEYS, host)
        shown = f'[{host}]' if ':' in host else host
        listen = [w for k in KEYS for w in ('--listen', f'{k}={shown}:{self.port[k]}')]
        self.made = ringfence('init', '--data', self.data, '--node', name, '--ip', '127.0.0.1',
                              *SUBJECT, *listen, *init)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(Exception):
            self.stop()
        if exc[0] and os.path.exists(self.log_path):
            print('# last lines of the log of serve:')
            for line in self.log().splitlines()[-25:]:
                print('#   ' + line)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log_path(self):
        return os.path.join(self.folder, 'serve.log')

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def path(self, *parts):
        return os.path.join(self.data, *parts)

    def provision(self, name, content):
        path = self.path('provisioning', name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self):
        with open(self.log_path, 'ab') as log:
            begin = log.tell()
            self.process = subprocess.Popen([*self.serve_prefix, RINGFENCE, 'serve', '--data', self.data, *self.serve_options],
                                            stdout=log, stderr=log)

        def ready():
            assert self.process.poll() is None, f'serve ended with {self.process.returncode}:\n{self.log()}'
            with open(self.log_path, 'rb') as f:
                f.seek(begin)
                if b' serves ' not in f.read():   # the supervisor says so when every process is ready
                    return False
            return self.admin('show status', check=False).returncode == 0
        until('the node answers', ready)
        return self

    def processes(self):
        """{name that the kernel knows: process id} of those that run now."""
        found = {}
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):   # it may have ended meanwhile
                with open(f'/proc/{pid}/comm') as f:
                    found[f.read().strip()] = pid
        return found

    def stop(self, sig=signal.SIGTERM):
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError('serve did not stop')
        code, self.process = self.process.returncode, None
        return code

    def admin(self, command, *options, check=True, **kw):
        """One command of the admin: shell."""
        return ringfence('admin', '--data', self.data, *command.split(), *options, check=check, **kw)

    def tftp(self, name, check=True):
        """Octets of a file by TFTP (curl), or None."""
        shown = f'[{self.host}]' if ':' in self.host else self.host
        done = subprocess.run(['curl', '-sS', '--globoff', '--path-as-is', '-o', '-',
                               f'tftp://{shown}:{self.port["tftp"]}/{name}'], capture_output=True, timeout=PATIENCE)
        if done.returncode:
            assert not check, f'tftp {name}: {done.stderr.decode()}'
            return None
        return done.stdout

    def http(self, name, check=True):
        """Octets of a file by HTTP (curl), or None for any answer that is not 200."""
        shown = f'[{self.host}]' if ':' in self.host else self.host
        done = subprocess.run(['curl', '-sS', '--fail', '--globoff', '--path-as-is', '-o', '-',
                               f'http://{shown}:{self.port["http"]}/{name}'], capture_output=True, timeout=PATIENCE)
        if done.returncode:
            assert not check, f'http {name}: {done.stderr.decode()}'
            return None
        return done.stdout


def many_roots(folder, count):
    """A file of authorities, some 5 KiB each: they have many names, and one key is enough for all."""
    key, path = os.path.join(folder, 'root.key'), os.path.join(folder, 'roots.pem')
    other_names = ','.join(f'DNS:{n:03}.{"x" * 40}.example' for n in range(55))
    run(need('openssl'), 'genrsa', '-out', key, '2048')
    with open(path, 'w') as f:
        for n in range(count):
            f.write(run('openssl', 'req', '-x509', '-key', key, '-days', '30', '-subj', f'/CN=A Root {n}',
                        '-addext', f'subjectAltName={other_names}').stdout)
    return path


def children(pid):
    """Process ids of the children of pid."""
    out = run('ps', '-o', 'pid=', '--ppid', pid, check=False).stdout
    return [int(w) for w in out.split()]


def main():
    """Run the test_* functions of the calling module (or those named on the command line) and print TAP."""
    module = sys.modules['__main__']
    tests = [(n, f) for n, f in vars(module).items() if n.startswith('test_') and callable(f)]
    wanted = sys.argv[1:]
    if wanted:
        tests = [t for t in tests if t[0] in wanted]
        missing = set(wanted) - {n for n, _ in tests}
        if missing:
            sys.exit(f'no such test: {", ".join(sorted(missing))}')
    print(f'1..{len(tests)}', flush=True)
    failed = 0
    for i, (name, function) in enumerate(tests, 1):
        title = (function.__doc__ or name).strip().splitlines()[0].replace('#', '')
        try:
            function()
            print(f'ok {i} - {title}', flush=True)
        except Skip as why:
            print(f'ok {i} - {title} # SKIP {why}', flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            for line in traceback.format_exc().splitlines():
                print('# ' + line)
            print(f'not ok {i} - {title}', flush=True)
    sys.exit(1 if failed else 0)
