/** How Firecracker's API differs from others. */
import type { ApiDialect } from '../../http/api.ts'

export const firecrackerApi: ApiDialect = {
  prefix: '/',
  reasonIn: (body) => {
    if (typeof body !== 'object' || body === null || !('fault_message' in body)) return undefined
    return String(body.fault_message)
  },
}
