/** The counting topology as a process of its own, so that a test can kill it. Arguments: brokers, topic prefix. */
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics } from '@millrace/observability';
import { startStreams } from '../../src/index.ts';
import { createCountTopology } from './count-topology.ts';
import { deadLetterTopic } from './dead-letter-topic.ts';

const [brokers = '', prefix = ''] = process.argv.slice(2);
const logger = createLogger({ service: 'count', level: 'info' });
const kafka = createKafka({ brokers: brokers.split(','), clientId: 'count', logger });
const streams = await startStreams({
  topology: createCountTopology(prefix).topology,
  kafka,
  metrics: createMetrics('count'),
  logger,
  deadLetters: deadLetterTopic(prefix),
  onFatal: (error) => {
    logger.fatal({ err: error }, 'fatal');
    process.exit(1);
  },
});
process.on('SIGTERM', () => {
  void streams.close().then(() => process.exit(0));
});
setInterval(() => {
  if (streams.isReady()) process.send?.('ready');
}, 100);
