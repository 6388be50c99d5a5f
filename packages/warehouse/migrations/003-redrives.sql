-- Which dead letters were sent again. Same rules as in 001-events.sql.

CREATE TABLE IF NOT EXISTS {database}.redrives
(
    id          String COMMENT 'Of the dead letter',
    stages      Array(LowCardinality(String)) COMMENT 'All stages for which it has been redriven, by then',
    topic       LowCardinality(String),
    event_ids   Array(String) COMMENT 'The events that it became',
    redriven_at DateTime64(3, 'UTC'),
    ingested_at DateTime64(3, 'UTC'),
    _topic      LowCardinality(String),
    _partition  UInt32,
    _offset     UInt64,
    _stored_at  DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_id     id      TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_offset _offset TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK id != ''
)
ENGINE = MergeTree
ORDER BY (redriven_at, id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From dead-letters.redriven: one for every redrive of a letter';
