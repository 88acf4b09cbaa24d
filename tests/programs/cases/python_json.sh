# shellcheck shell=bash disable=SC2034,SC2154
# python3, every object by malloc: 20 MB of JSON written, read back, changed, written again.
needs="python3"
packages="python3"

prepare() {
    cat >json_round_trip.py <<'END'
import hashlib, json, random, sys

random.seed(2)
size, records, done = int(sys.argv[1]), [], 0
while done < size:
    record = {
        "id": len(records),
        "name": "".join(random.choices("abcdefghijklmnop é\u4e2d", k=random.randrange(5, 60))),
        "tags": [str(random.random()) for _ in range(random.randrange(8))],
        "nested": {str(k): {"x": random.randrange(10**6), "none": None} for k in range(random.randrange(4))},
    }
    done += len(json.dumps(record)) + 2
    records.append(record)
text = json.dumps(records)
again = json.loads(text)
assert again == records and len(text) >= size
for record in again:
    record["tags"].sort()
    record["name"] = record["name"].upper() * 2
    del record["id"]
text = json.dumps(again, indent=1, sort_keys=True)
print(len(records), len(text), hashlib.sha256(text.encode()).hexdigest())
print(text[-500:])
END
    python=$(python3 -c 'import sys; print(sys.executable)')
    loads=$python
}

main() {
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 "$python" "$in/json_round_trip.py" "$(scaled 20000000)"
}
