import type { Assignment, AssignmentUnit } from '@millrace/kafka';
import type { OpenTask } from './open-task.ts';
import type { Standbys, StandbyUnit } from './standbys.ts';
import type { TaskRunner } from './task-runner.ts';

export interface TaskSetOptions {
  /** Starts a task, with the state that a standby has gathered if there is one. */
  createRunner(unit: AssignmentUnit, warm: OpenTask | undefined): TaskRunner;
  standbyOf(unit: AssignmentUnit): StandbyUnit;
  readonly standbys: Standbys;
}

/** The tasks of this instance, as the group has shared them out last. */
export class TaskSet {
  readonly #options: TaskSetOptions;
  readonly #leaving = new Map<string, Promise<void>>();
  readonly runners = new Map<string, TaskRunner>();
  #assigned: Assignment | undefined;
  #closed = false;

  constructor(options: TaskSetOptions) {
    this.#options = options;
  }

  takeOver(assignment: Assignment): void {
    this.#assigned = assignment;
    // 1. What belongs to others now: commit it, and let go.
    const wanted = new Set(assignment.units.map(({ id }) => id));
    for (const [id, runner] of this.runners) {
      if (wanted.has(id)) continue;
      this.runners.delete(id);
      this.#leaving.set(
        id,
        runner.close().finally(() => this.#leaving.delete(id)),
      );
    }
    // 2. What is new here. Given away and back again: the old runner finishes first, or the two would fence each other.
    for (const unit of assignment.units) {
      const before = this.#leaving.get(unit.id);
      if (before === undefined) this.#start(unit);
      else void before.then(() => this.#start(unit));
    }
    // 3. What to keep warm.
    this.#options.standbys.follow(assignment.standbys.map((unit) => this.#options.standbyOf(unit)));
  }

  /** All tasks that the group gave to this instance are restored and process. */
  get runningCount(): number {
    return [...this.runners.values()].filter(({ running }) => running).length;
  }

  get isReady(): boolean {
    return this.#assigned !== undefined && this.runningCount === this.#assigned.units.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...[...this.runners.values()].map((runner) => runner.close()), ...this.#leaving.values()]);
  }

  #start(unit: AssignmentUnit): void {
    const { createRunner, standbys } = this.#options;
    if (this.#closed || this.runners.has(unit.id) || !this.#assigned?.units.some(({ id }) => id === unit.id)) return;
    this.runners.set(unit.id, createRunner(unit, standbys.remove(unit.id)));
  }
}
