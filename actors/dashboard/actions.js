// What somebody with the admin token may order. Each order is confirmed in a dialog that says what will happen.
import {byId, make} from './dom.js';

const kToken = 'rookery-admin-token';

const orders = {
  scale: {
    title: (o) => `Scale ${o.index}`,
    text: (o) => `Every shard of ${o.index} gets this many replicas; it has ${o.replicas_now}. Those that go are drained first: no query is lost.`,
    fields: (o) => [{name: 'replicas', label: 'Replicas of each shard', type: 'number', min: 1, max: 64, value: o.replicas_now}],
    yes: 'Scale',
  },
  restart: {
    title: (o) => `Restart ${o.node || o.index}`,
    text: (o) => (o.node
      ? `${o.node} gets a new process. Its shard stays served by another replica.`
      : `All nodes of ${o.index} get new processes, one after the other. Every shard stays served.`),
    yes: 'Restart',
  },
  drain: {
    title: (o) => `Drain ${o.node || o.agent}`,
    text: (o) => (o.node
      ? `${o.node} answers what it has and takes nothing new. Its place moves to another agent, or stays empty.`
      : `All nodes of agent ${o.agent} answer what they have and leave. Their places move to other agents, or stay empty.`),
    yes: 'Drain',
  },
  undrain: {
    title: (o) => `Take ${o.node || o.agent} back`,
    text: () => 'It may be given work again.',
    yes: 'Take back',
  },
  swap: {
    title: (o) => `Swap ${o.index}`,
    text: (o) => `A new generation is loaded beside ${o.generation}, warmed up and compared; then queries go to it. If it answers too differently, nothing changes.`,
    fields: () => [
      {name: 'snapshot', label: 'Snapshot, NAME or NAME/GENERATION, as the head sees it', type: 'text', required: true},
      {name: 'recall_min', label: 'Least share of the old answers that it must find, 0 to 1 (empty: as configured)', type: 'number', min: 0, max: 1, step: 'any'}],
    yes: 'Swap',
  },
  rollback: {
    title: (o) => `Roll ${o.index} back`,
    text: (o) => `Queries go back to the generation before ${o.generation}.`,
    yes: 'Roll back',
  },
};

let current, opener;

function closeDialog() {
  byId('ask').close();
  opener?.focus();
}

/** Opens the dialog of `action`; `order` has the fields of the request and what the text needs. */
export function ask(action, order) {
  const kind = orders[action];
  current = {action, order};
  opener = document.activeElement;
  byId('ask-title').textContent = kind.title(order);
  byId('ask-text').textContent = kind.text(order);
  byId('ask-yes').textContent = kind.yes;
  byId('ask-yes').disabled = false;
  byId('ask-no').textContent = 'Cancel';
  byId('ask-outcome').textContent = '';
  byId('ask-fields').replaceChildren(...(kind.fields?.(order) ?? []).map(({name, label, required, ...attributes}) => {
    const input = make('input', {id: `ask-${name}`, name, spellcheck: 'false', autocomplete: 'off', ...attributes});
    input.required = Boolean(required);
    return make('div', {class: 'field'}, make('label', {for: `ask-${name}`, text: label}), input);
  }));
  byId('ask-token').value = '';
  byId('ask-token-row').hidden = sessionStorage.getItem(kToken) !== null;
  byId('ask').showModal();
}

/** The fields of `actors/admin_desk.hpp`. */
function body({action, order}) {
  const request = {};
  for (const name of ['index', 'node', 'agent']) if (order[name]) request[name] = order[name];
  for (const input of byId('ask-fields').querySelectorAll('input')) {
    if (input.value === '') continue;
    request[input.name] = input.type === 'number' ? Number(input.value) : input.value;
  }
  if (action === 'drain' || action === 'undrain') delete request.index;
  return request;
}

async function send() {
  const token = sessionStorage.getItem(kToken) ?? byId('ask-token').value.trim();
  const answer = await fetch(`/v1/actions/${current.action}`, {
    method: 'POST',
    headers: {'Content-Type': 'application/json', Authorization: `Bearer ${token}`},
    body: JSON.stringify(body(current)),
  });
  const text = await answer.text();
  let words = text.trim();
  try {
    words = JSON.parse(text).text ?? words;
  } catch { /* plain text, then */ }
  if (answer.status === 401 || answer.status === 403) {
    sessionStorage.removeItem(kToken);
    byId('ask-token-row').hidden = false;
    byId('ask-token').focus();
  } else if (token !== '') {
    sessionStorage.setItem(kToken, token);
    byId('ask-token-row').hidden = true;
  }
  return {done: answer.ok, words: words || `The head answered with status ${answer.status}.`};
}

export function prepareDialogs() {
  byId('ask-no').addEventListener('click', closeDialog);
  byId('details-close').addEventListener('click', () => byId('details').close());
  byId('ask-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    byId('ask-yes').disabled = true;
    byId('ask-outcome').textContent = 'Sent, waiting for the head.';
    let outcome;
    try {
      outcome = await send();
    } catch {
      outcome = {done: false, words: 'The head does not answer; nothing may have changed.'};
    }
    byId('ask-outcome').textContent = `${outcome.done ? '✓' : '✕'} ${outcome.words}`;
    byId('ask-yes').disabled = outcome.done;
    byId('ask-no').textContent = outcome.done ? 'Close' : 'Cancel';
  });
}
