/**
 * `npm run lab -- bench [ARGUMENT...]`: what `npm run bench` does, on the lab host and so under KVM. Records come back to bench/results. How busy
 * this machine is beside the lab host counts for them as well: the lab host cannot see it.
 */
import { relative } from 'node:path'
import { busyLimit, sampleBusy } from '../bench/records/busy.ts'
import { type BenchRecord, writeRecord } from '../bench/records/record.ts'
import { commitOf } from '../setup/commit.ts'
import { root } from '../setup/paths.ts'
import type { Progress } from '../src/guest-image/progress.ts'
import { checkoutInLab } from './carry.ts'
import { runningLab } from './machine/host.ts'
import { mustInLab, sshArguments } from './machine/ssh.ts'
import { up } from './up.ts'
import { quoted, variablesForShell } from './variables.ts'

const resultsInLab = `${checkoutInLab}/bench/results`

/** @returns The exit code. @throws what {@link up} does; Error when this machine was too busy for a record. */
export async function bench(args: readonly string[], progress: Progress): Promise<number> {
  await up(progress)
  // What is there afterwards was recorded now.
  await mustInLab(`rm -rf ${resultsInLab} && mkdir ${resultsInLab}`)
  const busyBeside = () => sampleBusy(runningLab()?.pid)
  const before = await busyBeside()
  // The lab host has this checkout, so Bun is at the same place in it.
  const bun = `./${relative(root, process.execPath)}`
  const command = `${variablesForShell()} ${bun} bench/main.ts ${args.map(quoted).join(' ')}`
  const child = Bun.spawn(sshArguments(`cd ${checkoutInLab} && ${command}`), {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const code = await child.exited
  const records = await recordsInLab()
  if (records.length === 0) return code
  const busy = { start: before, end: await busyBeside() }
  const isBusy = Math.max(busy.start, busy.end) > busyLimit
  if (isBusy && !args.includes('--busy'))
    throw new Error(
      `nothing is recorded: this machine has other work. End it, or record with --busy, which the page will say`,
    )
  for (const record of records) {
    const path = writeRecord(asSeenHere(record, busy, isBusy))
    console.error(`recorded in ${relative(root, path)}; \`npm run docs\` puts it into the page`)
  }
  return code
}

async function recordsInLab(): Promise<BenchRecord[]> {
  const names = (await mustInLab(`ls ${resultsInLab}`)).split('\n').filter((name) => name !== '')
  const records: BenchRecord[] = []
  for (const name of names) records.push(JSON.parse(await mustInLab(`cat ${resultsInLab}/${name}`)))
  return records
}

/** The lab host knows neither the commit nor what else runs here. */
function asSeenHere(record: BenchRecord, busy: { start: number; end: number }, isBusy: boolean): BenchRecord {
  const { wasBusy = isBusy, ...conditions } = record.conditions
  const here = { commit: commitOf().name, busy, inLab: true } as const
  return { ...record, conditions: { ...conditions, ...here, ...(wasBusy && { wasBusy }) } }
}
