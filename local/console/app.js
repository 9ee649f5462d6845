// The frame of the page: sections, theme, the state of the stream, and what is broken at the moment.

import { breakSection, brokenParts } from './break.js';
import { fill, h } from './dom.js';
import { feed } from './feed.js';
import { trySection } from './try.js';
import { watchSection } from './watch.js';

const SECTIONS = { try: trySection, watch: watchSection, break: breakSection };
const TITLES = { try: 'Try', watch: 'Watch', break: 'Break' };
const main = document.getElementById('main');
const made = {};

function show() {
  const asked = location.hash.slice(1);
  if (asked === 'main') return;
  const name = SECTIONS[asked] ? asked : 'try';
  for (const link of document.querySelectorAll('[data-section]')) {
    if (link.dataset.section === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${TITLES[name]} – ClearView console`;
  if (!made[name]) {
    made[name] = SECTIONS[name]();
    main.append(made[name].element);
  }
  for (const [other, section] of Object.entries(made)) {
    section.element.hidden = other !== name;
    if (other === name) section.shown?.();
    else section.left?.();
  }
}

function showTheme() {
  const button = document.getElementById('theme');
  const themes = ['system', 'light', 'dark'];
  let theme = localStorage.getItem('clearview.theme') ?? 'system';
  const apply = () => {
    button.textContent = `Theme: ${theme}`;
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event('theme'));
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    localStorage.setItem('clearview.theme', theme);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}

function showLive() {
  const live = document.getElementById('live');
  feed.addEventListener('live', () => {
    live.dataset.state = feed.live ? 'on' : 'off';
    document.getElementById('live-text').textContent = feed.live ? 'Live' : 'Server not reachable';
    if (feed.description) {
      document.getElementById('about').textContent =
        `ClearView ${feed.description.version} at ${location.host}. This page is served by the local server, for this machine alone.`;
    }
  });
}

function showTrouble() {
  const bar = document.getElementById('trouble');
  let shown = '';
  const update = () => {
    const broken = feed.parts.filter(({ trouble }) => trouble !== 'none');
    const text = brokenParts(broken);
    if (text === shown) return;
    shown = text;
    bar.hidden = broken.length === 0;
    if (bar.hidden) return;
    const repair = async () => {
      for (const { part } of broken) await feed.set(part, 'none');
    };
    fill(bar, h('div', { class: 'wrap trouble-row' }, h('p', {}, h('strong', {}, 'Broken on purpose. '), text), h('button', { type: 'button', onclick: repair }, 'Repair everything')));
  };
  feed.addEventListener('condition', update);
  feed.addEventListener('start', update);
}

showTheme();
showLive();
showTrouble();
addEventListener('hashchange', show);
feed.addEventListener('start', show, { once: true });
feed.open();
