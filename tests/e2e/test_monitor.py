#!/usr/bin/python3
"""The certificate monitor: e-mails to a real SMTP server (Debian's aiosmtpd), in clear, by STARTTLS and by TLS."""
import contextlib
import email
import email.policy
import hashlib
import json
import mailbox
import os
import re
import signal
import socket
import sqlite3
import subprocess

import harness
from harness import Node, ringfence, until

SERVICE = 'Cisco Certificate Expiry Monitor'
PASSWORD = 'only-for-the-server'


LOGIN = """
import ssl, sys, threading
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult
port, folder, certificate, key, password = sys.argv[1:]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"ringfence", password.encode()), handled=False)
Controller(Mailbox(folder), hostname="127.0.0.1", port=int(port), tls_context=tls, require_starttls=True,
           authenticator=login, auth_required=True).start()
threading.Event().wait()
"""


PICKY = """
import sys, threading
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
class Picky(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"
port, folder = sys.argv[1:]
Controller(Picky(folder), hostname="127.0.0.1", port=int(port)).start()
threading.Event().wait()
"""


class Mail:
    """An SMTP server with a maildir. A context manager."""

    def __init__(self, node, *options, port=None):
        self.port = port or harness.free_port()
        self.folder = os.path.join(node.folder, f'mail-{self.port}')
        self.command = ['aiosmtpd', '-n', '-l', f'127.0.0.1:{self.port}', *options, '-c', 'aiosmtpd.handlers.Mailbox', self.folder]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', self.port)) == 0
        until('the SMTP server answers', answers)
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()

    def all(self):
        if not os.path.isdir(self.folder):
            return []
        box = mailbox.Maildir(self.folder, factory=lambda f: email.message_from_binary_file(f, policy=email.policy.default))
        return [box[k] for k in box.keys()]

    def wait(self, n):
        until(f'{n} e-mails', lambda: len(self.all()) >= n)
        assert len(self.all()) == n, [str(m) for m in self.all()]
        return self.all()


class Login(Mail):
    """One that takes e-mails only over TLS from who logs in."""

    def __init__(self, node, certificate, key):
        super().__init__(node)
        self.command = ['/usr/bin/python3', '-c', LOGIN, str(self.port), self.folder, certificate, key, PASSWORD]


class Picky(Mail):
    """One that takes nothing for gone...@."""

    def __init__(self, node):
        super().__init__(node)
        self.command = ['/usr/bin/python3', '-c', PICKY, str(self.port), self.folder]


def put(node, **values):
    names = {'server': 'SMTP Server', 'port': 'SMTP Port', 'security': 'SMTP Security', 'user': 'SMTP User Name',
             'to': 'E-mail IDs', 'start': 'Notification Start Time', 'mail': 'Enable E-mail notification'}
    for key, value in values.items():
        ringfence('admin', '--data', node.data, 'set', 'param', *names[key].split(), str(value), '--yes')


def state(node):
    return json.loads(node.admin('show cert monitor', '--json').stdout)


def said(node, words):
    """It is in the shell that an e-mail could not be sent, and why."""
    until(f'the shell says: {words}', lambda: words in node.admin('show cert monitor').stdout)
    shown = node.admin('show cert monitor').stdout
    assert 'NOT SENT' in shown and words in node.admin('show status').stdout, shown
    assert PASSWORD not in shown
    return shown


