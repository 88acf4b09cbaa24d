#!/usr/bin/env bash
# A program built with a sanitizer keeps the sanitizer's malloc: started with the library preloaded it says what it says with any other library
# preloaded, finds what it is there to find, and does not hang.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/loader/sanitizer.sh LIBRARY EMPTY SANITIZER [COMPILER]

SANITIZER: address leak thread undefined, as in -fsanitize=; EMPTY: a shared object of nothing. Exit status 77: no such sanitizer here.

example:
  tests/hazard/loader/sanitizer.sh build/libmspace.so build/tests/abi/libempty_library.so address gcc
END
}

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -ge 3 ] || { usage >&2; exit 2; }
library=$(realpath -- "$1") empty=$(realpath -- "$2") sanitizer=$3 compiler=${4-gcc}
skip() { echo "skipped: $*"; exit 77; }
command -v "$compiler" >/dev/null || skip "no $compiler"
work=$(mktemp -d)
export ASAN_OPTIONS=symbolize=0 LSAN_OPTIONS=symbolize=0 TSAN_OPTIONS=symbolize=0 UBSAN_OPTIONS=symbolize=0
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0

cat >sick.c <<'END_OF_PROGRAM'
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int shared;
static void *race(void *p) { shared++; return p; }
int main(int argc, char **argv)
{
    pthread_t thread;
    const char *how = argc > 1 ? argv[1] : "well";
    char *p = strdup("hello"), *volatile q;
    for (int i = 1; i < 3000; i++) free(realloc(calloc(1, (size_t)i), (size_t)i * 3));
    p = realloc(p, 300000);
    puts(p);
    fflush(stdout);
    free(p);
    q = p;
    if (strcmp(how, "use") == 0) printf("%d\n", q[3]);
    if (strcmp(how, "double") == 0) free(q);
    q = NULL;
    if (strcmp(how, "leak") == 0) q = malloc(4321), q = memset(q, 0, 4321), q = NULL;
    if (strcmp(how, "race") == 0) pthread_create(&thread, NULL, race, NULL), shared++, pthread_join(thread, NULL);
    if (strcmp(how, "overflow") == 0) printf("%d\n", INT_MAX - 10 + argc * 20);
    return 0;
}
END_OF_PROGRAM
"$compiler" -g -w -fsanitize="$sanitizer" -o sick sick.c -lpthread 2>err || skip "$compiler -fsanitize=$sanitizer: $(tail -1 err)"

# run OUT PRELOAD HOW: output without addresses and numbers, the first line of each report only, and the exit status.
run() {
    local code=0
    LD_PRELOAD=$2 timeout 60 "${fixed[@]}" ./sick "$3" >raw 2>&1 </dev/null || code=$?
    { grep -E 'hello|ERROR|WARNING: Thread|SUMMARY|runtime error|come first' raw | sed -E 's/0x[0-9a-f]+//g; s/==[0-9]+==//; s/pid=[0-9]+//; s/ \(.*//; s/ on .*//; s/data race .*/data race/' || true; echo "exit status $code"; } >"$1"
}

# same WHAT PRELOAD HOW LIKE: with the library it is as with LIKE.
same() {
    run with "$2" "$3"
    run plain "$4" "$3"
    if cmp -s plain with; then
        echo "$1, $3: $(tr '\n' ' ' <with | cut -c 1-150)"
    else
        diff plain with || true
        tail -30 raw
        echo "$1, $3: BROKEN"
        status=1
    fi
}

fixed=()
run plain '' well
if ! grep -q 'status 0' plain; then # a run-time of old in an address space of today
    fixed=(setarch -R)
    run plain '' well
    grep -q 'status 0' plain || skip "it does not run here without the library: $(tail -1 raw)"
fi
case $sanitizer in
    address) ways="well use double leak" ;;
    leak) ways="well well well well leak" ;; # as the address space falls, another time
    thread) ways="well use race" ;;
    *) ways="well overflow" ;;
esac
for how in $ways; do same "$sanitizer" "$library" "$how" "$empty"; done
if [ "$sanitizer" = address ]; then
    export ASAN_OPTIONS=symbolize=0:verify_asan_link_order=0
    for how in $ways; do same "address, whatever the order" "$library" "$how" ''; done
fi
exit "$status"
