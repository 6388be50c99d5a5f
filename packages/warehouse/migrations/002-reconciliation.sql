-- What was accepted and what is in the raw topics, as ids only, so that each hop of the pipeline can be compared with
-- the one before it. Same rules as in 001-events.sql.

CREATE TABLE IF NOT EXISTS {database}.payments_raw
(
    transaction_id String,
    ingested_at    DateTime64(3, 'UTC'),
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_transaction transaction_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_offset      _offset        TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK transaction_id != ''
)
ENGINE = MergeTree
ORDER BY (ingested_at, transaction_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From payments.raw: with the repeats that clients sent';

CREATE TABLE IF NOT EXISTS {database}.telemetry_raw
(
    reading        String EPHEMERAL COMMENT 'device_id:event_time in ms:sequence',
    reading_id     UInt64 DEFAULT cityHash64(reading) COMMENT 'The same as in telemetry',
    ingested_at    DateTime64(3, 'UTC'),
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_offset _offset TYPE minmax GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != ''
)
ENGINE = MergeTree
ORDER BY (ingested_at, reading_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From telemetry.raw: with the repeats that devices sent';

CREATE TABLE IF NOT EXISTS {database}.ledger
(
    kind            LowCardinality(String) COMMENT 'payment, telemetry',
    id              String COMMENT 'transaction_id, or device_id:event_time in ms:sequence',
    id_hash         UInt64 MATERIALIZED cityHash64(id) COMMENT 'Compares with reading_id',
    acknowledged_at DateTime64(3, 'UTC'),
    sender          LowCardinality(String),
    _stored_at      DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
    CONSTRAINT has_id CHECK id != '' AND kind != ''
)
ENGINE = MergeTree
ORDER BY (kind, acknowledged_at, id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What senders say was acknowledged to them';
