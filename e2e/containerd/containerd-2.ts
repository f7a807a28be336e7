/** Where containerd 2 is for the tests. The containerd of Debian 13 is 1.7. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** Its programs; `npm test` fetches them where it can. */
export const containerd2 = resolve(import.meta.dir, '../../build/containerd-2/usr/bin')
export const hasContainerd2 = existsSync(`${containerd2}/containerd`)
if (!hasContainerd2) console.log('skipped: there is no containerd 2, which `npm test` could not fetch')
