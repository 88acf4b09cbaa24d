# shellcheck shell=bash disable=SC2034,SC2154
# bash: 1,000 forks, pipes, arrays, strings, traps.
needs="bash"
packages="bash"

prepare() {
    cat >work.bash <<'END'
set -u
forks=$1 sum=0
declare -A words
for ((n = 1; n <= forks; n++)); do
    x=$(echo "$n" | { read -r y; echo $((y * y)); })
    ((sum += x))
    words[w$((n % 97))]+=" $x"
    (exit $((n % 7))) || ((sum += $?))
done
echo "$sum"
for key in $(printf '%s\n' "${!words[@]}" | sort); do echo "$key:${words[$key]}"; done
/bin/cat <(for n in {1..50}; do /bin/echo "$n"; done) <(printf '%s\n' "${words[@]}" | wc -l)
text=$(printf 'line %d\n' {1..20000})
mapfile -t lines <<<"$text"
echo "${#text} ${#lines[@]} ${text//line/}" | cksum
trap 'echo caught' USR1
kill -USR1 $$
for n in {1..20}; do (sleep 0.01; exit "$n") & done
wait
exit 0
END
}

main() {
    bash "$in/work.bash" "$(scaled 1000 100)"
}
