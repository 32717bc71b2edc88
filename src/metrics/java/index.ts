import { log } from '../../common/logging.js';
import { cachePath } from '../../common/paths.js';
import type { Scorer } from '../scores/tokens.js';
import { absent, coreNlpArchive, hasJava, METEOR_JAR, SPICE_JAR } from './archives.js';
import { Meteor } from './meteor.js';
import { Spice } from './spice.js';

export type { Scorer } from '../scores/tokens.js';

/** METEOR and SPICE, each where Java and its archives are there; one line tells of what is skipped. */
export function javaScorers(): Scorer[] {
  const wanted = [
    { name: 'METEOR', files: [METEOR_JAR], make: () => new Meteor(cachePath(METEOR_JAR)) },
    {
      name: 'SPICE',
      files: [SPICE_JAR, ...coreNlpArchive.entries.map(({ path }) => path)],
      make: () => new Spice(cachePath(SPICE_JAR)),
    },
  ];
  const complete = wanted.filter(({ files }) => absent(files).length === 0);
  const java = complete.length > 0 && hasJava();
  const skipped = wanted.filter((metric) => !java || !complete.includes(metric)).map(({ name }) => name);
  if (skipped.length > 0) {
    const reason =
      complete.length > 0 && !java
        ? 'no Java on PATH'
        : `${cachePath('metrics')} lacks its archives (lavis download metrics)`;
    log.warnOnce(`${skipped.join(' and ')} skipped: ${reason}`);
  }
  return java ? complete.map(({ make }) => make()) : [];
}
