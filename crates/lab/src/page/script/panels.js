// ── The panels ───────────────────────────────────────────────────────────────────────────────────────

function wordsOf(now) {
  const { show, steps, at } = way;
  if (at === 0) return [['', 'Nothing has happened yet.']];
  const step = show.steps[steps[at - 1].step];
  const said = [];
  if (step.m === 'taken') said.push(['small', `${show.lanes[step.w].full} takes the turn from one that could have gone on.`]);
  if (step.m === 'time') said.push(['small', `Time passes for ${lower(show.lanes[step.w].full)}.`]);
  for (const { line, woken } of linesOf(now, at - 1)) {
    said.push([colour(line.l), (woken && line.v) || line.s, line.f]);
    if (line.n) said.push(['note', line.n]);
  }
  for (const [kind, id, cells] of step.r || []) {
    const key = `${kind} ${id}`;
    const changed = (cells || []).filter(([name]) => now.fresh.has(`${key} ${name}`)).map(([name, value]) => `${name} is now ${value}`);
    if (!cells) said.push(['small', `In the kernel's table, ${key} is gone.`]);
    else if (changed.length) said.push(['small', `In the kernel's table, ${key}: ${changed.join(', ')}.`]);
  }
  if (step.d) said.push(['bad', `This decides: ${step.d}.`]);
  return said;
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);

function standing(now) {
  return way.show.lanes.flatMap((lane, at) => {
    const { born, end, asleep } = now.lanes[at];
    if (born === null) return [];
    const is = end !== null ? 'has ended' : asleep ? `sleeps in ${asleep}` : 'can go on';
    return [el('li', { class: colour(at) }, `${lane.full} ${is}.`)];
  });
}

function drawKernel(now) {
  $('kernel').hidden = !way.show.steps.some((step) => step.r);
  const kinds = new Map();
  for (const [key, cells] of now.rows) {
    const kind = key.split(' ')[0];
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push([key, cells]);
  }
  const tables = [...kinds].map(([kind, rows]) => el('table', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, `${kind} id`), ...rows[0][1].map(([name]) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...rows.map(([key, cells]) => el('tr', {}, el('th', { scope: 'row' }, key.split(' ')[1]),
      ...cells.map(([name, value]) => el('td', now.fresh.has(`${key} ${name}`) ? { class: 'fresh' } : {}, value)))))));
  fill('rows', ...(tables.length ? tables : [el('p', { class: 'small' }, 'It has no row of these programs.')]));
}

const WIDE = 8;

function drawBytes(now) {
  // A segment first; other mappings are often a lock of a library.
  const all = [...now.memory].sort(([a], [b]) => b.startsWith('shm') - a.startsWith('shm'));
  const ever = way.show.steps.some((step) => step.x.some((line) => line.k !== 'print' && line.b));
  $('memory').hidden = !ever;
  const one = ([name, bytes]) => {
    const end = Math.min(bytes.length, 256);
    const rows = [];
    for (let from = 0; from < end; from += WIDE) {
      const cells = Array.from({ length: WIDE }, (_, at) => bytes[from + at]);
      if (cells.every((cell) => !cell)) continue;
      const two = (cell) => cell ? cell.is.toString(16).padStart(2, '0') : '··';
      const sign = (cell) => !cell ? ' ' : cell.is >= 32 && cell.is < 127 ? String.fromCharCode(cell.is) : '.';
      const mark = (cell, text) => el('span', cell ? { class: colour(cell.by) + (cell.fresh ? ' fresh' : '') } : {}, text);
      rows.push(`+${String(from).padEnd(4)}`, ...cells.flatMap((cell) => [mark(cell, two(cell)), ' ']), ' ', ...cells.map((cell) => mark(cell, sign(cell))), '\n');
    }
    const writers = [...new Set(Object.values(bytes).map((cell) => cell.by))];
    const text = bytes.map((cell) => cell && cell.is >= 32 && cell.is < 127 ? String.fromCharCode(cell.is) : ' ');
    const words = Array.from(text, (sign) => sign || ' ').join('').trim();
    const caption = el('figcaption', {}, `${name}${/[a-z]{2}/i.test(words) ? ` holds "${words}"` : ''}. Last writer: `,
      ...writers.flatMap((lane, nth) => [nth ? ', ' : '', el('b', { class: colour(lane) }, way.show.lanes[lane].n)]), '.');
    return el('figure', {}, caption, el('pre', { 'aria-hidden': 'true' }, ...rows));
  };
  fill('bytes', ...(all.length ? all.map(one) : [el('p', { class: 'small' }, 'Nothing was written to shared memory yet.')]));
}

function drawPrinted(now) {
  $('printed').hidden = !way.show.steps.some((step) => step.x.some((line) => line.k === 'print'));
  const lines = now.printed.slice(-60).map(({ lane, text }) => el('span', { class: colour(lane) }, text));
  fill('output', lines.length ? el('pre', { tabindex: '0', role: 'region', 'aria-label': 'Lines' }, ...lines) : el('p', { class: 'small' }, 'Nothing yet.'));
}
