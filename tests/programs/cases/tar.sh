# shellcheck shell=bash disable=SC2034,SC2154
# tar: a tree of files into an archive with gzip beside it, listed, unpacked, compared.
needs="tar gzip"
packages="tar gzip"

prepare() {
    awk -v files="$(scaled 5000)" 'BEGIN {
        for (d = 0; d < 100; d++) system("mkdir -p tree/directory" d)
        for (n = 0; n < files; n++) {
            file = sprintf("tree/directory%d/a-file-with-a-longer-name-%d", n % 100, n)
            for (line = 0; line < n % 200; line++) printf "%d %d\n", n, line * n >file
            printf "" >file
            close(file)
        }
    }'
    ln -s directory1 tree/link
}

main() {
    tar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -C "$in" -cf tree.tar tree
    cat tree.tar
    tar -tvf tree.tar
    tar --use-compress-program='gzip -n' --sort=name --mtime=@1700000000 --owner=0 --group=0 -C "$in" -cf tree.tar.gz tree
    cksum tree.tar.gz
    mkdir unpacked
    tar -xzf tree.tar.gz -C unpacked
    tar -df tree.tar -C unpacked || true
    diff -r "$in/tree" unpacked/tree
}
