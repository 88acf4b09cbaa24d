# shellcheck shell=bash disable=SC2034,SC2154
# lua: tables, strings, closures and coroutines; every object is a realloc or a free.
needs="lua5.4"
packages="lua5.4"

prepare() {
    cat >work.lua <<'END'
local rounds, x = tonumber(arg[1]), 1
local function random(n) x = (x * 1103515245 + 12345) % 2147483648; return x // 65536 % n end
local words, list = {}, {}
for n = 1, rounds do
    local word = string.rep(string.char(97 + random(26)), 1 + random(40)) .. n
    words[word] = { n = n, twice = { word, word } }
    if n % 3 == 0 then words[list[random(#list) + 1] or ""] = nil end
    list[#list + 1] = word
end
local sum = 0
for _, value in pairs(words) do sum = sum + value.n + #value.twice[2] end
print(#list, sum)
table.sort(list)
print(#table.concat(list, " "), (table.concat(list, " "):gsub("a+", "A"):sub(1, 2000)))
local threads = {}
for n = 1, 2000 do
    threads[n] = coroutine.wrap(function()
        for k = 1, 20 do coroutine.yield(("%d.%d"):format(n, k):rep(k)) end
    end)
end
local lengths = 0
for _ = 1, 20 do for n = 1, #threads do lengths = lengths + #threads[n]() end end
print(lengths)
words, list, threads = nil, nil, nil
collectgarbage()
print(collectgarbage("count") < 1024)
END
}

main() {
    lua5.4 "$in/work.lua" "$(scaled 1000000)"
}
