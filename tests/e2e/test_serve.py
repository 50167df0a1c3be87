#!/usr/bin/python3
"""`ringfence serve`: who its processes are, what they hold, and how they start, change and stop."""
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time

import harness
from harness import Node, Skip, run, until

WORKER_USERS = ('ringfence', 'nobody')


def status(pid):
    with open(f'/proc/{pid}/status') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


def network_inodes():
    inodes = set()
    for kind in ('tcp', 'tcp6', 'udp', 'udp6'):
        with open(f'/proc/net/{kind}') as f:
            inodes |= {line.split()[9] for line in f.readlines()[1:]}
    return inodes


def open_files(pid):
    names = []
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            names.append(os.readlink(f'/proc/{pid}/fd/{fd}'))
        except FileNotFoundError:
            pass
    return names


def network_sockets(pid):
    inodes = network_inodes()
    return [n for n in open_files(pid) if n.startswith('socket:[') and n[8:-1] in inodes]


def set_port(node, key, port):
    """Change one listener in ringfence.conf."""
    path = node.path('ringfence.conf')
    with open(path) as f:
        text = f.read()
    new = re.sub(rf'(?m)^{key} =.*$', f'{key} = {port}', text)
    assert new != text
    with open(path, 'w') as f:
        f.write(new)


def sanitized():
    return b'__asan_init' in open(harness.RINGFENCE, 'rb').read()


def test_least_privilege():
    """each process has its own user, no capability, and only the descriptors that are its own"""
    with Node(serve=('--workers', '2')).start() as node:
        found = node.processes()
        assert set(found) == {'rf-keeper', 'rf-director', 'rf-caller', 'rf-runner', 'rf-worker-0', 'rf-worker-1',
                              'rf-mailer'}, found
        for name, pid in found.items():
            s = status(pid)
            assert int(s['CapEff'], 16) == 0 and int(s['CapBnd'], 16) == 0, (name, s['CapEff'], s['CapBnd'])
            assert s['NoNewPrivs'] == '1', name
            assert sanitized() or s['Seccomp'] == '2', name
            files = open_files(pid)
            if name == 'rf-caller':
                assert not [f for f in files if node.data in f], files
                assert os.geteuid() or s['Uid'].split()[0] != '0', s['Uid']
            if name.startswith(('rf-worker', 'rf-mailer')):
                if os.geteuid() == 0:
                    assert s['Uid'].split()[0] != '0' and s['Groups'].strip() == '', (name, s['Uid'], s['Groups'])
                assert not [f for f in files if 'keys' in f or 'store.sqlite3' in f or f == node.data], files
                assert bool(network_sockets(pid)) == name.startswith('rf-worker'), (name, files)   # the mailer connects
                assert name != 'rf-mailer' or not [f for f in files if 'published' in f or 'provisioning' in f], files
            else:
                assert not network_sockets(pid), (name, files)
        keeper = open_files(found['rf-keeper'])
        assert not [f for f in keeper if 'store' in f or 'published' in f], keeper
        assert not [f for f in open_files(found['rf-director']) if '/keys' in f]
        if os.geteuid() == 0:
            # Not dumpable: the kernel gives its /proc to root alone, so no process of the same user reads its memory.
            assert os.stat(f'/proc/{found["rf-keeper"]}/environ').st_uid == 0
        assert node.stop() == 0


def test_second_start_is_refused():
    """a node is served once; a second start names the process that has it"""
    with Node().start() as node:
        done = harness.ringfence('serve', '--data', node.data, check=False)
        assert done.returncode == 1
        assert f'by process {node.process.pid}' in done.stderr, done.stderr
        assert node.http('ITLFile.tlv')
        pid = node.process.pid
        with open(node.path('run', 'pid')) as f:
            assert int(f.read()) == pid
        assert node.stop() == 0
        with open(node.path('run', 'pid')) as f:
            assert f.read() == ''


def test_taken_ports_are_named():
    """every taken port is named with its service and what to do; nothing is left running"""
    with Node() as node:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(('127.0.0.1', node.port['http']))
            tcp.listen()
            udp.bind(('127.0.0.1', node.port['tftp']))
            done = harness.ringfence('serve', '--data', node.data, check=False)
        assert done.returncode == 1
        for key, kind in (('http', 'TCP'), ('tftp', 'UDP')):
            assert re.search(rf'{key} 127\.0\.0\.1:{node.port[key]}: {kind} port {node.port[key]} is taken', done.stderr)
        assert f'ss -ulnp sport = :{node.port["tftp"]}' in done.stderr
        # The same port for a later start is no problem.
        node.start()
        assert node.tftp('ITLFile.tlv')
        assert node.stop() == 0


