// What the pages ask of the service: the session, and /api/v1.

/** What the service answered instead of what was asked for. */
export class Problem extends Error {
  constructor(status, details) {
    super(details?.detail ?? `the service answered ${status}`);
    this.status = status;
    this.fields = details?.errors ?? [];
  }
}

/** Told, as events named `loggedout`, when the session is over. */
export const session = new EventTarget();
let proof = null;

async function ask(method, path, body) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && proof !== null) headers['X-CSRF-Token'] = proof;
  let response;
  try {
    response = await fetch(path, {
      method, headers, credentials: 'same-origin', cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: 'the service can’t be reached' });
  }
  const isJson = response.headers.get('Content-Type')?.includes('json');
  const answer = isJson ? await response.json() : null;
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

/** Who is logged in, as `{role, business}`; `null` if nobody is. */
export async function whoami() {
  try {
    const found = await ask('GET', '/console/session');
    proof = found.csrf_token;
    return found;
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export async function login(token) {
  await ask('POST', '/console/login', { token });
}

export async function logout() {
  await ask('POST', '/console/logout');
  proof = null;
}

async function api(method, path, body) {
  try {
    return await ask(method, `/api/v1${path}`, body);
  } catch (problem) {
    if (problem.status === 401) session.dispatchEvent(new Event('loggedout'));
    throw problem;
  }
}

/** Asks the interface, as in `get('/calls', {limit: 20})`. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given).toString();
  return api('GET', text ? `${path}?${text}` : path);
}

/** Changes something, as in `send('POST', '/calls/CA…/hangup')`. */
export const send = (method, path, body) => api(method, path, body);
