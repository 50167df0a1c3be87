#!/usr/bin/python3
"""Bad days: full disks, killed processes, noise from strangers. What phones trust stays whole."""
import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import Node, Skip, children, ringfence, run, until

SEP = 'SEP001122334455'
SEED = int(os.environ.get('SEED', '20261121'))


def verified(node, what):
    """The published list as the shell judges it."""
    return f'The {what.upper()} file was verified successfully.' in node.admin(f'show {what}', check=False).stdout


@contextlib.contextmanager
def small_disk(megabytes):
    """A file system of its own, so that it can be full."""
    if os.geteuid() != 0:
        raise Skip('mounting a small file system needs root')
    import tempfile
    folder = tempfile.mkdtemp(prefix='ringfence-disk-')
    done = run('mount', '-t', 'tmpfs', '-o', f'size={megabytes}m,mode=0755', 'tmpfs', folder, check=False)
    if done.returncode:
        os.rmdir(folder)
        raise Skip('no small file system can be mounted: ' + done.stderr.strip())
    try:
        yield folder
    finally:
        run('umount', '-l', folder, check=False)
        os.rmdir(folder)


def fill(folder):
    """Use up every octet that is free."""
    fd = os.open(os.path.join(folder, 'filler'), os.O_WRONLY | os.O_CREAT)
    for size in (65536, 1):
        with contextlib.suppress(OSError):
            while os.write(fd, b'\0' * size):
                pass
    os.close(fd)


def test_full_disk():
    """a full disk: commands fail with words, lists and files that were served still are, and all goes on afterwards"""
    with small_disk(24) as disk, Node() as node:
        run('cp', '-a', node.data, os.path.join(disk, 'node'))
        node.data = os.path.join(disk, 'node')
        node.provision(f'{SEP}.cnf.xml', '<device/>')
        node.start()
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        ctl, itl = node.tftp('CTLFile.tlv'), node.tftp('ITLFile.tlv')
        signed = node.tftp(f'{SEP}.cnf.xml.sgn')
        fill(disk)
        for command in ('utils ctl update CTLFile', 'utils ctl set-cluster non-secure-mode', 'set cert regen TVS'):
            done = node.admin(command, '--yes', check=False)
            assert done.returncode == 1, (command, done.stdout)
            assert 'space' in (done.stdout + done.stderr).lower() or 'full' in (done.stdout + done.stderr).lower(), done
            assert node.tftp('CTLFile.tlv') == ctl and node.tftp('ITLFile.tlv') == itl, command
            assert node.tftp(f'{SEP}.cnf.xml.sgn') == signed
        os.unlink(os.path.join(disk, 'filler'))
        time.sleep(1.1)   # a list made in the same second from the same certificates is the same list
        node.admin('utils ctl update CTLFile', '--yes')
        assert node.tftp('CTLFile.tlv') != ctl
        assert verified(node, 'ctl') and verified(node, 'itl')
        node.stop()


def test_killed_processes():
    """kill -9 of each process in turn: it comes back and the node serves on"""
    with Node() as node:
        node.provision(f'{SEP}.cnf.xml', '<device/>')
        node.start()
        itl = node.tftp('ITLFile.tlv')
        victims = children(node.process.pid)
        assert len(victims) >= 3, victims
        for pid in victims:
            count = len(children(node.process.pid))
            os.kill(pid, signal.SIGKILL)
            until('the process is replaced', lambda: pid not in children(node.process.pid)  # pylint: disable=cell-var-from-loop
                  and len(children(node.process.pid)) >= count)  # pylint: disable=cell-var-from-loop
            until('lists are served', lambda: node.tftp('ITLFile.tlv', check=False) == itl)
            until('the shell answers', lambda: node.admin('show status', check=False).returncode == 0)
            node.provision(f'SEP0000000{pid:05d}.cnf.xml', f'<device>{pid}</device>')
            until('files are signed', lambda: node.tftp(f'SEP0000000{pid:05d}.cnf.xml.sgn', check=False))  # pylint: disable=cell-var-from-loop
        assert verified(node, 'itl')


