import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { KataError } from '../errors.ts'
import { defaultSpec } from './defaults/default-spec.ts'
import { deviceRights } from './devices/device-rights.ts'
import { toAgentProcess } from './guest/agent-process.ts'
import { toAgentResources } from './guest/agent-resources.ts'
import { toAgentSpec } from './guest/agent-spec.ts'
import { guestSpec } from './guest/pipeline.ts'
import { networkHooks } from './hooks.ts'
import { parseProcessText, parseResourcesText, parseSpec, parseSpecText } from './read-spec.ts'
import { checkProcessLimits, checkSpecLimits } from './spec-limits.ts'

/** A specification with something of everything that is read. */
const valid = {
  ...defaultSpec({
    args: ['sh'],
    env: ['A=b'],
    cwd: '/',
    user: { uid: 5, gid: 6, additionalGids: [7] },
    terminal: false,
    hostname: 'box',
    readonly: false,
    rootfs: 'rootfs',
    netns: '/run/netns/x',
    mounts: [{ source: '/s', destination: '/d', readonly: true }],
    devices: [{ what: 'block', major: 8, minor: 16, destination: '/dev/xvda', readonly: true }],
    memoryBytes: 1 << 28,
    pids: 64,
    annotations: { 'io.kubernetes.cri.container-type': 'container' },
  }),
  hooks: { prestart: [{ path: '/hook', args: ['hook'], env: ['A=b'], timeout: 5 }] },
}

describe('a malformed specification', () => {
  test.each<[string, unknown, string]>([
    ['mounts that are an object', { mounts: {} }, 'mounts: expected a list, is an object'],
    ['a mount without destination', { mounts: [{}] }, 'mounts[0].destination: expected a string, is missing'],
    [
      'namespaces that are a text',
      { linux: { namespaces: 'net' } },
      'linux.namespaces: expected a list, is a string',
    ],
    [
      'a namespace that is null',
      { linux: { namespaces: [null] } },
      'linux.namespaces[0]: expected an object, is null',
    ],
    [
      'devices that are an object',
      { linux: { devices: {} } },
      'linux.devices: expected a list, is an object',
    ],
    [
      'options that are a text',
      { mounts: [{ destination: '/a', options: 'ro' }] },
      'mounts[0].options: expected a list, is a string',
    ],
    [
      'a wrong fourth mount',
      { mounts: [...[0, 1, 2].map((n) => ({ destination: `/${n}` })), { destination: 5 }] },
      'mounts[3].destination: expected a string, is a number',
    ],
    ['no object at all', [], 'its root: expected an object, is a list'],
    ['a process that is a list', { process: [] }, 'process: expected an object, is a list'],
    [
      'an annotation that is a number',
      { annotations: { a: 1 } },
      'annotations.a: expected a string, is a number',
    ],
    [
      'an annotation of more than a mebibyte',
      { annotations: { a: 'x'.repeat(1024 * 1024 + 1) } },
      'annotations.a: expected a string of at most 1048576 bytes, is one of 1048577',
    ],
    [
      'a hook by a relative path',
      { hooks: { poststop: [{ path: 'bin/hook' }] } },
      'hooks.poststop[0].path: expected an absolute path, is another text',
    ],
    [
      'a variable without a name',
      { process: { env: ['A=', '=x'] } },
      'process.env[1]: expected NAME=value, is a value without a name',
    ],
    ['a name alone', { process: { env: ['A'] } }, 'process.env[0]: expected NAME=value, is a text without ='],
    [
      'a negative limit of memory',
      { linux: { resources: { memory: { limit: -5 } } } },
      'linux.resources.memory.limit: expected a whole number, or -1 for no limit, is -5',
    ],
  ])('%s is refused by its field', (_, json, says) => {
    expect(() => parseSpec(json)).toThrow(`[OCI_SPEC_INVALID] the OCI specification is invalid: ${says}. `)
  })

  test('an annotation of a mebibyte and a hook by an absolute path are read', () => {
    const annotations = { a: 'x'.repeat(1024 * 1024) }
    const hooks = { poststop: [{ path: '/bin/hook' }] }
    expect(parseSpec({ annotations, hooks })).toEqual({ annotations, hooks })
  })

  test('null stands for absent, as Go writes a list or map that was never made', () => {
    expect(parseSpec({ linux: null, annotations: null, mounts: null })).toEqual({})
  })

  test('is refused by its text, too', () => {
    expect(() => parseSpecText('{"mounts":')).toThrow(/^\[OCI_SPEC_INVALID\].*expected JSON, is none/)
    expect(() => parseProcessText('[]')).toThrow('process: expected an object, is a list')
    expect(() => parseProcessText('')).toThrow('[OCI_SPEC_INVALID]')
    expect(() => parseResourcesText('{"pids":{"limit":"5"}}')).toThrow(
      'linux.resources.pids.limit: expected a whole number, is a string',
    )
  })
})

test('what we make ourselves is read as it is, frozen to its leaves', () => {
  const dropped: string[] = []
  const read = parseSpec(JSON.parse(JSON.stringify(valid)), dropped)
  expect(read).toEqual(JSON.parse(JSON.stringify(valid)))
  expect(dropped).toEqual([])
  expect(looseParts(read)).toEqual([])
})

