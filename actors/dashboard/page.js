// The head's dashboard: asks the head every two seconds, shows what it says, and says so when it says nothing.
import {age, byId, clock, count, dress, duration, make, reconcile, say} from './dom.js';
import {drawCharts} from './charts.js';
import {ask, prepareDialogs} from './actions.js';
import {membersOf, problemsOf, running, signs, stateOf, verdictOf} from './wellness.js';

const kPoll = 2000, kOld = 7000, kHour = 3600, kEventsShown = 300;

let status, heard = 0, failing = false;  // the last answer, and when it came
let last = new Map();  // process → {served, refused, at}, for rates
let rates = new Map();  // node → {qps, refusing}
let samples = [], skew = 0, term;
let events = [], newest = 0;
let shown;  // the node in the details dialog

async function get(path) {
  const answer = await fetch(path, {cache: 'no-store', signal: AbortSignal.timeout(4000)});
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`);
  return answer.json();
}

function measure() {
  const now = performance.now();
  const next = new Map();
  rates = new Map();
  for (const member of status.members) {
    const id = `${member.node}/${member.pid}`;
    const before = last.get(id);
    const seconds = before ? (now - before.at) / 1000 : 0;
    const usable = before && seconds > 0.5;
    rates.set(member.node, {
      qps: usable ? Math.max(0, (member.served - before.served) / seconds) : null,
      refusing: Boolean(usable && member.refused > before.refused),
    });
    next.set(id, {served: member.served, refused: member.refused, at: now});
  }
  last = next;
}

function showVerdict() {
  const refusing = new Set([...rates].filter(([, rate]) => rate.refusing).map(([node]) => node));
  const problems = problemsOf(status, refusing);
  const verdict = verdictOf(status, problems);
  dress(byId('verdict'), `verdict ${verdict.colour}`);
  say(byId('verdict').querySelector('.mark'), verdict.sign);
  say(byId('verdict-text'), verdict.text);
  document.title = `${{well: '✓', busy: '▲', bad: '✕'}[verdict.colour]} ${status.colony} · Rookery`;
  reconcile(byId('problems'), problems, (problem) => problem.text,
    () => make('li', {}, make('span', {class: 'sign', 'aria-hidden': 'true'}), make('span', {class: 'text'})),
    (item, problem) => {
      say(item.firstChild, problem.bad ? '✕' : '▲');
      say(item.lastChild, problem.text);
    });
}

function showOperations() {
  // Those under way, and the last one that ended badly: an end that somebody should read.
  const list = (status.operations ?? []).filter((operation, i, all) =>
    running(operation) || (operation.state !== 'done' && i === all.length - 1));
  byId('work').hidden = list.length === 0;
  reconcile(byId('operations'), list, (operation) => operation.id,
    () => make('li', {class: 'operation'}, make('span'), make('progress', {max: '1'})),
    (item, operation) => {
      const whom = operation.node || operation.agent || operation.index;
      const steps = operation.of > 0 ? ` · step ${operation.step} of ${operation.of}` : '';
      say(item.firstChild, `${operation.action} ${whom} · ${operation.state}${steps}${operation.text ? ` · ${operation.text}` : ''}`);
      item.lastChild.hidden = !running(operation) || !(operation.of > 0);
      item.lastChild.value = operation.of > 0 ? operation.step / operation.of : 0;
      item.lastChild.setAttribute('aria-label', `progress of ${operation.action} ${whom}`);
    });
}

function generationButtons(generation) {
  const order = {index: generation.index, generation: generation.generation, replicas_now: generation.replicas};
  return ['scale', 'restart', 'swap', 'rollback'].map((action) => make('button', {
    type: 'button', class: 'order', text: {scale: 'Scale', restart: 'Restart', swap: 'Swap', rollback: 'Roll back'}[action],
    'aria-label': `${action} index ${generation.index}`, 'data-action': action,
    // The order is built when it is asked for: replicas may have changed since.
    click: () => ask(action, {...order, replicas_now: status.generations.find((other) =>
      other.index === generation.index && other.generation === generation.generation)?.replicas ?? order.replicas_now}),
  }));
}

function showReplica(button, member) {
  const state = stateOf(member);
  dress(button, `replica ${state.colour}`);
  const [sign, name, word, facts, times] = button.children;
  say(sign, (signs[state.word] ?? '·') + ' ');
  say(name, member.node || `replica ${member.replica}`);
  const swap = member.generation && member.next_generation ? ` ${member.generation} → ${member.next_generation}` : '';
  say(word, ` · ${state.word === 'lost' ? 'out of contact' : state.word}${swap}`);
  const serves = member.state === 'ready' || member.state === 'draining';
  say(facts, serves ? `${count(rates.get(member.node)?.qps)} q/s · ${count(member.queue)} waiting` : `process ${member.pid || '–'}`);
  say(times, serves && member.p50_us > 0 ? `p50 ${duration(member.p50_us)} · p99 ${duration(member.p99_us)}` : `replica ${member.replica}`);
}

function showShard(row, {shard, members}) {
  say(row.firstChild, `shard ${shard}`);
  reconcile(row.lastChild, members, (member) => `${member.node}/${member.replica}`,
    (member) => make('li', {}, make('button', {type: 'button', 'aria-haspopup': 'dialog', click: () => showDetails(member.node)},
      make('span', {class: 'sign', 'aria-hidden': 'true'}), make('b'), make('span', {class: 'state'}), make('small'), make('small'))),
    (item, member) => showReplica(item.firstChild, member));
}

function showMap() {
  const order = {live: 0, preparing: 1, retired: 2};
  const generations = [...status.generations].sort((a, b) =>
    a.index.localeCompare(b.index) || order[a.role] - order[b.role]);
  reconcile(byId('map'), generations, (generation) => `${generation.index}/${generation.generation}`,
    (generation) => make('article', {'aria-label': `index ${generation.index}, generation ${generation.generation}`},
      make('div', {class: 'generation-head'}, make('h3'), make('span'), make('span', {class: 'quiet'}),
        make('div', {class: 'buttons'}, ...(generation.role === 'live' ? generationButtons(generation) : []))),
      make('ol', {class: 'shards'})),
    (box, generation) => {
      dress(box, `generation ${generation.role}`);
      const [title, role, facts, buttons] = box.firstChild.children;
      const preparing = generations.find((other) => other.index === generation.index && other.role === 'preparing');
      say(title, `${generation.index} · ${generation.generation}` +
        (generation.role === 'live' && preparing ? ` → ${preparing.generation}` : ''));
      dress(role, `role ${generation.role}`);
      say(role, generation.role);
      say(facts, `${generation.shards} × ${generation.replicas} · ${count(generation.passages)} passages · ${generation.kind}`);
      if (generation.role === 'live' && buttons.children.length === 0) buttons.append(...generationButtons(generation));
      if (generation.role !== 'live' && buttons.children.length > 0) buttons.replaceChildren();
      const members = membersOf(status, generation);
      const shards = Array.from({length: generation.shards}, (_, shard) => ({
        shard, members: members.filter((member) => member.shard === shard),
      }));
      reconcile(box.lastChild, shards, (row) => row.shard,
        () => make('li', {class: 'shard'}, make('span'), make('ul', {class: 'replicas'})), showShard);
    });
}

function showDetails(node) {
  shown = node;
  fillDetails();
  if (!byId('details').open) byId('details').showModal();
}

function fillDetails() {
  const member = status.members.find((other) => other.node === shown);
  if (!member) return byId('details').close();
  say(byId('details-title'), `${member.node} · ${stateOf(member).word}`);
  const facts = [['index', `${member.index}, generation ${member.generation || '–'}`],
    ['place', `shard ${member.shard}, replica ${member.replica}`],
    ['host', `${member.host || '–'}${member.agent ? `, agent ${member.agent}` : ''}`],
    ['process', member.pid ? String(member.pid) : 'none'], ['endpoint', member.endpoint || '–'],
    ['load', `${count(rates.get(member.node)?.qps)} q/s, ${count(member.queue)} waiting, wait p95 ${duration(member.queue_wait_us)}`],
    ['latency', `p50 ${duration(member.p50_us)}, p99 ${duration(member.p99_us)}`],
    ['so far', `${count(member.served)} answered, ${count(member.refused)} refused, ${count(member.restarts)} restarts`]];
  if (member.http) facts.push(['metrics', `http://${member.http}/metrics`]);
  if (member.reason) facts.push(['last end', `code ${member.exit_code}: ${member.reason}`]);
  reconcile(byId('details-facts'), facts.flatMap(([name, value]) => [[`${name}?`, 'dt', name], [name, 'dd', value]]),
    ([key]) => key, ([, tag]) => make(tag), (element, [, , text]) => say(element, text));
  const drained = member.drained || member.state === 'draining';
  const wanted = drained ? ['undrain'] : ['drain', 'restart'];
  reconcile(byId('details-actions'), wanted, (action) => `${member.node}/${action}`,
    (action) => make('button', {type: 'button', class: 'order', 'data-action': action,
      text: {drain: 'Drain', undrain: 'Take back', restart: 'Restart'}[action],
      click: () => {
        byId('details').close();
        ask(action, {node: member.node, index: member.index});
      }}), () => {});
}

