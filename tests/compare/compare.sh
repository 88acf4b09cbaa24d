#!/usr/bin/env bash
# One promise of the measuring programs: compare.sh PROMISE COMPARE LIBRARY SABOTAGE [SUITE]
set -eu
promise=$1 compare=$2 library=$3 sabotage=$4 suite=${5-}
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work

fail() { echo "BROKEN: $*"; sed 's/^/    /' "$work/out" "$work/err" 2>/dev/null; exit 1; }

# measure STATUS ARGUMENTS...: output in out and err, exit status as expected
measure() {
    local expected=$1 status=0
    shift
    "$compare" --allocator glibc=- "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" -eq "$expected" ] || fail "exit status $status, not $expected"
}

said() { grep -Eq -- "$1" "$work/out" "$work/err" || fail "nobody said '$1'"; }

# Copies of the library that does harm, by its name.
harm() { cp "$sabotage" "$work/$1.so"; echo "$1=$work/$1.so"; }

# runs ROW NAME FACTOR...: a row of a suite, eight runs of each allocator, the factors of 1 s and 10,000 KiB
runs() {
    local folder=$work/$1 row=$2 name factor k
    mkdir -p "$folder"
    echo "$row" >>"$folder/rows"
    echo 'allocator,run,time,user,system,peak_kib,anonymous_kib,faults,problem' >"$folder/$row.csv"
    shift 2
    while [ $# -gt 0 ]; do
        name=$1 factor=$2
        shift 2
        for k in 1 2 3 4 5 6 7 8; do
            if [ "$factor" = - ]; then echo "$name,,,,,,,,\"killed by signal 11\""; break; fi
            awk -v k=$k -v n="$name" -v f="$factor" 'BEGIN { printf "%s,%d,%.6f,0,0,%.0f,0,0,\n", n, k, f * (1 + k / 1000), 10000 * f }'
        done >>"$folder/$row.csv"
    done
}

case $promise in
    bench_keeps_what_it_has)
        built=$(dirname "$compare")
        mkdir -p "$work/tree"/{build,tests,src,include,preload}
        touch "$work/tree/CMakeLists.txt"
        cp -R "$top/scripts" "$work/tree/" && cp -R "$top/tests/bench" "$work/tree/tests/"
        for file in suite libmspace.so tests; do ln -s "$built/$file" "$work/tree/build/"; done
        # shellcheck disable=SC2016  # the script's own
        printf '#!/bin/sh\ncase "$*" in *"figure seed-malloc-free "*) kill -KILL $$ ;; esac\nexec "%s" "$@"\n' "$compare" >"$work/tree/build/compare"
        chmod +x "$work/tree/build/compare"
        touch "$work/tree/build/.built-bench"
        "$work/tree/scripts/bench.sh" --rows 'pair-16$|seed-malloc-free$' --quick --repeat 1 -a libmspace >"$work/out" 2>"$work/err" || fail "exit status $?"
        said 'row seed-malloc-free left out: compare ended with status 137'
        said '^pair-16 '
        ;;
    suite)
        runs now first glibc 2 libmspace 1.2 jemalloc 1
        runs now second glibc 1 libmspace 0.5 jemalloc -
        "$suite" "$work/now" >"$work/out" 2>"$work/err" || fail "exit status $?"
        said '^first +2\.00 +1\.20 +1\.00 +1\.(19|20)-1\.2[01] +jemalloc$'
        said '^second +1\.00 +0\.50 +fails +0\.50-0\.50 +glibc$'
        said '^geometric mean +1\.414 +0\.775 +-$'
        said '^worst row of libmspace: first, 1\.20$'
        ;;
    suite_against)
        runs before same glibc 1 libmspace 1
        runs before slower glibc 1 libmspace 1
        runs before crashes glibc 1 libmspace 1
        runs now crashes glibc 1 libmspace -
        runs now same glibc 1 libmspace 1.001
        runs now slower glibc 1 libmspace 1.05
        "$suite" "$work/before" --against "$work/before" >"$work/out" 2>"$work/err" || fail "the same is worse than itself"
        said '^0 regressions$'
        status=0
        "$suite" "$work/now" --against "$work/before" --json "$work/json" >"$work/out" 2>"$work/err" || status=$?
        [ "$status" -eq 1 ] || fail "exit status $status"
        said '^same +1\.001  no difference +1\.001  no difference'
        said '^slower +1\.050  SLOWER +1\.050  FATTER'
        said '^crashes +FAILS$'
        said '^3 regressions$'
        if command -v python3 >/dev/null; then python3 -m json.tool "$work/json" >/dev/null || fail "that is not JSON"; fi
        ;;
    rows)
        measure 0 --allocator "libmspace=$library" --runs 5 --seed 3 -- ls /
        said '^glibc .* 1\.000 '
        said '^libmspace .* ms .*(no difference|faster|slower)'
        said '^libmspace .* MiB .*(no difference|leaner|fatter)'
        said 'seed 3'
        ;;
    json)
        command -v python3 >/dev/null || exit 77
        measure 0 --allocator "libmspace=$library" --runs 3 --json - -- echo 'quo"te'
        python3 - "$work/out" <<'PYTHON' || fail "not the figures that were asked for"
