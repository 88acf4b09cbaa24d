#!/usr/bin/env bash
# The inputs of the benchmark suite's real-program rows (rows.txt, below "# real programs"):
# made on the spot, from fixed seeds, so that every run anywhere does the same work.
# A row is a function row_NAME; it fills the current folder. What two rows share is above them.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/bench/prepare.sh ROW DIR quick|full     what ROW reads, into the empty folder DIR
       tests/bench/prepare.sh --list                 the rows

Says nothing when all is well. The commands that read the inputs are in tests/bench/rows.txt.

Exit status: 0 done, 1 could not be done, 2 wrong usage.

examples:
  mkdir /tmp/in && tests/bench/prepare.sh sqlite /tmp/in quick
  sqlite3 -batch -init /tmp/in/in.sql :memory: .quit
END
}

list_rows() { compgen -A function row_ | sed 's/^row_//'; }

# scaled QUICK FULL: the one that was asked for.
scaled() { if [ "$scale" = full ]; then echo "$2"; else echo "$1"; fi; }

# script FILE LINE: LINE, then what comes on stdin.
script() { { printf '%s\n' "$2"; cat; } >"$1"; }

# ---- what rows share ----

# For awk: random(N), 0 to N-1, the same in every awk; word(), of 60,000, the small ones often, as in a language.
# shellcheck disable=SC2016
awk_random='
function random(n) { seed = seed * 16807 % 2147483647; return int(seed / 2147483647 * n) }
function word(  k, text) {
    k = int(exp(log(60000) * random(1000000) / 1000000)) + 19
    for (text = ""; k > 0; k = int(k / 20)) text = text syllable[k % 20]
    return text
}
BEGIN { seed = 20240229; split("ba de fi go lu men sor tik ray vo nu pel qua ris ten ul wex ya zim", syllable, " "); syllable[0] = "co" }'

# words LINES: text, some ten words a line.
words() {
    awk -v lines="$1" "$awk_random"' BEGIN {
        for (n = 0; n < lines; n++) {
            line = word()
            for (k = 4 + random(13); k > 0; k--) line = line " " word()
            print line
        }
    }'
}

# records COUNT: an array of JSON objects, some 220 bytes each.
records() {
    awk -v count="$1" "$awk_random"' BEGIN {
        for (n = 0; n < count; n++) {
            printf "%s{\"id\": %d, \"name\": \"%s %s \\u4e2d\", \"at\": {\"x\": %d.%02d, \"y\": -%d}, ", (n ? ",\n" : "["), n, word(), word(), random(1000), random(100), random(1000)
            printf "\"live\": %s, \"note\": null, \"tags\": [", (random(2) ? "true" : "false")
            for (k = random(8); k > 0; k--) printf "\"%s\"%s", word(), (k > 1 ? ", " : "")
            printf "], \"parts\": {"
            for (k = random(4); k > 0; k--) printf "\"p%d\": {\"size\": %d, \"text\": \"%s\"}%s", k, random(1000000), word() " " word(), (k > 1 ? ", " : "")
            printf "}}"
        }
        print "]"
    }'
}

# c_source FUNCTIONS: ten lines each: arithmetic, a loop, a switch, a struct, calls to earlier functions.
c_source() {
    awk -v functions="$1" 'BEGIN {
        print "#include <stdio.h>\n#include <string.h>\nstruct node { struct node *next; long key; char name[24]; };"
        for (n = 0; n < functions; n++) {
            printf "long f%d(long a, struct node *list)\n{\n", n
            printf "    long table[%d] = { %d, %d, a }, sum = a * %dL;\n", n % 13 + 4, n, n * 7, n * 2654435761 % 1000003
            printf "    for (struct node *p = list; p; p = p->next) sum += p->key ^ table[p->key %% %d];\n", n % 4 + 1
            printf "    switch (sum %% %d) { case 0: sum ^= %d; break; case 1: sum <<= 3; break; default: sum += (long)strlen(list->name); }\n", n % 5 + 3, n
            printf "    while (sum > %d) sum = sum / 3 - a;\n", n * 100 + 50
            printf "    if (sum < 0) printf(\"%%ld function %d\\n\", sum);\n", n
            printf "    table[1] = %s;\n", n ? "f" int(n * 0.7) "(sum, list)" : "sum"
            printf "    return sum + table[a & 1];\n}\n"
        }
    }'
}