def test_e_mail():
    """an e-mail once for each certificate and frequency, also over restarts; what cannot be sent is said, and sent later"""
    with Node() as node:
        node.start()
        listed = node.admin('utils service list').stdout
        assert f'{SERVICE}[STARTED]' in listed, listed
        refused = node.admin('utils cert monitor test', check=False)
        assert refused.returncode == 1 and "'SMTP Server'" in refused.stderr, refused.stderr
        with Mail(node) as mail:
            put(node, server='localhost', port=mail.port, security='None', to='noc@example.com;ops@example.com')
            assert 'on its way' in node.admin('utils cert monitor test').stdout
            test, = mail.wait(1)
            assert test['Subject'] == f'Certificate expiration Notification: test from {state_node(node)}'
            assert test['To'] == 'noc@example.com, ops@example.com' and test['X-MailFrom'] == f'ringfence@{state_node(node)}'
            assert test['Date'] and test['Message-ID'], test
            # The process that sends them may die.
            mailer = int(harness.run('ps', '-o', 'pid=,comm=', '--ppid', node.process.pid).stdout.split('rf-mailer')[0].split()[-1])
            os.kill(mailer, signal.SIGKILL)
            node.admin('utils cert monitor test')
            mail.wait(2)
            # Everything ends within ten years, but ITLRecovery.
            put(node, start=3650, mail=True)
            notice = [m for m in mail.wait(3) if 'test from' not in m['Subject']][0]
            text = notice.get_content()
            for unit in ('tomcat', 'CallManager', 'CAPF', 'TVS'):
                assert f'Certificate name:{unit}.der Unit:{unit} Type:own-cert Expiration:' in text, text
            assert 'Unit:CallManager-trust' in text and 'ITLRecovery.der' not in text, text
            assert "'set cert regen TVS'" in text
            until('it is known what was told', lambda: state(node)['mail']['sent'])
            node.stop()
            node.start()
            done = node.admin('show cert monitor').stdout
            assert 'NOT SENT' not in done and re.search(r'^tomcat/tomcat\.der: .*, ending; alarm none, e-mail \w', done, re.M), done
            assert len(mail.all()) == 3
        # Nobody is there: it is said, and what was missed comes when a test has gone through.
        node.admin('set cert regen TVS', '--yes')
        node.admin('utils cert monitor test')
        said(node, 'connect to localhost')
        put(node, start=3649)
        until('the notice has failed and waits',
              lambda: re.search(r'tried again .*, after \d failure', node.admin('show cert monitor').stdout))
        with Mail(node, port=mail.port) as again:
            node.admin('utils cert monitor test')
            text = [m for m in again.wait(5) if 'Notification: 1 certificate of' in m['Subject']][0].get_content()
            assert 'TVS.der' in text and 'tomcat.der' not in text, text
            until('all is well', lambda: not state(node)['mail']['error'])
        # Who is refused is named, and keeps nobody else from being told.
        with Picky(node) as mail:
            put(node, port=mail.port, to='gone@example.com;noc@example.com;gone2@example.com')
            node.admin('utils cert monitor test')
            to, = mail.wait(1)
            assert to['X-RcptTo'] == 'noc@example.com', str(to)
            said(node, 'to gone@example.com (550 5.1.1 nobody of that name), gone2@example.com (550 5.1.1 nobody of that name); '
                       'the others have it')
            put(node, to='gone@example.com')
            node.admin('utils cert monitor test')
            said(node, 'refused gone@example.com (550 5.1.1 nobody of that name)')
            assert len(mail.all()) == 1
        node.admin(f'utils service stop {SERVICE}')
        refused = node.admin('utils cert monitor test', check=False)
        assert refused.returncode == 1 and 'is stopped' in refused.stderr, refused.stderr


def state_node(node):
    return re.search(r'^Node +(\S+)', node.admin('show status').stdout, re.M)[1]


def tomcat(node):
    """Certificate and key of the node's tomcat, as files: what its tomcat-trust vouches for."""
    certificate = node.path('certs', 'tomcat', 'tomcat.pem')
    pub = subprocess.run(['openssl', 'x509', '-in', certificate, '-noout', '-pubkey'], capture_output=True, check=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pub, capture_output=True, check=True).stdout
    return certificate, node.path('keys', f'tomcat.{hashlib.sha256(der).hexdigest()[:16]}.key')


def test_tls():
    """STARTTLS and TLS with a server that tomcat-trust vouches for; a stranger's is refused; the password stays secret"""
    with Node() as node:
        node.start()
        certificate, key = tomcat(node)
        strange = os.path.join(node.folder, 'strange')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', strange + '.key', '-out',
                        strange + '.pem', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
                       capture_output=True, check=True)
        put(node, server='127.0.0.1', to='noc@example.com')
        # One of many authorities, and the last by name.
        node.admin('set cert import trust tomcat', '--file', harness.many_roots(node.folder, 15))
        with Mail(node, '--tlscert', certificate, '--tlskey', key) as mail:
            put(node, port=mail.port, security='STARTTLS')
            node.admin('utils cert monitor test')
            mail.wait(1)
        with Mail(node, '--smtpscert', certificate, '--smtpskey', key) as mail:
            put(node, port=mail.port, security='TLS')
            node.admin('utils cert monitor test')
            mail.wait(1)
        with Mail(node, '--tlscert', strange + '.pem', '--tlskey', strange + '.key') as mail:
            put(node, port=mail.port, security='STARTTLS')
            node.admin('utils cert monitor test')
            said(node, 'certificate')
            assert mail.all() == []
        with Mail(node) as mail:   # no STARTTLS there: nothing goes in clear
            put(node, port=mail.port)
            node.admin('utils cert monitor test')
            said(node, 'STARTTLS')
            assert mail.all() == []

        put(node, user='ringfence')
        secret = node.path('smtp.password')
        with open(secret, 'w') as f:
            f.write(PASSWORD + '\n')
        os.chmod(secret, 0o644)
        refused = node.admin('utils cert monitor test', check=False)
        assert refused.returncode == 1 and 'chmod 600' in refused.stderr, refused.stderr
        os.chmod(secret, 0o600)
        with Login(node, certificate, key) as mail:
            put(node, port=mail.port)
            node.admin('utils cert monitor test')
            mail.wait(1)
            with open(secret, 'w') as f:
                f.write('another\n')
            node.admin('utils cert monitor test')
            said(node, '535')
            assert len(mail.all()) == 1
        for shown in (node.log(), node.admin('show parameter').stdout, node.admin('show audit').stdout,
                      node.admin('run sql select * from processconfig').stdout):
            assert PASSWORD not in shown
        put(node, security='None')
        refused = node.admin('utils cert monitor test', check=False)
        assert refused.returncode == 1 and 'not sent in clear' in refused.stderr, refused.stderr


