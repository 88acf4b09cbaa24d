# shellcheck shell=bash disable=SC2034,SC2154
# mariadbd with tables of its own on a socket of its own: four clients at once, joins, an index, blobs, a rollback.
needs="mariadbd mariadb mariadb-install-db mariadb-admin"
packages="mariadb-server"

prepare() { :; }

ask() { mariadb --no-defaults -S "$PWD/s" -u "$(id -un)" -N "$@"; }

main() {
    local tries=0 n rows
    rows=$(scaled 100000 2000)
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$PWD/data" --auth-root-authentication-method=normal >install.log 2>&1
    timeout 200 mariadbd --no-defaults --user="$(id -un)" --datadir="$PWD/data" --socket="$PWD/s" --pid-file="$PWD/pid" --skip-networking \
        --innodb-flush-log-at-trx-commit=0 --skip-grant-tables >log 2>&1 &
    until mariadb-admin --no-defaults -S "$PWD/s" ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { tail -n 20 log >&2; return 1; }
        sleep 0.05
    done
    ask -e 'create database t'
    for n in 1 2 3 4; do
        ask t -e "create table x$n(a int primary key, b varchar(200), c blob, index(b)); start transaction;
            insert into x$n select seq, repeat(char(97 + seq % 26), seq % 90), repeat('c', seq % 700) from seq_1_to_$rows; commit;
            update x$n set b = concat(b, a) where a % 3 = 0; delete from x$n where a % 7 = $n;" &
    done
    wait %2 %3 %4 %5
    for n in 1 2 3 4; do ask t -e "select count(*), sum(length(b)), sum(length(c)), sum(crc32(b)) from x$n"; done
    ask t -e "select count(*), sum(x1.a) from x1 join x2 using(b) join x3 on x3.a = x2.a; select left(b, 3) k, count(*) from x4 group by k order by k limit 20;
        start transaction; delete from x1; rollback; select count(*) from x1; select length(group_concat(a order by b)) from x2 where a < 500;"
    mariadb-admin --no-defaults -S "$PWD/s" shutdown
    wait
}
