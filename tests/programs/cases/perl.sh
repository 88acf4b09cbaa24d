# shellcheck shell=bash disable=SC2034,SC2154
# perl: hashes, sorts, regular expressions, closures, big strings, a fork.
needs="perl"
packages="perl"

prepare() {
    cat >work.pl <<'END'
use strict; use warnings;
my $rounds = shift;
my ($x, %count, %tree) = (1);
sub random { $x = ($x * 1103515245 + 12345) % 2147483648; return $x }
for my $n (1 .. $rounds) {
    my $word = join '', map { chr(97 + random() % 7) } 1 .. 3 + random() % 6;
    $count{$word}++;
    push @{ $tree{ substr $word, 0, 2 }{ length $word } }, "$word-$n";
    delete $count{$word} if $n % 11 == 0;
}
print "$_ $count{$_}\n" for (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 200];
for my $two (sort keys %tree) {
    print join(' ', $two, map { "$_:" . @{ $tree{$two}{$_} } } sort keys %{ $tree{$two} }), "\n";
}
my $text = join ' ', map { @$_ } map { @{$_}{ sort keys %$_ } } @tree{ sort keys %tree };
(my $swapped = $text) =~ s/([a-c]+)([d-g]+)/$2$1/g;
print length($text), ' ', unpack('%32C*', $swapped), ' ', scalar(() = $swapped =~ /(\w)\1/g), "\n";
my @closures = map { my $n = $_; sub { $n *= 2; "x" x ($n % 5000) } } 1 .. 2000;
print unpack('%32C*', join '', map { $_->() } @closures), "\n";
my $pid = open my $child, '-|' // die;
if (!$pid) { print join(',', map { length } split / /, $text), "\n"; exit 3 }
my $line = <$child>;
close $child;
print length $line, ' ', $? >> 8, "\n";
END
}

main() {
    PERL_HASH_SEED=0 perl "$in/work.pl" "$(scaled 600000)"
}