def test_reload():
    """SIGHUP: a mistake changes nothing; another port is served; a download that runs is finished"""
    with Node() as node:
        size = 3_000_000
        node.provision('firmware.bin', bytes(i * 7 & 255 for i in range(size)))
        node.start()
        url = f'http://127.0.0.1:{node.port["http"]}/firmware.bin'
        slow = subprocess.Popen(['curl', '-sS', '--limit-rate', '1M', '-o', node.path('copy'), url])
        until('the download runs', lambda: os.path.exists(node.path('copy')) and os.path.getsize(node.path('copy')))

        set_port(node, 'http', 'nonsense')
        node.process.send_signal(signal.SIGHUP)
        until('the mistake is told', lambda: 'the configuration was not changed' in node.log())
        assert re.search(r'ringfence\.conf:\d+: http: "nonsense"', node.log())
        assert node.http('ITLFile.tlv')

        before = node.processes()
        new = harness.free_port()
        set_port(node, 'http', f'127.0.0.1:{new}')
        node.process.send_signal(signal.SIGHUP)
        until('it serves again', lambda: node.log().count(' serves ') == 2)
        after = node.processes()
        assert after['rf-director'] != before['rf-director'] and after['rf-keeper'] == before['rf-keeper']
        old, node.port['http'] = node.port['http'], new
        assert node.http('ITLFile.tlv') == node.tftp('ITLFile.tlv')
        assert slow.wait(harness.PATIENCE) == 0
        assert os.path.getsize(node.path('copy')) == size
        until('the old workers have gone', lambda: len(harness.children(node.process.pid)) == len(after))
        with socket.socket() as s:
            assert s.connect_ex(('127.0.0.1', old)) != 0
        assert node.stop() == 0


def peer_certificate(node):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(('127.0.0.1', node.port['https']), harness.PATIENCE) as raw:
        with context.wrap_socket(raw) as s:
            return s.getpeercert(binary_form=True)


def test_new_certificate_without_restart():
    """HTTPS shows a regenerated certificate from the next connection on, with the same processes"""
    with Node().start() as node:
        before, was = peer_certificate(node), node.processes()
        with open(node.path('certs', 'CallManager-ECDSA', 'CallManager-ECDSA.der'), 'rb') as f:
            assert f.read() == before
        node.admin('set cert regen CallManager-ECDSA', '--yes')
        until('the new certificate', lambda: peer_certificate(node) != before)
        with open(node.path('certs', 'CallManager-ECDSA', 'CallManager-ECDSA.der'), 'rb') as f:
            assert f.read() == peer_certificate(node)
        assert node.processes() == was


def test_stopped_service_refuses():
    """a stopped service refuses connections, also after its workers were restarted, and answers again when started"""
    with Node(serve=('--workers', '1')).start() as node:
        node.admin('utils service stop Cisco Tftp')
        for _ in range(2):
            with socket.socket() as s:
                until('http is refused', lambda: s.connect_ex(('127.0.0.1', node.port['http'])) != 0)
            pid = node.processes()['rf-worker-0']
            os.kill(pid, signal.SIGKILL)
            until('another worker', lambda: node.processes().get('rf-worker-0', pid) != pid)
        node.admin('utils service start Cisco Tftp')
        assert until('http answers', lambda: node.http('ITLFile.tlv', check=False))
        assert peer_certificate(node)
        assert node.tftp('ITLFile.tlv')


def test_slow_clients_cost_nobody():
    """silent clients, half handshakes and half requests hold up nobody else"""
    with Node(serve=('--workers', '1')).start() as node:
        held = []
        try:
            for i in range(300):
                s = socket.create_connection(('127.0.0.1', node.port['https' if i % 2 else 'http']))
                s.sendall([b'', b'\x16\x03\x01', b'GET /ITLFile.tlv HTTP/1.1\r\n', b'\x16\x03\x01\x02\x00\x01'][i % 4])
                held.append(s)
            began = time.monotonic()
            for _ in range(20):
                assert node.http('ITLFile.tlv')
                assert peer_certificate(node)
                assert node.tftp('ITLFile.tlv')
            print(f'# 60 requests beside 300 silent clients: {time.monotonic() - began:.2f} s')
        finally:
            for s in held:
                s.close()


def test_counters_outlive_a_worker():
    """what was counted is still counted when the worker has been killed"""
    with Node(serve=('--workers', '1')).start() as node:
        def count(name):
            line = [w for w in node.admin('show status').stdout.splitlines() if w.strip().startswith(name)]
            return int(line[0].split()[-1])
        for _ in range(3):
            assert node.http('ITLFile.tlv')
        until('counted', lambda: count('http files served') == 3)
        pid = node.processes()['rf-worker-0']
        os.kill(pid, signal.SIGKILL)
        assert until('http answers', lambda: node.http('ITLFile.tlv', check=False))
        until('counted on', lambda: count('http files served') == 4)


