// Where files come from: two buttons, or files and folders dropped anywhere on the page.

/**
 * @typedef {object} Chosen
 * @property {File} file
 * @property {string} folder the folder it was found in, relative to the one that was chosen; '' for none
 */

/**
 * What a file input holds. A folder's files say where they come from.
 * @param {HTMLInputElement} input
 * @returns {Chosen[]}
 */
export function fromInput(input) {
  const chosen = Array.from(input.files ?? [], (file) => ({ file, folder: folderOf(file.webkitRelativePath) }))
  input.value = '' // so that the same file can be chosen again
  return chosen
}

/**
 * What was dropped, folders opened.
 * @param {DataTransfer} transfer
 * @returns {Promise<Chosen[]>}
 */
export async function fromDrop(transfer) {
  // The entries must be taken before the first await: afterwards the transfer is empty.
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  /** @type {Chosen[]} */
  const found = []
  for (const entry of entries) await collect(entry, '', found)
  return found
}

/**
 * @param {FileSystemEntry} entry
 * @param {string} folder
 * @param {Chosen[]} found
 */
async function collect(entry, folder, found) {
  if (entry.isFile) {
    found.push({ file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)), folder })
    return
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader()
  const path = folder ? `${folder}/${entry.name}` : entry.name
  // A folder is told in parts, of a hundred entries in Chromium; an empty part is the end.
  for (let part = await read(reader); part.length > 0; part = await read(reader)) {
    for (const child of part) await collect(child, path, found)
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}

/**
 * @param {FileSystemDirectoryReader} reader
 * @returns {Promise<FileSystemEntry[]>}
 */
function read(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject))
}

/**
 * Let files be dropped on the whole page: a file that misses a small target would be opened by the browser, in
 * place of the page and its uploads.
 * @param {HTMLElement} target what is lit while files hover
 * @param {(transfer: DataTransfer) => void} dropped
 */
export function acceptDrops(target, dropped) {
  let depth = 0 // entering a child comes before leaving its parent
  /** @param {DragEvent} event */
  const files = (event) => event.dataTransfer?.types.includes('Files')
  const light = () => target.classList.toggle('over', depth > 0)
  document.addEventListener('dragenter', (event) => {
    if (!files(event)) return
    depth += 1
    light()
  })
  document.addEventListener('dragleave', (event) => {
    if (!files(event)) return
    depth = Math.max(0, depth - 1)
    light()
  })
  document.addEventListener('dragover', (event) => {
    if (files(event)) event.preventDefault()
  })
  document.addEventListener('drop', (event) => {
    if (!files(event) || !event.dataTransfer) return
    event.preventDefault()
    depth = 0
    light()
    dropped(event.dataTransfer)
  })
}

/** @param {string} path */
function folderOf(path) {
  return path.split('/').slice(0, -1).join('/')
}
