/** The order of a start: what each stage takes, and what is left when one fails or is given up. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { readWarnings } from '../../bundle/warnings.ts'
import { KataError } from '../../errors.ts'
import { Pool } from '../pool/pool.double.ts'
import { readFacts } from '../records/facts.ts'
import { createSandbox } from './create.ts'
import { HostDouble, steps } from './doubles/host.double.ts'

/** The checksums are compared in the background: a start waits for them before it boots. */
const inOrder = steps.filter((step) => step !== 'verify')
const failed = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing failed',
    (error) => error,
  )
/** What a log says of the ledger's kinds. */
const taken = ['owner', 'cgroups', 'user', 'network', 'share', 'nics', 'tpm', 'vfio', 'vmm']
const released = (log: readonly string[]) =>
  log.filter((line) => line.startsWith('release ')).map((line) => line.slice('release '.length))

test('the stages come in their order, and the facts are there once the guest has been set up', async () => {
  using double = new HostDouble()
  const factsAt = new Map<string, boolean>()
  double.onStep = (step) => void (double.made && factsAt.set(step, existsSync(double.paths.facts)))
  const sandbox = await createSandbox(double.request(), double.host)
  const told = double.log.filter((line) => (inOrder as readonly string[]).includes(line))
  expect(told).toEqual(inOrder)
  expect(double.log).toContain('verify')
  expect([...factsAt.entries()].filter(([, isThere]) => isThere)).toEqual([])
  expect(readFacts(double.paths.facts)).toMatchObject({
    id: 'pod',
    namespace: 'test',
    shimPid: process.pid,
    vmmPid: 4711,
    virtiofsdPids: [8, 9],
    virtiofsdUid: 70_000,
    user: 'kata-7',
    uid: 7,
    gid: 7,
    groups: [108],
    rootless: true,
    accelerator: 'kvm',
    kernel: '/kernel',
    agent: { name: 'kata', version: '4.1.0' },
    memoryMiB: 256,
  })
  await sandbox.stop()
})

test('the timings are those of the stages', async () => {
  using double = new HostDouble()
  await using _ = stopped(await createSandbox(double.request(), double.host))
  expect(
    readFacts(double.paths.facts)!
      .timings.map(({ step }) => step)
      .sort(),
  ).toEqual(
    [
      ...[
        'verify image',
        'accelerator',
        'cgroups',
        'user',
        'make network',
        'virtiofsd',
        'network',
        'tpm',
        'vmm',
      ],
      ...['guest boot', 'guest sandbox'],
    ].sort(),
  )
})

test('the VMM has its copies of the devices when ours are closed, and then it gets its cgroup', async () => {
  using double = new HostDouble()
  const openAt = new Map<string, number>()
  double.onStep = (step) => void openAt.set(step, double.open)
  await using _ = stopped(await createSandbox(double.request(), double.host))
  // A tap, a TPM, a vsock, a share, and a device with its address space.
  expect(openAt.get('vmm')).toBe(6)
  // The threads of its processors may be there only once it boots.
  expect(double.log.filter((line) => line.startsWith('place') || line === 'boot')).toEqual([
    'place 4711, 0 open',
    ...['boot', 'place processors of 4711'],
  ])
  expect(double.made!.spec).toMatchObject({
    nics: [{ id: 'net0' }],
    vsock: { cid: 3 },
    share: { tag: 'kataShared' },
    vfio: [{ name: '0000:1a:00.0' }],
    accelerator: 'kvm',
    identity: { uid: 7 },
  })
})

test('the end of a sandbox releases everything in reverse order', async () => {
  using double = new HostDouble()
  const sandbox = await createSandbox(double.request(), double.host)
  await sandbox.stop()
  expect(double.log).toContain('stop vmm')
  expect(released(double.log)).toEqual(taken.toReversed())
  expect(existsSync(double.paths.stateDir)).toBe(false)
})

/** Steps that may fail: the claim is the first thing that is to be released. */
const failing = steps.filter((step) => step !== 'claim')

describe.each(failing)('a start that fails at %s', (step) => {
  test('fails with that, releases what was taken in reverse order and leaves nothing open', async () => {
    using double = new HostDouble()
    const failure = new Error(`no ${step}`)
    double.onStep = (now) => {
      if (now === step) throw failure
    }
    expect(await failed(createSandbox(double.request(), double.host))).toBe(failure)
    expectRolledBack(double)
  })
})

test('a name that is taken is refused, and what its sandbox holds stays', async () => {
  using double = new HostDouble()
  const refused = new KataError('SANDBOX_EXISTS', { path: '/run/x' })
  double.onStep = () => {
    throw refused
  }
  expect(await failed(createSandbox(double.request(), double.host))).toBe(refused)
  expect(double.log).toEqual(['claim'])
})

describe.each(inOrder.filter((step) => step !== 'claim'))('a start given up at %s', (step) => {
  test.each(['breaks by that', 'goes on'])('ends with the reason, when the stage %s', async (how) => {
    using double = new HostDouble()
    const reason = new Error('given up')
    double.onStep = (now) => {
      if (now !== step) return
      double.giveUp.abort(reason)
      if (how === 'breaks by that') throw new Error('a socket was closed')
    }
    expect(await failed(createSandbox(double.request(), double.host))).toBe(reason)
    expectRolledBack(double)
    if (steps.indexOf(step) < steps.indexOf('vmm')) expect(double.vmm.calls).toEqual([])
    expect(existsSync(double.paths.facts)).toBe(false)
  })
})

