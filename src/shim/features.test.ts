/** The features document as opencontainers/runtime-spec describes it (features.md, features-linux.md). */
import { describe, expect, test } from 'bun:test'
import { Options } from '../protocol/generated/containerd/runtime_options.ts'
import { Any } from '../protocol/generated/google/protobuf/any.ts'
import { optionsTypeUrl } from './bootstrap.ts'
import { features } from './features.ts'
import { runtimeInfo } from './version.ts'

describe('the features document', () => {
  test('has no member that version 1.2 of the specification does not have', () => {
    const known = ['ociVersionMin', 'ociVersionMax', 'hooks', 'mountOptions', 'linux', 'annotations']
    const ofLinux = ['namespaces', 'capabilities', 'cgroup', 'seccomp', 'apparmor', 'selinux', 'intelRdt']
    expect(Object.keys(features).sort()).toEqual([...known, 'potentiallyUnsafeConfigAnnotations'].sort())
    expect(Object.keys(features.linux).sort()).toEqual([...ofLinux, 'mountExtensions'].sort())
  })

  test('lists are sets, and options of mounts are in their order', () => {
    const { mountOptions, linux } = features
    for (const list of [mountOptions, linux.capabilities, linux.namespaces, linux.seccomp.actions])
      expect(new Set<string>(list).size).toBe(list.length)
    expect(mountOptions).toEqual([...mountOptions].sort())
  })

  test('says recursive read-only, which a kubelet asks for, and neither user namespaces nor idmapped mounts', () => {
    expect(features.mountOptions).toContain('rro')
    expect(features.linux.namespaces as readonly string[]).not.toContain('user')
    expect(features.linux.mountExtensions.idmap.enabled).toBe(false)
  })

  test('leaves out what is refused', () => {
    for (const refused of ['shared', 'rshared', 'idmap']) expect(features.mountOptions).not.toContain(refused)
    expect(features.linux.seccomp.actions).not.toContain('SCMP_ACT_NOTIFY')
  })

  test('has every capability of the kernel', () => {
    expect(features.linux.capabilities).toHaveLength(41)
    expect(features.linux.capabilities.at(-1)).toBe('CAP_CHECKPOINT_RESTORE')
  })
})

describe('-info', () => {
  const options = {
    typeUrl: optionsTypeUrl,
    value: Options.encode(Options.fromPartial({ configPath: '/a.toml' })).finish(),
  }

  test('is a RuntimeInfo with the document as JSON of runc’s type', () => {
    const { name, version, features: said } = runtimeInfo(new Uint8Array())
    expect(name).toBe('io.containerd.kata-ts.v2')
    expect(version?.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(said?.typeUrl).toBe('types.containerd.io/opencontainers/runtime-spec/1/features/Features')
    expect(JSON.parse(new TextDecoder().decode(said?.value))).toEqual(features)
  })

  test('asks for layers and their recipe as they are', () => {
    const { annotations } = runtimeInfo(new Uint8Array())
    expect(annotations).toEqual({ 'containerd.io/runtime-allow-mounts': 'mkdir/*,format/*,erofs' })
  })

  test('options of ours come back', () => {
    const { options: back } = runtimeInfo(Any.encode(Any.fromPartial(options)).finish())
    expect(Options.decode(back!.value).configPath).toBe('/a.toml')
  })

  test.each([
    ['none', new Uint8Array()],
    [
      'another runtime’s',
      Any.encode(Any.fromPartial({ ...options, typeUrl: 'containerd.runc.v1.Options' })).finish(),
    ],
    ['what is no message', new Uint8Array([255, 255, 255])],
  ])('%s: it says none', (_, bytes) => {
    expect(runtimeInfo(bytes).options).toBeUndefined()
  })
})
