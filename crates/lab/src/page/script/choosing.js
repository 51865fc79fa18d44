// ── Choosing ─────────────────────────────────────────────────────────────────────────────────────────

const word = shows[0].word;
const third = word === 'hang' ? 'hangs' : 'goes wrong';

function orders(place) {
  const { tree } = way.show;
  const sum = (pairs) => pairs.reduce((all, [, n]) => all + n, 0);
  const here = tree.places[place].o;
  return [sum(here.filter(([end]) => !tree.ends[end].good)), sum(here)];
}

function odds([bad, all], from) {
  if (all === 1) return `One order goes on from ${from}, and it ${bad ? third : 'ends well'}.`;
  if (bad === 0) return `Of ${all} orders from ${from}, none ${third}.`;
  if (bad === all) return `All ${all} orders from ${from} ${word}.`;
  return `Of ${all} orders from ${from}, ${bad} ${bad === 1 ? third : word}.`;
}

const WHY = {
  bound: 'not tried: it would take the turn once more than this search allows',
  equal: 'not tried: it comes to the same as another choice',
  unfinished: 'not tried: the search ended before it',
};

function labelOf(choice, now) {
  const { show } = way;
  const lane = show.lanes[choice.w];
  if (choice.m === 'time') return ['time passes', `Time passes for ${lower(lane.full)}`];
  if (choice.m === 'store') return ['its store reaches the memory', `A store of ${lower(lane.full)} reaches the memory`];
  const call = choice.c === undefined ? null : show.tree.calls[choice.c];
  if (call) return [call, `${lane.full} calls ${call}`];
  const begun = way.steps.slice(0, way.at).some(({ step }) => show.steps[step].w === choice.w);
  return begun ? ['goes on', `${lane.full} goes on`] : ['begins', `${lane.full} begins`];
}

function drawChoices(now) {
  const { show } = way;
  const { tree } = show;
  const mark = markHere();
  const place = mark && tree.places[mark.place];
  const over = place && place.e !== undefined;
  $('choose').dataset.place = mark ? mark.place : '';
  fill('choose-h', over ? 'It is over' : mark ? 'Who goes on?' : 'You look back');
  const hints = $('hints').checked;
  const items = ((place && place.c) || []).map((choice, n) => {
    const [text, full] = labelOf(choice, now);
    const inside = [el('kbd', {}, String(n + 1)), ' ', el('b', { class: colour(choice.w) }, show.lanes[choice.w].n), ' ',
      choice.c === undefined ? el('span', {}, text) : el('code', {}, text)];
    if (choice.to === undefined) {
      return el('li', { class: 'untried' }, ...inside.slice(2), el('span', { class: 'small' }, ` ${WHY[choice.why]}.`));
    }
    const both = orders(choice.to);
    const button = el('button', { type: 'button', 'data-choice': n }, ...inside);
    if (mark.pick === choice) button.setAttribute('aria-pressed', 'true');
    if (hints) button.append(el('span', { class: 'odds' }, odds(both, 'there')), meter(both));
    button.title = full;
    button.addEventListener('click', () => choose(choice));
    return el('li', {}, button);
  });
  if (!mark) {
    const next = way.marks.find((other) => other.at > way.at && !other.alone);
    const button = el('button', { type: 'button' }, next && tree.places[next.place].e === undefined ? 'To the next choice' : 'To the end');
    button.addEventListener('click', () => look(next ? next.at : way.steps.length));
    items.push(el('li', {}, button));
  }
  fill('choices', ...items);
  fill('odds', over ? '' : mark ? odds(orders(mark.place), 'here') : 'No choice here: this step follows from your choice before it.');
  $('undo').disabled = !way.marks.some((one) => one.pick && !one.alone);
  drawVerdict(over ? tree.ends[place.e] : null, now);
  drawGoal(over ? tree.ends[place.e] : null);
  drawMap(mark);
}

