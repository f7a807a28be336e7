/** How Cloud Hypervisor's API differs from others. */
import type { ApiDialect } from '../../http/api.ts'

export const clhApi: ApiDialect = {
  prefix: '/api/v1/',
  /** A list of errors, each the cause of the one before. */
  reasonIn: (body) => (Array.isArray(body) ? body.map(String).join(': ') : undefined),
}
