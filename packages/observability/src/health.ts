export interface ComponentHealth {
  readonly ready: boolean;
  /** A sentence for an operator: what is being waited for, or what is wrong. Nothing secret: it is served over HTTP. */
  readonly detail?: string;
}

export interface HealthReport {
  readonly ready: boolean;
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/**
 * What this process needs in order to do its work. Ready means that every registered component is; register them all
 * (as not ready) before the first wait, or the process looks ready too early. With none registered it is not ready.
 */
export class Health {
  readonly #components = new Map<string, ComponentHealth>();

  set(component: string, health: ComponentHealth): void {
    this.#components.set(component, health);
  }

  isReady(): boolean {
    if (this.#components.size === 0) return false;
    for (const component of this.#components.values()) if (!component.ready) return false;
    return true;
  }

  report(): HealthReport {
    return { ready: this.isReady(), components: Object.fromEntries(this.#components) };
  }
}
