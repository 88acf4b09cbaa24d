# shellcheck shell=bash disable=SC2034,SC2154
# redis-server under redis-benchmark, on a socket of its own; then replies, a save by a forked
# child, a reload, and the digest of all data; flushall frees on another thread.
# redis-server is redis-check-rdb by another name; the package redis-tools, unlike
# redis-server, starts no service.
needs="redis-check-rdb redis-benchmark redis-cli"
packages="redis-tools"

prepare() { :; }

redis() { redis-cli -s redis.sock "$@"; }

main() {
    local server tries=0 requests
    requests=$(scaled 50000)
    ln -s "$(type -P redis-check-rdb)" redis-server
    timeout 200 ./redis-server --port 0 --unixsocket redis.sock --save '' --daemonize no \
        --enable-debug-command yes --lazyfree-lazy-user-del yes >server.log &
    server=$!
    until [ "$(redis ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { cat server.log >&2; return 1; }
        sleep 0.05
    done
    redis-benchmark -s redis.sock -q -c 30 -n "$requests" -P 8 -d 100 \
        -t ping,set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset >benchmark.log
    redis-benchmark -s redis.sock -q -c 30 -n "$requests" lpush mylist "$(printf '%01000d' 7)" >>benchmark.log
    redis dbsize
    redis flushall async
    redis eval "
        for i = 1, tonumber(ARGV[1]) do
            redis.call('SET', 'key:' .. i, string.rep(i, i % 50))
            redis.call('HSET', 'hash:' .. i % 97, 'field' .. i, i)
            redis.call('RPUSH', 'list:' .. i % 31, string.rep('x', i % 200))
            redis.call('ZADD', 'zset:' .. i % 11, i * 7919 % 10007, 'member' .. i)
            redis.call('APPEND', 'text:' .. i % 53, i)
            if i % 5 == 0 then redis.call('DEL', 'key:' .. i - 3) end
        end
        return redis.call('DBSIZE')" 0 "$requests"
    redis hgetall hash:13 | sort | cksum
    redis zrange zset:5 0 -1 withscores | cksum
    redis sort list:3 alpha | cksum
    redis debug digest
    redis save
    redis debug reload
    redis debug digest
    redis bgsave
    while redis info persistence | grep -q 'rdb_bgsave_in_progress:1'; do sleep 0.05; done
    redis info persistence | tr -d '\r' | grep rdb_last_bgsave_status
    redis debug digest
    redis shutdown nosave || true
    wait "$server"
}