# git_repo COMMITS: ./repo, packed, each commit changing four of 200 files.
git_repo() {
    git -c init.defaultBranch=main init -q --template= repo
    awk -v commits="$1" "$awk_random"'
    function blob(file,  text, k) {
        text = ""
        for (k = 1; k <= 60; k++) text = text line[file, k] "\n"
        printf "M 100644 inline d%02d/file%03d.txt\ndata %d\n%s\n", file % 17, file, length(text), text
    }
    BEGIN {
        for (file = 0; file < 200; file++) for (k = 1; k <= 60; k++) line[file, k] = word() " " word() " " word() " " word() " " word()
        for (n = 0; n < commits; n++) {
            message = "commit " n ": " word() " " word()
            printf "commit refs/heads/main\ncommitter C <c@example.org> %d +0000\ndata %d\n%s\n", 1700000000 + n * 60, length(message), message
            if (n == 0) for (file = 0; file < 200; file++) blob(file)
            for (k = 0; k < 4; k++) {
                file = random(200)
                line[file, 1 + random(60)] = word() " " word() " " n
                line[file, 1 + random(60)] = word() " " word() " " n
                blob(file)
            }
        }
    }' | git -C repo fast-import --quiet
    git -C repo config gc.auto 0
    git -C repo config pack.threads 1
}

# python3_link: ./python3, the interpreter itself; the one in PATH may be a shell script that looks for it.
python3_link() { ln -s "$(python3 -c 'import sys; print(sys.executable)')" python3; }

# ---- the rows ----

row_python-json() {
    python3_link
    records "$(scaled 7000 28000)" >in.json
    cat >round_trip.py <<'END'
import hashlib, json, sys
with open(sys.argv[1]) as file:
    records = json.load(file)
text = json.dumps(records)
again = json.loads(text)
assert again == records
for record in again:
    record["tags"].sort()
    record["name"] = record["name"].upper() * 2
    del record["id"]
text = json.dumps(again, indent=1, sort_keys=True)
print(len(records), len(text), hashlib.sha256(text.encode()).hexdigest())
END
}

row_python-objects() {
    python3_link
    script objects.py "count = $(scaled 25000 80000)" <<'END'
import heapq

class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None
        self.seen = {"key": key, "text": str(key)}

def insert(root, key):
    while True:
        side = "left" if key < root.key else "right"
        child = getattr(root, side)
        if child is None:
            setattr(root, side, Node(key))
            return
        root = child

def walk(root):
    stack, node = [], root
    while stack or node:
        while node:
            stack.append(node)
            node = node.left
        node = stack.pop()
        yield node
        node = node.right

x = 1
root, queue, groups = Node(2**30), [], {}
for n in range(count):
    x = x * 16807 % 2147483647
    insert(root, x)
    heapq.heappush(queue, (x % 1000, n, [x, float(x)]))
    groups.setdefault(x % 997, []).append((n, "%x" % x))
    if n % 3 == 0:
        heapq.heappop(queue)
    if n % 1000 == 999:
        del groups[min(groups)]
total = sum(len(node.seen["text"]) for node in walk(root))
rows = sorted((len(group), key, "".join(text for _, text in group)) for key, group in groups.items())
print(total, len(queue), heapq.heappop(queue)[:2], len(rows), rows[-1][:2], sum(len(row[2]) for row in rows))
END
}

row_perl-hash() {
    words "$(scaled 18000 75000)" >text
    cat >hash.pl <<'END'
use strict; use warnings;
my (%count, %pairs, %lines);
while (my $line = <>) {
    my $before = '';
    for my $word (split ' ', $line) {
        $count{$word}++;
        $pairs{$before}{$word}++;
        push @{ $lines{ substr $word, 0, 3 } }, { line => $., word => $word } if $. % 4 == 0;
        $before = $word;
    }
    delete $pairs{$before} if $. % 5 == 0;
}
my @often = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 99];
print "$_ $count{$_} ", scalar(keys %{ $pairs{$_} || {} }), "\n" for @often;
print "$_ ", scalar(@{ $lines{$_} }), ' ', length(join ' ', map { $_->{word} } @{ $lines{$_} }), "\n" for sort keys %lines;
END
}

