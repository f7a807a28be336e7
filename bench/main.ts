/**
 * Benchmarks, run by `npm run bench`. They print what they measured and never judge: only a failure of the runtime
 * makes the exit code 1, or of a record.
 *
 *   npm run bench                          all of them
 *   npm run bench -- start [NAME...]       some: records/names.ts has the names
 *   npm run bench -- --rounds 20 start     more rounds (default 10; rootless, share, disk, storage, streams and stop take a third of them)
 *   npm run bench -- --record              and writes each down for docs/benchmarks.md; refused while the machine has other work
 *   npm run bench -- --record --busy       all the same, and the record says so
 *   npm run bench -- --format json         data for programs, on standard output
 *   npm run bench -- --sandboxes 1,5       how many sandboxes density starts (default 1,5,10,20,40)
 *   npm run bench -- node                  a node's worth of pods for 20 minutes; only when asked for
 *   npm run bench -- --node pods=12 node   with other settings (node/settings.ts)
 */
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/load.ts'
import { describeError } from '../src/errors.ts'
import { silentLogger } from '../src/log.ts'
import { resolveAssets } from '../src/vmm/host/assets.ts'
import { benchAccounts } from './accounts.ts'
import type { BareGuest } from './bare.ts'
import { benchContainerd } from './containerd.ts'
import { benchDensity, readSteps } from './density.ts'
import { benchDisk } from './disk.ts'
import { Host, machineFacts } from './host.ts'
import { benchExec, benchStop } from './idle.ts'
import { benchMemory } from './memory.ts'
import { benchModules } from './modules.ts'
import { benchNetwork } from './network.ts'
import { benchNode } from './node.ts'
import { benchOverhead } from './overhead.ts'
import { benchParallel } from './parallel.ts'
import { benchPeers } from './peers/peers.ts'
import { loadAverage } from './records/busy.ts'
import { type BenchmarkName, benchmarkNames, onlyAsked } from './records/names.ts'
import type { Machine } from './records/record.ts'
import { Recorder } from './records/recorder.ts'
import { type Result, renderJson, renderText } from './report.ts'
import { benchRootless } from './rootless.ts'
import { benchShare } from './share.ts'
import { benchShims } from './shims.ts'
import { benchStart } from './start.ts'
import { benchStorage } from './storage.ts'
import { benchStreams } from './streams.ts'
import { benchUplink } from './uplink.ts'
import { benchWarm } from './warm.ts'

interface Bench {
  readonly host: Host
  readonly guest: BareGuest
  readonly rounds: number
  /** Settings of the node. */
  readonly node: string
  /** At how many sandboxes density is measured. */
  readonly sandboxes: readonly number[]
}

const benchmarks: Readonly<Record<BenchmarkName, (bench: Bench) => Promise<Result>>> = {
  start: ({ host, guest, rounds }) => benchStart(host, guest, rounds),
  warm: ({ host, guest, rounds }) => benchWarm(host, guest, rounds),
  peers: ({ host, guest, rounds }) => benchPeers(host, guest, rounds),
  modules: ({ host, guest, rounds }) => benchModules(host, guest, rounds),
  memory: ({ host, guest }) => benchMemory(host, guest),
  density: ({ host, sandboxes }) => benchDensity(host, sandboxes),
  shims: ({ host }) => benchShims(host.interrupted),
  overhead: ({ host }) => benchOverhead(host),
  exec: ({ host, rounds }) => benchExec(host, rounds),
  streams: ({ host, rounds }) => benchStreams(host, Math.ceil(rounds / 3)),
  stop: ({ host, rounds }) => benchStop(host, Math.ceil(rounds / 3)),
  rootless: ({ host, rounds }) => benchRootless(host, Math.ceil(rounds / 3)),
  share: ({ host, rounds }) => benchShare(host, Math.ceil(rounds / 3)),
  accounts: () => benchAccounts(),
  disk: ({ host, rounds }) => benchDisk(host, Math.ceil(rounds / 3)),
  storage: ({ host, rounds }) => benchStorage(host, Math.ceil(rounds / 3)),
  network: ({ host, rounds }) => benchNetwork(host, rounds),
  uplink: ({ rounds }) => benchUplink(rounds),
  parallel: ({ host }) => benchParallel(host),
  containerd: ({ host, guest, rounds }) => benchContainerd(host, guest, rounds),
  node: ({ host, node }) => benchNode(node, host.interrupted),
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`bench: ${describeError(error)}`)
  process.exitCode = 1
}

interface Arguments {
  readonly names: readonly BenchmarkName[]
  readonly rounds: number
  readonly node: string
  readonly sandboxes: readonly number[]
  readonly isText: boolean
  readonly isRecorded: boolean
  readonly takesBusy: boolean
}

