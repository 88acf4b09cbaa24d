# shellcheck shell=bash disable=SC2034,SC2154
# g++ -O1 on 10,000 lines of C++ with templates and the standard library: the object file.
needs="g++"
packages="g++"

prepare() {
    awk -v classes="$(scaled 1100 100)" 'BEGIN {
        print "#include <algorithm>\n#include <map>\n#include <memory>\n#include <string>\n#include <vector>"
        print "template <int N> struct power { static constexpr long value = N * power<N - 1>::value % 1000003; };"
        print "template <> struct power<0> { static constexpr long value = 1; };"
        print "struct shape { virtual ~shape() = default; virtual long area(long) const = 0; };"
        for (n = 0; n < classes; n++) {
            printf "struct shape%d : shape {\n    long width = %d;\n    std::string name = \"shape %d\";\n", n, n, n
            printf "    std::vector<long> sides{%d, %d, %d};\n", n, n + 1, n * 3
            printf "    long area(long x) const override\n    {\n"
            printf "        return sides[x %% 3] * width + power<%d>::value + (long)name.size();\n    }\n};\n", n % 100
        }
        print "long total()\n{\n    std::vector<std::unique_ptr<shape>> all;\n    std::map<std::string, long> sums;"
        for (n = 0; n < classes; n += 4) printf "    all.push_back(std::make_unique<shape%d>());\n", n
        print "    for (auto &one : all) sums[std::to_string(one->area(2))] += one->area(1);"
        print "    long sum = 0;\n    for (auto &[key, value] : sums) sum += value + (long)key.size();\n    return sum;\n}"
    }' >big.cc
    loads="g++ $(g++ -print-prog-name=cc1plus) $(g++ -print-prog-name=as)"
}

main() {
    g++ -std=c++17 -O1 -c -o big.o "$in/big.cc"
    cat big.o
}