test('fields that the guest cannot have are left out by name', () => {
  const dropped: string[] = []
  const process = { user: { uid: 1, shell: 'sh' }, scheduler: { policy: 'SCHED_FIFO' } }
  const json = { vm: {}, process, linux: { personality: { domain: 'LINUX32' } } }
  expect(parseSpec(json, dropped)).toEqual({ process: { user: { uid: 1 } }, linux: {} })
  expect(dropped).toEqual(['vm', 'process.scheduler', 'process.user.shell', 'linux.personality'])
})

/** Paths of objects in a value that are not frozen. */
function looseParts(value: unknown, path = 'spec'): string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.entries(value).flatMap(([key, part]) => looseParts(part, `${path}.${key}`))
  return Object.isFrozen(value) ? inner : [path, ...inner]
}

describe('mutations of a valid specification', () => {
  /** Each place of the document, as the keys that lead there. */
  const places = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
    typeof value !== 'object' || value === null
      ? [path]
      : [path, ...Object.entries(value).flatMap(([key, part]) => places(part, [...path, key]))]
  const plain = JSON.parse(JSON.stringify(valid))
  const strange = fc.oneof(
    // What often is a value of the right kind, or leaves the field out, so that many mutations come through.
    { arbitrary: fc.constantFrom<unknown>('x', '/x', null, undefined), weight: 3 },
    fc.constantFrom<unknown>(
      null,
      {},
      [],
      '',
      'x',
      0,
      -1,
      0.5,
      2 ** 64,
      true,
      [null],
      [{}],
      { a: {} },
      undefined,
    ),
    fc.jsonValue({ maxDepth: 3 }),
  )
  /** Puts `value` at a place, on the way through what may no longer be there. */
  const put = (json: unknown, [key, ...rest]: readonly string[], value: unknown): unknown => {
    if (key === undefined) return value
    if (typeof json !== 'object' || json === null) return json
    const copy = (Array.isArray(json) ? [...json] : { ...json }) as Record<string, unknown>
    copy[key] = put(copy[key], rest, value)
    return copy
  }
  const mutation = fc.array(fc.tuple(fc.constantFrom(...places(plain)), strange), {
    minLength: 1,
    maxLength: 2,
  })

  /** All that is pure and reads a specification: what does not throw a coded error here never sees a wrong type. */
  function readAll(json: unknown): void {
    const spec = parseSpec(json)
    expect(looseParts(spec)).toEqual([])
    checkSpecLimits(spec, 'c')
    networkHooks(spec)
    const rights = deviceRights(spec)
    const facts = { containerId: 'c', bundle: '/b', rights, rootfs: '/r', mounts: [], passedDevices: [] }
    const diskRules = [{ allow: true, type: 'b', major: 8, minor: 16, access: 'rm' }]
    toAgentSpec(guestSpec(spec, { ...facts, diskRules, mountRules: [], disableGuestSeccomp: false }))
  }
  const ends = { refused: 0, read: 0 }
  function endsInOrder(read: () => void): void {
    try {
      read()
      ends.read++
    } catch (error) {
      // Not merely an error: one of the catalogue, and never a TypeError.
      if (!(error instanceof KataError)) throw error
      ends.refused++
    }
  }

  test('2000 of them end in a coded error or in a frozen value that the guest can have', () => {
    fc.assert(
      fc.property(mutation, (changes) => {
        const json = changes.reduce<unknown>((made, [path, value]) => put(made, path, value), plain)
        endsInOrder(() =>
          readAll(json === undefined ? undefined : JSON.parse(JSON.stringify(json) ?? 'null')),
        )
      }),
      { numRuns: 2000, seed: 20240 },
    )
    // Both ends are really reached.
    expect(ends.refused).toBeGreaterThan(200)
    expect(ends.read).toBeGreaterThan(200)
  })

  test('the same holds for the process of an exec, and the limits of an update', () => {
    const { process, linux } = plain
    for (const [document, read] of [
      [
        process,
        (text: string) => {
          const parsed = parseProcessText(text)
          checkProcessLimits(parsed, 'c')
          toAgentProcess(parsed)
        },
      ],
      [linux.resources, (text: string) => toAgentResources(parseResourcesText(text))],
    ] as const) {
      const changed = fc.array(fc.tuple(fc.constantFrom(...places(document)), strange), {
        minLength: 1,
        maxLength: 2,
      })
      fc.assert(
        fc.property(changed, (changes) => {
          const json = changes.reduce<unknown>((made, [path, value]) => put(made, path, value), document)
          endsInOrder(() => read(JSON.stringify(json) ?? ''))
        }),
        { numRuns: 500, seed: 20241 },
      )
    }
  })

  test('a text that was cut off anywhere is refused', () => {
    const text = JSON.stringify(valid)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.length - 1 }), (length) => {
        expect(() => parseSpecText(text.slice(0, length))).toThrow('[OCI_SPEC_INVALID]')
      }),
      { numRuns: 200, seed: 20242 },
    )
  })
})