row_ruby-strings() {
    words "$(scaled 9000 45000)" >text
    cat >strings.rb <<'END'
count, kept, sum = Hash.new(0), [], 0
File.foreach(ARGV[0]) do |line|
  words = line.split
  words.each { |word| count["#{word}/#{word.length}"] += 1 }
  kept << words.map { |word| word.capitalize.ljust(30, '.') }.join('-')
  sum += kept.last.gsub(/\.+/) { |dots| dots.length.to_s }.tr('aeiou', '*').sum
  kept[kept.length / 2] = line.reverse * 3 if kept.length % 3 == 0
end
text = kept.sort.join("\n")
puts sum, text.length, text.scan(/[A-Z]\w{3,}/).uniq.length
puts count.sort_by { |word, n| [-n, word] }.first(100).map { |word, n| format('%-20s %6d', word, n) }
END
}

row_lua-tables() {
    script tables.lua "local rounds = $(scaled 90000 270000)" <<'END'
local x = 1
local function random(n) x = x * 16807 % 2147483647; return x % n end
local words, list = {}, {}
for n = 1, rounds do
    local word = string.rep(string.char(97 + random(26)), 1 + random(40)) .. n
    words[word] = { n = n, twice = { word, word } }
    if n % 3 == 0 then words[list[random(#list) + 1] or ""] = nil end
    list[#list + 1] = word
end
local sum = 0
for _, value in pairs(words) do sum = sum + value.n + #value.twice[2] end
table.sort(list)
local text = table.concat(list, " ")
print(#list, sum, #text, #text:gsub("a+", "A"))
END
}

row_node-json() {
    records "$(scaled 12000 65000)" >in.json
    cat >json.js <<'END'
const fs = require('fs'), zlib = require('zlib'), crypto = require('crypto');
const records = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const hash = crypto.createHash('sha256'), kept = new Map();
let line = [];
for (const record of records) {
  record.tags.sort();
  line.push(JSON.stringify(record));
  kept.set(record.id % 997, Buffer.allocUnsafeSlow(100 + record.id * 7919 % 9000).fill(record.id % 251));
  if (line.length < 20) continue;
  const text = Buffer.from(line.join('\n'));
  const packed = zlib.deflateRawSync(text, { level: 1 });
  if (!zlib.inflateRawSync(packed).equals(text)) throw new Error('inflate');
  hash.update(text);
  line = [];
}
for (const buffer of kept.values()) hash.update(buffer);
console.log(records.length, JSON.stringify(JSON.parse(JSON.stringify(records))).length, hash.digest('hex'));
END
}

row_gcc() { c_source "$(scaled 45 180)" >in.c; }
row_clang() { c_source "$(scaled 55 240)" >in.c; }

row_gxx() {
    awk -v classes="$(scaled 2 40)" 'BEGIN {
        print "#include <map>\n#include <memory>\n#include <string>\n#include <vector>"
        print "template <int N> struct power { static constexpr long value = N * power<N - 1>::value % 1000003; };"
        print "template <> struct power<0> { static constexpr long value = 1; };"
        print "struct shape { virtual ~shape() = default; virtual long area(long) const = 0; };"
        for (n = 0; n < classes; n++) {
            printf "template <typename T> struct shape%d : shape {\n    T width = %d;\n    std::string name = \"shape %d\";\n", n, n, n
            printf "    std::map<std::string, std::vector<T>> sides{{name, {%d, %d, %d}}};\n", n, n + 1, n * 3
            printf "    long area(long x) const override\n    {\n        long sum = 0;\n"
            printf "        for (auto &[key, side] : sides) sum += side[x %% 3] * width + (long)key.size();\n"
            printf "        return sum + power<%d>::value;\n    }\n};\n", n * 5
        }
        print "long total()\n{\n    std::vector<std::unique_ptr<shape>> all;"
        for (n = 0; n < classes; n++) printf "    all.push_back(std::make_unique<shape%d<%s>>());\n", n, (n % 3 == 0 ? "short" : n % 3 == 1 ? "int" : "long")
        print "    long sum = 0;\n    for (auto &one : all) sum += one->area(2);\n    return sum;\n}"
    }' >in.cc
}

row_sqlite() {
    cat >in.sql <<END
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, weight REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $(scaled 60000 260000))
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item %08x %s', i * 2654435761 % 4294967296, hex(i)), i / 7.0 FROM n;
COMMIT;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_kind ON item (kind, weight);
SELECT count(*), sum(id), round(sum(weight), 3), max(name) FROM item;
SELECT kind, count(*), group_concat(substr(name, 6, 4), '-') FROM item WHERE kind < 20 GROUP BY kind;
SELECT a.id, b.name FROM item a JOIN item b ON b.id = a.kind WHERE a.name LIKE 'item 00%' ORDER BY b.name DESC, a.id LIMIT 100;
SELECT id, json_object('name', name, 'rank', rank() OVER (PARTITION BY kind ORDER BY weight DESC)) FROM item ORDER BY 2 LIMIT 100;
UPDATE item SET name = name || ' updated ' || upper(name) WHERE kind % 3 = 0;
DELETE FROM item WHERE kind % 5 = 1;
VACUUM;
SELECT count(*), sum(length(name)) FROM item;
PRAGMA integrity_check;
END
}

row_git() { git_repo "$(scaled 1500 6500)"; }

row_git-repack() {
    git_repo "$(scaled 800 3500)"
    git -C repo repack -adfq
}

row_sort() {
    awk -v lines="$(scaled 180000 800000)" "$awk_random"' BEGIN {
        for (n = 0; n < lines; n++) printf "%d %s %s\n", random(1000000), word(), word()
    }' >text
}

row_xz() { words "$(scaled 12000 36000)" >text; }

row_jq() {
    records "$(scaled 13000 55000)" >in.json
    cat >in.jq <<'END'
group_by(.id % 97)
| map({key: "g\(.[0].id)", value: {count: length, tags: (map(.tags[]) | unique | length), x: (map(.at.x) | add | floor)}})
| from_entries
END
}

row_ghostscript() {
    cat >in.ps <<END
%!PS
/seed 7 def
/number { /seed seed 75 mul 74 add 65537 mod def seed 65537 div mul } def
1 1 $(scaled 2 9) {
    /page exch def
    /Helvetica-Bold findfont 9 scalefont setfont
    1 1 300 {
        pop 1 number 1 number 1 number setrgbcolor 2 number setlinewidth
        newpath 600 number 800 number moveto
        600 number 800 number 600 number 800 number 600 number 800 number curveto stroke
    } for
    0 setgray
    10 12 780 { 20 exch moveto 1 1 12 { pop page 20 string cvs show ( text ) show 9999 number cvi 20 string cvs show } for } for
    gsave newpath 300 400 200 0 360 arc clip
    0 4 600 { /x exch def x 600 div 1 x 600 div sub 0.5 setrgbcolor x 100 4 600 rectfill } for
    grestore
    /table 2000 dict def
    1 1 2000 { 10 string cvs cvn 10 array table 3 1 roll put } for
    showpage
} for
END
}

row_awk-words() {
    words "$(scaled 25000 100000)" >text
    cat >words.awk <<'DONE'
{
    for (k = 1; k <= NF; k++) {
        count[$k]++
        if (k > 1) pairs[$(k - 1) " " $k]++
        lengths[length($k)] = lengths[length($k)] substr($k, 1, 1)
    }
    if (NR % 500 == 0) { for (k in lengths) total += length(lengths[k]); delete lengths }
}
END {
    for (word in count) { words++; if (count[word] > often) often = count[word] }
    for (pair in pairs) { if (pairs[pair] > 1) twice++; split(pair, part, " "); if (part[1] == part[2]) same++ }
    print words, often, twice, same, total
}
DONE
}

row_bash-loop() {
    script loop.bash "rounds=$(scaled 15000 45000)" <<'END'
set -eu
declare -A words=()
lines=() x=1 total=0
for ((n = 1; n <= rounds; n++)); do
    ((x = x * 16807 % 2147483647))
    printf -v line 'line %d of %d: %x' "$n" "$rounds" "$x"
    lines+=("$line")
    words[w$((x % 997))]+=" $n"
    part=${line#*of } part=${part//[0-4]/<&>}
    total=$((total + ${#part}))
    ((n % 3)) || unset "lines[x % n]"
done
longest=
for key in "${!words[@]}"; do
    set -- ${words[$key]}
    total=$((total + $#))
    [[ ${#words[$key]} -lt ${#longest} ]] || longest=${words[$key]}
done
text=${lines[*]}
echo "${#lines[@]} ${#words[@]} ${#longest} ${#text} $total"
END
}

row_xmllint() {
    awk -v count="$(scaled 70000 330000)" "$awk_random"' BEGIN {
        print "<?xml version=\"1.0\"?>\n<list>"
        for (n = 0; n < count; n++) {
            printf "<item id=\"i%d\" kind=\"%s\"><name>%s &amp; %s</name>", n, word(), word(), word()
            for (k = random(5); k > 0; k--) printf "<tag n=\"%d\">%s</tag>", random(1000), word()
            print "</item>"
        }
        print "</list>"
    }' >in.xml
}

row_cmake() {
    script in.cmake "set(rounds $(scaled 8500 32000))" <<'END'
set(x 1)
set(all "")
foreach(n RANGE 1 ${rounds})
    math(EXPR x "${x} * 16807 % 2147483647")
    math(EXPR group "${x} % 97")
    string(REPLACE "1" "one" text "item-${n}-${x}")
    string(REGEX REPLACE "([0-9])([0-9])" "\\2\\1" text "${text}")
    list(APPEND group_${group} "${text}")
    string(TOUPPER "${text}" upper)
    set(value_${text} "${upper};${n};${group}")
    list(GET value_${text} 1 back)
    string(APPEND all "${back}")
endforeach()
set(total 0)
foreach(group RANGE 96)
    list(SORT group_${group})
    list(REMOVE_DUPLICATES group_${group})
    list(LENGTH group_${group} length)
    list(GET group_${group} 0 first)
    math(EXPR total "${total} + ${length}")
    message(STATUS "${group}: ${length} ${first}")
endforeach()
string(SHA256 sum "${all}")
message(STATUS "${total} ${sum}")
END
}

row_make() {
    awk -v files="$(scaled 11000 40000)" "$awk_random"' BEGIN {
        print ".SUFFIXES:\nMAKEFLAGS += -r\nfirst: all"
        for (n = 0; n < files; n++) {
            name = all[n] = word() "-" n
            printf "flags_%d = -O2 -D%s=%d $(flags_%d)\n", n, word(), n, n % 20 ? n - 1 : n + files
            printf "out/%s.o: src/%s.c", name, name
            for (k = random(12); k > 0; k--) printf " include/%s.h", word()
            printf "\n\t$(if $(sort $(flags_%d) $(patsubst include/%%.h,-I%%,$(filter %%.h,$^))),)\n", n
        }
        printf "all:"
        for (n = 0; n < files; n++) printf " out/%s.o", all[n]
        print "\n\t$(info $(words $^) $(words $(sort $(^:.o=) $(^:out/%=%))))"
        print "src/%.c: ;\ninclude/%.h: ;\n.PHONY: all"
    }' >Makefile
}

# ---- the door ----

case ${1-} in
    --help | -h) usage; exit 0 ;;
    --list) list_rows; exit 0 ;;
esac
if [ $# -ne 3 ]; then
    usage >&2
    exit 2
fi
row=$1 dir=$2 scale=$3
declare -F "row_$row" >/dev/null || { echo "$row: no such row; $0 --list shows them" >&2; exit 2; }
[[ $scale =~ ^(quick|full)$ ]] || { echo "'$scale': a size is quick or full" >&2; exit 2; }
[ -d "$dir" ] || { echo "$dir: no such folder; mkdir it first" >&2; exit 2; }

unset LD_PRELOAD MAKEFLAGS GIT_DIR GIT_WORK_TREE
export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
cd "$dir"
[ -z "$(ls -A)" ] || { echo "$dir: not empty; give a new folder" >&2; exit 2; }
"row_$row"
