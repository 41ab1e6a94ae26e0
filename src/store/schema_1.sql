    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE customer (customer_key INTEGER PRIMARY KEY, customer_id TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE symbol (symbol INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE line (
        customer_key INTEGER NOT NULL,
        occurred_at INTEGER NOT NULL,
        identity BLOB NOT NULL,
        recorded_at INTEGER NOT NULL,
        superseded_at INTEGER,
        order_id TEXT,
        line_number INTEGER,
        cancels_order_id TEXT,
        product INTEGER NOT NULL,
        category INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        store INTEGER NOT NULL,
        promotion INTEGER NOT NULL,
        country INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        unit_price INTEGER NOT NULL,
        discount INTEGER NOT NULL,
        unit_cost INTEGER,
        PRIMARY KEY (customer_key, occurred_at, identity, recorded_at)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX line_current ON line (identity) WHERE superseded_at IS NULL;
    CREATE TABLE import_report (
        import_id TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        report TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
