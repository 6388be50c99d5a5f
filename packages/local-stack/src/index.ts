export { LocalStackError, type LocalStackErrorCode } from './error.ts';
export { fetchKafkaJars } from './kafka/jars.ts';
export { type StackPorts, stackPorts } from './ports.ts';
export { clickhousePart, type DataFolder, kafkaPart } from './store-parts.ts';
export { Part, type PartOptions } from './supervisor/part.ts';
export { type TestStack, testStack } from './test-stack.ts';
