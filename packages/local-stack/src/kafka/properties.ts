/** The largest record batch the broker takes. A dead letter holds another record's bytes in base64, so its topic allows twice this. */
export const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** One broker on a laptop: a few partitions each are plenty, and every partition costs file handles and start-up time. */
const INTERNAL_PARTITIONS = 4;
const MIB = 1024 * 1024;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;

export interface KafkaPorts {
  /** Where clients connect. */
  readonly broker: number;
  /** Where the KRaft controller listens; nobody but the broker itself connects to it. */
  readonly controller: number;
  /** A second way in for clients, who are told to come by another port: that of a proxy, say, which leads here. */
  readonly detour?: { readonly listen: number; readonly advertise: number };
}

/**
 * The configuration of the one node that is broker and controller at once (KRaft, combined mode), on loopback only.
 * What differs from Kafka's defaults differs for one of three reasons: there is one replica, the memory is a laptop's,
 * or the events may be years old.
 */
export function serverProperties(options: { ports: KafkaPorts; host: string; logDir: string }): string {
  const { ports, host, logDir } = options;
  const direct = `PLAINTEXT://${host}:${ports.broker},CONTROLLER://${host}:${ports.controller}`;
  const { detour } = ports;
  return propertiesText({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `${host}:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: detour === undefined ? direct : `${direct},DETOUR://${host}:${detour.listen}`,
    'advertised.listeners': detour === undefined ? direct : `${direct},DETOUR://${host}:${detour.advertise}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logDir,

    // One replica of everything.
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': INTERNAL_PARTITIONS,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': INTERNAL_PARTITIONS,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,

    // Topics are made from the contracts' table, never by a typing error.
    'auto.create.topics.enable': false,
    'message.max.bytes': MESSAGE_BYTES_MAX,
    'replica.fetch.max.bytes': MESSAGE_BYTES_MAX,

    // After a kill, the broker cannot register again until the controller has given up its former self: 9 s by default.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // A group of one or two members is complete when the first arrives: waiting 3 s for more would only delay the start.
    'group.initial.rebalance.delay.ms': 0,
    // Offset commits and transaction markers wait this long for company. The default, 5 ms, is paid by every transaction.
    'group.coordinator.append.linger.ms': 1,
    // A laptop may rest for weeks; forgotten offsets would have the next `npm start` read everything again.
    'offsets.retention.minutes': TEN_YEARS_MS / 60_000,
    'transactional.id.expiration.ms': 2_147_483_647,

    // Records carry the event's own time (CreateTime), which in a replay is years ago. Retention by time looks at that
    // time, so by default nothing goes by age; segments roll by size, not by the span of time in them.
    'log.message.timestamp.type': 'CreateTime',
    'log.message.timestamp.before.max.ms': '9223372036854775807',
    'log.retention.ms': -1,
    'log.roll.ms': TEN_YEARS_MS,
    'log.segment.bytes': 64 * MIB,
    'log.retention.check.interval.ms': 60_000,
    'log.segment.delete.delay.ms': 10_000,

    // Compaction on. Its key map takes 128 MiB of heap by default; 16 MiB hold 700,000 keys per pass.
    'log.cleaner.enable': true,
    'log.cleaner.threads': 1,
    'log.cleaner.dedupe.buffer.size': 16 * MIB,
    'log.cleaner.backoff.ms': 15_000,

    // Threads: two cores, a handful of clients.
    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.recovery.threads.per.data.dir': 2,
    'background.threads': 2,
    'socket.listen.backlog.size': 128,
  });
}

/** One log file beside the data, replaced when it is full; nothing on the console. */
export function log4jProperties(logFile: string): string {
  return propertiesText({
    status: 'error',
    'appender.file.type': 'RollingFile',
    'appender.file.name': 'file',
    'appender.file.fileName': logFile,
    'appender.file.filePattern': `${logFile}.%i`,
    'appender.file.layout.type': 'PatternLayout',
    'appender.file.layout.pattern': '%d{ISO8601} %-5p %m (%c{1})%n',
    'appender.file.policies.type': 'Policies',
    'appender.file.policies.size.type': 'SizeBasedTriggeringPolicy',
    'appender.file.policies.size.size': '10MB',
    'appender.file.strategy.type': 'DefaultRolloverStrategy',
    'appender.file.strategy.max': 2,
    'rootLogger.level': 'warn',
    'rootLogger.appenderRef.file.ref': 'file',
    'logger.start.name': 'kafka.server',
    'logger.start.level': 'info',
  });
}

function propertiesText(values: Readonly<Record<string, string | number | boolean>>): string {
  // A backslash starts an escape in a properties file, so a Windows path would be damaged without doubling it.
  const lines = Object.entries(values).map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}`);
  return `${lines.join('\n')}\n`;
}
