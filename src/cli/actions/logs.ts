import { KataError } from '../../errors.ts'
import { hasReader } from '../../linux/files/has-reader.ts'
import type { LogRecord } from '../../sandbox/records/container-log.ts'
import { sleep } from '../../time.ts'
import { isExternal } from '../client/external.ts'
import { lastLines } from '../client/logs/last-lines.ts'
import { LogPrinter } from '../client/logs/printer.ts'
import { hasLog, LogReader } from '../client/logs/reader.ts'
import { inTime, isInTime, type Selection } from '../client/logs/select.ts'
import { hasReaderLeft, openSink, openStdout } from '../client/output.ts'
import { recordPaths } from '../client/record.ts'
import { observe } from '../client/status.ts'
import { isSavedNow } from '../client/suspended.ts'
import type { LogsFlags } from '../commands/logs.ts'
import { tellError } from '../explain.ts'
import { parseMoment } from '../parse/moment.ts'
import { parseWhole } from '../parse/number.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

const pollMs = 200

/**
 * Those of several containers come one after the other, or with `--follow` as they come. An error of one does not hide the others. A reader that
 * leaves earlier (`| head`) ends it, which is no failure.
 */
export async function logs(settings: Settings, flags: LogsFlags, names: readonly string[]): Promise<number> {
  const selection = selectionOf(flags)
  let exitCode = 0
  const printed = names.map((name) => async () => {
    try {
      await logsOf(settings, flags, selection, name)
    } catch (error) {
      if (!(error instanceof KataError) || names.length === 1) throw error
      tellError(settings, error)
      exitCode = 1
    }
  })
  try {
    if (flags.follow) await Promise.all(printed.map((print) => print()))
    else for (const print of printed) await print()
  } catch (error) {
    if (!hasReaderLeft(error)) throw error
  }
  return exitCode
}

async function logsOf(
  settings: Settings,
  flags: LogsFlags,
  selection: Selection,
  name: string,
): Promise<void> {
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('LOG_ELSEWHERE', { name })
  const paths = recordPaths(settings.stateDir, record.namespace, record.id)
  if (!hasLog(record, paths)) throw new KataError('LOG_NOT_KEPT', { name })
  const reader = new LogReader(paths.log)
  const printer = new LogPrinter({
    sinks: { stdout: openStdout(), stderr: openSink(2) },
    timestamps: flags.timestamps === true,
    prefix: flags.names ? `${name} ` : '',
  })
  const print = (records: Iterable<LogRecord>) => printer.print(inTime(records, selection))
  const { tail } = selection
  try {
    if (tail === undefined) await print(reader.read())
    else await printer.print(lastLines(reader, tail, isInTime(selection)))
    // A container that is silent has no write that would tell that the reader has gone.
    while (flags.follow && hasReader(1) && !isOver(selection) && !(await hasEnded(settings, name))) {
      await sleep(pollMs)
      await print(reader.read())
    }
    // What it wrote at its very end; lines that came while the first were printed are no more of the last ones.
    if (flags.follow) await print(reader.read())
  } finally {
    reader.close()
  }
}

function selectionOf({ tail, since, until }: LogsFlags): Selection {
  const all = tail === undefined || tail === 'all' || tail === '-1'
  return {
    tail: all ? undefined : parseWhole(tail, '--tail', 0, Number.MAX_SAFE_INTEGER),
    since: since === undefined ? undefined : parseMoment(since, '--since'),
    until: until === undefined ? undefined : parseMoment(until, '--until'),
  }
}

/** Nothing that comes now is wanted any more. */
const isOver = ({ until }: Selection): boolean => until !== undefined && until < Date.now()

/** Then the log has all of it: its shim writes it before it tells the end. */
async function hasEnded(settings: Settings, name: string): Promise<boolean> {
  try {
    const record = findRecord(settings, name)
    const { status } = await observe(record)
    return (status === 'stopped' || status === 'dead') && !isSavedNow(settings, record)
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return true
    throw error
  }
}
