/** The unknown keys of one file: a slip that takes a wall away is an error, and any other a warning. */
import type { Logger } from '../log.ts'
import type { TomlFile } from './files/toml-file.ts'
import type { KnownKeys } from './known-keys.ts'
import { quoteValue } from './value-types.ts'
import { wallGuard } from './wall-keys.ts'

/** How many unknown keys of a file are named. */
const mostNamed = 100

export interface UnknownKeys {
  /** `meant` says what may have been meant. @throws KataError CONFIG_WALL_MISSPELLED, CONFIG_UNSUPPORTED; see {@link wallGuard} */
  add(path: readonly string[], value: unknown, meant: () => string | undefined): void
  /** After the last. */
  end(): void
}

/** A file may have thousands: the first are named, with what may have been meant, and the others counted. */
export function unknownKeys(source: TomlFile, known: KnownKeys, warn: Logger['warn']): UnknownKeys {
  const { file, lineOf } = source
  let count = 0
  let requireNothingMeant: ReturnType<typeof wallGuard> | undefined
  return {
    add(path, value, meant) {
      // Most files have none.
      requireNothingMeant ??= wallGuard(known, (where) => `${file}:${lineOf(where)}`)
      requireNothingMeant(path, value)
      count++
      if (count > mostNamed) return
      const name = meant()
      const hint = name === undefined ? '' : `; did you mean ${name}?`
      const key = quoteValue(path.join('.'))
      warn(`unknown configuration key ${key} has no effect${hint}`, { file, line: lineOf(path) })
    },
    end() {
      if (count > mostNamed)
        // A text is told once, and another file has keys of its own.
        warn(`${count - mostNamed} more unknown configuration keys of ${file} have no effect`, {
          file,
        })
    },
  }
}
