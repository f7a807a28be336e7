/** Runs the health check of a container, again and again, as long as the container runs. */
import { describeError, KataError } from '../../../errors.ts'
import { SIGKILL } from '../../../linux/processes/signal.ts'
import { readBundleSpec } from '../../../oci/bundle.ts'
import { Status } from '../../../protocol/generated/containerd/types.ts'
import { realClock, sleep, within } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { noteEvent } from '../events.ts'
import { withExec } from '../exec.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'
import type { SignalCatcher } from '../signals.ts'
import { processSpec } from '../spec.ts'
import type { TaskClient } from '../task.ts'
import {
  afterProbe,
  type HealthCheck,
  mostOutput,
  type ProbeResult,
  resultText,
  startingHealth,
  untilNextProbe,
} from './health-check.ts'
import { forgetHealth, writeHealth } from './health-state.ts'

/** How long a check that was killed may take to end, milliseconds. */
const killedMs = 10_000
const stateMs = 5000

/** Signals are for the container, not for its check. */
const noSignals = (): SignalCatcher => ({
  handle: () => {},
  interrupted: new Promise(() => {}),
  release: () => {},
})

/** Ends when `over` fires. Never rejects: a check that cannot run has failed. */
export async function watchHealth(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
  over: AbortSignal,
): Promise<void> {
  const { health: check } = record
  if (check === undefined) return
  forgetHealth(settings, record)
  const begin = realClock.now()
  let health = startingHealth
  while (!over.aborted) {
    const waited = sleep(untilNextProbe(health, check, realClock.now() - begin), over)
    await waited.catch(() => {})
    if (over.aborted || !(await isRunning(task))) continue
    const sinceStartMs = realClock.now() - begin
    const result = await probe(settings, record, check, task)
    // It ended, or was paused, under its check, which says nothing then.
    if (over.aborted || result === undefined) continue
    const before = health.status
    health = afterProbe(health, check, result, sinceStartMs)
    try {
      writeHealth(settings, record, health)
    } catch (error) {
      settings.log.warn('the result of a health check could not be noted', { id: record.id, error })
    }
    if (health.status !== before) noteEvent(settings, record, `health_status: ${health.status}`)
  }
}

/** A container that is paused is not asked. */
async function isRunning(task: TaskClient): Promise<boolean> {
  const state = await task.state(stateMs).catch(() => undefined)
  return state?.status === Status.RUNNING
}

/** Undefined when the container did not let it run. */
async function probe(
  settings: Settings,
  record: ContainerRecord,
  { command, timeoutMs }: HealthCheck,
  task: TaskClient,
): Promise<ProbeResult | undefined> {
  const start = new Date().toISOString()
  const kept: Uint8Array[] = []
  let bytes = 0
  const keep = {
    write: async (chunk: Uint8Array) => {
      if (bytes < mostOutput) kept.push(Buffer.from(chunk.subarray(0, mostOutput - bytes)))
      bytes += chunk.length
    },
  }
  const told = () => Buffer.concat(kept).toString()
  const ended = (exitCode: number, output: string): ProbeResult => ({
    start,
    end: new Date().toISOString(),
    exitCode,
    output: resultText(output),
  })
  try {
    const code = await runProbe(settings, record, command, { timeoutMs, task, output: keep })
    if (code !== undefined) return ended(code, told())
    return ended(-1, `the check did not end within ${timeoutMs / 1000} s\n${told()}`)
  } catch (error) {
    // The start waits for a pause or a save that is under way. After a pause it is refused; and so is the kill of what has waited for too long.
    if (error instanceof KataError && error.code === 'TASK_STATE') return undefined
    return ended(-1, describeError(error))
  }
}

/** The exit code; undefined when it took too long, and was killed. */
async function runProbe(
  settings: Settings,
  record: ContainerRecord,
  args: readonly string[],
  { timeoutMs, task, output }: { timeoutMs: number; task: TaskClient; output: ProbeSink },
): Promise<number | undefined> {
  const { io, bundle } = recordPaths(settings.stateDir, record.namespace, record.id)
  const execId = `health-${crypto.randomUUID().slice(0, 8)}`
  const request = {
    ...{ task, id: record.id, io, execId, signals: noSignals() },
    process: processSpec(readBundleSpec(bundle).process ?? {}, { args, terminal: false, env: {} }, {}),
    streams: { interactive: false, input: new ReadableStream(), output, errors: output },
    settings: { log: settings.log, tell: () => {} },
  }
  return withExec(request, async (exited) => {
    // Awaited below, at the latest after it was killed.
    exited.catch(() => {})
    const code = await within(exited, timeoutMs)
    if (code !== undefined) return code
    await task.kill(SIGKILL, { execId })
    await within(exited, killedMs)
    return undefined
  })
}

interface ProbeSink {
  write(chunk: Uint8Array): Promise<void>
}
