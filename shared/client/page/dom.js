// The few lines that stand between the modules and the document. Text goes in as text, always.

/**
 * The element with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return found
}

/**
 * The input with this id.
 * @param {string} id
 * @returns {HTMLInputElement}
 */
export function inputById(id) {
  return /** @type {HTMLInputElement} */ (byId(id))
}

/**
 * A copy of what a template holds.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function fromTemplate(id) {
  const template = /** @type {HTMLTemplateElement} */ (byId(id))
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild)
}

/**
 * The first element inside `root` that matches.
 * @param {Element} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function inside(root, selector) {
  const found = root.querySelector(selector)
  if (!found) throw new Error(`no ${selector} here`)
  return /** @type {HTMLElement} */ (found)
}

/**
 * Set an element's text, if it is another one: a screen reader may read a node again that was only rewritten.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Show or hide. If the focus was inside of what goes away, it moves on instead of falling to the top of the page.
 * @param {HTMLElement} element
 * @param {boolean} shown
 * @param {() => HTMLElement} [next] where the focus goes
 */
export function show(element, shown, next) {
  if (element.hidden === !shown) return
  const hadFocus = !shown && element.contains(document.activeElement)
  element.hidden = !shown
  if (hadFocus && next) next().focus()
}

/** Characters of a long name's end that stay to be seen: `.tar.gz` and a little more. */
const TAIL = 10

/**
 * Put a file's name into `element`. Where space is short a long one is cut in its middle, so that its end stays
 * to be seen; whoever hears the page hears it whole.
 * @param {Element} element
 * @param {string} name
 */
export function setName(element, name) {
  const shown = visible(name)
  element.setAttribute('title', shown)
  if (shown.length <= 2 * TAIL) {
    element.replaceChildren(piece('bdi', '', shown))
    return
  }
  const cut = document.createElement('span')
  cut.className = 'cut'
  cut.setAttribute('aria-hidden', 'true')
  cut.append(piece('bdi', 'stem', shown.slice(0, -TAIL)), piece('bdi', 'tail', shown.slice(-TAIL)))
  element.replaceChildren(piece('span', 'visually-hidden', shown), cut)
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} text
 */
function piece(tag, className, text) {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

/**
 * A name without characters that would turn the text around or hide in it: `photo[U+202E]gpj.exe` ends in `.exe`.
 * @param {string} name
 */
export function visible(name) {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
