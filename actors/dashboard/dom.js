// Everything that nodes say (names, reasons, last words) comes in as text and stays text: this page builds
// elements and sets textContent; no string is ever read as HTML.

export const byId = (id) => document.getElementById(id);

/** make('td', {class: 'number', text: '3'}, child, …) */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'text') element.textContent = value;
    else if (name === 'click') element.addEventListener('click', value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Writes only what differs, so that screen readers and selections are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** As `say`, for a class list. */
export function dress(element, classes) {
  if (element.className !== classes) element.className = classes;
}

/**
 * Makes the children of `parent` those of `items`, by key: kept elements stay where they are, with their focus.
 * `create(item)` makes an element, `update(element, item)` fills it in.
 */
export function reconcile(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = old.get(name);
    old.delete(name);
    if (!element) {
      element = create(item);
      element.dataset.key = name;
    }
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of old.values()) gone.remove();
}

/** 1234 → "1,234"; 0.42 → "0.42". */
export function count(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const digits = Math.abs(value) < 10 && value % 1 !== 0 ? 1 : 0;
  return value.toLocaleString('en-GB', {minimumFractionDigits: digits, maximumFractionDigits: digits});
}

/** Microseconds for people: "0.31 ms", "12 ms", "1.4 s". */
export function duration(us) {
  if (us === null || us === undefined || !Number.isFinite(us) || us < 0) return '–';
  if (us < 10_000) return `${(us / 1000).toFixed(2)} ms`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

/** Seconds for people: "8 s", "3 min", "2 h". */
export function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
