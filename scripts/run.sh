#!/usr/bin/env bash
# Run a program under libmspace, building the library first if that was not done yet.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

usage() {
    cat <<'END'
usage: scripts/run.sh [OPTIONS] PROGRAM [ARGS...]

Runs PROGRAM with libmspace.so in the place of libc's malloc. Builds the library on
first use and when its sources changed. PROGRAM keeps its exit status, its signals and
its standard streams: nothing is printed that it does not print itself.

options, before PROGRAM:
  --mode fast|hardened    fast is the default; hardened checks more, and
                          fills freed blocks of up to 32 KiB
  --stats                 statistics on stderr when the program ends
  --conf KEY=VALUE[,...]  any other option (MSPACE_CONF); may be given more than once
  --help                  this text
  --                      end of the options

examples:
  scripts/run.sh python3 -c 'print(sum(range(10**6)))'
  scripts/run.sh --stats sort -u names.txt
  scripts/run.sh --mode hardened -- ./server --port 8080
  scripts/run.sh --conf on_error=report,verbose=1 ./old-program

A program that is statically linked or set-user-id does not load the library; it runs
as it always did.
END
}

usage_error() {
    say "$*"
    say "see $0 --help"
    exit 2
}

conf=${MSPACE_CONF:-}
while [ $# -gt 0 ]; do
    case $1 in
        --mode=* | --conf=*)
            option=${1%%=*} value=${1#*=}
            shift
            set -- "$option" "$value" "$@"
            continue
            ;;
        --mode)
            case ${2-} in
                fast | hardened) export MSPACE_MODE=$2 ;;
                *) usage_error "--mode takes fast or hardened, not '${2-}'" ;;
            esac
            shift 2
            ;;
        --conf)
            [[ ${2-} =~ ^[a-z][a-z0-9_]*=. ]] || usage_error "--conf takes KEY=VALUE[,KEY=VALUE...], not '${2-}'"
            conf=${conf:+$conf,}$2
            shift 2
            ;;
        --stats) export MSPACE_STATS=1; shift ;;
        --help | -h) usage; exit 0 ;;
        --) shift; break ;;
        -*) usage_error "unknown option '$1' (after -- it would be the program)" ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || usage_error "which program? give its name, and its arguments"

# As a shell would: 127 when there is no such program, 126 when it cannot be run.
case $1 in
    */*) program=$1 ;;
    *) program=$(type -P -- "$1") || { say "$1: no such program in PATH; check the name or install it"; exit 127; } ;;
esac
[ -e "$program" ] || { say "$program: no such file; check the path"; exit 127; }
[ -f "$program" ] || { say "$program: not a program but a folder or device"; exit 126; }
[ -x "$program" ] || { say "$program: not executable; chmod +x '$program' if it should be"; exit 126; }

case $library in
    *[\ :]*) die "LD_PRELOAD cannot hold a path with a space or a colon; move the project away from $root" ;;
esac
is_built mspace || build mspace

[ -z "$conf" ] || export MSPACE_CONF=$conf
export LD_PRELOAD=$library${LD_PRELOAD:+:$LD_PRELOAD}
exec -- "$@"
