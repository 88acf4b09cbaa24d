# shellcheck shell=bash disable=SC2034,SC2154
# python3 multiprocessing: pools by fork, from a process with threads, and by spawn.
needs="python3"
packages="python3"

prepare() {
    cat >pool.py <<'END'
import hashlib, multiprocessing, sys, threading

def work(n):
    rows = [str(i * n).zfill(i % 50) for i in range(2000)]
    return hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()

def churn(stop):
    while not stop.is_set():
        _ = [bytes(n) for n in range(16, 4000, 48)]

if __name__ == "__main__":
    stop = threading.Event()
    threads = [threading.Thread(target=churn, args=(stop,)) for _ in range(3)]
    for method in "fork", "spawn":
        if method == "fork":
            for thread in threads:
                thread.start()
        context = multiprocessing.get_context(method)
        with context.Pool(4, maxtasksperchild=50) as pool:
            for digest in pool.imap(work, range(int(sys.argv[1])), chunksize=5):
                print(method, digest)
        stop.set()
    for thread in threads:
        thread.join()
    queue = context.SimpleQueue()
    process = context.Process(target=queue.put, args=(work(7),))
    process.start()
    print(queue.get())
    process.join()
    print("exit", process.exitcode)
END
    python=$(python3 -c 'import sys; print(sys.executable)')
    loads=$python
}

main() {
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 "$python" -W ignore "$in/pool.py" "$(scaled 2000 100)"
}