/** Undefined if the arguments are wrong; the usage is printed then. */
function readArguments(argv: string[]): Arguments | undefined {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      format: { type: 'string', default: 'text' },
      rounds: { type: 'string', default: '10' },
      node: { type: 'string', default: '' },
      sandboxes: { type: 'string', default: '' },
      record: { type: 'boolean', default: false },
      busy: { type: 'boolean', default: false },
    },
  })
  const isName = (word: string): word is BenchmarkName => benchmarkNames.includes(word as BenchmarkName)
  const asked = positionals.filter(isName)
  const rounds = Number(values.rounds)
  const isWrong = asked.length < positionals.length || !['text', 'json'].includes(values.format)
  if (isWrong || !(rounds >= 1) || (values.busy && !values.record)) {
    console.error(
      `usage: npm run bench -- [--record [--busy]] [--rounds N] [--sandboxes N,N...] [--node SETTINGS] [--format text|json] [${benchmarkNames.join('|')}]...`,
    )
    return undefined
  }
  return {
    names: asked.length > 0 ? asked : benchmarkNames.filter((name) => !onlyAsked.includes(name)),
    rounds,
    node: values.node,
    sandboxes: readSteps(values.sandboxes),
    isText: values.format === 'text',
    isRecorded: values.record,
    takesBusy: values.busy,
  }
}

async function main(argv: string[]): Promise<number> {
  const asked = readArguments(argv)
  if (asked === undefined) return 2
  const { names, isText, isRecorded, ...settings } = asked
  const recorder = new Recorder({ takesBusy: asked.takesBusy })
  if (isRecorded && !(await recorder.isFit())) {
    console.error(`bench: ${recorder.refusal()}`)
    return 1
  }
  await using host = new Host()
  let underWay: Promise<unknown> = Promise.resolve()
  exitOnSignal(host, () => underWay)
  const guest = await sameGuest(host)
  const machine = machineFacts(guest)
  const load = loadAverage()
  if (isText) process.stdout.write(describeMachine(machine))
  const measure = (name: BenchmarkName): Promise<Result> => {
    const run = () => benchmarks[name]({ host, guest, ...settings })
    const measuring = isRecorded ? recorder.measure(name, machine, run) : run()
    underWay = measuring
    return measuring
  }
  const results: Result[] = []
  let failures = 0
  for (const name of names) {
    process.stderr.write(`${name} ...\n`)
    try {
      const result = await measure(name)
      results.push(result)
      if (isText) process.stdout.write(renderText(result))
    } catch (error) {
      if (host.interrupted.aborted) throw error
      // The other results are still of use.
      failures++
      console.error(`bench: ${name}: ${describeError(error)}`)
      await host.removeAll()
      if (isRecorded) await recorder.isFit()
    }
  }
  if (!isText) process.stdout.write(renderJson(results, { ...machine, load, date: new Date().toISOString() }))
  for (const line of recorder.refused) console.error(`bench: ${line}`)
  return failures + recorder.refused.length > 0 ? 1 : 0
}

/** At SIGINT or SIGTERM, breaks off the benchmark that is under way, removes all containers and exits. */
function exitOnSignal(host: Host, underWay: () => Promise<unknown>): void {
  const stop = async () => {
    host.interrupt()
    // The benchmark removes what it has made.
    await underWay().catch(() => {})
    await host[Symbol.asyncDispose]().finally(() => process.exit(130))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

/** The guest that `kata-ts run` boots here, with the accelerator that it chose by itself in a first start. */
async function sameGuest(host: Host): Promise<BareGuest> {
  await host.startIdle('first')
  const { accelerator } = host.facts('first')
  await host.must(['rm', '-f', 'first'])
  const config = loadConfig({ file: host.configuration, env: {}, log: silentLogger })
  const { kernel, initrd, rootDisk } = resolveAssets(config)
  if (initrd === undefined || rootDisk !== undefined)
    throw new Error('the benchmark boots from an initrd, and this guest has none')
  return { kernel, initrd, accelerator: accelerator === 'kvm' ? 'kvm' : 'tcg', config }
}

function describeMachine({ cpus, cpuModel, memory, kernel, qemu, accelerator, guest }: Machine): string {
  return [
    `${cpus} CPUs (${cpuModel}), ${memory}, Linux ${kernel}, load ${loadAverage()}`,
    `guest: QEMU ${qemu}, ${accelerator}, ${guest.vcpus} vCPU, ${guest.memoryMiB} MiB`,
    '',
  ].join('\n')
}
