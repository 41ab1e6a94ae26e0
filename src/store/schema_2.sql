-- Everything but the packed lines and the tail is small. Keys of customers follow from their ids
-- (the hash of the id, or the next free number), those of anonymous lines from the hour of the sale.
ALTER TABLE customer RENAME TO customer_1;
CREATE TABLE customer (customer_key INTEGER PRIMARY KEY, customer_id TEXT NOT NULL) STRICT;
CREATE TABLE history (
    customer_key INTEGER PRIMARY KEY,
    last_batch INTEGER NOT NULL,
    last_occurred_at INTEGER NOT NULL,
    lines BLOB NOT NULL
) STRICT;
CREATE TABLE tail (batch INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT;
CREATE TABLE order_customer (
    order_hash INTEGER NOT NULL,
    customer_key INTEGER NOT NULL,
    PRIMARY KEY (order_hash, customer_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    packed_batch INTEGER NOT NULL,
    last_batch INTEGER NOT NULL,
    last_recorded_at INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    customers INTEGER NOT NULL,
    first_occurred_at INTEGER,
    last_occurred_at INTEGER,
    digest BLOB NOT NULL
) STRICT;
DELETE FROM meta WHERE key NOT IN ('time_zone', 'currency');
