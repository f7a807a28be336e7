/** The configuration by the tables that its keys stand in. */
import type { Config } from './config.ts'
import type { KeySpec, Sections } from './key-spec.ts'

export const sectionsOf = ({ hypervisor, agent, runtime, factory }: Config): Sections => ({
  hypervisor,
  runtime,
  factory,
  'agent.kata': agent,
})

/** The value of a key. */
export function present(sections: Sections, { table, field }: KeySpec): unknown {
  return (sections[table] as unknown as Record<string, unknown>)[field]
}
