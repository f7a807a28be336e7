/** Firecracker, or its double, by itself: no jailer, no driver; asked by bytes. */

import { eventually } from '../kata.ts'
import { type Answered, askApi } from './ask-api.ts'

export interface Alone extends AsyncDisposable {
  /** On a connection of its own. */
  ask(asked: Pick<Answered, 'request' | 'body'>): Promise<Pick<Answered, 'head' | 'answer'>>
}

export async function startAlone(path: string, apiSocket: string): Promise<Alone> {
  const child = Bun.spawn([path, '--api-sock', apiSocket], { stdio: ['ignore', 'ignore', 'ignore'] })
  const ask: Alone['ask'] = (asked) => askApi(apiSocket, asked, spaced)
  const isThere = () => ask({ request: 'GET /', body: null }).catch(() => undefined)
  await eventually('the API', isThere)
  return {
    ask,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** JSON as the recorder wrote it: answers tell in which column a fault is. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
    .join(', ')}}`
}
