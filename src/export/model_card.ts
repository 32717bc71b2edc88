import { isPlainObject, type PlainObject, type PlainValue } from '../config/index.js';
import { BlipCaption, BlipVQA } from '../models/index.js';
import type { Exportable, Layout } from './hugging_face/layouts.js';

/** What a run's record tells of a model. */
export interface CardFacts {
  /** The merged configuration of the run. */
  config?: PlainObject;
  /** The last scores of each split. */
  scores?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** When it began, with which command, on what. */
  started?: string;
  command?: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** The checkpoint's name. */
  checkpoint?: string;
}

/** Settings of a run that say how a model came about. */
const TOLD = [
  ...['max_epoch', 'max_iters', 'batch_size_train', 'accum_grad_iters', 'lr_sched', 'init_lr', 'min_lr'],
  ...['warmup_steps', 'weight_decay', 'beta2', 'clip_grad_norm', 'amp', 'seed'],
];

/** README.md of a folder for the Hub: metadata, what the model is, how it was trained, how it is used. */
export function modelCard(model: Exportable, layout: Layout, facts: CardFacts): string {
  const { run, datasets, model: section } = facts.config ?? {};
  const start = isPlainObject(section) ? startOf(section) : undefined;
  const data = isPlainObject(datasets) ? Object.keys(datasets) : [];
  const settings = isPlainObject(run) ? TOLD.filter((key) => run[key] != null) : [];
  let parameters = 0;
  for (const variable of new Set(model.stateDict().values())) parameters += variable.size;
  const parts = [
    `---\nlibrary_name: transformers\npipeline_tag: ${layout.pipeline}\ntags:\n- blip\n- lavis\n---`,
    `# ${model.constructor.name}`,
    `A BLIP (arXiv:2201.12086) for \`${layout.architecture}\` of transformers: a vision transformer of ${
      model.vit.depth
    } blocks, ${model.vit.width} wide, for images of ${model.vit.imageSize} × ${model.vit.imageSize} pixels, and a text side of ${
      model.med.layers
    } layers, ${model.med.hiddenSize} wide; ${(parameters / 1e6).toFixed(1)} million numbers. Made with lavis for Node.`,
    usage(model, layout),
    '## Training',
    list([
      start && `Started from ${start}`,
      data.length > 0 && `Data: ${data.join(', ')}`,
      facts.started && `Begun ${facts.started}`,
      facts.command && `Command: \`${facts.command.join(' ')}\``,
      facts.checkpoint && `Checkpoint: ${facts.checkpoint}`,
      ...Object.entries(facts.environment ?? {}).map(([name, value]) => `${name}: ${value}`),
    ]) || 'The checkpoint has no record of a run.',
    isPlainObject(run) &&
      settings.length > 0 &&
      table(
        ['setting', 'value'],
        settings.map((key) => [key, run[key]]),
      ),
    ...scoreTables(facts.scores),
    '## Licence and limits',
    'Neither is known to the program that wrote this card: say what the data and the weights that it started from allow, and what the model is not to be used for.',
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

/** The weights that a `model` section starts from. */
function startOf(section: PlainObject): string {
  const { load_finetuned, load_pretrained, finetuned, pretrained } = section;
  if (load_finetuned && finetuned) return String(finetuned);
  return load_pretrained !== false && pretrained ? String(pretrained) : 'weights at random';
}

function scoreTables(scores: CardFacts['scores'] = {}): string[] {
  return Object.entries(scores).flatMap(([split, values]) => [
    `Scores on \`${split}\`:`,
    table(['score', 'value'], Object.entries(values)),
  ]);
}

function usage(model: Exportable, { architecture }: Layout): string {
  const load = [
    'from PIL import Image',
    `from transformers import BlipProcessor, ${architecture}`,
    '',
    'processor = BlipProcessor.from_pretrained(FOLDER)',
    `model = ${architecture}.from_pretrained(FOLDER).eval()`,
    "image = Image.open('photo.jpg').convert('RGB')",
  ];
  return `## Use\n\n\`\`\`python\n${[...load, ...callOf(model)].join('\n')}\n\`\`\``;
}

/** The lines that differ from model to model. */
function callOf(model: Exportable): string[] {
  if (model instanceof BlipCaption) {
    const prompt = model.prompt.trim();
    const begin = prompt ? `text='${prompt.replaceAll("'", "\\'")}', ` : '';
    return [
      prompt ? '# the model was trained with these words in front of every caption' : '# no prompt',
      `inputs = processor(image, ${begin}return_tensors='pt')`,
      'ids = model.generate(**inputs, num_beams=3, max_length=30, min_length=10)',
      `print(processor.decode(ids[0], skip_special_tokens=True)${prompt ? `[${prompt.length}:].strip()` : ''})`,
    ];
  }
  // LAVIS puts [ENC] first in a text that is read beside an image; transformers leaves [CLS] there.
  const ground = `inputs['input_ids'][:, 0] = ${model.tokenizer.encId}  # [ENC]: what the model was trained with`;
  if (model instanceof BlipVQA) {
    return [
      "inputs = processor(image, text='what is in the picture?', return_tensors='pt')",
      ground,
      'print(processor.decode(model.generate(**inputs, num_beams=3)[0], skip_special_tokens=True))',
    ];
  }
  return [
    "inputs = processor(image, text='a dog on a beach', return_tensors='pt')",
    ground,
    'print(model(**inputs, use_itm_head=True).itm_score.softmax(-1)[0, 1])  # whether they belong together',
  ];
}

const list = (lines: readonly (string | false | undefined)[]) =>
  lines
    .filter(Boolean)
    .map((line) => `- ${line}`)
    .join('\n');

const table = (head: readonly string[], rows: readonly (readonly [string, PlainValue | undefined])[]) =>
  [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
