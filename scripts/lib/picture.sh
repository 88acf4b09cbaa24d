# shellcheck shell=bash
# Pictures, by gnuplot. Sourced by compare.sh and bench.sh, after setup.sh.

need_gnuplot() {
    command -v gnuplot >/dev/null 2>&1 && return
    can_be_root || die "a picture needs gnuplot; install it first: sudo apt-get install gnuplot-nox (the table needs nothing)"
    apt_install gnuplot-nox || die "apt-get could not install gnuplot-nox; put its error right, or leave out --svg and --html"
}

# gnuplot_string TEXT: as a literal, in which gnuplot expands nothing and runs nothing.
gnuplot_string() { printf "'%s'" "$(printf %s "$1" | tr '\n\t' '  ' | sed "s/'/''/g")"; }

# picture_draw DATA FILE TITLE: bars of time and of memory, ratios to the baseline, with intervals. DATA: a line an allocator,
# "name" ratio low high (time) ratio low high (memory).
picture_draw() {
    local data=$1 file=$2 title n
    title=$(gnuplot_string "${3:0:100}")
    n=$(wc -l <"$data")
    [ "$n" -gt 0 ] || { say "nothing to draw: no allocator has figures"; return; }
    gnuplot - <<END || die "gnuplot could not write $file"
set terminal svg size $((260 + n * 120)),420 dynamic background "white" font "sans-serif,13"
set output $(gnuplot_string "$file")
set title $title noenhanced
set pointintervalbox 0
set style fill solid 0.75 border rgb "#444444"
set boxwidth 0.36
set xrange [-0.6:$((n - 1)).6]
set yrange [0:*]
set ytics nomirror
set xtics nomirror
set ylabel "ratio to the baseline (lower is better)"
set grid ytics lc rgb "#dddddd"
set key outside top center horizontal
set arrow from graph 0, first 1 to graph 1, first 1 nohead dt 2 lc rgb "#444444"
plot "$data" using (\$0 - 0.2):2:xtic(1) with boxes lc rgb "#3b6fb6" title "time", \\
     "$data" using (\$0 - 0.2):2:3:4 with yerrorbars pt 7 ps 0.1 lw 1.5 lc rgb "#000000" notitle, \\
     "$data" using (\$0 + 0.2):5 with boxes lc rgb "#e0963a" title "peak memory", \\
     "$data" using (\$0 + 0.2):5:6:7 with yerrorbars pt 7 ps 0.1 lw 1.5 lc rgb "#000000" notitle
END
}

# picture_styles NAME...: gnuplot's colour and point of each allocator; ours stands out.
picture_styles() {
    local name i=0 colours=(777777 3b6fb6 2f9e5b e0963a 8b5fbf 17a3b8 a0522d b0578d 556b2f)
    for name; do
        i=$((i + 1))
        case $name in
            libmspace) echo "set linetype $i lc rgb \"#d62728\" pt 7 ps 1.1 lw 2" ;;
            *) echo "set linetype $i lc rgb \"#${colours[(i - 1) % ${#colours[@]}]}\" pt $((i % 2 ? 4 + i : 5 + i)) ps 0.8" ;;
        esac
    done
}

# picture_suite DATA FILE: a column of points a row, an allocator a colour; time above, memory below. DATA: from suite --plot.
picture_suite() {
    local data=$1 file=$2 n rows names
    read -r _ names <"$data"
    n=$(wc -w <<<"$names")
    rows=$(($(wc -l <"$data") - 1))
    # shellcheck disable=SC2086  # words
    gnuplot - <<END || die "gnuplot could not write $file"
set terminal svg size $((240 + rows * 30)),900 dynamic background "white" font "sans-serif,12"
set output $(gnuplot_string "$file")
$(picture_styles $names)
set multiplot layout 2,1
set logscale y 2
set grid ytics xtics lc rgb "#dddddd"
set xrange [-0.5:$((rows - 1)).5]
set yrange [0.45:18]
set xtics rotate by -45 nomirror noenhanced
set ytics nomirror
set key outside right top noenhanced
set arrow from graph 0, first 1 to graph 1, first 1 nohead dt 2 lc rgb "#444444"
clip(x) = x > 16 ? 16 : x < 0.5 ? 0.5 : x
set ylabel "time, ratio to the best peer (cut at 0.5 and 16)"
plot for [i=1:$n] "$data" skip 1 using 0:(clip(column(i + 1))):xtic(1) with points lt i title word("$names", i)
set ylabel "peak memory, ratio to the leanest peer"
plot for [i=1:$n] "$data" skip 1 using 0:(clip(column(i + 1 + $n))):xtic(1) with points lt i title word("$names", i)
END
}

# picture_curves FOLDER FILE: the two curves of bench.sh --scale.
picture_curves() {
    local folder=$1 file=$2 n names
    read -r names <"$folder/live.dat"
    n=$(wc -w <<<"$names")
    # shellcheck disable=SC2086  # words
    gnuplot - <<END || die "gnuplot could not write $file"
set terminal svg size 1100,420 dynamic background "white" font "sans-serif,12"
set output $(gnuplot_string "$file")
$(picture_styles $names)
set multiplot layout 1,2
set grid lc rgb "#dddddd"
set key top left noenhanced
set logscale x
set yrange [0:*]
set ylabel "ns per operation"
set xlabel "live blocks"
plot for [i=1:$n] "$folder/live.dat" skip 1 using 1:i + 1 with linespoints lt i title word("$names", i)
set logscale x 2
set xlabel "threads"
plot for [i=1:$n] "$folder/threads.dat" skip 1 using 1:i + 1 with linespoints lt i title word("$names", i)
END
}

escape_html() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }

# picture_page SVG TABLE FILE TITLE: one page that needs nothing else: the picture, and the table below it.
picture_page() {
    local svg=$1 table=$2 file=$3 title=$4
    {
        printf '<!DOCTYPE html>\n<meta charset="utf-8">\n<title>%s</title>\n' "$(printf %s "$title" | escape_html)"
        printf '<style>body { font-family: sans-serif; margin: 2em } pre { overflow-x: auto }</style>\n'
        sed -n '/<svg/,$p' "$svg"
        printf '<pre>\n'
        escape_html <"$table"
        printf '</pre>\n'
    } >"$file" || die "cannot write $file; check the path"
}
