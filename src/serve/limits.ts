/** What one client, and all of them together, may take of the server. */
export interface Limits {
  /** Requests that are read, wait or are carried out at most; what comes beyond is told to come again. */
  queue: number;
  /** Bytes of a request. */
  bodyBytes: number;
  /** Bytes of all requests that are held at once. */
  heldBytes: number;
  /** Pixels of a picture. */
  pixels: number;
  /** Milliseconds in which a request is sent by its client. */
  bodyTime: number;
  /** Milliseconds in which it is answered then. */
  answerTime: number;
  /** Requests of a batch. */
  maxBatch: number;
  /** Milliseconds that a request waits for others to share a batch, while a worker is idle. */
  maxWait: number;
  /** Milliseconds that requests in flight are given when the server is told to end. */
  graceTime: number;
}

export const LIMITS: Limits = {
  queue: 64,
  bodyBytes: 32 * 2 ** 20,
  heldBytes: 512 * 2 ** 20,
  pixels: 64_000_000,
  bodyTime: 30_000,
  answerTime: 120_000,
  maxBatch: 16,
  maxWait: 10,
  graceTime: 30_000,
};
