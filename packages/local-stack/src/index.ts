export { LocalStackError, type LocalStackErrorCode } from './error.ts';
export { type StackPorts, stackPorts } from './ports.ts';
export { type TestStack, testStack } from './test-stack.ts';
