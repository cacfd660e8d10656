// Makes an element's content equal to new HTML while touching only what differs, so that an open <details>,
// a selection, the focus and a screen reader's place survive an update. Elements with data-key keep their identity.

// Attributes the person or the script sets; the server's HTML never knows them.
const OURS = new Set(["open", "data-fresh", "data-busy", "data-asked"]);

export function morph(live, html) {
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  morphChildren(live, wanted.content);
}

function morphChildren(live, wanted) {
  const keyed = new Map();
  for (const child of live.children) {
    if (child.dataset.key) keyed.set(child.dataset.key, child);
  }
  let at = live.firstChild;
  for (const next of Array.from(wanted.childNodes)) {
    const match = counterpart(next, at, keyed);
    if (match === null) {
      if (keyOf(next)) next.dataset.fresh = "";
      live.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else live.insertBefore(match, at);
    morphNode(match, next);
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function counterpart(next, at, keyed) {
  const key = keyOf(next);
  if (key) return keyed.get(key) || null;
  if (at === null || keyOf(at)) return null;
  return at.nodeType === next.nodeType && at.nodeName === next.nodeName ? at : null;
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

function morphNode(live, next) {
  if (live.nodeType !== Node.ELEMENT_NODE) {
    if (live.nodeValue !== next.nodeValue) live.nodeValue = next.nodeValue;
    return;
  }
  for (const { name, value } of Array.from(next.attributes)) {
    if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  for (const { name } of Array.from(live.attributes)) {
    if (!next.hasAttribute(name) && !OURS.has(name)) live.removeAttribute(name);
  }
  morphChildren(live, next);
}
