import type { EmulatedBlock } from './packages.ts'

/** A block with inputs of every kind that the registry knows, to test the checks of values; returns its inputs. */
export const TYPED_BLOCK: EmulatedBlock = {
  blockName: 'typed',
  title: 'Typed',
  description: 'Has inputs of many types and returns them.',
  inputHandleDefs: [
    { handle: 'text', description: 'Required', json_schema: { type: 'string', minLength: 1 } },
    {
      handle: 'count',
      description: 'Has a default',
      json_schema: { type: 'integer', minimum: 0, maximum: 100, default: 3 },
    },
    { handle: 'ratio', description: 'Has a value', json_schema: { type: 'number' }, value: 0.5 },
    {
      handle: 'note',
      description: 'May be null',
      json_schema: { type: 'string' },
      nullable: true,
      value: null,
    },
    {
      handle: 'format',
      description: 'One of three',
      json_schema: { enum: ['png', 'jpeg', 'webp'], default: 'png' },
    },
    {
      handle: 'tags',
      description: 'A list',
      json_schema: { type: 'array', items: { type: 'string' }, default: [] },
    },
    {
      handle: 'options',
      description: 'An object',
      json_schema: {
        type: 'object',
        properties: { deep: { type: 'boolean' }, level: { type: 'integer' } },
        required: ['deep'],
        additionalProperties: false,
      },
      nullable: true,
      value: null,
    },
    {
      handle: 'image',
      description: "An image's URL",
      json_schema: {
        type: 'string',
        contentMediaType: 'oomol/image',
        'ui:widget': 'file',
        'ui:options': { accept: ['image/*'] },
      },
      nullable: true,
      value: null,
    },
    {
      handle: 'secret',
      description: "Can't be set through the API",
      json_schema: { type: 'string', contentMediaType: 'oomol/credential' },
      nullable: true,
      value: null,
    },
    {
      handle: 'target',
      description: 'Where to save',
      json_schema: { type: 'string', 'ui:widget': 'save' },
      nullable: true,
      value: null,
    },
    { handle: 'anything', description: 'Has no schema', nullable: true, value: null },
  ],
  outputHandleDefs: [{ handle: 'text', description: 'The same', json_schema: { type: 'string' } }],
}