function showAgents() {
  reconcile(byId('agents').tBodies[0], status.agents, (agent) => agent.agent,
    () => make('tr', {}, make('th', {scope: 'row'}), make('td'), make('td'), make('td', {class: 'number'}),
      make('td', {class: 'number'}), make('td', {}, make('button', {type: 'button', class: 'order'}))),
    (row, agent) => {
      const state = !agent.connected ? '◌ not connected' : agent.drained ? '◒ drained' : '● connected';
      [agent.agent, agent.host, state, count(agent.cores), count(agent.slots)].forEach((text, i) => say(row.children[i], text));
      const button = row.lastChild.firstChild;
      const action = agent.drained ? 'undrain' : 'drain';
      say(button, agent.drained ? 'Take back' : 'Drain');
      button.setAttribute('aria-label', `${action} agent ${agent.agent}`);
      button.onclick = () => ask(action, {agent: agent.agent});
    });
}

function showEvents() {
  byId('no-events').hidden = events.length > 0;
  byId('events').hidden = events.length === 0;
  reconcile(byId('events').tBodies[0], events.slice(-kEventsShown).reverse(), (event) => event.seq,
    (event) => make('tr', {}, make('td', {text: clock(event.time_ms), title: new Date(event.time_ms).toISOString()}),
      make('td', {class: `level-${['info', 'warn', 'error'].includes(event.level) ? event.level : 'info'}`, text: event.level}),
      make('td', {class: 'what', text: event.text})), () => {});
}

