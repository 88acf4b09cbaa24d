# shellcheck shell=bash disable=SC2034,SC2154
# postgres, a process a client, with a cluster of its own on a socket of its own: pgbench's tables, joins, a parallel scan.
# As root it runs as the user postgres, who refuses to be root.
packages="postgresql"

# Debian keeps the server's programs out of PATH.
bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
needs="psql"
loads="psql"
[ -x "$bin/postgres" ] || needs="postgres"

prepare() { :; }

as_user() { as_other postgres env HOME="$PWD" "$@"; }
ask() { as_user "$bin/psql" -X -q -A -t -h "$PWD/d" -U u postgres "$@"; }

main() {
    local rows n
    rows=$(scaled 200000 5000)
    mkdir -m 700 d
    [ "$(id -u)" != 0 ] || chown postgres d
    as_user "$bin/initdb" -D "$PWD/d/data" -U u -A trust -E UTF8 --locale=C -N >/dev/null
    as_user "$bin/pg_ctl" -D "$PWD/d/data" -w -t 60 -l "$PWD/d/log" -o "-k $PWD/d -c listen_addresses= -c fsync=off -c autovacuum=off" start >/dev/null
    for n in 1 2 3 4; do
        ask -c "create table x$n(a int primary key, b text, c text); insert into x$n select i, repeat(chr(97 + i % 26), i % 90), repeat('c', i % 700)
            from generate_series(1, $rows) i; update x$n set b = b || a where a % 3 = 0; delete from x$n where a % 7 = $n; create index on x$n(b)" &
    done
    wait
    for n in 1 2 3 4; do ask -c "select count(*), sum(length(b)), sum(length(c)), md5(string_agg(b, ',' order by a)) from x$n"; done
    ask -c "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0; select count(*), sum(x1.a) from x1 join x2 using(b)" \
        -c "select left(b, 3) k, count(*) from x4 group by k order by k limit 20" -c "begin; delete from x1; rollback; select count(*) from x1" \
        -c "select length(jsonb_agg(x2)::text) from x2 where a < 500"
    as_user "$bin/pg_ctl" -D "$PWD/d/data" -w -m fast stop >/dev/null
}
