import { z } from 'zod';
import { version } from '../common/paths.js';
import { USES, type Use } from './protocol.js';
import { REQUESTS, RESPONSES } from './schemas.js';

const SUMMARIES: Readonly<Record<Use, string>> = {
  caption: 'Say what is in an image',
  ask: 'Answer questions about an image',
  match: 'Tell how well texts fit an image',
  features: 'Features of an image, a text or both, for comparing them',
  search: 'Find images of the folder by what they show',
};

const error = z.object({
  error: z.object({
    code: z.string().describe('A word that a program can compare.'),
    message: z.string(),
    found: z.string().optional(),
    allowed: z.string().optional(),
    help: z.string().optional(),
  }),
});

const json = (schema: object) => ({ 'application/json': { schema } });
const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return rest as { properties?: Record<string, object> };
};

const FAILURES = {
  400: 'The request cannot be used: which field is wrong, and what is allowed',
  401: 'The token is missing or wrong',
  408: 'The request came too slowly',
  413: 'The body or the picture is too large',
  415: 'The body is of another type',
  422: 'The picture cannot be read',
  501: 'No model is loaded that does this; how to start the server with one',
  503: 'Too many requests at once, or the server is starting or ending: come again after Retry-After',
} as const;

/** The description of the interface, as programs that make clients read it. */
export function openApi(): object {
  const failures = Object.fromEntries(
    Object.entries(FAILURES).map(([status, description]) => [
      status,
      { description, content: json({ $ref: '#/components/schemas/Error' }) },
    ]),
  );
  const uses = USES.map((use) => [`/v1/${use}`, { post: operation(use, failures) }]);
  const plain = (summary: string, type: string, responses: object = {}) => ({
    get: { summary, responses: { 200: { description: summary, content: { [type]: {} } }, ...responses } },
  });
  const down = { 503: { description: 'Not now' } };
  return {
    openapi: '3.1.0',
    info: {
      title: 'lavis serve',
      version: version(),
      description: 'BLIP over HTTP: captions, answers, matches, features and search.',
    },
    paths: {
      ...Object.fromEntries(uses),
      '/v1/models': plain('The models that are loaded, and what they can do', 'application/json'),
      '/v1/photos': {
        get: {
          summary: 'The images that can be searched; with path, one of them as a JPEG, or its file',
          parameters: [
            { name: 'path', in: 'query', schema: { type: 'string' } },
            {
              name: 'size',
              in: 'query',
              schema: { type: 'integer', minimum: 16, maximum: 2048, default: 320 },
            },
            { name: 'original', in: 'query', schema: { type: 'boolean', default: false } },
          ],
          responses: {
            200: {
              description: 'The images',
              content: {
                ...json({
                  type: 'object',
                  properties: { photos: { type: 'array', items: { type: 'string' } } },
                }),
                'image/jpeg': {},
              },
            },
          },
        },
      },
      '/healthz': plain('Whether the server lives', 'application/json'),
      '/readyz': plain('Whether it can answer', 'application/json', down),
      '/metrics': plain('Figures for Prometheus', 'text/plain'),
      '/openapi.json': plain('This description', 'application/json'),
    },
    components: {
      schemas: { Error: schemaOf(error, 'output') },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    security: [{}, { token: [] }],
  };
}

function operation(use: Use, failures: object) {
  const body = schemaOf(REQUESTS[use], 'input');
  const asForm = { ...body, properties: { ...body.properties, image: { type: 'string', format: 'binary' } } };
  return {
    summary: SUMMARIES[use],
    operationId: use,
    requestBody: {
      required: true,
      content: { ...json(body), 'multipart/form-data': { schema: asForm } },
    },
    responses: {
      200: {
        description: SUMMARIES[use],
        content: {
          ...json(schemaOf(RESPONSES[use], 'output')),
          ...(use === 'caption' ? { 'application/x-ndjson': { schema: { type: 'string' } } } : {}),
        },
      },
      ...failures,
    },
  };
}
