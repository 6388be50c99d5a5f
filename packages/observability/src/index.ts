export {
  type AdminServer,
  type AdminServerOptions,
  type AdminSources,
  type MountedAnswer,
  type RouteHost,
  registerAdminRoutes,
  startAdminServer,
} from './admin.ts';
export { createClientErrorHandler } from './client-errors.ts';
export { type ConfigFault, isSupervised, type LoadOptions, loadConfig } from './config.ts';
export { configTable } from './config-table.ts';
export { ObservabilityError, type ObservabilityErrorCode } from './errors.ts';
export { type ComponentHealth, Health, type HealthReport } from './health.ts';
export { createLogger, LOG_LEVELS, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { isLoopback } from './loopback.ts';
export {
  type Counter,
  createMetrics,
  type Gauge,
  type GaugeOptions,
  type Histogram,
  type HistogramOptions,
  LATENCY_BUCKETS_SECONDS,
  type MetricOptions,
  type Metrics,
  type Registry,
} from './metrics.ts';
export { createRouteMethods, type RouteMethods } from './route-methods.ts';
export {
  type ResourceClose,
  runService,
  type ServiceOptions,
  type ServiceResources,
  SHUTDOWN_MS_MAX,
} from './service.ts';
export { kafkaAccessOf, settings } from './settings.ts';
export { childOf, childrenOf, newTraceparent, parseTraceparent, type TraceContext } from './traceparent.ts';
