"""The adapter of the call control against a real Kamailio: who has an LSC gets in, and a new certificate is shown at once."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # pylint: disable=wrong-import-position
from harness import Node, Skip, need, run, until  # pylint: disable=wrong-import-position

PHONE = 'SEP001122334455'

CONFIG = '''#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=no
enable_tls=yes
tls_port_no={port}
listen=tls:127.0.0.1:{port}
mpath="{modules}"
loadmodule "tls.so"
loadmodule "sl.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:{folder}/ctl")
modparam("ctl", "mode", 0660)
modparam("tls", "config", "{folder}/tls.cfg")
request_route {{
	sl_send_reply("200", "OK");
}}
'''

TLS = '''[server:default]
method = TLSv1.2+
certificate = {keys}/ccm.crt
private_key = {keys}/ccm.key
ca_list = {keys}/lsc-ca.pem
verify_certificate = yes
require_certificate = yes
'''

OPTIONS = (f'OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1\r\nFrom: <sip:{PHONE}@h>;tag=1\r\n'
           f'To: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n').encode()


def lsc(node, folder):
    """A phone's key and its certificate by this node's CAPF."""
    key, request, cert = (os.path.join(folder, n) for n in ('phone.key', 'phone.csr', 'phone.crt'))
    run(need('openssl'), 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', request, '-subj', f'/O=O/CN={PHONE}')
    for authority in glob.glob(node.path('keys', 'CAPF.*.key')):
        run('openssl', 'x509', '-req', '-in', request, '-days', '30', '-out', cert, '-set_serial', '7', '-CA',
            node.path('certs', 'CAPF', 'CAPF.pem'), '-CAkey', authority)
    return cert, key


def talk(port, pair):
    """What the call control shows and answers to a phone: (certificate, first line); raises when it does not want it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE   # compared octet for octet below
    if pair:
        context.load_cert_chain(*pair)
    with socket.create_connection(('127.0.0.1', port), harness.PATIENCE) as tcp, context.wrap_socket(tcp) as tls:
        tls.sendall(OPTIONS)
        answer = tls.recv(4096)
        if not answer:
            raise ssl.SSLError('closed')
        return tls.getpeercert(True), answer.split(b'\r\n')[0]


def current(node):
    with open(node.path('certs', 'CallManager', 'CallManager.der'), 'rb') as f:
        return f.read()


def shows(port, pair, cert):
    with contextlib.suppress(OSError):
        return talk(port, pair) == (cert, b'SIP/2.0 200 OK')
    return False


def reloaded(node):
    """How often the call control was. Nobody connects meanwhile: Kamailio 5.6 has been seen to crash then."""
    return node.log().count('kamailio has the present certificates')


class Kamailio:
    def __init__(self, folder, keys):
        modules = glob.glob('/usr/lib/*/kamailio/modules')
        if not modules or not os.path.exists(modules[0] + '/tls.so'):
            raise Skip('kamailio-tls-modules is not installed')
        self.port = harness.free_port()
        with open(os.path.join(folder, 'kamailio.cfg'), 'w') as f:
            f.write(CONFIG.format(port=self.port, folder=folder, modules=modules[0]))
        with open(os.path.join(folder, 'tls.cfg'), 'w') as f:
            f.write(TLS.format(keys=keys))
        user = ['-u', 'kamailio', '-g', 'kamailio'] if os.geteuid() == 0 else []
        self.log = open(os.path.join(folder, 'log'), 'w')
        self.process = subprocess.Popen([need('kamailio'), '-f', os.path.join(folder, 'kamailio.cfg'), '-DD', '-E', '-m', '32',
                                         '-Y', folder, *user], stdout=self.log, stderr=self.log, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        if exc[0]:
            with open(self.log.name) as f:
                print('# kamailio: ' + '\n# '.join(f.read().splitlines()[-20:]))


def test_kamailio():
    """a phone with an LSC gets in and one without does not; a regenerated certificate is shown, a failed reload told and retried"""
    need('kamailio')
    root = os.geteuid() == 0
    with Node(serve=['--workers', '1']) as node:
        folder, keys = os.path.join(node.folder, 'kamailio'), os.path.join(node.folder, 'keys')
        os.mkdir(folder)
        os.mkdir(keys, 0o755)
        if root:
            try:
                who = pwd.getpwnam('kamailio')
            except KeyError as why:
                raise Skip('there is no user kamailio') from why
            os.chown(folder, who.pw_uid, who.pw_gid)
        broken, reload = os.path.join(node.folder, 'broken'), os.path.join(node.folder, 'reload')
        with open(reload, 'w') as f:
            f.write(f'#!/bin/sh\n[ ! -e {broken} ] || {{ echo out of order; exit 1; }}\n'
                    f'[ ! -S {folder}/ctl ] || {shutil.which("kamcmd", path="/usr/sbin")} -s unix:{folder}/ctl tls.reload\n')
        os.chmod(reload, 0o755)
        with open(node.path('ringfence.conf'), 'a') as f:
            f.write(f'\n[callcontrol]\nadapter = kamailio\nfolder = {keys}\nreload = {reload}\n'
                    + ('group = kamailio\n' if root else ''))
        node.start()
        until('the files are placed', lambda: 'kamailio has the present certificates' in node.log())
        key = os.stat(os.path.join(keys, 'ccm.key'))
        assert stat.S_IMODE(key.st_mode) == (0o640 if root else 0o600), oct(key.st_mode)
        assert not root or key.st_gid == who.pw_gid
        assert sorted(os.listdir(keys)) == ['ccm.crt', 'ccm.key', 'lsc-ca.pem']
        assert 'Cisco CallManager[STARTED]\n' in node.admin('utils service list').stdout

        pair = lsc(node, node.folder)
        with Kamailio(folder, keys) as kamailio:
            until('a phone with an LSC gets in', lambda: shows(kamailio.port, pair, current(node)))
            try:
                got = talk(kamailio.port, None)
                raise AssertionError(f'a phone without a certificate got in: {got}')
            except OSError:
                pass

            first = current(node)
            node.admin('set cert regen CallManager', '--yes')
            assert current(node) != first
            until('the call control is reloaded', lambda: reloaded(node) == 2)
            assert shows(kamailio.port, pair, current(node))

            with open(broken, 'w'):
                pass
            second = current(node)
            node.admin('set cert regen CallManager', '--yes')
            trouble = until('the failure is told', lambda: (lambda out: 'not reloaded with the present' in out and out)(
                node.admin('utils service list').stdout))
            assert 'reload ended with status 1: out of order' in trouble, trouble
            assert shows(kamailio.port, pair, second)
            os.unlink(broken)
            until('it is tried again', lambda: reloaded(node) == 3)
            assert shows(kamailio.port, pair, current(node))
            assert 'Cisco CallManager[STARTED]\n' in node.admin('utils service list').stdout
            node.admin('utils service restart', 'Cisco CallManager')
            until('a restart reloads', lambda: reloaded(node) == 4)


if __name__ == '__main__':
    harness.main()
