import { describe, expect, test } from 'bun:test'
import type { DeepPartial } from '../protobuf/message.ts'
import { BootstrapParams, BootstrapResult } from '../protocol/generated/containerd/bootstrap.ts'
import { Options } from '../protocol/generated/containerd/runtime_options.ts'
import { Any } from '../protocol/generated/google/protobuf/any.ts'
import { parseBootstrap } from './bootstrap.ts'

const flags = { id: 'task', namespace: 'k8s.io', debug: false }
const env = { TTRPC_ADDRESS: '/run/env.ttrpc' }
const address = 'unix:///run/kata-ts/s/0123'
const options = {
  typeUrl: 'runtimeoptions.v1.Options',
  value: Options.encode(Options.fromPartial({ configPath: '/etc/k' })).finish(),
}
const params = (more: DeepPartial<BootstrapParams> = {}) =>
  BootstrapParams.encode(
    BootstrapParams.fromPartial({
      instanceId: 'task',
      namespace: 'k8s.io',
      containerdVersion: '2.3.0',
      containerdTtrpcAddress: '/run/c.ttrpc',
      containerdGrpcAddress: '/run/c',
      containerdBinary: '/usr/bin/containerd',
      extensions: [{ value: options }],
      ...more,
    }),
  ).finish()

describe('containerd up to 2.2', () => {
  test.each([
    ['nothing', new Uint8Array()],
    ['runtime options', Any.encode(options).finish()],
    ['no message at all', new Uint8Array([0xff, 0xff, 0xff])],
  ])('%s on standard input: the environment counts, and the answer is the bare address', (_, input) => {
    const bootstrap = parseBootstrap(input, flags, env)
    expect(bootstrap).toMatchObject({ eventsAddress: '/run/env.ttrpc', debug: false })
    expect(new TextDecoder().decode(bootstrap.answer(address))).toBe(address)
  })

  test('a client that takes version 3 gets JSON that says so, and one of version 2 the bare address', () => {
    const answer = (MAX_SHIM_VERSION: string) =>
      new TextDecoder().decode(parseBootstrap(new Uint8Array(), flags, { MAX_SHIM_VERSION }).answer(address))
    expect(JSON.parse(answer('3'))).toEqual({ version: 3, address, protocol: 'ttrpc' })
    expect(answer('2')).toBe(address)
  })

  test('runtime options are kept, and what is none is not', () => {
    const optionsOf = (input: Uint8Array) => parseBootstrap(input, flags, env).options
    expect(optionsOf(Any.encode(options).finish())).toMatchObject(options)
    expect(
      optionsOf(Any.encode({ ...options, typeUrl: 'containerd.runc.v1.Options' }).finish()),
    ).toBeUndefined()
    expect(optionsOf(new Uint8Array([0xff, 0xff, 0xff]))).toBeUndefined()
  })

  test('nobody listens without an address', () => {
    expect(parseBootstrap(new Uint8Array(), flags, {}).eventsAddress).toBe('')
  })

  test('-debug asks for detail', () => {
    expect(parseBootstrap(new Uint8Array(), { ...flags, debug: true }, env).debug).toBe(true)
  })
})

describe('containerd from 2.3 on', () => {
  test('parameters replace the environment, and the answer is a BootstrapResult', () => {
    const bootstrap = parseBootstrap(params(), flags, env)
    expect(bootstrap).toMatchObject({ eventsAddress: '/run/c.ttrpc', debug: false })
    const answer = bootstrap.answer(address)
    expect(bootstrap.options).toMatchObject(options)
    expect(BootstrapResult.decode(answer)).toEqual({ version: 3, address, protocol: 'ttrpc' })
    // containerd trims white space around what it read.
    expect(answer.at(0)).toBe(0x08)
    expect(answer.at(-1)).toBe('c'.charCodeAt(0))
  })

  test.each([
    [0, false],
    [4, false],
    [-4, true],
    [-8, true],
  ])('log level %d: detail is %p', (logLevel, debug) => {
    expect(parseBootstrap(params({ logLevel }), flags, env).debug).toBe(debug)
  })

  test.each([
    ['another task', { instanceId: 'other' }],
    ['another namespace', { namespace: 'default' }],
  ])('parameters of %s are not ours', (_, other) => {
    const bootstrap = parseBootstrap(params(other), flags, env)
    expect(bootstrap.eventsAddress).toBe('/run/env.ttrpc')
    expect(new TextDecoder().decode(bootstrap.answer(address))).toBe(address)
  })
})