function meter([bad, all]) {
  const part = el('span', {});
  part.style.width = `${100 * bad / all}%`;
  return el('span', { class: 'meter', 'aria-hidden': 'true' }, part);
}

function drawGoal(end) {
  const { tree } = way.show;
  const fewest = tree.fewest[0];
  const made = choicesMade();
  const cure = way === ways[1];
  fill('goal-h', cure ? `Now try to make the cure ${word}` : fewest === null
    ? `Try to make it ${word}` : `Make it ${word} in as few choices as you can`);
  let said = `You have made ${count(made, 'choice')}.`;
  if (end && !end.good) {
    said = `It ${third} after ${count(made, 'choice')}. ` + (made === fewest
      ? 'No order does it with fewer.' : `The fewest that is possible: ${fewest}.`);
  } else if (end) {
    said = `It ended well after ${count(made, 'choice')}. ` + (fewest === null
      ? odds(orders(0), 'the start') : 'Take a choice back, or start again.');
  }
  fill('score', said);
}

function drawVerdict(end, now) {
  const inside = [el('ul', { class: 'standing' }, ...standing(now))];
  if (end) {
    inside.push(el('p', { class: end.good ? 'good' : 'bad' }, end.good ? `Nothing is wrong: ${end.outcome}.` : `It ${third}.`),
      ...end.findings.map((text) => el('p', {}, text)),
      ...end.cures.map((text) => el('p', {}, `The cure: ${text}`)));
    if (way === ways[0] && ways[1] && way.show.tree) {
      const button = el('button', { type: 'button', class: 'main' }, 'Now try with the cure');
      button.addEventListener('click', () => change(1));
      inside.push(button);
    }
  }
  fill('verdict', ...inside);
}

function drawMap(mark) {
  const { tree } = way.show;
  const ends = tree.places.filter((place) => place.e !== undefined).length;
  const way_ = way.marks.filter((one) => one.pick && !one.alone && one.at <= way.at).map((one) => way.show.lanes[one.pick.w].n);
  fill('where', `${way_.length ? `You chose ${way_.join(', ')}. ` : ''}You have seen ${way.seen.size} of ${count(ends, 'end')}.`);
  fill('tried', tree.tried);
  if (tree.places.length > 400) return;
  const at = (place) => [12 + 22 * tree.map[place][0], 12 + 18 * tree.map[place][1]];
  const width = 24 + 22 * Math.max(...tree.map.map(([column]) => column));
  const height = 24 + 18 * Math.max(...tree.map.map(([, row]) => row));
  const passed = new Map(way.marks.filter((one) => one.at <= way.at).map((one) => [one.place, one.pick]));
  const lines = [];
  const dots = [];
  tree.places.forEach((place, n) => {
    for (const choice of tried(place)) {
      const [[a, b], [c, d]] = [at(n), at(choice.to)];
      const on = passed.get(n) === choice && passed.has(choice.to);
      lines[on ? 'push' : 'unshift'](svg('line', { class: on ? 'edge on' : 'edge', x1: a, y1: b, x2: c, y2: d }));
    }
    const [x, y] = at(n);
    const known = place.e !== undefined && (way.seen.has(n) || $('hints').checked);
    const kind = place.e === undefined ? '' : !known ? ' end' : tree.ends[place.e].good ? ' end good' : ' end bad';
    const here = mark && mark.place === n ? ' here' : passed.has(n) ? ' on' : '';
    dots.push(place.e === undefined ? svg('circle', { class: `place${here}`, cx: x, cy: y, r: 5 })
      : svg('rect', { class: `place${kind}${here}`, x: x - 6, y: y - 6, width: 12, height: 12 }));
  });
  const label = `The tree: ${count(tree.places.length, 'place')}, of which ${count(ends, 'is an end', 'are ends')}.`;
  fill('map', svg('svg', { role: 'img', 'aria-label': label, viewBox: `0 0 ${width} ${height}`, width, height }, ...lines, ...dots));
}
