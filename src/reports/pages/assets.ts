import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../common/paths.js';

/** What the browser gets beside the HTML: the files of pages/. */
export type AssetName = 'page.css' | 'chart.js' | 'live.js';

export const asset = (name: AssetName): string => readFileSync(join(packageRoot, 'pages', name), 'utf8');
