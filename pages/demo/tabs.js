// Tabs as the WAI-ARIA practices have them: arrows move, Home and End go to the ends.

import { at, make } from './dom.js';

export function startTabs(entries) {
  const tabs = entries.map(({ use, title, panel, loaded }) => {
    const tab = make(
      'button',
      { type: 'button', role: 'tab', id: `tab-${use}`, 'aria-controls': `panel-${use}` },
      title,
    );
    tab.classList.toggle('absent', !loaded);
    const place = make(
      'div',
      { role: 'tabpanel', id: `panel-${use}`, 'aria-labelledby': `tab-${use}`, tabIndex: -1 },
      panel,
    );
    at('tabs').append(tab);
    at('panels').append(place);
    tab.addEventListener('click', () => choose(tab));
    return { tab, place };
  });

  function choose(chosen) {
    at('status').replaceChildren();
    for (const { tab, place } of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      place.hidden = !isChosen;
    }
  }

  at('tabs').addEventListener('keydown', ({ key }) => {
    const now = tabs.findIndex(({ tab }) => tab.getAttribute('aria-selected') === 'true');
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 }[key];
    if (next === undefined) return;
    const { tab } = tabs[(next + tabs.length) % tabs.length];
    choose(tab);
    tab.focus();
  });
  const first = entries.findIndex(({ loaded }) => loaded);
  choose(tabs[Math.max(0, first)].tab);
}
