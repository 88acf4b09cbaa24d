# shellcheck shell=bash disable=SC2034,SC2154
# ghostscript: a generated PostScript file with text, curves, patterns and clips, as a bitmap and as PDF.
needs="gs"
packages="ghostscript"

prepare() {
    cat >page.ps <<END
%!PS
/seed 7 def
/number { /seed seed 75 mul 74 add 65537 mod def seed 65537 div mul } def
1 1 $(scaled 12 2) {
    /page exch def
    page 3 mod 0 eq { /Times-Roman } { page 3 mod 1 eq { /Helvetica-Bold } { /Courier } ifelse } ifelse findfont 9 scalefont setfont
    1 1 400 {
        pop 1 number 1 number 1 number setrgbcolor 2 number setlinewidth
        newpath 600 number 800 number moveto
        600 number 800 number 600 number 800 number 600 number 800 number curveto stroke
    } for
    0 setgray
    10 12 780 { 20 exch moveto 1 1 12 { pop page 20 string cvs show ( text ) show 9999 number cvi 20 string cvs show } for } for
    gsave newpath 300 400 200 0 360 arc clip
    0 4 600 { /x exch def x 600 div 1 x 600 div sub 0.5 setrgbcolor x 100 4 600 rectfill } for
    /Times-Italic findfont 90 scalefont setfont 0 setgray 120 400 moveto (libmspace) false charpath stroke
    grestore
    /table 2000 dict def
    1 1 2000 { 10 string cvs cvn 10 array table 3 1 roll put } for
    showpage
} for
END
}

main() {
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r150 -dTextAlphaBits=4 -dGraphicsAlphaBits=4 -sOutputFile=%stdout "$in/page.ps" >page.ppm
    wc -c <page.ppm
    cksum page.ppm
    gs -q -dSAFER -dBATCH -dNOPAUSE -dNumRenderingThreads=2 -dBandHeight=64 -sDEVICE=pngmono -r100 -sOutputFile='page%d.png' "$in/page.ps"
    cksum page*.png
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=txtwrite -sOutputFile=- "$in/page.ps"
}
