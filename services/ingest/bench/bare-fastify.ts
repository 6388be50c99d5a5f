// What ingest is measured against: Fastify with one route, the same JSON parser and the same answer, which keeps nothing.
// Argument: the port.
import Fastify from 'fastify';

const app = Fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('application/json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));
app.post(
  '/v1/payments',
  {
    schema: {
      response: {
        202: { type: 'object', properties: { accepted: { type: 'integer' }, transaction_id: { type: 'string' } } },
      },
    },
  },
  (request, reply) => {
    reply.code(202).send({ accepted: 1, transaction_id: (request.body as { transaction_id: string }).transaction_id });
  },
);
app.get('/health/live', () => ({ live: true }));
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