# A /dev of its own, where syslogd makes its socket; then the node.
OWN_DEV = """
set -e
mkdir -p "$1/dev"
mount -t tmpfs tmpfs "$1/dev"
for n in null zero random urandom; do touch "$1/dev/$n"; mount --bind /dev/$n "$1/dev/$n"; done
mkdir "$1/dev/shm"
mount --bind /dev/shm "$1/dev/shm"
mount --move "$1/dev" /dev
busybox syslogd -n -S -O "$1/syslog" >/dev/null 2>&1 &
echo $! >"$1/syslogd.pid"
while [ ! -e /dev/log ]; do sleep 0.02; done
shift
exec "$@"
"""


@contextlib.contextmanager
def own_syslog(node):
    """A syslogd for this node, when we may; what it has written. None: we may not."""
    probe = subprocess.run(['unshare', '-m', '--propagation', 'private', 'mount', '-t', 'tmpfs', 'tmpfs', node.folder],
                           capture_output=True)
    if probe.returncode:
        print('# not allowed to make a mount namespace: only the log of the node is looked at')
        yield None
        return
    node.serve_prefix = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', OWN_DEV, 'sh', node.folder]
    try:
        yield lambda: read(os.path.join(node.folder, 'syslog'))
    finally:
        node.serve_prefix = ()
        with contextlib.suppress(OSError):
            os.kill(int(read(os.path.join(node.folder, 'syslogd.pid'))), signal.SIGKILL)


def read(path):
    with open(path, errors='replace') as f:
        return f.read()


def test_alarms():
    """CUCM's alarms in syslog, at a run that was due while the node was away, once; a restart of the service puts it off"""
    with Node() as node:
        node.start()
        short = os.path.join(node.folder, 'sub.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', short + '.key', '-out', short,
                        '-subj', '/CN=sub1/O=Cisco/OU=TAC', '-days', '3'], capture_output=True, check=True)
        node.admin('set network cluster subscriber details sub1 192.0.2.2')
        node.admin(f'set network cluster subscriber certificate sub1 CallManager {short}')
        until('a run is planned', lambda: state(node)['next_run'])
        listed = [c for c in state(node)['certificates'] if c['name'] == 'sub1.der']
        assert listed and all(c['state'] == 'less than 7 days' for c in listed), listed
        node.stop()
        assert 'UC_CERT' not in node.log()
        with contextlib.closing(sqlite3.connect(node.path('store.sqlite3'))) as store, store:
            store.execute('UPDATE certificatemonitor SET nextrun = 1')   # two days ago, say
        with own_syslog(node) as syslog:
            node.start()
            alarm = (r'%UC_CERT-2-CertValidfor7days: %\[Message=Certificate expiration Notification\. Certificate name:sub1\.der '
                     r'Unit:([\w-]+) Type:own-cert Expiration:\w{3} \w{3} \d\d [\d:]{8} \w+ \d{4}\]\[AppID=Cisco Certificate '
                     r'Monitor\]\[ClusterID=\]\[NodeID=cucm-1051-a-pub\]: Alarm to indicate that Certificate has Expired or '
                     r'Expires in less than seven days$')
            until('the run', lambda: state(node)['last_run'])
            told = re.findall(alarm, node.log(), re.M)
            assert sorted(told) == sorted(c['unit'] for c in listed), (told, listed)
            if syslog:
                until('syslogd has it', lambda: len(re.findall(r'ringfence\[\d+\]: ' + alarm, syslog(), re.M)) == len(told))
            after = state(node)
            assert 86000 < after['next_run'] - after['last_run'] < 86500, after
            node.stop()
            node.start()
            assert state(node)['last_run'] == after['last_run']
            node.admin(f'utils service restart {SERVICE}')
            assert state(node)['next_run'] >= after['next_run']
            assert len(re.findall(alarm, node.log(), re.M)) == len(told)
            node.stop()


if __name__ == '__main__':
    harness.main()
