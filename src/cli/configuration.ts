/** The configuration for commands that a person types. */
import type { Config } from '../config/config.ts'
import { lenientUidRange, type UidRangeKeys } from '../config/files/lenient-uid-range.ts'
import { loadConfig } from '../config/load.ts'
import { describeError } from '../errors.ts'
import { createLogger, type LogSink } from '../log.ts'
import type { Settings } from './settings.ts'

/** Loads the configuration, and prints each warning as a line of plain text. @throws KataError CONFIG_* */
export function loadForPerson({ env, tell }: Settings, file: string | undefined): Config {
  const sink: LogSink = ({ message, fields }) => {
    const place = fields.file === undefined ? '' : `${fields.file}:${fields.line}: `
    tell(`warning: ${place}${message}`)
  }
  return loadConfig({ file, env, log: createLogger({ sink }) })
}

/** For cleaning up, which no configuration may stop. From a refused or broken file it takes what can be read. */
export function uidRangeForPerson(settings: Settings, file: string | undefined): UidRangeKeys {
  try {
    const { rootlessUidBase: base, rootlessUidBlocks: blocks } = loadForPerson(settings, file).hypervisor
    return { base, blocks }
  } catch (error) {
    const range = lenientUidRange({ file, env: settings.env })
    settings.tell(
      `warning: the configuration is ignored, user ids are looked for in ${range.blocks} blocks from ${range.base}: ${describeError(error)}`,
    )
    return range
  }
}
