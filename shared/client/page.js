// The page: what the server takes, what is chosen, what is under way, what is there. Each part is a module of its
// own; here they meet.

import { getCapabilities } from './uploader.js'
import { Announcer } from './page/announcer.js'
import { acceptDrops, fromDrop, fromInput } from './page/choose.js'
import { byId, inputById, setText } from './page/dom.js'
import { Queue } from './page/queue.js'
import { StoredList } from './page/stored.js'
import { UnfinishedList } from './page/unfinished.js'
import { Uploads } from './page/uploads.js'
import { levelName, limits } from './page/words.js'

const AT_ONCE = 3
const ASK_AGAIN = 3000 // milliseconds, while the server does not answer at all

const endpoint = document.querySelector('meta[name="upload-endpoint"]')?.getAttribute('content') ?? '/upload'
const announcer = new Announcer(byId('status'))
const capabilities = await untilKnown()
const stored = new StoredList(capabilities.links.files)

/** @type {import('./page/row.js').UploadRow | null} */
let asking = null

const uploads = new Uploads(
  {
    queue: new Queue(AT_ONCE),
    announcer,
    options: () => ({ endpoint, capabilities }),
    pausable: () => capabilities.chunkSize !== null,
    contentOf: (fileId) => stored.contentOf(fileId),
    chooseAgain: (row) => {
      asking = row
      inputById('replace-input').click()
    },
  },
  (row) => row.upload.result?.file && stored.add(row.upload.result.file),
)
const unfinished = new UnfinishedList(endpoint, announcer, take)

setText(byId('limits'), limits(capabilities))
setText(byId('level'), levelName(capabilities.level))
byId('level').hidden = levelName(capabilities.level) === ''

offer('choose-files', 'files-input')
offer('choose-folder', 'folder-input')
acceptDrops(byId('drop'), (transfer) => {
  fromDrop(transfer).then(take, () => notice('Some of what you dropped cannot be read. Choose it with the buttons instead.'))
})
inputById('replace-input').addEventListener('change', () => {
  const [chosen] = fromInput(inputById('replace-input'))
  if (!chosen || !asking) return
  if (chosen.file.name === asking.file.name) asking.replaceFile(chosen.file)
  else asking.note(`You chose ${chosen.file.name}; this upload is of ${asking.name}`)
})
window.addEventListener('offline', () => announcer.say('You are offline. Uploads go on by themselves when the connection is back.'))
window.addEventListener('online', () => announcer.say('You are online again.'))

byId('stored').hidden = false
await Promise.all([stored.load(), unfinished.load().catch(() => {})])
document.body.dataset.ready = 'true'

/**
 * Into the list.
 * @param {import('./page/choose.js').Chosen[]} chosen
 */
function take(chosen) {
  unfinished.taken(chosen.map(({ file }) => file))
  const known = uploads.add(chosen)
  if (chosen.length === 0) notice('There are no files in what you chose.')
  else if (known === 1) notice('One of these files is in the list already.')
  else if (known > 1) notice(`${known} of these files are in the list already.`)
  else notice('')
}

/**
 * A button that opens an input's dialogue.
 * @param {string} button
 * @param {string} input
 */
function offer(button, input) {
  byId(button).addEventListener('click', () => inputById(input).click())
  byId(button).removeAttribute('disabled')
  inputById(input).addEventListener('change', () => take(fromInput(inputById(input))))
}

/** @param {string} sentence shown under the buttons; '' takes it away */
function notice(sentence) {
  setText(byId('notice'), sentence)
  byId('notice').hidden = sentence === ''
  if (sentence) announcer.say(sentence)
}

/** What the server is and takes. Nothing works without, so this asks until it is told. */
async function untilKnown() {
  for (;;) {
    try {
      return await getCapabilities(endpoint)
    } catch {
      setText(byId('limits'), 'The server does not answer. This page asks again every few seconds.')
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN))
    }
  }
}
