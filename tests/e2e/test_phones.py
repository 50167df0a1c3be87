"""Phones as records: the shell, CSV, and what stays secret."""
import json
import os
import sqlite3

import harness
from harness import Node

PHONE = 'SEP001122334455'


def shown(node, name=PHONE):
    return json.loads(node.admin(f'phone show {name} --json').stdout)


def refused(node, command, *options):
    """The command fails; what it says."""
    done = node.admin(command, *options, check=False)
    assert done.returncode == 1, f'{command}: exit {done.returncode}\n{done.stdout}'
    return done.stderr


def listed(node, *filters):
    return [p['name'] for p in json.loads(node.admin('phone list --json', *filters).stdout)]


def test_life_of_a_phone():
    """added, changed by the words of CUCM's pages, listed, shown, deleted; a restart forgets nothing"""
    with Node() as node:
        node.start()
        node.admin(f'phone add {PHONE} --model 8861', '--description', 'Lobby, east', '--pool', 'Default')
        assert 'exists' in refused(node, f'phone add {PHONE}') or 'already' in refused(node, f'phone add {PHONE}')
        assert 'three capital letters' in refused(node, 'phone add ../../etc/passwd')
        assert '12 hex digits of its MAC address, and here are 11' in refused(node, 'phone add SEP00112233445')
        assert 'SEPAABBCCDDEEFF added' in node.admin('phone add sepaabbccddeeff').stdout
        assert 'already' in refused(node, 'phone add SEPaabbccddeeff')
        assert 'SEPAABBCCDDEEFF deleted' in node.admin('phone delete SEPaabbCCDDEEFF --yes').stdout
        node.admin('set parameter Auto Registration Always --yes')   # a name that another begins with
        assert 'Auto Registration = Always' in node.admin('show parameter Auto Registration').stdout
        done = node.admin('set parameter CAPF Phone Port 99999 --dry-run', check=False)
        assert done.returncode == 1 and done.stdout == '' and '65535' in done.stderr, done.stdout
        assert "'serverAuth, clientAuth', 'clientAuth'" in node.admin('show parameter LSC Extended Key Usage').stdout
        said = node.admin(f'phone set {PHONE} device security mode encrypted').stdout
        assert 'not in mixed mode' in said, said
        node.admin(f'phone set {PHONE} key order ec preferred, rsa backup')
        node.admin(f'phone set {PHONE} description', 'He said "hi"')
        phone = shown(node)
        assert phone['transport_type'] == 'TLS' and phone['key_order'] == 'EC Preferred, RSA Backup', phone
        assert phone['description'] == 'He said "hi"' and phone['certificate_operation_status'] == 'None', phone
        assert "'512', '1024', '2048', '3072', '4096'" in refused(node, f'phone set {PHONE} rsa key size', '1536') or \
            '1536' in refused(node, f'phone set {PHONE} rsa key size', '1536')
        said = node.admin(f'phone set {PHONE} certificate operation delete --dry-run').stdout
        assert 'Nothing was changed' in said and 'No LSC' in said and shown(node) == phone, said
        node.admin(f'phone set {PHONE} certificate operation install/upgrade')
        node.stop()
        node.start()
        phone = shown(node)
        assert phone['certificate_operation'] == 'Install/Upgrade', phone
        assert phone['certificate_operation_status'] == 'Operation Pending' and phone['operation_completes_by'], phone
        assert listed(node, '--operation', 'Install/Upgrade', '--security', 'Encrypted', '--model', '88*') == [PHONE]
        assert listed(node, '--model', '79*') == []
        assert 'add --yes' in refused(node, f'phone delete {PHONE}')
        node.admin(f'phone delete {PHONE} --yes')
        assert listed(node) == []
        assert 'no phone' in refused(node, f'phone show {PHONE}')


