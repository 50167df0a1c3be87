"""SIP NOTIFY against SIPp, which nobody here wrote: as a phone that is told to reset, and as who tells an emulated one."""
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # pylint: disable=wrong-import-position
from harness import Node, until  # pylint: disable=wrong-import-position

PHONE = 'SEP001122334455'

UAS = '''<?xml version="1.0" encoding="us-ascii"?>
<scenario name="a phone">
<recv request="NOTIFY"><action>
<ereg regexp="service-control" search_in="hdr" header="Event:" check_it="true" assign_to="1"/>
<ereg regexp="action=restart" search_in="body" check_it="true" assign_to="2"/>
</action></recv>
<Reference variables="1,2"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
'''

UAC = f'''<?xml version="1.0" encoding="us-ascii"?>
<scenario name="a call control">
<send retrans="500"><![CDATA[
NOTIFY sip:{PHONE}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[pid]SIPpTag[call_number]
To: <sip:{PHONE}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 NOTIFY
Max-Forwards: 70
Event: service-control
Subscription-State: active
Content-Type: text/plain
Content-Length: [len]

action=reset
RegisterCallId={{}}
]]></send>
<recv response="200"/>
</scenario>
'''


def sipp(folder, scenario, *args):
    path = os.path.join(folder, 'scenario.xml')
    with open(path, 'w') as f:
        f.write(scenario)
    return subprocess.Popen([harness.need('sipp'), '-sf', path, '-i', '127.0.0.1', '-m', '1', '-nostdin', *args],
                            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def bound(port, udp):
    """Does somebody listen there? Without sending anything that would be taken for a call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as s:
        with contextlib.suppress(OSError):
            s.bind(('127.0.0.1', port))
            return False
    return True


def ended(process):
    out, _ = process.communicate(timeout=harness.PATIENCE)
    assert process.returncode == 0, out
    return out


def test_sipp_is_reset():
    """SIPp, as a phone, takes NOTIFY over UDP and TCP, and its 200 is understood"""
    harness.need('sipp')
    with Node(serve=['--workers', '1']) as node, tempfile.TemporaryDirectory() as folder:
        node.start()
        node.admin(f'phone add {PHONE}')
        with contextlib.closing(sqlite3.connect(node.path('store.sqlite3'), timeout=30)) as db, db:
            db.execute("update device set lastaddress = '127.0.0.1'")
        for transport, mode in (('UDP', 'u1'), ('TCP', 't1')):
            port = harness.free_port(socket.SOCK_DGRAM)
            node.admin('set parameter', 'Phone SIP Port', str(port), '--yes')
            node.admin(f'phone set {PHONE} transport type', transport)
            phone = sipp(folder, UAS, '-p', str(port), '-t', mode)
            until('sipp listens', lambda p=port, u=transport == 'UDP': bound(p, u))
            out = node.admin(f'phone restart {PHONE}').stdout
            assert '1 200 OK' in out, out
            ended(phone)


def test_sipp_resets():
    """an emulated phone that stays obeys SIPp over UDP and TCP"""
    harness.need('sipp')
    with Node(serve=['--workers', '1']) as node, tempfile.TemporaryDirectory() as folder:
        node.provision(PHONE + '.cnf.xml', '<device/>')
        node.start()
        port = harness.free_port(socket.SOCK_DGRAM)
        phone = subprocess.Popen(
            [harness.RINGFENCE, 'phone', 'boot', '--state', os.path.join(folder, 'phone'), '--device', PHONE, '--tftp',
             f'127.0.0.1:{node.port["tftp"]}', '--http-port', str(node.port['http']), '--stay', '3600', '--listen',
             f'127.0.0.1:{port}', '--quiet'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            until('the phone listens', lambda: bound(port, True))
            for mode in ('u1', 't1'):
                ended(sipp(folder, UAC, f'127.0.0.1:{port}', '-t', mode))
            phone.send_signal(signal.SIGTERM)
            out = ended(phone)
            assert out.count('told by SIP: reset') == 2, out
        finally:
            if phone.poll() is None:
                phone.kill()
                phone.wait()


if __name__ == '__main__':
    harness.main()
