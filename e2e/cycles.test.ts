// test:vmm: every VMM
/**
 * What lives long stays as it is: the shim, VMM and file server of a container that is entered hundreds of times, and
 * the host after hundreds of starts. Memory is read once the shim has been idle and has collected its garbage.
 *
 * KATA_TS_E2E_CYCLES=1000 makes them so many, for a look at a slow leak; of the starts the gate has fewer.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { hostState, leftBehind } from './harness/host/host.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const asked = Number(process.env.KATA_TS_E2E_CYCLES ?? 0)
// uid-reuse.test.ts starts fifty at once, as far as these, and looks for what they leave.
const [execs, starts] = asked > 0 ? [asked, asked] : [60, 10]
/** How many run at once. */
const together = 10
/** Readings over all execs, spread evenly. */
const readings = 6
/** How long a shim has been idle when it has collected its garbage and given the pages back, milliseconds. */
const idleMs = 4000
/** What the lowest of the last third may be above that of the first, kB: code that was compiled meanwhile. */
const tolerance = 2048
/** For each cycle, milliseconds; a tenth is usual. */
const cycleMs = 1500

let kata: Kata
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
})
afterAll(() => kata.close())

function sizeOf(pid: number) {
  const smaps = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    anonymous: Number(/^Anonymous: +(\d+) kB$/m.exec(smaps)![1]),
  }
}

/** The lowest value of each number. */
function lowest(sizes: readonly ReturnType<typeof sizeOf>[]) {
  const of = (name: keyof ReturnType<typeof sizeOf>) => Math.min(...sizes.map((size) => size[name]))
  return { descriptors: of('descriptors'), threads: of('threads'), anonymous: of('anonymous') }
}

test(
  `${execs} execs in one container leave shim, file server and guest as they were`,
  async () => {
    await kata.call(['run', '-d', '--name', 'long', '--', 'sleep', '3600'])
    const { sandbox, paths } = await kata.inspect('long')
    const address = readFileSync(`${paths.bundle}/address`, 'utf8').replace('unix://', '')
    const client = connect(await connectUnix(address))
    const task = createClient(TaskDefinition, client)
    const process = { args: ['sh', '-c', 'echo out; exit 3'], cwd: '/', env: ['PATH=/bin'], user: {} }
    const spec = { typeUrl: '', value: new TextEncoder().encode(JSON.stringify(process)) }
    const stdout = `file://${kata.stateDir}/out`
    const exec = async (execId: string) => {
      const one = { id: 'long', execId }
      await task.exec({ ...one, spec, stdout })
      await task.start(one)
      expect((await task.wait(one)).exitStatus).toBe(3)
      await task.delete(one)
    }
    // By the shell alone: what it started would be counted, or not yet.
    const inGuest = async () =>
      Number((await kata.call(['exec', 'long', '--', 'sh', '-c', 'set -- /proc/[0-9]*; echo $#'])).stdout)

    const pids: number[] = [sandbox.shimPid, ...sandbox.virtiofsdPids]
    const processes = await inGuest()
    const sizes: ReturnType<typeof sizeOf>[][] = []
    for (let done = 0; done < execs; done += together) {
      await Promise.all(Array.from({ length: together }, (_, index) => exec(`e${done + index}`)))
      if (done + together < (sizes.length + 1) * (execs / readings)) continue
      await Bun.sleep(idleMs)
      sizes.push(pids.map(sizeOf))
    }
    for (const index of pids.keys()) {
      const all = sizes.map((reading) => reading[index]!)
      const [first, last] = [lowest(all.slice(0, readings / 3)), lowest(all.slice(-readings / 3))]
      console.log(`${all.map(({ anonymous }) => anonymous).join(' ')} kB anonymous`)
      expect(last.descriptors).toBeLessThanOrEqual(first.descriptors)
      expect(last.threads).toBeLessThanOrEqual(first.threads + 2)
      expect(last.anonymous).toBeLessThan(first.anonymous + tolerance)
    }
    expect(await inGuest()).toBe(processes)
    client.close()
    await kata.call(['rm', '-f', 'long'])
  },
  slow(execs * cycleMs + readings * idleMs),
)

test(
  `${starts} sandboxes made as far as their VMM and removed: the host is as before`,
  async () => {
    const before = hostState(kata.runDir)
    const env = { KATA_TS_FAILPOINTS: 'after-take:process=fail' }
    for (let done = 0; done < starts; done += together) {
      const outcomes = await Promise.all(Array.from({ length: together }, () => kata.run(['true'], { env })))
      for (const { stderr } of outcomes) expect(stderr).toContain('failpoint after-take:process')
    }
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  slow(starts * cycleMs * 2),
)