def test_authentication_string():
    """a string is shown once, is nowhere to be found, and goes with an operation, never without"""
    with Node() as node:
        node.start()
        node.admin(f'phone add {PHONE}')
        assert 'needs Authentication Mode' in refused(node, f'phone string {PHONE}')
        node.admin(f'phone set {PHONE} authentication mode by authentication string')
        assert 'has no authentication string' in refused(node, f'phone set {PHONE} certificate operation install/upgrade')
        said = node.admin(f'phone string {PHONE} --digits 10').stdout
        string = said.splitlines()[0].split(': ')[1]
        assert len(string) == 10 and string.isdigit(), said
        node.admin(f'phone set {PHONE} certificate operation install/upgrade')
        assert shown(node)['authentication_string_set'] is True
        assert 'nobody is asked' in refused(node, f'phone set {PHONE} device security mode encrypted')
        for command in (f'phone show {PHONE}', 'phone list', 'phone export', 'show audit 100',
                        'run sql select * from device', 'run sql select * from audit'):
            assert string not in node.admin(command).stdout, command
        node.stop()
        assert string not in node.log()
        for name in os.listdir(node.data):
            path = node.path(name)
            if os.path.isfile(path):
                with open(path, 'rb') as f:
                    assert string.encode() not in f.read(), name
        with sqlite3.connect(f'file:{node.path("store.sqlite3")}?mode=ro', uri=True) as store:
            kept = store.execute('select authenticationstring from device').fetchone()[0]
        assert kept.startswith('pbkdf2-sha256:'), kept


def write(node, name, text):
    path = os.path.join(node.folder, name)
    with open(path, 'w', newline='', encoding='utf-8') as f:
        f.write(text)
    return path


def test_csv():
    """thousands come and go as CSV, all or none; the file is the client's"""
    with Node() as node:
        node.start()
        rows = ''.join(f'SEP{i:012X},8861,"Room {i}, east"\r\n' for i in range(2000))
        path = write(node, 'phones.csv', 'Device Name,Model,Description\r\n' + rows)
        assert 'added: 2000' in node.admin('phone import', path, '--dry-run').stdout
        assert listed(node) == []
        wrong = write(node, 'wrong.csv', 'Device Name,Model,Description\r\n' + rows + 'SEP1,\r\n')
        assert 'line 2002' in refused(node, 'phone import', wrong)
        assert listed(node) == [] and node.admin('phone list --json').stdout == '[]\n'
        os.chmod(path, 0o600)   # the node need not be able to read it
        assert 'added: 2000' in node.admin('phone import', path).stdout
        assert 'as they were: 2000' in node.admin('phone import', path).stdout
        assert listed(node) == [f'SEP{i:012X}' for i in range(2000)]   # in pieces, each once
        assert listed(node, '--model', '79*') == []
        assert node.admin('phone list').stdout.splitlines()[-1] == '2000 phones'
        assert 'No such file' in refused(node, 'phone import', path + '.gone')
        done = node.admin('phone import -', input='Device Name,Key Order\nSEP000000000007,EC Only\n')
        assert 'changed: 1' in done.stdout, done.stdout
        exported = node.admin('phone export').stdout
        assert exported.count('\n') == 2001 and '"Room 7, east"' in exported
        out = os.path.join(node.folder, 'out')
        os.mkdir(out)
        node.admin('phone export SEP00000000000*', '--to', out)
        with open(os.path.join(out, 'phones.csv'), newline='', encoding='utf-8') as f:
            text = f.read()
        assert text.count('\r\n') == 17, text
        # What was exported is what is imported: on another node, everything is as it was here.
        with Node() as other:
            other.start()
            assert 'added: 16' in other.admin('phone import', os.path.join(out, 'phones.csv')).stdout
            assert other.admin('phone export').stdout == text.replace('\r\n', '\n')
            assert shown(other, 'SEP000000000007')['key_order'] == 'EC Only'
            done = other.admin('phone import -', input='Device Name,Certificate Operation,Authentication Mode\n'
                               'SEP000000000007,Install/Upgrade,By Authentication String\n')
            assert 'Line 2: ' in done.stdout and 'No Pending Operation' in done.stdout, done.stdout


if __name__ == '__main__':
    harness.main()