def test_killed_supervisor():
    """kill -9 of the supervisor: nothing is left running, and the next start serves the same lists"""
    with Node() as node:
        node.start()
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        ctl = node.tftp('CTLFile.tlv')
        left = children(node.process.pid)
        node.process.kill()
        node.process.wait()
        node.process = None
        until('its processes end', lambda: not [p for p in left if os.path.exists(f'/proc/{p}') and
                                               'Z' not in run('ps', '-o', 'stat=', '-p', p, check=False).stdout])
        node.start()
        assert node.tftp('CTLFile.tlv') == ctl and verified(node, 'ctl')


def test_killed_in_the_middle():
    """kill -9 of everything at random moments of CTL and certificate changes: old or new, whole, and the store agrees"""
    chance = random.Random(SEED)
    print(f'# SEED={SEED}')
    with Node() as node:
        node.start()
        commands = ('utils ctl set-cluster mixed-mode', 'utils ctl update CTLFile', 'set cert regen CallManager',
                    'utils ctl set-cluster non-secure-mode', 'set cert regen CAPF', 'utils ctl update CTLFile')
        for command in commands:
            shell = subprocess.Popen([harness.RINGFENCE, 'admin', '--data', node.data, *command.split(), '--yes'],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            timer = threading.Event()
            timer.wait(chance.uniform(0.0, 0.25))
            everyone = [node.process.pid] + children(node.process.pid)
            for pid in everyone:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            node.process.wait()
            node.process = None
            shell.wait(harness.PATIENCE)
            node.start()
            assert verified(node, 'itl'), command
            ctl = node.tftp('CTLFile.tlv', check=False)
            if ctl is not None:
                assert verified(node, 'ctl'), command
            mode = node.admin("run sql select paramvalue from processconfig where paramname='ClusterSecurityMode'").stdout
            if mode.split()[-1] == '1':
                assert ctl is not None, command


def test_noise():
    """malformed packets and half requests end no process"""
    chance = random.Random(SEED)
    print(f'# SEED={SEED}')
    with Node() as node:
        node.start()
        itl = node.tftp('ITLFile.tlv')
        before = children(node.process.pid)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            there = ('127.0.0.1', node.port['tftp'])
            requests = [b'', b'\0', b'\0\1', b'\0\1ITLFile.tlv', b'\0\1\0octet\0', b'\0\1ITLFile.tlv\0octet',
                        b'\0\1ITLFile.tlv\0mail\0', b'\0\2x\0octet\0', b'\0\1' + b'a' * 1400 + b'\0octet\0',
                        b'\0\1ITLFile.tlv\0octet\0blksize\0', b'\0\1ITLFile.tlv\0octet\0blksize\x000\0', b'\0\5\0\1x\0']
            requests += [chance.randbytes(chance.randrange(1, 600)) for _ in range(300)]
            for octets in requests:
                udp.sendto(octets, there)
        held = []
        for kind in ('http', 'https'):
            there = ('127.0.0.1', node.port[kind])
            for octets in (b'', b'GET', b'GET / HTTP/9.9\r\n\r\n', b'\r\n' * 100, b'GET /' + b'a' * 100000,
                           b'GET / HTTP/1.1\r\n' + b'a: b\r\n' * 5000, b'\x16\x03\x01\xff\xff', chance.randbytes(3000)):
                s = socket.create_connection(there)
                with contextlib.suppress(OSError):
                    s.sendall(octets)
                held.append(s)
        assert node.tftp('ITLFile.tlv') == itl and node.http('ITLFile.tlv') == itl
        for s in held:
            s.close()
        assert children(node.process.pid) == before
        assert 'AddressSanitizer' not in node.log() and 'runtime error' not in node.log()


def test_stop():
    """SIGTERM: the node stops, leaves no process and starts again"""
    with Node() as node:
        node.start()
        pids = [node.process.pid] + children(node.process.pid)
        again = ringfence('serve', '--data', node.data, check=False)
        assert again.returncode != 0, 'a second serve on one folder must be refused'
        assert node.stop() == 0
        assert not [p for p in pids if os.path.exists(f'/proc/{p}')]
        node.start()


if __name__ == '__main__':
    harness.main()
