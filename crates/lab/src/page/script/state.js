'use strict';
// The page of `lab page`. The data stands in #data; crates/lab/src/page/show.rs says what its short names mean.
// Nothing is fetched, nothing is stored, and all that a program has said is set as text, never as HTML.
const $ = (id) => document.getElementById(id);
const shows = JSON.parse($('data').textContent);
const make = (space, name, attributes, ...inside) => {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...inside);
  return made;
};
const el = (name, attributes, ...inside) => make('', name, attributes, ...inside);
const svg = (name, attributes, ...inside) => make('http://www.w3.org/2000/svg', name, attributes, ...inside);
const fill = (id, ...inside) => $(id) && $(id).replaceChildren(...inside);
const count = (n, one, many) => `${n} ${n === 1 ? one : many || one + 's'}`;
const colour = (lane) => 'l' + (lane % 6);

// The reader's way through each show: its steps, the places on it, and how much of it is looked at.
const ways = shows.map((show) => {
  const way = { show, steps: [], marks: [], at: 0, seen: new Set() };
  if (show.tree) {
    way.steps = show.tree.start.map((step) => ({ step }));
    way.marks = [{ at: way.steps.length, place: 0, pick: null }];
    goOn(way);
    way.at = way.steps.length;
  } else {
    way.steps = show.steps.map((_, step) => ({ step }));
  }
  return way;
});
let way = ways[0];

// ── The tree ─────────────────────────────────────────────────────────────────────────────────────────

function tried(place) {
  return (place.c || []).filter((choice) => choice.to !== undefined);
}

// Where one choice alone was tried, there is nothing to choose.
function goOn(way) {
  for (;;) {
    const mark = way.marks[way.marks.length - 1];
    const place = way.show.tree.places[mark.place];
    if (place.e !== undefined) way.seen.add(mark.place);
    if (tried(place).length !== 1) return;
    extend(way, tried(place)[0], true);
  }
}

function extend(way, choice, alone) {
  const { tree, steps } = way.show;
  const mark = way.marks[way.marks.length - 1];
  mark.pick = choice;
  mark.alone = alone;
  const moves = choice.t.flatMap((turn) => tree.turns[turn]);
  const next = (lane) => {
    const one = (tree.places[choice.to].c || []).find((one) => one.w === lane && !one.m && one.c !== undefined);
    return one && tree.calls[one.c];
  };
  moves.forEach((step, n) => {
    const lane = steps[step].w;
    const last = !moves.slice(n + 1).some((other) => steps[other].w === lane);
    way.steps.push({ step, comes: last ? next(lane) : undefined });
  });
  way.marks.push({ at: way.steps.length, place: choice.to, pick: null });
}

// The place at which the reader looks, if it is one at which something can be chosen, or an end.
function markHere() {
  return way.marks.findLast((mark) => mark.at === way.at && !mark.alone);
}

function choose(choice) {
  const mark = markHere();
  if (!mark || choice.to === undefined) return;
  cut(mark);
  const before = way.steps.length;
  extend(way, choice, false);
  goOn(way);
  way.at = way.steps.length;
  draw(before);
}

function cut(mark) {
  way.marks.length = way.marks.indexOf(mark) + 1;
  way.steps.length = mark.at;
  mark.pick = null;
  mark.alone = false;
}

function takeBack() {
  const last = way.marks.findLast((mark) => mark.pick && !mark.alone);
  if (!last) return;
  cut(last);
  way.at = way.steps.length;
  draw();
}

function startAgain() {
  cut(way.marks[0]);
  goOn(way);
  way.at = way.steps.length;
  draw();
}

function choicesMade() {
  return way.marks.filter((mark) => mark.pick && !mark.alone && mark.at <= way.at).length;
}

// ── What holds after so many steps ───────────────────────────────────────────────────────────────────

function after(show, steps, at) {
  const made = new Set(show.steps.flatMap((step) => step.x.flatMap((line) =>
    line.c !== undefined ? [line.c] : line.y !== undefined ? [line.l] : [])));
  const now = {
    rows: new Map(), memory: new Map(), printed: [], fresh: new Set(), drawn: [],
    lanes: show.lanes.map((_, lane) => ({ born: made.has(lane) ? null : 0, end: null, asleep: null, sleeps: [] })),
  };
  for (let n = 0; n < at; n++) {
    const step = show.steps[steps[n].step];
    const last = n === at - 1;
    const lines = step.x.length ? step.x : [goesOn(show, step, steps[n])];
    for (const line of lines) apply(now, line, n, last);
    for (const [kind, id, cells] of step.r || []) {
      const key = `${kind} ${id}`;
      const before = now.rows.get(key);
      if (last) (cells || []).forEach(([name, value]) => {
        const old = before && before.find((cell) => cell[0] === name);
        if (!old || old[1] !== value) now.fresh.add(`${key} ${name}`);
      });
      if (cells) now.rows.set(key, cells); else now.rows.delete(key);
    }
  }
  return now;
}

function apply(now, line, n, last) {
  const lane = now.lanes[line.l];
  const row = now.drawn.length;
  const woken = line.k === 'call' && lane.asleep;
  now.drawn.push({ line, n, woken });
  if (lane.born === null) lane.born = row;
  if (lane.asleep && line.k !== 'read' && line.k !== 'write') {
    lane.sleeps[lane.sleeps.length - 1].to = row;
    lane.asleep = null;
  }
  if (line.k === 'sleep') {
    lane.asleep = line.t.replace(/ …$/, '');
    lane.sleeps.push({ from: row, to: null });
  }
  if (line.k === 'end') lane.end = row;
  if (line.c !== undefined && now.lanes[line.c].born === null) now.lanes[line.c].born = row;
  for (const [name, from, text] of line.b || []) {
    if (line.k === 'print') {
      now.printed.push({ lane: line.l, text });
      continue;
    }
    if (!now.memory.has(name)) now.memory.set(name, []);
    const bytes = now.memory.get(name);
    for (let at = 0; at < text.length / 2; at++) {
      bytes[from + at] = { is: parseInt(text.substr(2 * at, 2), 16), by: line.l, fresh: last };
    }
  }
}

// A move in which nothing happens that others see.
function goesOn(show, step, taken) {
  const name = show.lanes[step.w].full;
  const text = taken.comes ? `goes on to ${taken.comes}` : 'goes on';
  const says = taken.comes
    ? `${name} goes on. It stands before its call ${taken.comes}.`
    : `${name} goes on. It makes no call that others can notice.`;
  return { l: step.w, k: 'goes', t: text, s: says };
}

function linesOf(now, n) {
  return now.drawn.filter((row) => row.n === n);
}
