/**
 * Benchmarks, run by `npm run bench`. They print what they measured and never judge: only a failure of the runtime
 * makes the exit code 1.
 *
 *   npm run bench                          all of them
 *   npm run bench -- start [NAME...]       some: start, modules, memory, overhead, exec, stdout, stop, rootless, share, accounts, disk,
 *                                          storage, network, parallel, containerd
 *   npm run bench -- --rounds 20 start     more rounds (default 10; rootless, share, disk, storage and stop take a third of them)
 *   npm run bench -- --format json         data for programs, on standard output
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
import { benchDisk } from './disk.ts'
import { Host, machineFacts } from './host.ts'
import { benchExec, benchStdout, benchStop } from './idle.ts'
import { benchMemory } from './memory.ts'
import { benchModules } from './modules.ts'
import { benchNetwork } from './network.ts'
import { benchNode } from './node.ts'
import { benchOverhead } from './overhead.ts'
import { benchParallel } from './parallel.ts'
import { type Result, renderJson, renderText } from './report.ts'
import { benchRootless } from './rootless.ts'
import { benchShare } from './share.ts'
import { benchStart } from './start.ts'
import { benchStorage } from './storage.ts'

interface Bench {
  readonly host: Host
  readonly guest: BareGuest
  readonly rounds: number
  /** Settings of the node. */
  readonly node: string
}

const benchmarks: Readonly<Record<string, (bench: Bench) => Promise<Result>>> = {
  start: ({ host, guest, rounds }) => benchStart(host, guest, rounds),
  modules: ({ host, guest, rounds }) => benchModules(host, guest, rounds),
  memory: ({ host, guest }) => benchMemory(host, guest),
  overhead: ({ host }) => benchOverhead(host),
  exec: ({ host, rounds }) => benchExec(host, rounds),
  stdout: ({ host }) => benchStdout(host),
  stop: ({ host, rounds }) => benchStop(host, Math.ceil(rounds / 3)),
  rootless: ({ host, rounds }) => benchRootless(host, Math.ceil(rounds / 3)),
  share: ({ host, rounds }) => benchShare(host, Math.ceil(rounds / 3)),
  accounts: () => benchAccounts(),
  disk: ({ host, rounds }) => benchDisk(host, Math.ceil(rounds / 3)),
  storage: ({ host, rounds }) => benchStorage(host, Math.ceil(rounds / 3)),
  network: ({ host, rounds }) => benchNetwork(host, rounds),
  parallel: ({ host }) => benchParallel(host),
  containerd: ({ guest, rounds }) => benchContainerd(guest, rounds),
  node: ({ node }) => benchNode(node),
}
/** It takes too long to come along unasked. */
const onlyAsked = ['node']

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`bench: ${describeError(error)}`)
  process.exitCode = 1
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      format: { type: 'string', default: 'text' },
      rounds: { type: 'string', default: '10' },
      node: { type: 'string', default: '' },
    },
  })
  const names =
    positionals.length > 0 ? positionals : Object.keys(benchmarks).filter((name) => !onlyAsked.includes(name))
  const unknown = names.find((name) => benchmarks[name] === undefined)
  const rounds = Number(values.rounds)
  if (unknown !== undefined || !['text', 'json'].includes(values.format) || !(rounds >= 1)) {
    console.error(
      `usage: npm run bench -- [--rounds N] [--node SETTINGS] [--format text|json] [${Object.keys(benchmarks).join('|')}]...`,
    )
    return 2
  }
  const machine = machineFacts()
  const isText = values.format === 'text'
  await using host = new Host()
  const stop = () => void host[Symbol.asyncDispose]().finally(() => process.exit(130))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const guest = await sameGuest(host)
  if (isText) process.stdout.write(describeMachine(machine, guest))
  const results: Result[] = []
  for (const name of names) {
    process.stderr.write(`${name} ...\n`)
    const result = await benchmarks[name]!({ host, guest, rounds, node: values.node })
    results.push(result)
    if (isText) process.stdout.write(renderText(result))
  }
  if (!isText) process.stdout.write(renderJson(results, machine))
  return 0
}

/** The guest that `kata-ts run` boots here, with the accelerator that it chose by itself in a first start. */
async function sameGuest(host: Host): Promise<BareGuest> {
  await host.startIdle('first')
  const { accelerator } = host.facts('first')
  await host.must(['rm', '-f', 'first'])
  const config = loadConfig({ env: process.env, log: silentLogger })
  const { kernel, initrd, rootDisk } = resolveAssets(config)
  if (initrd === undefined || rootDisk !== undefined)
    throw new Error(`the benchmark boots from an initrd: leave image= out of ${config.source}`)
  return { kernel, initrd, accelerator: accelerator === 'kvm' ? 'kvm' : 'tcg', config }
}

function describeMachine(
  machine: ReturnType<typeof machineFacts>,
  { accelerator, config }: BareGuest,
): string {
  const { date, cpus, cpuModel, memoryMiB, kernel, loadAtStart } = machine
  const { defaultVcpus, defaultMemory } = config.hypervisor
  return [
    `${date} UTC: ${cpus} CPUs (${cpuModel}), ${memoryMiB} MiB, Linux ${kernel}, load ${loadAtStart}`,
    `guest: ${accelerator}, ${defaultVcpus} vCPU, ${defaultMemory} MiB`,
    '',
  ].join('\n')
}
