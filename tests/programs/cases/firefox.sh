# shellcheck shell=bash disable=SC2034,SC2154
# firefox without a window, with its own malloc and its sandboxed children, renders a page with a script to a picture. root becomes nobody.
needs="firefox-esr"
packages="firefox-esr"
quick=no

prepare() {
    # shellcheck source=/dev/null
    (. "$cases/chromium.sh" && page) >page.html
}

main() {
    mkdir -m 777 home
    cp "$in/page.html" .
    chmod 644 page.html
    as_other nobody mkdir -m 700 home/profile
    as_other nobody env HOME="$PWD/home" TMPDIR="$PWD/home" MOZ_HEADLESS=1 timeout 120 firefox-esr --headless --no-remote --profile "$PWD/home/profile" \
        --screenshot "$PWD/home/a.png" --window-size=500,400 "file://$PWD/page.html" >log 2>&1 || { cat log >&2; return 1; }
    sha256sum home/a.png
}
