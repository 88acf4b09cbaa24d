#!/usr/bin/env bash
# Makes COUNT shared objects FOLDER/PREFIX1.so ... of one object file, each with its own SONAME; a compile or a CMake target each would take
# minutes.
set -euo pipefail

usage() { echo "usage: tests/hazard/loader/tls_libraries.sh COMPILER OBJECT FOLDER PREFIX COUNT      example: ... gcc tls.o build/tls libtls 60"; }

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -eq 5 ] || { usage >&2; exit 2; }
mkdir -p "$3"
for i in $(seq "$5"); do
    "$1" -shared "-Wl,-soname,$4$i.so" -o "$3/$4$i.so" "$2"
done
