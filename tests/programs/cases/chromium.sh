# shellcheck shell=bash disable=SC2034,SC2154
# chromium without a window renders a page with a script to a picture. Its sandbox is on; root, whom it refuses, becomes nobody.
needs="chromium"
packages="chromium"
quick=no

prepare() { page >page.html; }

page() {
    cat <<'END'
<html><body><h1>heap</h1><canvas id=c width=300 height=100></canvas><div id=d></div><script>
var x = document.getElementById('c').getContext('2d'); x.fillStyle = 'red';
for (var i = 0; i < 90; i++) x.fillRect(i * 37 % 290, i * 53 % 90, 9, 9);
var a = []; for (var i = 0; i < 300000; i++) a.push({v: i, s: 'n' + i});
document.getElementById('d').textContent = a.filter(o => o.v % 7 == 0).map(o => o.s.length).reduce((p, q) => p + q);
</script></body></html>
END
}

main() {
    mkdir -m 777 home
    cp "$in/page.html" .
    chmod 644 page.html
    as_other nobody env HOME="$PWD/home" TMPDIR="$PWD/home" XDG_RUNTIME_DIR="$PWD/home" timeout 120 chromium --headless --disable-gpu --user-data-dir="$PWD/home/data" \
        --screenshot="$PWD/home/a.png" --window-size=500,400 "file://$PWD/page.html" >log 2>&1 || { cat log >&2; return 1; }
    # Its helpers outlive it by a moment, and write.
    for _ in $(seq 100); do pgrep -f -- "$PWD/home/data" >/dev/null || break; sleep 0.1; done
    sha256sum home/a.png
}
