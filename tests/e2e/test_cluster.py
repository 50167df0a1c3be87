#!/usr/bin/python3
"""More nodes than one: the table of nodes, and what the trust lists say of them."""
import json
import re
import subprocess

import harness
from harness import Node, run

PUB, SUB = 'cucm-1051-a-pub', 'cucm-1051-a-sub1'
SEEDS = ('--generation', '10.0', '--key-bits', '1024')   # as the seeds' cluster; its subject is harness.SUBJECT
COMMAND = 'set network cluster subscriber'


def lengths(shown):
    """Octets that `show ctl` or `show itl` tells: of the file, of the header, of each record."""
    file = int(re.search(r'^Length of \w+ file: (\d+)', shown, re.M)[1])
    header = int(re.search(r'^HeaderLength:\s+(\d+) ', shown, re.M)[1])
    return file, header, [int(n) for n in re.findall(r'^1\s+RECORDLENGTH\s+2\s+(\d+)', shown, re.M)]


def test_two_nodes_of_the_seeds():
    """with the seeds' names and key sizes the CTL of two nodes has the seeds' octets; non-secure shrinks CCM+TFTP to 33"""
    with Node(PUB, init=(*SEEDS, '--ip', '10.48.47.155')) as node, Node(SUB, init=SEEDS) as other:
        node.start()
        node.admin(f'{COMMAND} details {SUB} 10.48.47.156')
        node.admin(f'{COMMAND} certificate {SUB} CallManager', other.path('certs', 'CallManager', 'CallManager.pem'))
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        shown = node.admin('show ctl').stdout
        assert lengths(shown) == (4947, 336, [1156, 1156, 1138, 1161]), shown
        assert 'The CTL file was verified successfully.' in shown
        assert len(node.tftp('CTLFile.tlv')) == 4947
        node.admin('utils ctl set-cluster non-secure-mode', '--yes')
        shown = node.admin('show ctl').stdout
        assert lengths(shown)[1:] == (336, [1156, 33, 1138, 33]), shown
        assert 'The CTL file was verified successfully.' in shown


def test_life_of_a_node():
    """added, listed, certified, deleted: the ITL follows by itself, the CTL by command"""
    with Node(PUB) as node, Node(SUB) as other:
        node.start()
        node.admin('utils ctl set-cluster mixed-mode', '--yes')
        itl, ctl = node.tftp('ITLFile.tlv'), node.tftp('CTLFile.tlv')
        node.admin(f'{COMMAND} details {SUB} 2001:db8::2')
        assert re.search(rf'2001:db8::2 +{SUB} +Subscriber +no certificate known', node.admin('show network cluster').stdout)
        assert node.tftp('ITLFile.tlv') == itl
        tvs = other.path('certs', 'TVS', 'TVS.der')
        said = node.admin(f'{COMMAND} certificate {SUB} TVS {tvs} --dry-run').stdout
        assert 'Nothing was changed' in said and node.tftp('ITLFile.tlv') == itl, said
        node.admin(f'{COMMAND} certificate {SUB} TVS {tvs}')
        with open(tvs, 'rb') as f:
            assert f.read() in node.tftp('ITLFile.tlv')
        said = node.admin(f'{COMMAND} certificate {SUB} CallManager', other.path('certs', 'CallManager', 'CallManager.pem')).stdout
        assert 'utils ctl update CTLFile' in said and node.tftp('CTLFile.tlv') == ctl, said
        listed = json.loads(node.admin('show network cluster --json').stdout)
        assert [(n['name'], n['role'], n['this_node']) for n in listed] == [(PUB, 'Publisher', True),
                                                                          (SUB, 'Subscriber', False)], listed
        assert sorted(listed[1]['certificates']) == ['CallManager', 'TVS']
        node.admin('utils ctl update CTLFile', '--yes')
        assert SUB.encode() in node.tftp('CTLFile.tlv')

        no = node.admin(f'unset network cluster subscriber details {SUB}', check=False, stdin=subprocess.DEVNULL)
        assert no.returncode == 1 and SUB in node.admin('show network cluster').stdout
        said = node.admin(f'unset network cluster subscriber details {SUB}', '--yes').stdout
        assert f'The CTL file still names {SUB}' in said, said
        assert SUB not in node.admin('show network cluster').stdout
        assert SUB.encode() not in node.tftp('ITLFile.tlv')
        node.admin('utils ctl update CTLFile', '--yes')
        assert SUB.encode() not in node.tftp('CTLFile.tlv')
        audit = json.loads(node.admin('show audit 2 --json').stdout)
        assert audit[1]['command'] == 'unset network cluster subscriber details' and audit[1]['object'] == f'node {SUB}', audit


def test_refusals():
    """wrong names, addresses, files and kinds of key: refused with the reason, and nothing is changed"""
    with Node(PUB) as node:
        node.start()
        itl = node.tftp('ITLFile.tlv')
        node.admin(f'{COMMAND} details sub')
        mine = node.path('certs', 'CallManager', 'CallManager.pem')
        for command, why in ((f'{COMMAND} details {PUB}', 'in the cluster already'), (f'{COMMAND} details -x-', 'no host name'),
                             (f'{COMMAND} details sub2 192.0.2', 'no IPv4 or IPv6 address'),
                             (f'{COMMAND} certificate nobody CallManager {mine}', 'has no node nobody'),
                             (f'{COMMAND} certificate {PUB} CallManager {mine}', 'is this node'),
                             (f'{COMMAND} certificate sub CallManager-ECDSA {mine}', 'has an EC key'),
                             (f'{COMMAND} certificate sub TVS {node.path("ringfence.conf")}', 'certificate'),
                             (f'{COMMAND} certificate sub TVS {node.path("nothing")}', 'No such file'),
                             (f'unset network cluster subscriber details {PUB} --yes', 'is this node')):
            done = node.admin(command, check=False)
            assert done.returncode == 1 and why in done.stderr, (command, done.stdout, done.stderr)
        assert node.tftp('ITLFile.tlv') == itl
        key = next(name for name in run('ls', node.path('keys')).stdout.split() if name.startswith('TVS.'))
        done = node.admin(f'{COMMAND} certificate sub TVS', node.path('keys', key), check=False)
        assert done.returncode == 1 and 'PRIVATE' not in done.stderr, done.stderr


if __name__ == '__main__':
    harness.main()
