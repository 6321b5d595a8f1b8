import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

const COOKIE = 'gallery';
const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * With a token: lets in who brings it, once as `?token=` (then by a cookie) or as `Authorization: Bearer`.
 * Without one: only who asks for this machine by name, so that no page from elsewhere can read along by
 * pointing a name of its own here.
 */
export function guard(token: string | undefined): MiddlewareHandler {
  return async (context, next) => {
    const { hostname } = new URL(context.req.url);
    if (token === undefined) {
      if (LOCAL.has(hostname)) return next();
      return context.text('The gallery is for this machine. Ask for http://localhost.', 403);
    }
    const given = context.req.query('token');
    if (given !== undefined && isSame(given, token)) {
      setCookie(context, COOKIE, token, { httpOnly: true, sameSite: 'Strict', path: '/' });
      return context.redirect('/');
    }
    const bearer = /^Bearer (.+)$/.exec(context.req.header('authorization') ?? '')?.[1];
    const brought = bearer ?? getCookie(context, COOKIE);
    if (brought !== undefined && isSame(brought, token)) return next();
    return context.text('The gallery wants a token: open the address that the log shows.', 401);
  };
}

/** In a time that says nothing of where they differ. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
