import type { Logger, Metrics } from '@millrace/observability';
import type { MerchantObserver } from './merchant-processor.ts';

/** Counts decisions and alerts, and says which rules cannot be used. */
export function createObserver(metrics: Metrics, logger: Logger): MerchantObserver {
  const decisions = metrics.counter({
    name: 'millrace_detector_decisions_total',
    help: 'Payments decided.',
    labels: ['decision'],
  });
  const alerts = metrics.counter({ name: 'millrace_detector_alerts_total', help: 'Alerts raised.', labels: ['kind'] });
  const faulty = metrics.gauge({
    name: 'millrace_detector_faulty_rules',
    help: 'Faults of rules in the topic of rules that cannot be used and are left out.',
  });
  return {
    decision: (decision) => decisions.inc({ decision }),
    alert: (kind) => alerts.inc({ kind }),
    ruleFaults: (faults) => {
      faulty.set(faults.length);
      if (faults.length > 0) logger.error({ faults }, 'rules that cannot be used are left out');
    },
  };
}
