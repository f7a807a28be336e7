/** A copy of a double is a double, whatever its name. */
import { existsSync, readFileSync } from 'node:fs'

/** Stands in the C of each (native/double.c, jailer/jailer.c), and so in its file. */
const marker = 'kata-ts: this is a double, not the real program'

export const isDouble = (path: string): boolean => existsSync(path) && readFileSync(path).includes(marker)
