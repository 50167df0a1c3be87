#!/usr/bin/python3
"""Is the SQL of the store portable? Words that only SQLite takes may stand in its back end alone. TAP, one line a file."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BACKEND = re.compile(r'sqlite(_\w+)?\.[ch]')
WORDS = re.compile(r'\b(INSERT\s+OR|REPLACE\s+INTO|UPDATE\s+OR|PRAGMA|AUTOINCREMENT|ROWID|WITHOUT\s+ROWID|GLOB|IFNULL|'
                   r'GROUP_CONCAT|STRFTIME|JULIANDAY|SQLITE_\w+|LAST_INSERT_ROWID|COLLATE\s+NOCASE|INTEGER\s+PRIMARY\s+KEY|'
                   r'(?:date|time|datetime)\s*\(|LIMIT\s+-1)', re.IGNORECASE)
PLACEHOLDER = re.compile(r'(?:=|,|\()\s*\?(?:\d|\b|\)|,|\s|")')


def strings(text):
    """(line, string literal) of C source, comments left out; neighbours are joined into one."""
    text = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m[0]), text, flags=re.S)
    for m in re.finditer(r'(?:"(?:[^"\\\n]|\\.)*"(?:\s|\\\n)*)+', text):
        if text[text.rfind('\n', 0, m.start()) + 1:].startswith('#include'):
            continue
        parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', m[0])
        yield text.count('\n', 0, m.start()) + 1, ''.join(parts)


def main():
    folder = os.path.join(ROOT, 'src', 'store')
    names = sorted(n for n in os.listdir(folder) if n.endswith(('.c', '.h')) and not BACKEND.fullmatch(n))
    failed = 0
    print(f'1..{len(names)}')
    for n, name in enumerate(names, 1):
        with open(os.path.join(folder, name)) as f:
            text = f.read()
        wrong = []
        for line, s in strings(text):
            m = WORDS.search(s) or PLACEHOLDER.search(s)
            if m and re.search(r'\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|PRAGMA|SAVEPOINT)\b', s):
                wrong.append(f'src/store/{name}:{line}: {m[0].strip()}')
        if re.search(r'#include <sqlite3\.h>', text):
            wrong.append(f'src/store/{name}: includes sqlite3.h')
        print(('not ok' if wrong else 'ok') + f' {n} - {name}')
        for w in wrong:
            print('# ' + w)
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
