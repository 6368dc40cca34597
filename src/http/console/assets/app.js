// The frame: who is logged in, the pages, and which one is shown.

import { logout, session, whoami } from './lib/api.js';
import { button, el, fill } from './lib/dom.js';
import { show as showLogin } from './pages/login.js';

/**
 * Every page: its place in the address behind `#/`, its name in the navigation (none: not there), and its module. A module
 * exports `show(main, context)`, which fills `main` and may give a function that is called when the page is left. `context`
 * has `login` (`role`, `business`) and `rest`: the parts of the address behind the page's place.
 */
const PAGES = [
  { path: 'call', name: 'Call', module: './pages/call.js' },
];

const main = document.getElementById('main');
const pages = document.getElementById('pages');
const who = document.getElementById('who');
let login = null;
let leave = null;
let shown = 0;

function place() {
  const parts = location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
  const page = PAGES.find((known) => known.path === parts[0]);
  return { page: page ?? PAGES[0], rest: page ? parts.slice(1) : [] };
}

async function show() {
  const number = (shown += 1);
  leave?.();
  leave = null;
  if (login === null) {
    fill(pages);
    fill(who);
    document.title = 'Log in – Trunkline';
    leave = showLogin(main, { start });
    return;
  }
  const { page, rest } = place();
  fill(pages, PAGES.filter(({ name }) => name).map(({ path, name }) =>
    el('a', { href: `#/${path}`, 'aria-current': path === page.path ? 'page' : null }, name)));
  const scope = login.business ?? 'all businesses';
  fill(who, el('span', { dir: 'auto' }, `${login.role}, ${scope}`), button('Log out', leaveConsole, { id: 'logout' }));
  document.title = `${page.name ?? 'Page'} – Trunkline`;
  fill(main, el('p', { role: 'status' }, 'Loading …'));
  try {
    const module = await import(page.module);
    if (number === shown) leave = await module.show(main, { login, rest });
  } catch (problem) {
    if (number === shown) fill(main, el('p', { role: 'alert', class: 'bad' }, `This page can’t be shown: ${problem.message}.`));
  }
}

async function leaveConsole() {
  try {
    await logout();
  } catch (problem) {
    if (problem.status !== 401) return alert(`You are still logged in: ${problem.message}.`);
  }
  login = null;
  show();
}

async function start() {
  try {
    login = await whoami();
  } catch (problem) {
    fill(main, el('p', { role: 'alert', class: 'bad' }, `${problem.message}.`), button('Try again', start));
    return;
  }
  await show();
}

document.getElementById('skip').addEventListener('click', () => main.focus());
addEventListener('hashchange', async () => {
  await show();
  main.focus();
});
session.addEventListener('loggedout', () => {
  login = null;
  show();
});
start();
