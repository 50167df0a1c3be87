#!/usr/bin/python3
"""Make a C array of a data file that is compiled in. usage: embed.py INPUT OUTPUT NAME"""
import sys


def main():
    source, target, name = sys.argv[1:]
    with open(source, 'rb') as f:
        data = f.read()
    with open(target, 'w') as out:
        out.write(f'#include "phone/traits_internal.h"\n\nconst unsigned char {name}[] = {{\n')
        for i in range(0, len(data), 16):
            out.write('\t' + ', '.join(str(b) for b in data[i:i + 16]) + ',\n')
        out.write(f'}};\nconst size_t {name}_len = sizeof {name};\n')


if __name__ == '__main__':
    main()
