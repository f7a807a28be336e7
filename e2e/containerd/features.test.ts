/** What `-info` says is so: a container gets every mount option, capability and seccomp rule that stands there. */
import { afterAll, beforeAll, expect, setDefaultTimeout } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { RuntimeInfo } from '../../src/protocol/generated/containerd/introspection.ts'
import { Options } from '../../src/protocol/generated/containerd/runtime_options.ts'
import { Any } from '../../src/protocol/generated/google/protobuf/any.ts'
import type { features } from '../../src/shim/features.ts'
import { programDir } from '../harness/executable.ts'
import { independentTest as test } from '../harness/independent-test.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { busyboxImage } from './images.ts'

setDefaultTimeout(slow(120_000))

const area = scratch()
let containerd: Containerd
beforeAll(async () => {
  containerd = await Containerd.start()
})
afterAll(async () => {
  await containerd?.close()
  area[Symbol.dispose]()
})

/** As containerd 2 asks: options on standard input. */
function info(options: object = {}): RuntimeInfo {
  const typeUrl = 'runtimeoptions.v1.Options'
  const input = Any.encode(
    Any.fromPartial({ typeUrl, value: Options.encode(Options.fromPartial(options)).finish() }),
  )
  const { stdout, exitCode } = Bun.spawnSync([`${programDir}/containerd-shim-kata-ts-v2`, '-info'], {
    stdin: input.finish(),
  })
  expect(exitCode).toBe(0)
  return RuntimeInfo.decode(stdout)
}

const said = () => JSON.parse(new TextDecoder().decode(info().features!.value)) as typeof features
const run = (id: string, flags: readonly string[], script: string) =>
  containerd.ctr(['run', '--rm', '--runtime', ourRuntime, ...flags, busyboxImage, id, 'sh', '-c', script])

test('options given on standard input are understood', () => {
  expect(Options.decode(info({ configPath: '/etc/other.toml' }).options!.value).configPath).toBe(
    '/etc/other.toml',
  )
})

test('every mount option is taken, of a bind mount or of one of the guest’s own', async () => {
  mkdirSync(`${area.path}/shown`)
  const flags = said().mountOptions.flatMap((option, index) => {
    const isBind = option === 'bind' || option === 'rbind'
    const what = isBind
      ? `type=bind,src=${area.path}/shown,dst=/m/${index},options=${option}:rw`
      : `type=tmpfs,src=tmpfs,dst=/m/${index},options=${option}`
    return ['--mount', what]
  })
  const { code, stdout, stderr } = await run('options', flags, 'grep -c " /m/" /proc/mounts')
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${said().mountOptions.length}\n`, stderr: '' })
})

test('`rro` makes the mounts below a mount read-only too', async () => {
  const below = `${area.path}/outer/inner`
  mkdirSync(below, { recursive: true })
  const inner = Bun.spawnSync(['mount', '-t', 'tmpfs', 'inner', below])
  expect(inner.exitCode).toBe(0)
  try {
    const shown = (option: string) =>
      `type=bind,src=${area.path}/outer,dst=/${option},options=rbind:${option}`
    const flags = ['rw', 'rro'].flatMap((option) => ['--mount', shown(option)])
    const { stdout } = await run(
      'rro',
      flags,
      'for at in rw rro; do touch /$at/inner/x 2>&1 && echo $at writes; done; true',
    )
    expect(stdout).toBe('rw writes\ntouch: /rro/inner/x: Read-only file system\n')
  } finally {
    Bun.spawnSync(['umount', below])
  }
})

test('every capability can be given', async () => {
  const flags = said().linux.capabilities.flatMap((name) => ['--cap-add', name])
  const { stdout } = await run('capabilities', flags, 'grep CapBnd /proc/self/status')
  expect(stdout).toBe(`CapBnd:\t${((1n << 41n) - 1n).toString(16).padStart(16, '0')}\n`)
})

test('every action, operator, architecture and flag of seccomp is taken', async () => {
  const { actions, operators, archs, supportedFlags } = said().linux.seccomp
  // Calls that nothing here makes, one for each rule.
  const calls = [
    'acct',
    'swapon',
    'swapoff',
    'reboot',
    'sethostname',
    'setdomainname',
    'quotactl',
    'nfsservctl',
  ]
  const args = operators.map((op, index) => ({ index: index % 6, value: 4096, valueTwo: 1, op }))
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: archs,
    flags: supportedFlags,
    syscalls: [
      ...actions.map((action, index) => ({ names: [calls[index]], action })),
      ...args.map((arg) => ({ names: ['kexec_load'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args: [arg] })),
    ],
  }
  const file = `${area.path}/seccomp.json`
  writeFileSync(file, JSON.stringify(profile))
  const flags = ['--seccomp', '--seccomp-profile', file]
  const { code, stdout, stderr } = await run('seccomp', flags, 'grep Seccomp: /proc/self/status')
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'Seccomp:\t2\n', stderr: '' })
})
