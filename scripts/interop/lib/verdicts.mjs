const faults = [];

/** Tells whether something holds, and remembers it where it does not. */
export function must(holds, what) {
  console.log(`${holds ? 'ok ' : 'NOT'} ${what}`);
  if (!holds) faults.push(what);
}

/** @throws Error with all that did not hold */
export function conclude() {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}
