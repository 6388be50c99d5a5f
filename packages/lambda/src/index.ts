export { bundleFunction, FUNCTIONS, type FunctionName } from './bundle.ts';
export { runtimeClient } from './config.ts';
export {
  type EventShape,
  type EventSource,
  type EventSourceOptions,
  openEventSource,
  toEvent,
} from './event-source.ts';
export { createLocalFunction, type LocalFunction, type LocalFunctionOptions } from './local-function.ts';
export { type FunctionAnswer, type RuntimeApi, startRuntimeApi } from './runtime-api.ts';
