// A small picture of an image. Drawn on a canvas: that needs no `blob:` address in the page's policy, and the
// large bitmap can go at once.

const LARGEST = 40 * 1024 * 1024 // bytes; a picture beyond that is decoded into more memory than a preview is worth
const EDGE = 88 // pixels; twice the tile's size, for dense screens
const DRAWN = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'])

/** One picture is decoded at a time: a folder of a thousand photographs must not be a thousand bitmaps. */
let turn = Promise.resolve()

/**
 * Replace what `tile` shows by a preview, if there can be one.
 * @param {HTMLElement} tile
 * @param {File} file
 */
export function preview(tile, file) {
  if (!DRAWN.has(file.type) || file.size > LARGEST) return
  turn = turn.then(() => draw(tile, file)).catch(() => {}) // no picture after all: the tile keeps its word
}

/**
 * @param {HTMLElement} tile
 * @param {File} file
 */
async function draw(tile, file) {
  if (!tile.isConnected) return
  const bitmap = await createImageBitmap(file)
  const side = Math.min(bitmap.width, bitmap.height)
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = EDGE
  const context = canvas.getContext('2d')
  if (context) {
    context.imageSmoothingQuality = 'high'
    context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, EDGE, EDGE)
    tile.replaceChildren(canvas)
  }
  bitmap.close()
}
