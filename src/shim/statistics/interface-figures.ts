import { plainText } from '../../plain-text.ts'
import type { NetworkStats } from '../../protocol/generated/agent.ts'

/** The longest name of a network interface (IFNAMSIZ), characters. The guest chooses it, and it becomes a label. */
const longestName = 15

/** The figures of a guest's interfaces, as both versions of the metrics have them. */
export const interfaceFigures = (stats: readonly NetworkStats[]): NetworkStats[] =>
  stats.map((one) => ({ ...one, name: plainText(one.name, longestName) }))
