# shellcheck shell=bash disable=SC2034,SC2154
# nginx, a master and two workers, serves files to parallel clients over a loopback port that was free; gzip and ranges among them.
needs="nginx curl"
packages="nginx-light curl"

prepare() {
    mkdir www
    for n in $(seq 60); do seq "$n" 7 $((n * 300)) >"www/f$n.txt"; done
}

main() {
    local port tries=0
    for port in $(seq 24180 24240); do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || continue
        break
    done
    mkdir logs tmp
    cat >nginx.conf <<END
pid $PWD/nginx.pid; error_log $PWD/logs/error.log; worker_processes 2; daemon off;
events { worker_connections 200; }
http {
    access_log off; gzip on; gzip_min_length 100; gzip_types *; default_type text/plain;
    client_body_temp_path $PWD/tmp/a; proxy_temp_path $PWD/tmp/b; fastcgi_temp_path $PWD/tmp/c; uwsgi_temp_path $PWD/tmp/d; scgi_temp_path $PWD/tmp/e;
    server { listen 127.0.0.1:$port; root $in/www; location = /hello { return 200 "hello\n"; } }
}
END
    chmod -R a+rX "$in" # root's workers become nobody
    timeout 100 nginx -p "$PWD" -c "$PWD/nginx.conf" 2>logs/stderr &
    until [ "$(curl -s "http://127.0.0.1:$port/hello")" = hello ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { cat logs/* >&2; return 1; }
        sleep 0.05
    done
    mkdir got
    seq 60 | LD_PRELOAD='' xargs -P 8 -I N curl -s --compressed -o got/N "http://127.0.0.1:$port/fN.txt"
    curl -s -r 100-2000 "http://127.0.0.1:$port/f50.txt" | cksum
    curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/none"
    kill -HUP "$(cat nginx.pid)"
    sleep 0.2
    curl -s "http://127.0.0.1:$port/f9.txt" | cksum
    (cd got && sha256sum -- *)
    kill -QUIT "$(cat nginx.pid)"
    wait
}
