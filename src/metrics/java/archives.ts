import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cachePath } from '../../common/paths.js';

const PYCOCOEVALCAP = 'https://github.com/salaniz/pycocoevalcap/raw/ad63453cfab57a81a02b2949b17a91fab1c3df77';
const SPICE_LIBRARIES = [
  'Meteor-1.5',
  'SceneGraphParser-1.0',
  'ejml-0.23',
  'fst-2.47',
  'guava-19.0',
  'hamcrest-core-1.3',
  'jackson-core-2.5.3',
  'javassist-3.19.0-GA',
  'json-simple-1.1.1',
  'junit-4.12',
  'lmdbjni-0.4.6',
  'lmdbjni-linux64-0.4.6',
  'lmdbjni-osx64-0.4.6',
  'lmdbjni-win64-0.4.6',
  'objenesis-2.4',
  'slf4j-api-1.7.12',
  'slf4j-simple-1.7.21',
];

export const METEOR_JAR = 'metrics/meteor/meteor-1.5.jar';
export const SPICE_JAR = 'metrics/spice/spice-1.0.jar';

/** A file that METEOR or SPICE needs, under the cache root. */
export interface MetricFile {
  readonly path: string;
  readonly url: string;
}

/** What `lavis download metrics` fetches, besides the archives in `coreNlpArchive`. */
export const metricFiles: readonly MetricFile[] = [
  { path: METEOR_JAR, url: `${PYCOCOEVALCAP}/meteor/meteor-1.5.jar` },
  { path: 'metrics/meteor/data/paraphrase-en.gz', url: `${PYCOCOEVALCAP}/meteor/data/paraphrase-en.gz` },
  { path: SPICE_JAR, url: `${PYCOCOEVALCAP}/spice/spice-1.0.jar` },
  ...SPICE_LIBRARIES.map((name) => ({
    path: `metrics/spice/lib/${name}.jar`,
    url: `${PYCOCOEVALCAP}/spice/lib/${name}.jar`,
  })),
];

/** SPICE's parser: two entries of one zip file, to be put into its lib folder. */
export const coreNlpArchive = {
  url: 'https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip',
  entries: ['stanford-corenlp-3.6.0.jar', 'stanford-corenlp-3.6.0-models.jar'].map((name) => ({
    entry: `stanford-corenlp-full-2015-12-09/${name}`,
    path: `metrics/spice/lib/${name}`,
  })),
} as const;

/** The cache paths of `paths` that are not there. */
export const absent = (paths: readonly string[]) => paths.filter((path) => !existsSync(cachePath(path)));

let javaFound: boolean | undefined;
/** Whether a Java runtime is on PATH; asked once a process. */
export function hasJava(): boolean {
  javaFound ??= spawnSync('java', ['-version'], { stdio: 'ignore' }).status === 0;
  return javaFound;
}
