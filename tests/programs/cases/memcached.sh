# shellcheck shell=bash disable=SC2034,SC2154
# memcached with four threads on a socket of its own, under parallel python clients that set, append, delete and read.
needs="memcached python3"
packages="memcached python3"

prepare() {
    cat >client.py <<'END'
import socket, sys, zlib
from concurrent.futures import ThreadPoolExecutor

def talk(who):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    f, digest = s.makefile("rwb"), 0
    for i in range(int(sys.argv[2])):
        key, value = f"k{who}-{i * 31 % 997}", str(i).encode() * (i % 60 + 1)
        f.write(b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(value), value)); f.flush(); f.readline()
        if i % 5 == 0: f.write(b"append %s 0 0 3\r\nabc\r\n" % key.encode()); f.flush(); f.readline()
        if i % 7 == 0: f.write(b"delete k%d-%d\r\n" % (who, i * 17 % 997)); f.flush(); digest = zlib.crc32(f.readline(), digest)
        f.write(b"get %s\r\n" % key.encode()); f.flush()
        head = f.readline()
        digest = zlib.crc32(head, digest)
        if head.startswith(b"VALUE"): digest = zlib.crc32(f.read(int(head.split()[3]) + 2), digest); f.readline()
    return digest

with ThreadPoolExecutor(6) as pool: print(*pool.map(talk, range(6)), sep="\n")
END
}

main() {
    start memcached -u "$(id -un)" -s "$PWD/s" -t 4 -m 64
    ready test -S s
    python3 "$in/client.py" "$PWD/s" "$(scaled 20000 500)"
    stop
}