def test_signature_asked_while_the_director_is_away():
    """a signed file that is asked for while the director is being restarted comes all the same"""
    with Node().start() as node:
        for i in range(3):
            name = f'SEP00112233440{i}.cnf.xml'
            node.provision(name, f'<device>{i}</device>')
            os.kill(node.processes()['rf-director'], signal.SIGKILL)
            got = node.http(name + '.sgn')
            assert got and got.endswith(f'<device>{i}</device>'.encode())
            until('the director is back', lambda: 'rf-director' in node.processes())
            os.kill(node.processes()['rf-keeper'], signal.SIGKILL)
            node.provision(name, f'<device>{i}{i}</device>')
            assert node.http(name + '.sgn').endswith(f'<device>{i}{i}</device>'.encode())
            assert peer_certificate(node)


def test_service_manager():
    """the service manager hears when the node is ready and when it stops"""
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = os.path.join(folder, 'notify')
            manager.bind(path)
            manager.settimeout(harness.PATIENCE)
            os.environ['NOTIFY_SOCKET'] = path
            try:
                node.start()
            finally:
                del os.environ['NOTIFY_SOCKET']
            assert manager.recv(1000).startswith(b'READY=1')
            node.stop()
            assert manager.recv(1000) == b'STOPPING=1'


def test_ordinary_user():
    """an ordinary user serves a node of its own; a low port is refused with the remedy"""
    if os.geteuid() != 0:
        raise Skip('needs root, to become somebody else')
    with Node() as node:
        run('chown', '-R', 'nobody', node.data)

        def become():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        set_port(node, 'tftp', '127.0.0.1:69')
        done = run(harness.RINGFENCE, 'serve', '--data', node.data, check=False, preexec_fn=become)
        assert done.returncode == 1
        low = int(open('/proc/sys/net/ipv4/ip_unprivileged_port_start').read())
        if low > 69:
            assert 'ports below 1024 need root' in done.stderr, done.stderr
        set_port(node, 'tftp', f'127.0.0.1:{node.port["tftp"]}')
        with open(node.log_path, 'ab') as log:
            node.process = subprocess.Popen([harness.RINGFENCE, 'serve', '--data', node.data], stdout=log, stderr=log,
                                            preexec_fn=become)
        until('it serves', lambda: ' serves ' in node.log() or node.process.poll() is not None)
        assert node.http('ITLFile.tlv') == node.tftp('ITLFile.tlv')
        for name, pid in node.processes().items():
            assert set(status(pid)['Uid'].split()) == {'65534'}, name
            assert int(status(pid)['CapEff'], 16) == 0, name
        assert node.stop() == 0
        mode = os.stat(node.path('run', 'pid')).st_mode
        assert stat.S_IMODE(mode) == 0o644


def test_folder_of_somebody_else():
    """root serves a closed folder of another user: keeper and director as that user, workers as a third"""
    if os.geteuid() != 0:
        raise Skip('needs root')
    with Node() as node:
        node.provision('SEP001122334455.cnf.xml', '<device/>')
        run('chown', '-R', '4711:4711', node.data)
        os.chmod(node.data, 0o700)
        node.start()
        for name, pid in node.processes().items():
            uid = status(pid)['Uid'].split()[0]
            assert (uid == '4711') == (not name.startswith(('rf-worker', 'rf-mailer', 'rf-caller'))) and uid != '0', (name, uid)
        assert node.http('SEP001122334455.cnf.xml.sgn').endswith(b'<device/>')
        assert peer_certificate(node)
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        assert until('the CTL', lambda: node.tftp('CTLFile.tlv', check=False))
        node.process.send_signal(signal.SIGHUP)
        until('it serves again', lambda: node.log().count(' serves ') == 2)
        assert node.tftp('CTLFile.tlv')
        assert node.stop() == 0
        strangers = run('find', node.data, '!', '-uid', '4711', '!', '-path', '*/run/pid', check=False).stdout
        assert strangers == '', strangers


def test_start_fails_whole():
    """a node that cannot start says why, exits 1 and leaves no process"""
    with Node() as node:
        os.rename(node.path('provisioning'), node.path('elsewhere'))
        done = harness.ringfence('serve', '--data', node.data, check=False)
        assert done.returncode == 1
        assert '[paths] provisioning in ringfence.conf' in done.stderr, done.stderr
        os.rename(node.path('elsewhere'), node.path('provisioning'))
        os.rename(node.path('store.sqlite3'), node.path('elsewhere'))
        done = harness.ringfence('serve', '--data', node.data, check=False)
        assert done.returncode == 1 and 'store.sqlite3' in done.stderr, done.stderr
        assert not os.path.exists(node.path('store.sqlite3')), 'a missing store was made up'
        os.rename(node.path('elsewhere'), node.path('store.sqlite3'))
        node.start()
        assert node.stop() == 0


if __name__ == '__main__':
    harness.main()
