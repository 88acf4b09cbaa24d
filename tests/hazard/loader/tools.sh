#!/usr/bin/env bash
# What developers start or stop programs with works as it does without the library: valgrind, gdb, strace, ltrace, perf, core dumps, emacs.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/hazard/loader/tools.sh LIBRARY PROGRAM CHECK        PROGRAM: hazard_looked_at

checks:
  valgrind       memcheck calls a clean program clean and finds what is wrong in others: as it is, and with --soname-synonyms; and where it is
                 told to leave malloc alone, the library runs in it
  gdb_stopped    with one thread stopped in the library, holding its lock, gdb calls functions that allocate in another, alone and with all running
  gdb_attach     gdb stops a running program somewhere, calls such functions, and lets it go on
  strace ltrace perf       run the program, which ends as it should
  core           a core file takes as much of the disk as is resident, and is about as long as what the program has allocated
  rseq           no restartable sequences, thread registration or signal stack of the library's own
  emacs          emacs --batch
Exit status 77: not installed, or not permitted.

example:
  tests/hazard/loader/tools.sh build/libmspace.so build/tests/hazard/loader/hazard_looked_at gdb_attach
END
}

[ "${1-}" != --help ] || { usage; exit 0; }
[ $# -eq 3 ] || { usage >&2; exit 2; }
library=$(realpath -- "$1") program=$(realpath -- "$2") check=$3
work=$(mktemp -d)
pid=''
# shellcheck disable=SC2317  # the trap calls it
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
export MSPACE_TEST_PRELOADED=1
skip() { echo "skipped: $*"; exit 77; }
need() { command -v "$1" >/dev/null || skip "no $1"; }
fail() {
    echo "BROKEN: $*"
    tail -n 40 out 2>/dev/null || true
    exit 1
}

# memcheck HOW [SWITCH]: exit status in $code, valgrind's words and the program's in out.
memcheck() {
    code=0
    LD_PRELOAD=$library timeout 100 valgrind -q ${2:+"$2"} --leak-check=full --error-exitcode=9 "$program" "$1" >out 2>&1 || code=$?
}

check_valgrind() {
    need valgrind
    valgrind -q "$(type -P true)" >out 2>&1 || skip "valgrind does not run: $(tail -1 out)"
    for synonyms in "" "--soname-synonyms=somalloc=libmspace*"; do
        memcheck 0.1 "$synonyms"
        [ "$code" -eq 0 ] || fail "a clean program is not clean ($synonyms)"
        ! grep '^==' out || fail "a clean program is not clean ($synonyms)"
        memcheck sick "$synonyms"
        [ "$code" -eq 9 ] || fail "exit status $code ($synonyms)"
        for finding in 'Invalid free' '100 bytes in 1 blocks are definitely lost' 'uninitialised value'; do
            grep -q "$finding" out || fail "not found ($synonyms): $finding"
        done
        echo "valgrind $synonyms: good"
    done
    memcheck 0.1 --soname-synonyms=somalloc=nouserintercepts
    [ "$code" -eq 0 ] || fail "exit status $code when malloc is left alone"
    ! grep '^==' out || fail "a clean program is not clean when malloc is left alone"
    { memcheck sick --soname-synonyms=somalloc=nouserintercepts; } 2>shell
    grep -q 'mspace\[.*double free' out || fail "malloc left alone: our own word of a double free is missing"
    echo "valgrind leaves malloc alone: good"
}

gdb_works() {
    need gdb
    gdb -nx -batch -ex run -ex 'print 40 + 2' "$(type -P true)" >out 2>&1 || true
    grep -q 'exited normally' out || skip "gdb may not run programs: $(tail -1 out)"
}

# expect PATTERN...: each in out.
expect() {
    for pattern; do grep -Eq -- "$pattern" out || fail "not in what gdb says: $pattern"; done
}

check_gdb_stopped() {
    gdb_works
    # The second thread, at the place where the range grows: the page level's lock is held there, and only there.
    cat >script <<END
set pagination off
set confirm off
set startup-with-shell off
set environment LD_PRELOAD $library
break main
run 2
delete
break work
continue
delete
break range_grow
continue
delete
printf "lock %d\n", (int)spans.lock.word
bt 4
thread 1
set scheduler-locking on
print (long)strlen("abc")
call (void *)malloc(10)
call (void)free(\$)
set scheduler-locking off
print (long)strlen("abcd")
call (void *)malloc(20)
call (void)free(\$)
print "and on"
continue
END
    timeout 100 gdb -nx -batch -x script "$program" >out 2>&1 || fail "gdb: exit status $?"
    grep -q 'hit Breakpoint.*range_grow' out || skip "no symbols of the library: $(grep -m1 range_grow out)"
    # shellcheck disable=SC2016  # gdb's own names
    expect 'lock [12]' '\$1 = 3' '\$2 = \(void \*\) 0x' '\$3 = 4' '\$4 = \(void \*\) 0x' 'and on' 'went well' 'exited normally'
    ! grep -E 'signal SIG|mspace\[|The program being debugged' out || fail "not as it should be"
    grep -E 'lock|^#|^\$' out
}

check_gdb_attach() {
    gdb_works
    LD_PRELOAD=$library "$program" 250 >went &
    pid=$!
    sleep 0.5
    for n in 1 2 3; do
        # shellcheck disable=SC2016  # gdb's own names
        timeout 60 gdb -nx -batch -p "$pid" -ex 'set pagination off' -ex 'thread apply all bt 2' -ex 'thread 1' -ex 'print (long)strlen("abc")' \
            -ex 'call (void *)malloc(10)' -ex 'call (void)free($)' -ex 'call (void *)malloc(3000000)' -ex 'call (void)free($)' -ex 'detach' >out 2>&1 ||
            fail "gdb: exit status $?"
        ! grep -q 'ptrace: Operation not permitted' out || skip "gdb may not attach"
        # shellcheck disable=SC2016  # gdb's own names
        expect '\$1 = 3' '\$2 = \(void \*\) 0x' '\$3 = \(void \*\) 0x' 'detached'
        echo "attached and let go: $n"
    done
    kill -USR1 "$pid"
    wait "$pid" || fail "the program: exit status $?"
    pid=''
    grep -q 'went well' went || fail "the program does not say that it went well"
}

# runs COMMAND...: the program under it, after a try of it alone.
runs() {
    need "$1"
    "$@" "$(type -P true)" >out 2>&1 || skip "$1 does not run here: $(tail -1 out)"
    # ltrace kills programs with threads, whoever allocates: glibc's, jemalloc's and mimalloc's in most runs.
    [ "$1" != ltrace ] || how=alone
    timeout 100 "$@" env LD_PRELOAD="$library" "$program" "${how:-0.3}" >went 2>out || fail "$1: exit status $?"
    grep -q 'went well' went || fail "$1: the program does not say that it went well"
    [ -s "$work/trace" ] || fail "$1 wrote nothing"
    echo "$1: good"
}

check_core() {
    local resident size disk
    ulimit -c unlimited 2>/dev/null || skip "no core files: a limit"
    [ "$(cat /proc/sys/kernel/core_pattern)" = core ] || skip "core files go elsewhere: $(cat /proc/sys/kernel/core_pattern)"
    { LD_PRELOAD=$library "$program" core >out 2>err; } 2>/dev/null || true
    resident=$(awk '$1 == "resident" { print $2 }' out)
    size=$(stat -c %s core* 2>/dev/null | head -1)
    [ -n "$size" ] || skip "no core file was written"
    disk=$(($(stat -c %b core* | head -1) * 512))
    echo "core file: $size bytes, of which on disk $disk; resident: $resident"
    [ "$size" -le 500000000 ] || fail "more than is mapped for its 361 MiB"
    [ "$disk" -le "$((resident * 11 / 10))" ] || fail "more than is resident"
}

# calls PRELOAD: how often the program's threads make calls that are theirs or libc's alone.
calls() { strace -f -qq -e trace=rseq,set_robust_list,set_tid_address,membarrier,sigaltstack,prctl -o calls -E LD_PRELOAD="$1" "$program" 0.2 >went && sed '/resumed>/d; s/^[0-9]* *//; s/(.*//' calls | sort | uniq -c; }

check_rseq() {
    need strace
    strace -qq -o calls "$(type -P true)" || skip "strace may not trace here"
    unset MSPACE_TEST_PRELOADED
    calls "" >plain
    calls "$library" >with
    grep -q rseq plain || skip "this libc or kernel has no rseq"
    diff plain with || fail "the library makes such calls of its own"
    ! nm -D "$library" | grep rseq || fail "the library looks at libc's area"
    cat with
}

check_emacs() {
    need emacs
    # shellcheck disable=SC2016  # lisp
    set -- emacs -Q --batch --eval '(progn (dotimes (i 20) (make-string 100000 ?x) (garbage-collect)) (message "%s %d" (upcase "emacs") (length (mapcar (quote list) (number-sequence 1 50000)))))'
    "$@" >plain 2>&1 || skip "emacs does not run here"
    LD_PRELOAD=$library timeout 100 "$@" >out 2>&1 || fail "emacs: exit status $?"
    cmp plain out || fail "emacs says something else"
    grep -q 'EMACS 50000' out || fail "emacs says nothing"
}

case $check in
    valgrind) check_valgrind ;;
    gdb_stopped) check_gdb_stopped ;;
    gdb_attach) check_gdb_attach ;;
    strace) runs strace -f -o "$work/trace" ;;
    ltrace) runs ltrace -f -e malloc+free -o "$work/trace" ;;
    perf) runs perf record -q -o "$work/trace" -- ;;
    core) check_core ;;
    rseq) check_rseq ;;
    emacs) check_emacs ;;
    *) usage >&2; exit 2 ;;
esac
