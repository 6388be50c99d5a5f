-- The tables that hold what Kafka holds, one row per record (telemetry: one per metric), each stored exactly once.
--
-- Rules for all of them
--  * Columns have the names of the event's own fields. A text that an event does not have is ''; a number of which 0 is
--    a value (latitude, longitude, sequence) is NULL. What has fields of its own choosing (profile, attributes) is JSON
--    text: JSONExtractString(profile, 'segment', 'value').
--  * _topic, _partition, _offset name the record that a row came from; ingested_at is when ingest accepted the event,
--    _stored_at when it became visible here. Every time is UTC.
--  * No PARTITION BY: an insert of one block is then one part, which is there as a whole or not at all. The sink's
--    exactly-once protocol builds on that.
--  * non_replicated_deduplication_window: how many of the newest blocks are remembered by their token. A repeated block
--    is at most one behind, so this is generous; it costs a small file.
--  * The constraints make ClickHouse refuse, not default, a row that is not a record of ours.
--  * Ordered by hour first, so that a time range reads few granules, then by what a question names. Rows are looked up
--    by transaction through a bloom filter.
--  * No TTL: replays bring events of 2018. To age data out, use the wall clock, not the event's time:
--    ALTER TABLE ... MODIFY TTL toDateTime(ingested_at) + INTERVAL 400 DAY

