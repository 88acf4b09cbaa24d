#!/bin/sh
# The recursion guard survives the compiler: in the code of every function that calls lookup, which is libc's dlsym, or of those that call it, a store to
# thread.guard stands before the first of these calls and another behind the last. gcc 12 -O2 removed a plain one (libc calls dlsym `leaf`).
set -eu

usage() {
    cat <<'END'
usage: tests/abi/guard.sh [--without-guard] COMPILER FLAGS...

--without-guard empties the guard first: the check must fail.
Exit status: 0 the guard stands, 1 it does not, 77 there is no such compiler.

example:
  tests/abi/guard.sh gcc -O3 -flto
END
}

root=$(cd "$(dirname "$0")/../.." && pwd)
guarded=yes
case ${1-} in
    --help) usage; exit 0 ;;
    --without-guard) guarded=no; shift ;;
esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
command -v "$1" >/dev/null || { echo "$1: not installed"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$root/src" "$root/preload" "$root/include" "$work"
cd "$work"
[ $guarded = yes ] || sed -i 's/^INLINE void guard_\(enter\|leave\)(void)/& { }\nINLINE void unused_\1(void)/' preload/guard.h

# As the library is built (CMakeLists.txt), as far as it concerns code.
build() {
    "$@" -D_GNU_SOURCE -std=gnu11 -fPIC -shared -nostartfiles -fvisibility=hidden -fno-plt -fno-semantic-interposition -ftls-model=initial-exec \
        -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -Iinclude \
        -Wl,-z,defs -Wl,--version-script=preload/exports.map src/*/*.c preload/*.c -o lib.so
}
# clang makes another kind of object with -flto, which not every linker takes.
build "$@" 2>log || { grep -qiE 'lto|plugin|gold|bitcode|file not recognized' log && { cat log; echo "no linker for $*"; exit 77; }; cat log; exit 1; }

# Where the guard is in the thread-local record.
printf '#include "src/heap/heap.h"\n#include <stdio.h>\nint main(void) { return printf("0x%%zx\\n", offsetof(struct thread, guard)) < 0; }\n' >offset.c
"$1" -D_GNU_SOURCE offset.c -o offset
offset=$(./offset)

# AT&T syntax: a store has its memory operand last. A function that calls lookup unguarded is as lookup itself to its callers, who must
# guard it; it may not be without callers that are seen, nor be called from outside. But dlopen, what it passes to dl_iterate_phdr, and dlsym
# are called by programs, not on the way into malloc: there it may allocate as it likes.
nm -D --defined-only lib.so | awk '{ print $3 }' >exported
objdump -d --no-show-raw-insn lib.so >code
awk -v store="(%fs:)?$offset\\\\(%[a-z0-9]+\\\\)\$" '
    FILENAME == "exported" { is_exported[$1] = 1; next }
    /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); from_register = ""; next }
    /[ \t](mov|inc|dec|add|sub)l? / && $NF ~ store && !/\(%rsp\)$/ { what[++n] = "store"; who[n] = name; next }
    /mov .*<lookup>/ || /lea .*<lookup>/ { from_register = "lookup" }     # its address into a register, to be called through that
    /(call|jmp) .*<[^+>]*>/ || (/call .*\*%/ && from_register) {
        callee = /</ ? $NF : from_register
        sub(/^</, "", callee); sub(/[@>].*/, "", callee); sub(/^lookup\..*/, "lookup", callee)
        what[++n] = callee; who[n] = name
    }
    # Whether each call of `of` and of the like in function f has a store before and one behind.
    function is_guarded(f, i, before, after, called) {
        for (i = 1; i <= n; i++) {
            if (who[i] != f) continue
            if (what[i] == "store") { if (called) after = 1; else before = 1 }
            else if (what[i] in bare) { called = 1; after = 0 }
        }
        return before && after
    }
    function is_outside(f) { return f ~ /^(dlopen|dlsym|rebind_newcomer)(\.|$)/ }
    END {
        bare["lookup"] = 1
        do {
            more = 0
            for (i = 1; i <= n; i++) {
                if (!(what[i] in bare) || who[i] in bare) continue
                has_caller[what[i]] = 1
                if (is_outside(who[i]) || is_guarded(who[i])) continue
                bare[who[i]] = more = 1
            }
        } while (more)
        for (i = 1; i <= n; i++)
            if (what[i] in bare && !(who[i] in bare) && !is_outside(who[i]) && !(who[i] in told)) { told[who[i]] = 1; nguarded++; printf "guarded in %s\n", who[i] }
        for (f in bare) {
            if (f ~ /^lookup(\.|$)/) continue
            printf "%s calls it unguarded%s\n", f, f in has_caller && !(f in is_exported) ? " and leaves the guard to its callers" : ": BROKEN"
            if (f in is_exported || !(f in has_caller)) nbroken++
        }
        if (!nguarded && !nbroken) { print "nobody calls lookup: what is looked at here?"; exit 1 }
        exit nbroken != 0
    }' exported code
