/**
 * Writes a captioner with random weights as `lavis export --format onnx` does, for peers that run the same graphs:
 *
 *     node scripts/bench/index.mjs export_captioner FOLDER [--size base] [--image 384] [--vocab FILE]
 */
import { parseArgs } from 'node:util';
import { setupEngine } from '../../../dist/engine/index.js';
import { exportModel } from '../../../dist/export/index.js';
import { makeCaptioner } from '../lib/captioner.mjs';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: 'base' },
    image: { type: 'string', default: '384' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('name the FOLDER');
await setupEngine({ device: 'cpu' });
const model = await makeCaptioner({ size: args.size, image: Number(args.image), vocab: args.vocab });
await exportModel(model, folder, { format: 'onnx' });
console.log(JSON.stringify({ folder }));
process.exit(0);
