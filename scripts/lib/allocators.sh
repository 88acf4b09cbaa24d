# shellcheck shell=bash
# Which allocators there are to compare with: glibc, libmspace, and those that the loader or the usual folders know.
# Sourced by compare.sh and bench.sh, after setup.sh.

: "${library:?}" # from setup.sh

# name, where to look: sonames for the loader's cache, or patterns of files
known_allocators=(
    'jemalloc libjemalloc.so.2'
    'mimalloc libmimalloc.so.3 libmimalloc.so.2 libmimalloc.so'
    'tcmalloc libtcmalloc_minimal.so.4'
    'tcmalloc-full libtcmalloc.so.4'
    'tbbmalloc libtbbmalloc_proxy.so.2'
    'snmalloc libsnmallocshim.so /usr/local/lib/libsnmallocshim*.so'
    'rpmalloc librpmalloc.so /usr/local/lib/librpmalloc*.so'
    'hardened_malloc libhardened_malloc.so /usr/local/lib/libhardened_malloc*.so'
    'scudo /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-'"$(uname -m).so"
)

# allocator_file NAME: the file to preload, - for glibc; fails if there is none.
allocator_file() {
    local line place
    case $1 in
        glibc) echo -; return ;;
        libmspace) echo "$library"; return ;;
    esac
    for line in "${known_allocators[@]}"; do
        # shellcheck disable=SC2086  # words, and patterns
        set -- "$1" $line
        [ "$1" = "$2" ] || continue
        for place in "${@:3}"; do
            case $place in
                /*) ;;
                *) place=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | awk -v name="$place" '$1 == name { print $NF; exit }') ;;
            esac
            if [ -r "$place" ]; then echo "$place"; return; fi
        done
    done
    return 1
}

allocator_names() {
    printf 'glibc libmspace'
    printf ' %s' "${known_allocators[@]%% *}"
    echo
}

# allocators_found: NAME=FILE of all there are, a line each.
allocators_found() {
    local name file
    for name in $(allocator_names); do
        file=$(allocator_file "$name") && echo "$name=$file"
    done
    return 0
}

# allocator_named TEXT: NAME=FILE of NAME or NAME=FILE; explains and ends if there is no such thing.
allocator_named() {
    local file
    case $1 in
        ?*=?*) file=${1#*=} ;;
        *) file=$(allocator_file "$1") ||
            die "no allocator '$1' found; known names: $(allocator_names); any other as -a NAME=/path/to/library.so" ;;
    esac
    [ "$file" = - ] || [ -r "$file" ] || die "cannot read $file; check the path given for ${1%%=*}"
    [ "$file" = - ] || [ "$file" = "$library" ] || file=$(realpath "$file")
    case $file in *[\ :]*) die "LD_PRELOAD cannot hold a path with a space or a colon: $file" ;; esac
    echo "${1%%=*}=$file"
}
