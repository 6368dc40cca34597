// The frame: who is logged in, the pages, and which one is shown.

import { logout, session, whoami } from './lib/api.js';
import { button, el, fill } from './lib/dom.js';
import { show as showLogin } from './pages/login.js';

/**
 * Every page: its place in the address behind `#/`, its name in the navigation (none: it has a `title`, and belongs to the
 * page `of`), and its module. A module
 * exports `show(main, context)`, which fills `main` and may give a function that is called when the page is left. `context`
 * has `login` (`role`, `business`) and `rest`: the parts of the address behind the page's place.
 */
const PAGES = [
  { path: 'call', name: 'Call', module: './pages/call.js' },
  { path: 'live', name: 'Live calls', module: './pages/live.js' },
  { path: 'history', name: 'History', module: './pages/history.js' },
  { path: 'record', of: 'history', title: 'One call', module: './pages/record.js' },
  { path: 'businesses', name: 'Businesses', module: './pages/businesses.js' },
  { path: 'campaigns', name: 'Campaigns', module: './pages/campaigns.js' },
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
    el('a', { href: `#/${path}`, 'aria-current': path === (page.of ?? page.path) ? 'page' : null }, name)));
  const scope = login.business ?? 'all businesses';
  fill(who, el('span', { dir: 'auto' }, `${login.role}, ${scope}`), button('Log out', leaveConsole, { id: 'logout' }));
  document.title = `${page.name ?? page.title} – Trunkline`;
  fill(main, el('p', { role: 'status' }, 'Loading …'));
  try {
    const module = await import(page.module);
    if (number !== shown) return;
    // A page that answers late paints into its own view, which is gone by then.
    const view = el('div', { class: 'view' }, el('p', { role: 'status' }, 'Loading …'));
    fill(main, view);
    const left = await module.show(view, { login, rest });
    if (number === shown) leave = left;
    else left?.();
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
  forget();
}

/** Nothing that a page has in its memory is for whoever logs in next. */
const forget = () => location.reload();

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
session.addEventListener('loggedout', forget);
start();
