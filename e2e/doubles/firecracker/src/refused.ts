/** What is wrong with a request, in the real program's words. */
import { open } from 'syscalls'
import { deserialize } from './deserialize.ts'
import { osError } from './machine.ts'

/** A request that fails as the real program's would. */
export class Refused extends Error {}

export const invalidPath = (method: string, path: string) =>
  new Refused(`Invalid request method and/or path: ${method} ${path}.`)

export function sameId<T>(id: string, body: T, field: keyof T): T {
  if (!/^[A-Za-z0-9_]+$/.test(id))
    throw new Refused('API Resource IDs can only contain alphanumeric characters and underscores.')
  if (body[field] === id) return body
  throw new Refused('The id from the path does not match the id from the body!')
}

export function readable(path: string, what: string): number {
  try {
    return open(path, 0, 0)
  } catch (error) {
    throw new Refused(`Boot source error: The ${what} file cannot be opened: ${osError(error)}`)
  }
}

/** What goes wrong in `act` is refused, behind these words. */
export function within<T>(what: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new Refused(`${what}: ${(error as Error).message}`)
  }
}

export function parse<T>(body: string, type: string): T {
  try {
    return deserialize<T>(body, type)
  } catch (error) {
    throw new Refused(
      `An error occurred when deserializing the json body of a request: ${(error as Error).message}.`,
    )
  }
}
