/**
 * The main job, shown: one command in a container, in a virtual machine, run by a user who is made for it and is gone
 * afterwards. Everything printed is read from the running system; exit code 1 when something is left behind.
 */
import { describeError } from '../src/errors.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { lineOf } from './demo/accounts.ts'
import { listDirectory } from './demo/listing.ts'
import { postureFacts } from './demo/posture.ts'
import { type DemoRun, runArguments, startRun } from './demo/run.ts'
import { Screen } from './demo/screen.ts'
import { timeline } from './demo/timeline.ts'
import { tracesOf } from './demo/traces.ts'
import { tryWalls } from './demo/walls.ts'

/** What is asked of the host and of the container, one line of answer each. */
const questions = [
  ['kernel', 'uname -sr'],
  ['host name', 'hostname'],
  ['processors', 'nproc'],
  ['memory', 'grep MemTotal /proc/meminfo'],
  ['processes it sees', 'ls -d /proc/[0-9]* | wc -l'],
] as const
const script = questions.map(([, command]) => command).join('; ')

const screen = new Screen(process.stdout, process.env.NO_COLOR === undefined)
try {
  process.exitCode = await demo(`demo-${crypto.randomUUID().slice(0, 4)}`)
} catch (error) {
  console.error(`demo: ${describeError(error)}`)
  process.exitCode = 1
}

async function demo(name: string): Promise<number> {
  screen.title('A command in a container, in a virtual machine, run by a user made for it')
  screen.command(['kata-ts', ...runArguments(name, script)])
  await using run = await startRun(name, script)
  showKernels(run.output)
  await showVmm(run)
  await showWalls(run)
  showTimes(run)
  // Awaited here: leaving this function ends the run.
  return await showEnd(run)
}

function showKernels(output: string): void {
  screen.title('Two kernels')
  const host = answers(Bun.spawnSync(['sh', '-c', script]).stdout.toString())
  const guest = answers(output)
  const rows = questions.map(([label], line) => [label, host[line] ?? '', guest[line] ?? ''])
  screen.table(['', 'on the host', 'in the container'], rows)
}

/** /proc/meminfo counts in kB. */
function answers(output: string): string[] {
  return output
    .split('\n')
    .map((line) => line.replace(/^MemTotal: +(\d+) kB$/, (_, kB) => `${Math.round(Number(kB) / 1024)} MiB`))
}

async function showVmm({ facts }: DemoRun): Promise<void> {
  const { shimPid, vmmPid, user, uid, account, privateDir, accelerator, acceleratorReason } = facts
  screen.title(`Who runs the machine: QEMU, process ${vmmPid}, as the kernel shows it`)
  const line = await lineOf('passwd', user)
  const posture = readPosture(vmmPid)
  const shown = await postureFacts(
    posture,
    line || `uid ${uid}, without an account (rootless_account = "${account}")`,
  )
  for (const [label, value] of shown) screen.fact(label, value)
  screen.fact('accelerator', `${accelerator} (${acceleratorReason})`)
  for (const { wall, what } of facts.openWalls) screen.fact(`open: ${wall}`, what)
  screen.title('Its private directory')
  screen.table(['mode', 'owner', 'name'], await listDirectory(`/proc/${shimPid}/root${privateDir}`))
}

async function showWalls({ facts }: DemoRun): Promise<void> {
  screen.title('If the guest broke out into this process: tried just now')
  const cell = (result: string) => ({ text: result, good: result !== 'ok' })
  const walls = await tryWalls(facts)
  screen.table(
    ['', 'as root', `as ${facts.user}`, "in QEMU's place"],
    walls.map(({ goal, root, user, jailed }) => [goal, root, cell(user), cell(jailed)]),
  )
  screen.paragraph(
    "As the user alone: without any jail. In QEMU's place: its user, namespaces and root directory. Its seccomp filters and Landlock come on top; " +
      '`npm test -- e2e attack` tries the jail as a whole.',
  )
}

function showTimes({ facts, firstOutputMs, startedAt }: DemoRun): void {
  screen.title(`Where the ${(firstOutputMs / 1000).toFixed(2)} s from the command to its first output went`)
  const begun = facts.startedAt - startedAt
  const steps = facts.timings.map(({ step, at, ms }) => ({ name: step, at: begun + at, ms }))
  const ready = Math.max(...steps.map(({ at, ms }) => at + ms))
  const around = [
    { name: 'kata-ts, shim', at: 0, ms: begun },
    { name: 'container', at: ready, ms: firstOutputMs - ready },
  ]
  for (const line of timeline([...steps, ...around], screen.contentWidth)) screen.verbatim(line)
}

/** Everything must have been there before, or its absence afterwards would say nothing. */
async function showEnd(run: DemoRun): Promise<number> {
  const traces = tracesOf(run.facts).map((trace) => ({ ...trace, wasThere: trace.isThere() }))
  const { code, ms, errors } = await run.finish()
  screen.title(`After the end (${(ms / 1000).toFixed(2)} s): what was there is gone`)
  let left = 0
  for (const { name, wasThere, isThere } of traces) {
    const good = wasThere && !isThere()
    if (!good) left++
    screen.tick(good, good ? name : `${name} (${wasThere ? 'still there' : 'was never seen'})`)
  }
  if (code !== 0)
    screen.tick(false, `kata-ts run ended with exit code ${code}${errors === '' ? '' : `: ${errors}`}`)
  return left === 0 && code === 0 ? 0 : 1
}
