# shellcheck shell=bash disable=SC2034,SC2154
# ruby: threads, strings, hashes, big numbers, garbage collection with compaction, a fork.
needs="ruby"
packages="ruby"

prepare() {
    cat >work.rb <<'END'
require 'digest'
rounds = Integer(ARGV[0])
results = 4.times.map do |t|
  Thread.new do
    words = Hash.new(0)
    rounds.times { |n| words["w#{(n * (t + 7919)) % 5003}" * (1 + n % 3)] += n }
    GC.start if t == 2
    words.sort.map { |word, n| "#{word}=#{n}" }.join(',')
  end
end.map(&:value)
results.each { |text| puts Digest::SHA256.hexdigest(text) }
GC.compact if GC.respond_to?(:compact)
puts (1..2000).inject(:*).to_s.length
rows = (0...rounds).map { |n| [n * 2_654_435_761 % 1_000_003, n.to_s.rjust(n % 90, '.'), { n: n }] }
rows.sort_by!(&:first)
puts Digest::SHA256.hexdigest(Marshal.load(Marshal.dump(rows)).inspect)
puts rows.map { |row| row[1] }.join.gsub(/(\.+)(\d)/) { "#{$2}#{$1.length}" }.sum
reader, writer = IO.pipe
pid = fork { writer.puts rows.last(5).inspect; exit! 4 }
writer.close
puts reader.read
Process.wait pid
puts $?.exitstatus
END
}

main() {
    ruby --disable-gems "$in/work.rb" "$(scaled 300000)"
}