import json, sys
all = json.load(open(sys.argv[1]))
assert all["command"] == 'echo quo"te' and all["rounds"] == 3 and all["baseline"] == "glibc"
names = [one["name"] for one in all["allocators"]]
assert names == ["glibc", "libmspace"], names
for one in all["allocators"]:
    assert len(one["runs"]) == 3 and all["machine"]["kernel"]
    assert one["time"]["median"] == sorted(run["time"] for run in one["runs"])[1]
PYTHON
        ;;
    csv)
        measure 0 --allocator "libmspace=$library" --runs 2 --csv "$work/csv" -- true
        [ "$(grep -c '^libmspace,[12],0\.[0-9]*,' "$work/csv")" -eq 2 ] || fail "not two runs: $(cat "$work/csv")"
        ;;
    crash)
        measure 1 --allocator "libmspace=$library" --allocator "$(harm crash)" --runs 2 -- echo
        said '^crash +killed by signal 6 \(Aborted\); it said: sabotage: on purpose$'
        said '^libmspace .* too few runs'
        ;;
    output)
        measure 1 --allocator "$(harm print)" --runs 2 -- echo
        said '^print +its output differs from that under glibc$'
        measure 0 --allocator "$(harm print)" --runs 2 --ignore-output -- echo
        ;;
    status)
        measure 1 --allocator "$(harm status)" --runs 2 -- echo
        said '^status +exit status 7 instead of 0$'
        measure 0 --allocator "libmspace=$library" --runs 2 -- sh -c 'exit 3'
        ;;
    hang)
        measure 1 --allocator "$(harm hang)" --runs 2 --timeout 1 -- echo
        said '^hang +hangs: not done after 1 s, and ended$'
        ;;
    missing_library)
        measure 2 --allocator "none=$work/none.so" -- echo
        said "none: cannot read $work/none.so: No such file"
        printf 'not a library' >"$work/bad.so"
        measure 1 --allocator "bad=$work/bad.so" --runs 2 -- echo
        said '^bad +the library was not loaded; it said: ERROR: ld.so'
        ;;
    missing_program)
        measure 2 --runs 2 -- "$work/no-such-program"
        said 'for under glibc: could not be started: No such file or directory'
        ;;
    static_program)
        printf 'int main(void) { return 0; }' >"$work/static.c"
        cc -static -o "$work/static" "$work/static.c" 2>/dev/null || exit 77
        measure 1 --allocator "libmspace=$library" --runs 2 -- "$work/static"
        said '^libmspace +the library was not loaded'
        ;;
    interrupt)
        for signal in INT TERM; do
            "$compare" --allocator glibc=- --runs 5 -- sh -c 'sleep 4711 & sleep 4711' >"$work/out" 2>"$work/err" &
            pid=$!
            sleep 0.5
            pgrep -f 'sleep 4711' >/dev/null || fail "it does not run"
            env kill -s "$signal" "$pid"
            status=0
            wait "$pid" || status=$?
            [ "$status" -eq $((128 + $(kill -l $signal))) ] || fail "exit status $status after SIG$signal"
            said 'interrupted after 0 of 5 rounds; nothing is left running'
            if pgrep -f 'sleep 4711' >/dev/null; then fail "a process is left"; fi
            [ -z "$(find "$work" -mindepth 1 ! -name out ! -name err)" ] || fail "files are left: $(ls "$work")"
        done
        ;;
    varying_output)
        # shellcheck disable=SC2016  # the program's own
        measure 2 --runs 2 -- sh -c 'echo $$'
        said 'its output differs from run to run, even under glibc; to compare it all the same: --ignore-output'
        ;;
    prepare_and_environment)
        # shellcheck disable=SC2016
        measure 0 --allocator "libmspace=$library" --runs 2 --prepare "echo x >>$work/prepared" --env WORD=found --cwd / --stdin "$0" -- \
            sh -c '[ "$WORD" = found ] && [ "$PWD" = / ] && grep -q "One promise"'
        [ "$(wc -l <"$work/prepared")" -eq 7 ] || fail "prepared $(wc -l <"$work/prepared") times: once for each of 7 runs"
        measure 2 --prepare false -- true
        ;;
    figure)
        measure 0 --allocator "libmspace=$library" --runs 2 --figure row --ignore-output -- echo 'row 12.5 ns/op'
        said '^glibc +12\.50 ns/op'
        measure 0 --allocator "libmspace=$library" --runs 2 --figure row --ignore-output -- sh -c 'echo row 12.5 ns/op; exit 3'
        said '^glibc +12\.50 ns/op'
        measure 2 --runs 2 --expect-success -- sh -c 'exit 3'
        said 'ends with exit status 3'
        measure 2 --figure other -- echo 'row 12.5 ns/op'
        said 'printed no line .other N ns/op.'
        ;;
    server)
        python=$(python3 -c 'import sys; print(sys.executable)') || exit 77 # python3 itself may be somebody's script
        printf '%s\n' 'import socket, sys' 's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()' \
            'while True: s.accept()[0].sendall(bytes(10**6))' >"$work/server.py"
        printf '%s\n' 'import socket, sys' 's = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])' 'n = 0' \
            'while n < 10**6: n += len(s.recv(65536))' >"$work/client.py"
        measure 0 --allocator "libmspace=$library" --runs 2 --prepare "rm -f $work/socket" \
            --server "exec $python $work/server.py $work/socket" --ready "$python $work/client.py $work/socket 2>/dev/null" -- \
            "$python" "$work/client.py" "$work/socket"
        said '^libmspace .* too few runs'
        measure 2 --server 'exit 1' --ready false -- true
        said 'the server did not become ready'
        ;;
    peak_of_true)
        [ -x /usr/bin/time ] || exit 77
        measure 0 --runs 9 --csv "$work/csv" -- /bin/true
        for _ in 1 2 3 4 5 6 7 8 9; do /usr/bin/time -f %M /bin/true 2>>"$work/time"; done
        ours=$(sed -n 's/^glibc,//p' "$work/csv" | cut -d , -f 5 | sort -n | sed -n 5p)
        spread=$(sort -n "$work/time" | sed -n '1p;9p' | paste -sd ' ')
        # A quarter of a megabyte is what file pages come and go by.
        if [ "$ours" -lt $((${spread% *} - 256)) ] || [ "$ours" -gt $((${spread#* } + 256)) ]; then fail "$ours KiB, and time says $spread"; fi
        ;;
    shellcheck)
        command -v shellcheck >/dev/null || exit 77
        cd "$top"
        shellcheck -x scripts/*.sh scripts/lib/*.sh tests/compare/*.sh tests/bench/*.sh
        ;;
    *) echo "no such promise: $promise"; exit 2 ;;
esac
