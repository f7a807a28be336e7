/** Whether two configurations ask for the same, wherever they were read. */
import { isEqual } from '../json/is-equal.ts'
import type { Config } from './config.ts'

export function isSameConfig(one: Config, other: Config): boolean {
  const asked = ({ source: _source, dropIns: _dropIns, ...all }: Config) => all
  return isEqual(asked(one), asked(other))
}
