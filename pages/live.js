// Follows the run: asks for the page's parts every two seconds and replaces those that changed.

let version = '';
let shown = {};

async function update() {
  const response = await fetch('/state', { headers: version ? { 'If-None-Match': version } : {} });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(response.statusText);
  version = response.headers.get('etag') ?? '';
  const parts = await response.json();
  for (const [id, html] of Object.entries(parts)) {
    if (shown[id] !== html) document.getElementById(id).innerHTML = html;
  }
  shown = parts;
}

// "12 s ago" moves on between updates; long silence is marked.
function tick() {
  for (const place of document.querySelectorAll('[data-time]')) {
    const seconds = Math.max(0, Date.now() / 1000 - Number(place.dataset.time));
    if (!place.dataset.time) continue;
    const [count, unit] =
      seconds < 100 ? [seconds, 's'] : seconds < 6000 ? [seconds / 60, 'min'] : [seconds / 3600, 'h'];
    place.textContent = `last line ${Math.round(count)} ${unit} ago`;
    place.previousElementSibling?.classList.toggle('silent', seconds > 600);
  }
}

async function follow() {
  try {
    await update();
    document.body.classList.remove('lost');
  } catch {
    document.body.classList.add('lost');
  }
  tick();
  document.documentElement.dataset.ready = 'yes';
  setTimeout(follow, 2000);
}

follow();
