// Runs one Kafka broker in the foreground, for working on a single service:
//   node packages/local-stack/src/kafka/main.ts --port 9092 --data DIR
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { fetchKafkaJars } from './jars.ts';
import { prepareKafka } from './server.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '9092' }, data: { type: 'string' } } });
if (values.data === undefined) throw new Error("--data DIR is missing: the folder that holds the broker's data");
const port = Number(values.port);
const jarsDir = await fetchKafkaJars((line) => console.error(line));
const { command, args } = await prepareKafka({
  dataDir: values.data,
  jarsDir,
  ports: { broker: port, controller: port + 1 },
});
const broker = spawn(command, args, { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => broker.kill(signal));
broker.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