CREATE TABLE IF NOT EXISTS {database}.payments
(
    transaction_id String,
    event_time     DateTime64(3, 'UTC'),
    customer_id    String,
    card_id        String,
    account_id     String,
    merchant_id    String,
    payee_id       String,
    terminal_id    String,
    mcc            LowCardinality(String),
    amount_minor   Int64 COMMENT 'In the minor unit of the currency: 12.50 EUR is 1250',
    currency       LowCardinality(String),
    country        LowCardinality(String),
    channel        LowCardinality(String),
    status         LowCardinality(String),
    latitude       Nullable(Float64),
    longitude      Nullable(Float64),
    ip             String,
    device_id      String,
    attributes     String CODEC(ZSTD(1)),
    profile        String COMMENT 'JSON: field -> value, source, updated_at, as known at the time of the payment' CODEC(ZSTD(1)),
    merchant       Tuple(name String, mcc LowCardinality(String), country LowCardinality(String),
                         latitude Nullable(Float64), longitude Nullable(Float64)),
    terminal       Tuple(kind LowCardinality(String), merchant_id String, country LowCardinality(String),
                         latitude Nullable(Float64), longitude Nullable(Float64), firmware LowCardinality(String)),
    duplicate_of   String,
    ingested_at    DateTime64(3, 'UTC'),
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_transaction transaction_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_customer    customer_id    TYPE bloom_filter(0.01)  GRANULARITY 1,
    INDEX by_merchant    merchant_id    TYPE bloom_filter(0.01)  GRANULARITY 1,
    INDEX by_ingested_at ingested_at    TYPE minmax              GRANULARITY 1,
    INDEX by_offset      _offset        TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK transaction_id != '' AND customer_id != '',
    CONSTRAINT is_whole   CHECK currency != '' AND channel != '' AND event_time >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (toStartOfHour(event_time), customer_id, event_time)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From payments.enriched, so without duplicates';

CREATE TABLE IF NOT EXISTS {database}.decisions
(
    transaction_id String,
    event_time     DateTime64(3, 'UTC'),
    customer_id    String,
    card_id        String,
    merchant_id    String,
    payee_id       String,
    terminal_id    String,
    amount_minor   Int64,
    currency       LowCardinality(String),
    decision       LowCardinality(String),
    score          Float64,
    rules          Array(Tuple(id LowCardinality(String), version UInt64, reason String, weight Float64, values String))
                   COMMENT 'The rules that fired: arrayJoin(rules.id); values is JSON',
    features       Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    late           Bool,
    input          Tuple(topic LowCardinality(String), partition UInt32, offset UInt64),
    rules_hash     LowCardinality(String),
    ingested_at    DateTime64(3, 'UTC'),
    decided_at     DateTime64(3, 'UTC'),
    trace_id       String,
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_transaction transaction_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_customer    customer_id    TYPE bloom_filter(0.01)  GRANULARITY 1,
    INDEX by_merchant    merchant_id    TYPE bloom_filter(0.01)  GRANULARITY 1,
    INDEX by_ingested_at ingested_at    TYPE minmax              GRANULARITY 1,
    INDEX by_offset      _offset        TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK transaction_id != '' AND customer_id != '',
    CONSTRAINT is_whole   CHECK decision != '' AND event_time >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (toStartOfHour(event_time), customer_id, event_time)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From fraud.decisions: one for every payment';

CREATE TABLE IF NOT EXISTS {database}.alerts
(
    alert_id       String,
    kind           LowCardinality(String),
    event_time     DateTime64(3, 'UTC'),
    customer_id    String,
    device_id      String,
    transaction_id String,
    card_id        String,
    merchant_id    String,
    payee_id       String,
    terminal_id    String,
    amount_minor   Nullable(Int64),
    currency       LowCardinality(String),
    country        LowCardinality(String),
    channel        LowCardinality(String),
    decision       LowCardinality(String),
    score          Float64,
    rules          Array(Tuple(id LowCardinality(String), version UInt64, reason String, weight Float64, values String)),
    summary        String,
    features       Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    late           Bool,
    ingested_at    DateTime64(3, 'UTC'),
    raised_at      DateTime64(3, 'UTC'),
    trace_id       String,
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_alert       alert_id       TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_transaction transaction_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_customer    customer_id    TYPE bloom_filter(0.01)  GRANULARITY 1,
    INDEX by_event_time  event_time     TYPE minmax              GRANULARITY 1,
    INDEX by_offset      _offset        TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK alert_id != ''
)
ENGINE = MergeTree
ORDER BY (raised_at, alert_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From fraud.alerts and telemetry.alerts; the newest first is a read in reverse order of the key';

CREATE TABLE IF NOT EXISTS {database}.telemetry
(
    device_id      String,
    event_time     DateTime64(3, 'UTC'),
    sequence       Nullable(UInt64),
    metric         LowCardinality(String),
    value          Float64 COMMENT 'true is 1, false is 0',
    latitude       Nullable(Float64),
    longitude      Nullable(Float64),
    firmware       LowCardinality(String),
    attributes     String CODEC(ZSTD(1)),
    owner_id       String,
    kind           LowCardinality(String),
    reading_id     UInt64 MATERIALIZED cityHash64(concat(device_id, ':', toString(toUnixTimestamp64Milli(event_time)), ':', ifNull(toString(sequence), '')))
                   COMMENT 'The same for all metrics of a reading: count readings by uniqExact(reading_id)',
    ingested_at    DateTime64(3, 'UTC'),
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_device      device_id   TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_ingested_at ingested_at TYPE minmax             GRANULARITY 1,
    INDEX by_offset      _offset     TYPE minmax             GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK device_id != '' AND metric != '',
    CONSTRAINT is_whole   CHECK event_time >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (toStartOfHour(event_time), device_id, metric, event_time)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From telemetry.enriched: one row per device, event time, sequence and metric';

CREATE TABLE IF NOT EXISTS {database}.profiles
(
    customer_id String,
    updated_at  DateTime64(3, 'UTC'),
    fields      String COMMENT 'JSON: field -> value, source, updated_at' CODEC(ZSTD(1)),
    sources     Map(LowCardinality(String), DateTime64(3, 'UTC')),
    deleted     Bool COMMENT 'A tombstone: from here on there is no profile',
    ingested_at DateTime64(3, 'UTC'),
    _topic      LowCardinality(String),
    _partition  UInt32,
    _offset     UInt64,
    _stored_at  DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_offset _offset TYPE minmax GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK customer_id != ''
)
ENGINE = MergeTree
ORDER BY (customer_id, _offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From customers.profile: every version; the last one is ORDER BY _offset DESC LIMIT 1 BY customer_id';

CREATE TABLE IF NOT EXISTS {database}.labels
(
    transaction_id String,
    customer_id    String,
    fraud          Bool,
    labelled_at    DateTime64(3, 'UTC'),
    source         LowCardinality(String),
    reason         String,
    payment_time   Nullable(DateTime64(3, 'UTC')),
    card_id        String,
    merchant_id    String,
    terminal_id    String,
    attributes     String CODEC(ZSTD(1)),
    ingested_at    DateTime64(3, 'UTC'),
    _topic         LowCardinality(String),
    _partition     UInt32,
    _offset        UInt64,
    _stored_at     DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_customer customer_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_offset   _offset     TYPE minmax             GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK transaction_id != ''
)
ENGINE = MergeTree
ORDER BY (transaction_id, labelled_at)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From fraud.labels: what became known about a payment later';

CREATE TABLE IF NOT EXISTS {database}.dead_letters
(
    id           String,
    origin       Tuple(kind LowCardinality(String), topic String, partition Nullable(UInt32), offset Nullable(UInt64), device_id String, path String),
    stage        LowCardinality(String),
    reason       LowCardinality(String),
    message      String,
    value_base64 String COMMENT 'The original bytes: base64Decode(value_base64)' CODEC(ZSTD(1)),
    key          String,
    headers      Map(String, String),
    failed_at    DateTime64(3, 'UTC'),
    ingested_at  DateTime64(3, 'UTC'),
    _topic       LowCardinality(String),
    _partition   UInt32,
    _offset      UInt64,
    _stored_at   DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX by_id     id      TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_offset _offset TYPE minmax              GRANULARITY 1,
    CONSTRAINT from_kafka CHECK _topic != '',
    CONSTRAINT has_id     CHECK id != ''
)
ENGINE = MergeTree
ORDER BY (failed_at, id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'From dead-letters';
