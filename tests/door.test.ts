import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import * as door from 'lavis';
import { familySection } from './models/family.js';
import { type TinyRun, tinyRun } from './runners/tiny_run.js';
import { temporaryFolder } from './support.js';

const { BlipCaption, Config, ConfigError, evaluate, registry, setupEngine, tf, train } = door;

/** What others build on: a name leaves this list, or joins it, with a line in CHANGELOG.md. */
const NAMES = `
  AdamW AnnotatedDataset AnnotationBuilder BaseModel BaseRunner BaseTask BlipBase BlipCaption BlipImageEvalProcessor
  CaptionBuilder CaptionDataset CaptionEvalDataset CaptionTask CheckpointError Config ConfigError DataError
  DistributedError EngineError ImageProcessor LavisError Module RunInterrupted RunnerBase RunnerIter TextProcessor