test('a start that waits is given up at once', async () => {
  using double = new HostDouble()
  const reason = new Error('given up')
  double.onStep = (step) => {
    if (step !== 'answer') return
    setImmediate(() => double.giveUp.abort(reason))
    return new Promise(() => {})
  }
  expect(await failed(createSandbox(double.request(), double.host))).toBe(reason)
  expectRolledBack(double)
})

test('a kernel that is not the one that was built does not boot, however late that is found', async () => {
  using double = new HostDouble()
  const verdict = Promise.withResolvers<void>()
  const mismatch = new Error('checksum')
  double.onStep = (step) => {
    if (step === 'verify') return verdict.promise
    if (step === 'connect-agent') setImmediate(() => verdict.reject(mismatch))
    return
  }
  expect(await failed(createSandbox(double.request(), double.host))).toBe(mismatch)
  expect(double.log).toContain('connect-agent')
  expect(double.vmm.calls).toEqual(['start'])
  expectRolledBack(double)
})

test('a guest waits for the verdict on its kernel', async () => {
  using double = new HostDouble()
  const verdict = Promise.withResolvers<void>()
  const seen: string[] = []
  double.onStep = (step) => {
    if (step === 'verify') return verdict.promise
    if (step === 'connect-agent')
      setImmediate(() => {
        seen.push(...double.vmm.calls)
        verdict.resolve()
      })
    return
  }
  await using _ = stopped(await createSandbox(double.request(), double.host))
  expect(seen).toEqual(['start'])
  expect(double.vmm.calls).toEqual(['start', 'boot'])
})

test('a verification does not outlive a start that fails beside it', async () => {
  using double = new HostDouble()
  const failure = new Error('no accelerator')
  double.onStep = (step, leaving) => {
    if (step === 'accelerator') throw failure
    if (step !== 'verify') return
    return new Promise((_, reject) =>
      leaving!.addEventListener('abort', () => {
        double.log.push('verify is ended')
        reject(leaving!.reason)
      }),
    )
  }
  expect(await failed(createSandbox(double.request(), double.host))).toBe(failure)
  expect(double.log.slice(-2)).toEqual(['verify is ended', 'release owner'])
})

test('a machine that ends while its agent is waited for is told as that', async () => {
  using double = new HostDouble()
  double.onStep = (step) => {
    if (step !== 'answer') return
    double.vmm.end({ reason: 'guest-panicked', consoleTail: 'Kernel panic', logTail: '' })
    return new Promise(() => {})
  }
  expect(String(await failed(createSandbox(double.request(), double.host)))).toContain('[VMM_GUEST_PANICKED]')
  expectRolledBack(double)
})

test('a run directory without room is told as that, whichever stage found it', async () => {
  using double = new HostDouble()
  double.onStep = (step) => {
    if (step === 'user') throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
  expect(String(await failed(createSandbox(double.request(), double.host)))).toContain('[RUN_DIR_FULL]')
  expectRolledBack(double)
})

test.each(['vmm', 'boot'] as const)('a clone whose template goes before its %s boots', async (step) => {
  using pool = new Pool()
  const ways: boolean[] = []
  pool.onStep = (now) => {
    if (now !== step) return
    ways.push(pool.made!.spec.template !== undefined)
    throw new KataError('JAIL_SPEC_INVALID', { program: 'qemu', reason: 'it is not there' })
  }
  const request = pool.pod()
  await using _ = stopped(await createSandbox(request, pool.withTemplate))
  expect(ways).toEqual([true])
  expect(readFacts(pool.paths.facts)).toMatchObject({ template: '' })
  expect(readWarnings(request.container.bundle)).toEqual([expect.stringContaining('it is not there')])
})

test('a clone that cannot be released does not boot: the error says what is left, and not that its name is taken', async () => {
  using pool = new Pool()
  pool.onStep = (now) => {
    if (now === 'boot')
      throw new KataError('JAIL_SPEC_INVALID', { program: 'qemu', reason: 'it is not there' })
  }
  pool.onRelease = (kind) => {
    if (kind === 'user') throw new Error('a process of it is left')
  }
  const error = await failed(createSandbox(pool.pod(), pool.withTemplate))
  expect(error).toMatchObject({ code: 'RELEASE_FAILED', fields: { held: 'user' } })
  expect(error.message).toMatch(/a process of it is left.*it is not there/)
  expect(pool.log.filter((line) => line === 'claim')).toHaveLength(1)
})

/** Everything that was taken is released in reverse order, once, and nothing is open. */
function expectRolledBack(double: HostDouble): void {
  const all = released(double.log)
  expect(new Set(all).size).toBe(all.length)
  // These are made beside others, which do not wait for them; and a stage that fails releases its own first.
  const inTurn = all.filter((kind) => kind !== 'network' && kind !== 'cgroups')
  expect(inTurn).toEqual(taken.filter((kind) => inTurn.includes(kind)).toReversed())
  const begun = double.log.filter((line) => taken.includes(line))
  expect(begun.filter((kind) => !all.includes(kind))).toEqual([])
  expect(double.open).toBe(0)
  expect(existsSync(double.paths.stateDir)).toBe(false)
}

const stopped = (sandbox: { stop(): Promise<void> }): AsyncDisposable => ({
  [Symbol.asyncDispose]: () => sandbox.stop(),
})
