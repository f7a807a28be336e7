import { posix } from 'node:path'

/** An absolute path by its name, without `.`, `..`, doubled slashes and one at the end. Links are not looked at. */
export const normalPath = (path: string): string => posix.normalize(path).replace(/(?<=.)\/$/, '')
