/**
 * The engine's server configuration. The defaults are for a machine of its own: caches of gigabytes, a memory limit of
 * 90 % of the RAM. This one shares a laptop with Kafka and five services.
 */
export function serverConfigXml(): string {
  const entries = Object.entries(SERVER_CONFIG).map(([name, value]) => `  <${name}>${value}</${name}>`);
  return `<clickhouse>\n${entries.join('\n')}\n</clickhouse>\n`;
}

const MIB = 1024 * 1024;

const SERVER_CONFIG: Readonly<Record<string, string | number>> = {
  display_name: 'millrace',
  timezone: 'UTC',
  // Of the whole process; an insert or query beyond it fails with MEMORY_LIMIT_EXCEEDED instead of swapping the machine.
  max_server_memory_usage: 1_536 * MIB,
  mark_cache_size: 64 * MIB,
  primary_index_cache_size: 32 * MIB,
  index_mark_cache_size: 16 * MIB,
  mmap_cache_size: 64,
  // Idle threads are given back with their stacks and arenas.
  max_thread_pool_free_size: 8,
  asynchronous_metrics_update_period_s: 10,
};
