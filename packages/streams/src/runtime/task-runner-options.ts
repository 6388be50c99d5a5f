import type { AssignmentUnit, KafkaAdmin, PartitionReader, TransactionalProducer } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import type { AnyProcessor } from '../topology.ts';
import type { StreamsMetrics } from './metrics.ts';
import type { OpenTask } from './open-task.ts';
import type { Restorer } from './restorer.ts';

/** What a task needs of the instance it runs in. */
export interface TaskRunnerOptions {
  readonly applicationId: string;
  readonly unit: AssignmentUnit;
  readonly processor: AnyProcessor;
  readonly partition: number;
  readonly commitIntervalMs: number;
  /** What a standby has gathered: the first start goes on from there, later ones from nothing. */
  readonly warm: OpenTask | undefined;
  openTask(): OpenTask;
  readonly admin: KafkaAdmin;
  readonly reader: PartitionReader;
  readonly restorer: Restorer;
  readonly metrics: StreamsMetrics;
  readonly logger: Logger;
  /** A producer with this task's transactional id; creating it fences the previous owner. */
  createProducer(): Promise<TransactionalProducer>;
  onFatal(error: Error): void;
}
