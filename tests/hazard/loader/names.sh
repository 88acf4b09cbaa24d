#!/usr/bin/env bash
# Every function of libc that hands out or takes back a block is defined by the library too, or goes through one that is: none falls through.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: tests/hazard/loader/names.sh LIBRARY [LIBC]"
    exit 2
fi
[ "$1" != --help ] || { echo "usage: tests/hazard/loader/names.sh LIBRARY [LIBC]     what LIBC defines of malloc's family and LIBRARY does not"; exit 0; }
libc=${2-$(ldd "$1" | awk '$1 == "libc.so.6" { print $3 }')}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Not blocks: hooks of old, libc's own, other things that are allocated. CPU_ALLOC calls malloc by name.
cat >"$work/known" <<'END'
__libc_freeres
__libc_reallocarray
__malloc_hook
__free_hook
__realloc_hook
__memalign_hook
__malloc_initialize_hook
__after_morecore_hook
__libc_mallopt
__libc_mallinfo
__malloc_check_init
malloc_get_state
malloc_set_state
__sched_cpualloc
inet6_option_alloc
pkey_alloc
END
nm -D --defined-only "$libc" | awk '{ print $3 }' | sed 's/@.*//' |
    grep -E 'alloc|mallopt|mallinfo|memalign|^(__libc_)?free(_sized|_aligned_sized)?$|cfree|^malloc' |
    grep -vE '^_?_?obstack|fallocate|^_dl_|^_IO_|alloca_cutoff|^__libc_(allocate|dynarray|scratch|alloc_buffer)' |
    LC_ALL=C sort -u >"$work/libc"
[ "$(wc -l <"$work/libc")" -gt 20 ] || { echo "$libc: only $(wc -l <"$work/libc") names found: is it a libc?"; exit 1; }
nm -D --defined-only "$1" | awk '{ print $3 }' | LC_ALL=C sort -u >"$work/ours"
LC_ALL=C sort -u -o "$work/known" "$work/known"
echo "libc has: $(tr '\n' ' ' <"$work/libc")"
LC_ALL=C comm -23 "$work/libc" "$work/ours" | LC_ALL=C comm -23 - "$work/known" | sed 's/^/falls through to libc: /' | tee "$work/missing"
[ ! -s "$work/missing" ]
