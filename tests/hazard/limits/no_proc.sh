#!/bin/bash
# H51: in a root directory with programs and their libraries, without /proc, /sys, /dev and /etc, they run under the library as without.
set -euo pipefail

if [ $# -ne 1 ]; then
    cat <<'END'
usage: tests/hazard/limits/no_proc.sh LIBRARY       to preload
Exit status: 0 good, 1 not, 77 chroot is not allowed here.
END
    [ "${1-}" = --help ] && exit 0
    exit 2
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot) || { echo "no chroot"; exit 77; }
bash=$(command -v bash) ls=$(command -v ls) sort=$(command -v sort) env=$(command -v env)
mkdir -p "$root/bin"
for program in "$bash" "$ls" "$sort" "$env"; do
    cp -L "$program" "$root/bin/"
    for file in $(ldd "$program" | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$file")"
        cp -Ln "$file" "$root$file"
    done
done
cp -L "$1" "$root/libmspace.so"
"$chroot" "$root" /bin/bash -c : 2>/dev/null || { echo "chroot is not allowed here"; exit 77; }

# inside LIBRARY CONF: what the programs print; standard error must stay empty
inside() {
    # shellcheck disable=SC2016
    "$chroot" "$root" /bin/env -i LC_ALL=C LD_PRELOAD="$1" MSPACE_CONF="$2" PATH=/bin /bin/bash -c '
        for i in {1..20000}; do x[i]="entry $i"; done; echo "${#x[@]}"
        ls -R / | { while read -r line; do list+=("$line"); done; echo "${#list[@]} ${list[*]}"; }
        printf "%s\n" "${x[@]}" | sort -r | { while read -r line; do last=$line; done; echo "$last"; }
        (echo "in a child: ${x[777]}")' 2>"$root.err"
}
trap 'rm -rf "$root" "$root.err" "$root.glibc" "$root.ours"' EXIT
inside "" "" >"$root.glibc"
for conf in "" mode=hardened helper=1; do
    inside /libmspace.so "$conf" >"$root.ours"
    cmp "$root.glibc" "$root.ours"
    [ ! -s "$root.err" ] || { cat "$root.err"; exit 1; }
done
wc -l <"$root.ours"
