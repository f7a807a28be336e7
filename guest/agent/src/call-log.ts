/** Says on the console which calls come and how they end, for whoever looks for a fault (`agent.log=debug`). */
import type { Service } from '../../../src/ttrpc/ttrpc.ts'
import { describe } from './errors.ts'

/** Calls that come for every piece of output and for every look at the agent's health: too many to be told. */
const untold = ['ReadStdout', 'ReadStderr', 'WriteStdin', 'Check']

/** The same services, each call told to `say` when it begins and when it ends. */
export function tellCalls(services: readonly Service[], say: (line: string) => void): Service[] {
  return services.map(({ name, methods }) => ({
    name,
    methods: new Map(
      [...methods].map(([called, served]) => {
        if (untold.includes(called)) return [called, served]
        const { handler } = served
        const told: typeof handler = async (request, context) => {
          const since = Date.now()
          const end = (how: string) => say(`${called}: ${how} (${Date.now() - since} ms)`)
          say(called)
          try {
            const answer = await handler(request, context)
            end('ok')
            return answer
          } catch (error) {
            end(describe(error))
            throw error
          }
        }
        return [called, { ...served, handler: told }]
      }),
    ),
  }))
}
