# shellcheck shell=bash disable=SC2034,SC2154
# stress-ng's heap stressors: random sizes, realloc, threads; its exit status tells.
needs="stress-ng"
packages="stress-ng"

prepare() { :; }

# stress runs stress-ng, quiet unless it fails: its own report holds times.
stress() {
    stress-ng --temp-path . --verify --timeout 100 "$@" >log 2>&1 || { cat log >&2; return 1; }
}

main() {
    stress --malloc 2 --malloc-pthreads 2 --malloc-bytes 1M --malloc-max 1000 --malloc-ops "$(scaled 200000)"
    stress --malloc 2 --malloc-bytes 16M --malloc-max 40 --malloc-touch --malloc-ops "$(scaled 10000)"
    stress --bigheap 1 --bigheap-ops "$(scaled 2000)"
    echo ended
}
