// npm run changelog -- forget --application A --topic T --partition P --offset N
// npm run changelog -- reset --application A [--offsets]
// Both with [--brokers HOST:PORT,...]. What they do and when they are needed: docs/operations.md.
import { parseArgs } from 'node:util';
import { createKafka, KafkaError } from '@millrace/kafka';
import { createLogger } from '@millrace/observability';
import { forgetKey, resetApplication } from './changelog-repair.ts';
import { StreamsError } from './errors.ts';

const USAGE = `usage: npm run changelog -- forget --application A --topic T --partition P --offset N [--brokers HOST:PORT,...]
       npm run changelog -- reset --application A [--offsets] [--brokers HOST:PORT,...]

forget   writes a tombstone for the key of a record that a store cannot read; what is known of the key is lost
reset    deletes all changelogs of an application; with --offsets it also reads its inputs again from their starts

The application must be stopped. --brokers: default 127.0.0.1:9092.`;
const EXIT_UNUSABLE = 2;

try {
  console.log(await run(process.argv.slice(2)));
} catch (error) {
  const isArgument = error instanceof TypeError && 'code' in error;
  if (!isArgument && !(error instanceof StreamsError) && !(error instanceof KafkaError)) throw error;
  console.error(isArgument ? `${error.message}\n\n${USAGE}` : error.message);
  process.exitCode = EXIT_UNUSABLE;
}

async function run(args: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      application: { type: 'string' },
      topic: { type: 'string' },
      partition: { type: 'string' },
      offset: { type: 'string' },
      offsets: { type: 'boolean', default: false },
      brokers: { type: 'string', default: '127.0.0.1:9092' },
      help: { type: 'boolean', default: false },
    },
  });
  const { application, topic } = values;
  const partition = wholeNumber(values.partition);
  const offset = wholeNumber(values.offset);
  const [action] = positionals;
  const kafka = createKafka({
    brokers: values.brokers.split(','),
    clientId: 'changelog',
    logger: createLogger({ service: 'changelog', level: 'error' }),
  });
  if (!values.help && application !== undefined) {
    if (action === 'forget' && topic !== undefined && partition !== undefined && offset !== undefined) {
      const key = await forgetKey(kafka, { applicationId: application, topic, partition, offset });
      return `${topic}-${partition}: key ${JSON.stringify(key)} is forgotten; start the application again`;
    }
    if (action === 'reset') {
      const topics = await resetApplication(kafka, application, { offsets: values.offsets });
      const kept = values.offsets
        ? 'it reads its inputs again from their starts'
        : 'it goes on in its inputs where it was';
      return `${application}: deleted ${topics.join(', ') || 'no topic, since it has no changelog'}; ${kept}`;
    }
  }
  if (!values.help) process.exitCode = EXIT_UNUSABLE;
  return USAGE;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
