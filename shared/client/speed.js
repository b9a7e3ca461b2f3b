/**
 * How fast, smoothed (article, "Progress: measuring what actually matters"). Pure.
 *
 * @module
 */

/** Weight of the newest chunk: quick to notice a real change, calm about jitter (the article's 0.2 to 0.3). */
export const ALPHA = 0.25

/** An exponential moving average of chunk speeds. */
export class Speed {
  /** Bytes per second; null until the first chunk is confirmed. @type {number|null} */
  bytesPerSecond = null

  /**
   * @param {number} bytes confirmed by one request
   * @param {number} milliseconds from its beginning to its answer
   */
  add(bytes, milliseconds) {
    const newest = (bytes * 1000) / Math.max(milliseconds, 0.001)
    this.bytesPerSecond =
      this.bytesPerSecond === null ? newest : newest * ALPHA + this.bytesPerSecond * (1 - ALPHA)
  }

  /**
   * Seconds that so many bytes will take; null while nobody can know.
   *
   * @param {number} bytes
   */
  secondsFor(bytes) {
    if (bytes === 0) return 0
    return this.bytesPerSecond ? bytes / this.bytesPerSecond : null
  }
}
