/** Which methods the routes of an application have, for an answer 405 with `Allow` in place of a 404. */
export interface RouteMethods {
  /** For Fastify's hook `onRoute`. Routes with a wildcard are left out: they are for whatever there is. */
  add(route: { readonly url: string; readonly method: string | readonly string[] }): void;
  /** Those of the route that a request's URL belongs to; none when there is no such route. */
  of(url: string): readonly string[];
}

export function createRouteMethods(): RouteMethods {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  return {
    add({ url, method }) {
      if (url.includes('*')) return;
      let route = routes.get(url);
      if (route === undefined) {
        route = { pattern: patternOf(url), methods: new Set() };
        routes.set(url, route);
      }
      for (const one of [method].flat()) route.methods.add(one);
    },
    of(url) {
      const path = url.split('?', 1)[0] ?? '';
      const exact = routes.get(path);
      if (exact !== undefined) return [...exact.methods];
      const methods = new Set<string>();
      for (const route of routes.values()) {
        if (route.pattern.test(path)) for (const method of route.methods) methods.add(method);
      }
      return [...methods];
    },
  };
}

/** `/v1/payments/:id` as an expression; a parameter is anything without a slash. */
function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}
