import { createHash } from 'node:crypto';
import type { ReaderSpec } from '../types.js';

/** A short name of a reader: jobs carry it in place of the whole section. */
export function readerId(spec: ReaderSpec): string {
  const content = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 12);
  return `${spec.builder} ${spec.split} ${content}`;
}
