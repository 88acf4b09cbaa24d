# shellcheck shell=bash disable=SC2034,SC2154
# sqlite3: 300,000 rows with indexes, joins, sorts, a vacuum and an integrity check.
needs="sqlite3"
packages="sqlite3"

prepare() {
    cat >work.sql <<END
PRAGMA journal_mode = WAL;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, weight REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $(scaled 300000))
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item %08x %s', i * 2654435761 % 4294967296, hex(i)), i / 7.0 FROM n;
COMMIT;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_kind ON item (kind, weight);
SELECT count(*), sum(id), round(sum(weight), 3), max(name) FROM item;
SELECT kind, count(*), group_concat(substr(name, 6, 4), '-') FROM item WHERE kind < 20 GROUP BY kind;
SELECT a.id, b.name FROM item a JOIN item b ON b.id = a.kind WHERE a.name LIKE 'item 00%' ORDER BY b.name DESC, a.id LIMIT 500;
SELECT id, json_object('name', name, 'rank', rank() OVER (PARTITION BY kind ORDER BY weight DESC)) FROM item ORDER BY 2 LIMIT 300;
UPDATE item SET name = name || ' updated ' || upper(name) WHERE kind % 3 = 0;
DELETE FROM item WHERE kind % 5 = 1;
VACUUM;
SELECT count(*), sum(length(name)) FROM item;
PRAGMA integrity_check;
.dump item
END
}

main() {
    sqlite3 work.db <"$in/work.sql"
}