/** Says how old the data is; nothing can be ordered on old data. */
function showAge() {
  const old = heard === 0 ? failing : Date.now() - heard > kOld;
  byId('stale').hidden = !old;
  document.body.classList.toggle('old', old && heard > 0);
  if (old) {
    say(byId('stale'), heard === 0 ? 'The head does not answer.'
      : `The head has not answered for ${age((Date.now() - heard) / 1000)}. What you see is from ${clock(heard)}. ` +
        'Nodes and clients go on without it.');
    document.title = `? ${status?.colony ?? ''} · Rookery`;
  }
  for (const button of document.querySelectorAll('button.order')) button.disabled = old;
  if (heard > 0) say(byId('updated'), `updated ${age((Date.now() - heard) / 1000)} ago`);
}

function show() {
  say(byId('colony'), status.colony);
  say(byId('facts'), `term ${status.term} · view ${status.epoch}`);
  showVerdict();
  showOperations();
  showMap();
  showAgents();
  if (byId('details').open) fillDetails();
}

async function poll() {
  try {
    const fresh = await get('/v1/status');
    if (term !== fresh.term) {  // another head: it counts its events from one
      term = fresh.term;
      events = [];
      newest = 0;
    }
    status = fresh;
    heard = Date.now();
    measure();
    show();
    const [history, news] = await Promise.all([
      get(`/v1/history?seconds=${kHour}&after=${samples.at(-1)?.t ?? 0}`), get(`/v1/events?after=${newest}`)]);
    skew = history.now - Date.now();
    samples = samples.concat(history.samples).filter((sample) => sample.t > history.now - kHour * 1000);
    drawCharts(samples, Date.now() + skew, kHour);
    events = events.concat(news.events).slice(-1000);
    newest = news.newest;
    showEvents();
  } catch {
    failing = true;
  }
  showAge();
  setTimeout(poll, kPoll);
}

prepareDialogs();
setInterval(showAge, 1000);
poll();
